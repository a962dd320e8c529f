"""A prior under which components learn from each other how wide they are."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from mixtures._checks import as_float, check_positive
from mixtures._distributions import HierarchicalInverseGamma, HierarchicalInverseWishart
from mixtures.priors.base import AbstractPrior, Layout, Sites


class Hierarchical(AbstractPrior):
    """Independent normal means, and covariances around a common scale that is itself unknown and integrated out.

    μ_k ~ N(mean, diag(mean_variance)), weights ~ Dirichlet(concentration). A variance has 1/σ²_k ~ gamma(shape, C) and
    C ~ gamma(hyper_shape, hyper_shape / (shape · variance)); whole covariances have the Wishart forms of these, with
    (D − 1)/2 added to both shapes. Either way E C / shape = `variance`, the inverse of a component's expected precision
    where C is at its mean.

    Parameters
    ----------
    mean, mean_variance
        Prior mean and variances of the component means, (D,), in data units and squared data units.
    variance
        Inverse of a component's expected precision where C is at its mean, in every feature, (D,), squared data
        units.
    shape, hyper_shape
        c and g: the larger, the closer components' variances are to each other, and their scale to `variance`.
    concentration
        Dirichlet concentration of the weights, one number for all components.

    References
    ----------
    S. Richardson and P. J. Green (1997), On Bayesian analysis of mixtures with an unknown number of components, Journal
    of the Royal Statistical Society B 59, 731–792, section 2.4. S. Frühwirth-Schnatter (2006), Finite Mixture and
    Markov Switching Models, section 6.3.2.
    """

    mean: Float[Array, " D"]
    mean_variance: Float[Array, " D"]
    variance: Float[Array, " D"]
    shape: Float[Array, ""]
    hyper_shape: Float[Array, ""]
    concentration: Float[Array, ""]

    def __init__(self, mean, mean_variance, variance, shape=2.5, hyper_shape=0.5, concentration=1.0):
        """Store every number as an array, so that changing one never recompiles."""
        self.mean = jnp.atleast_1d(as_float("mean", mean))
        self.mean_variance = jnp.atleast_1d(as_float("mean_variance", mean_variance))
        self.variance = jnp.atleast_1d(as_float("variance", variance))
        self.shape, self.hyper_shape = as_float("shape", shape), as_float("hyper_shape", hyper_shape)
        self.concentration = as_float("concentration", concentration)

    def __check_init__(self):
        """Refuse hyperparameters of the wrong shape or sign."""
        for name in ("mean", "mean_variance", "variance"):
            if getattr(self, name).shape != self.mean.shape or self.mean.ndim != 1:
                raise ValueError(
                    f"{name} must have shape (D,), as mean has; got {getattr(self, name).shape} and {self.mean.shape}."
                )
        for name in ("mean_variance", "variance", "shape", "hyper_shape", "concentration"):
            check_positive(name, getattr(self, name))

    def sites(self, layout: Layout) -> Sites:
        """Draw weights, covariances and means independently of each other."""
        if "covariances" not in layout.slots:
            raise ValueError(
                "priors.Hierarchical needs a covariance model that shares whole covariances or variances; "
                "use priors.Decomposed for this one."
            )
        slot, shape = layout.slots["covariances"], layout.slots["means"].shape
        if self.mean.shape != shape[1:]:
            raise ValueError(f"mean must have shape {shape[1:]} for these data, got {self.mean.shape}.")
        c, g = self.shape, self.hyper_shape
        if slot.support.event_dim == 2:
            c, g = c + (shape[1] - 1) / 2, g + (shape[1] - 1) / 2
            spread = HierarchicalInverseWishart(c, g, jnp.diag(g / (c * self.variance)), slot.batch)
        else:
            variance = self.variance.reshape(slot.block) if slot.block else jnp.mean(self.variance)
            spread = HierarchicalInverseGamma(c, g, g / (c * variance), slot.batch)
        means = dist.Normal(self.mean, jnp.sqrt(self.mean_variance)).expand(shape).to_event(2)
        return {
            "weights": lambda _: dist.Dirichlet(jnp.full(layout.slots["weights"].block, self.concentration)),
            "covariances": lambda _: spread,
            "means": lambda _: means,
        }

    def describe(self) -> dict[str, object]:
        """State the hyperparameters in data units."""
        names = ("mean", "mean_variance", "variance", "shape", "hyper_shape", "concentration")
        return {"name": "hierarchical", **{name: getattr(self, name).tolist() for name in names}}
