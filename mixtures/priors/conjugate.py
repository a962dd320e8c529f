"""The conjugate prior of Gaussian mixtures."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from mixtures._checks import as_float, check_positive, is_traced
from mixtures.priors.base import AbstractPrior, Layout, Sites
from mixtures.priors.parts import expand, means_given


class Conjugate(AbstractPrior):
    """Normal–inverse-Wishart prior with Dirichlet weights, for Gaussians that share whole covariances or variances.

    μ_k | Σ_k ~ N(mean, Σ_k / shrinkage), Σ_k ~ inverse-Wishart(dof, scale), weights ~ Dirichlet(concentration).
    Diagonal variances are inverse-gamma(dof/2, scale_jj/2) each, a spherical variance inverse-gamma(dof/2, scale/2).

    Parameters
    ----------
    mean
        Prior mean of the component means, shape (D,), in data units.
    shrinkage
        Prior observations behind `mean`, κ > 0.
    dof
        Degrees of freedom ν of the covariances; ν > D − 1.
    scale
        Λ: (D, D) for full and tied, (D,) for diagonal ones, () for spherical ones; squared data units.
    concentration
        Dirichlet concentration of the weights, one number for all components.

    References
    ----------
    C. Fraley and A. E. Raftery (2007), Bayesian regularization for normal mixture estimation and model-based
    clustering, Journal of Classification 24, 155–181, section 3.
    """

    mean: Float[Array, " D"]
    shrinkage: Float[Array, ""]
    dof: Float[Array, ""]
    scale: Float[Array, "..."]
    concentration: Float[Array, ""]

    def __init__(self, mean, scale, dof, shrinkage=0.01, concentration=1.0):
        """Store every number as an array, so that changing one never recompiles."""
        self.mean = jnp.atleast_1d(as_float("mean", mean))
        self.scale = as_float("scale", scale)
        self.dof = as_float("dof", dof)
        self.shrinkage = as_float("shrinkage", shrinkage)
        self.concentration = as_float("concentration", concentration)

    def __check_init__(self):
        """Refuse hyperparameters of the wrong shape or sign."""
        if self.mean.ndim != 1:
            raise ValueError(f"mean must have shape (D,), got shape {self.mean.shape}.")
        check_positive("shrinkage", self.shrinkage)
        check_positive("concentration", self.concentration)
        least = self.mean.shape[0] - 1
        if not is_traced(self.dof) and not np.all(np.asarray(self.dof) > least):
            raise ValueError(f"dof must exceed D − 1 = {least}, got {self.dof}.")
        if self.scale.ndim < 2:
            check_positive("scale", self.scale)
        elif not is_traced(self.scale) and not np.all(np.linalg.eigvalsh(np.asarray(self.scale)) > 0):
            raise ValueError("scale must be a positive definite matrix; it is not.")

    def sites(self, layout: Layout) -> Sites:
        """Dirichlet weights, inverse-Wishart (or inverse-gamma) covariances, and means given the covariances."""
        if "covariances" not in layout.slots:
            raise ValueError(
                "The conjugate prior needs a covariance model that shares whole covariances or variances; "
                "use priors.Decomposed, or one of full, tied, diagonal, tied_diagonal, spherical, tied_spherical."
            )
        slot = layout.slots["covariances"]
        num_features = layout.slots["means"].shape[1]
        if self.mean.shape != (num_features,) or self.scale.shape != slot.block:
            raise ValueError(
                f"For this mixture the conjugate prior needs mean of shape ({num_features},) and scale of shape "
                f"{slot.block}; got {self.mean.shape} and {self.scale.shape}."
            )

        def covariances(_):
            if slot.support.event_dim == 2:
                return expand(dist.InverseWishart(self.dof, scale_matrix=self.scale), slot.shape)
            return expand(dist.InverseGamma(self.dof / 2, self.scale / 2), slot.shape)

        return {
            "weights": lambda _: dist.Dirichlet(jnp.full(layout.slots["weights"].block, self.concentration)),
            "covariances": covariances,
            "means": lambda values: means_given(layout.spreads(values), self.mean, self.shrinkage),
        }

    def describe(self) -> dict[str, object]:
        """State the hyperparameters in data units."""
        values = {name: getattr(self, name).tolist() for name in ("mean", "shrinkage", "dof", "scale", "concentration")}
        return {"name": "conjugate", **values}
