"""A prior on volumes, shapes and orientations."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from mixtures._checks import as_float, check_positive
from mixtures._rotations import UniformRotation
from mixtures.priors.base import AbstractPrior, Layout, Sites
from mixtures.priors.parts import check_distribution, describe_distribution, expand, means_given


class Decomposed(AbstractPrior):
    """Priors on volumes, shapes and orientations, for covariance models that share those separately.

    Σ_k = λ_k Q_k diag(exp a_k) Q_kᵀ; log shapes a ~ zero-sum normal(shape_sd), rotations Q uniform,
    μ_k | Σ_k ~ N(mean, Σ_k / shrinkage), weights ~ Dirichlet(concentration).

    Parameters
    ----------
    mean
        Prior mean of the component means, shape (D,), in data units.
    volume
        Distribution of one volume λ, the geometric mean of the principal variances, in squared data units.
    shape_sd
        Standard deviation of the logarithms of the principal variances about their mean.
    shrinkage
        Prior observations behind `mean`, κ > 0.
    concentration
        Dirichlet concentration of the weights, one number for all components.

    Notes
    -----
    The density is in (weights, means, λ, a, Q), with respect to the uniform measure of rotations for Q.
    """

    mean: Float[Array, " D"]
    volume: dist.Distribution
    shape_sd: Float[Array, ""]
    shrinkage: Float[Array, ""]
    concentration: Float[Array, ""]

    def __init__(self, mean, volume, shape_sd=1.0, shrinkage=0.01, concentration=1.0):
        """Store every number as an array, so that changing one never recompiles."""
        self.mean = jnp.atleast_1d(as_float("mean", mean))
        self.volume = check_distribution("volume", volume, "scale")
        self.shape_sd = as_float("shape_sd", shape_sd)
        self.shrinkage = as_float("shrinkage", shrinkage)
        self.concentration = as_float("concentration", concentration)

    def __check_init__(self):
        """Refuse hyperparameters of the wrong shape or sign."""
        if self.mean.ndim != 1:
            raise ValueError(f"mean must have shape (D,), got shape {self.mean.shape}.")
        for name in ("shape_sd", "shrinkage", "concentration"):
            check_positive(name, getattr(self, name))

    def sites(self, layout: Layout) -> Sites:
        """Dirichlet weights, volumes, log shapes, rotations, and means given them."""
        if "volumes" not in layout.slots:
            raise ValueError(
                "priors.Decomposed needs a covariance model that shares volumes, shapes or orientations; "
                "use priors.Conjugate or priors.Independent for this one."
            )
        num_features = layout.slots["means"].shape[1]
        if self.mean.shape != (num_features,):
            raise ValueError(f"mean must have shape ({num_features},) for these data, got {self.mean.shape}.")
        shapes = dist.ZeroSumNormal(self.shape_sd, (num_features,))
        each = {"volumes": self.volume, "log_shapes": shapes, "orientations": UniformRotation(num_features)}
        parts = {n: expand(one, layout.slots[n].shape) for n, one in each.items() if n in layout.slots}
        return {
            "weights": lambda _: dist.Dirichlet(jnp.full(layout.slots["weights"].block, self.concentration)),
            **{name: (lambda _, d=d: d) for name, d in parts.items()},
            "means": lambda values: means_given(layout.spreads(values), self.mean, self.shrinkage),
        }

    def describe(self) -> dict[str, object]:
        """State the hyperparameters in data units."""
        values = {name: getattr(self, name).tolist() for name in ("mean", "shape_sd", "shrinkage", "concentration")}
        return {"name": "decomposed", "volume": describe_distribution(self.volume), **values}
