"""Independent priors from any NumPyro distributions."""

import math

import numpy as np
import numpyro.distributions as dist

from mixtures._checks import is_traced
from mixtures._distributions import ScaleCorrelation, Squared
from mixtures.priors.base import AbstractPrior, Layout, Sites, Slot
from mixtures.priors.parts import check_distribution, describe_distribution, expand


class Independent(AbstractPrior):
    """Independent priors on weights, means and spread, from any NumPyro distributions.

    Every component gets the same distribution, so the posterior is symmetric under relabelling.

    Parameters
    ----------
    weights
        Distribution over the K-simplex, e.g. ``dist.Dirichlet(jnp.ones(K))``.
    mean
        Distribution of one component's mean: a scalar one (used for each feature), one of batch shape (D,), or one
        with event shape (D,).
    scale
        Distribution of a standard deviation: scalar, or of batch shape (D,). For full and tied covariances of
        D > 1 features it is joined to `correlation`.
    covariance
        In place of `scale`: distribution of the covariance itself; over D × D matrices for full and tied, of a
        variance otherwise.
    correlation
        With `scale`, for full and tied covariances: distribution over D × D correlation matrices
        (default ``dist.LKJ(D)``, uniform).

    Notes
    -----
    The density is in (weights, means, covariances): a prior on a standard deviation σ enters as p(σ) / 2σ.
    """

    weights: dist.Distribution
    mean: dist.Distribution
    scale: dist.Distribution | None
    covariance: dist.Distribution | None
    correlation: dist.Distribution | None

    def __init__(self, weights, mean, scale=None, covariance=None, correlation=None):
        """Store the distributions with array parameters, so that changing one never recompiles."""
        given = {"weights": weights, "mean": mean, "scale": scale, "covariance": covariance, "correlation": correlation}
        for name, value in given.items():
            setattr(self, name, value if value is None else check_distribution(name, value, name))
        if (scale is None) == (covariance is None):
            raise ValueError("Give exactly one of scale (standard deviations) and covariance.")
        if correlation is not None and scale is None:
            raise ValueError("correlation goes with scale, not with covariance.")

    def sites(self, layout: Layout) -> Sites:
        """Draw weights, covariances and means independently of each other."""
        if "covariances" not in layout.slots:
            raise ValueError(
                "priors.Independent needs a covariance model that shares whole covariances or variances; "
                "use priors.Decomposed for this one."
            )
        slot = layout.slots["covariances"]
        num_components, num_features = layout.slots["means"].shape
        num_weights = layout.slots["weights"].block
        if self.weights.event_shape != num_weights:
            raise ValueError(
                f"weights must be a distribution over {num_weights[0]} weights, "
                f"got event shape {self.weights.event_shape}."
            )
        spread = self._covariances(slot, num_features)
        means = _for_each(self.mean, (num_components, num_features), (num_features,), "mean")
        return {"weights": lambda _: self.weights, "covariances": lambda _: spread, "means": lambda _: means}

    def check(self, num_components: int) -> None:
        """Refuse Dirichlet weights that favour one component over another; noise, which comes last, may differ."""
        if not isinstance(self.weights, dist.Dirichlet) or is_traced(self.weights):
            return
        found = np.asarray(self.weights.concentration)[:num_components]
        if np.ptp(found) > 0:
            raise ValueError(
                f"weights must have one concentration for all components, got {found.tolist()}: components must be "
                "exchangeable; hold what is known of them with with_fixed."
            )

    def _covariances(self, slot: Slot, num_features: int) -> dist.Distribution:
        matrix, shape = slot.support.event_dim == 2, slot.shape
        if self.covariance is not None:
            if matrix and self.covariance.event_shape != (num_features, num_features):
                raise ValueError(
                    f"covariance must be a distribution over {num_features} × {num_features} matrices, "
                    f"got event shape {self.covariance.event_shape}."
                )
            return (
                expand(self.covariance, shape)
                if matrix
                else _for_each(self.covariance, shape, slot.block, "covariance")
            )
        assert self.scale is not None
        if self.correlation is not None and (not matrix or self.correlation.event_shape != (num_features,) * 2):
            raise ValueError(
                "correlation goes with full and tied covariances of several features, as many by as many; got event "
                f"shape {self.correlation.event_shape} for {num_features} features."
            )
        if not matrix:
            return _for_each(Squared(self.scale), shape, slot.block, "scale")
        correlation = self.correlation if self.correlation is not None else dist.LKJ(num_features)
        scales = _for_each(self.scale, (num_features,), (num_features,), "scale")
        return expand(ScaleCorrelation(scales, correlation), shape)

    def describe(self) -> dict[str, object]:
        """Name each distribution with its parameters."""
        given = {name: getattr(self, name) for name in ("weights", "mean", "scale", "covariance", "correlation")}
        return {"name": "independent", **{k: describe_distribution(d) for k, d in given.items() if d is not None}}


def _for_each(one: dist.Distribution, shape: tuple[int, ...], block: tuple[int, ...], name: str) -> dist.Distribution:
    """Spread a scalar distribution, or one over a component's own `block`, over all entries of `shape`."""
    whole = block if math.prod(block) > 1 else (1,)
    allowed = {(): ((), whole), block: ((),)}
    if one.batch_shape not in allowed.get(one.event_shape, ()):
        raise ValueError(
            f"{name} must be one distribution for all components, of shape () or {whole}; got batch shape "
            f"{one.batch_shape} and event shape {one.event_shape}. Components must be exchangeable."
        )
    return expand(one, shape)
