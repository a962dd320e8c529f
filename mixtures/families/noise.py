"""Gaussian components beside one that takes rows from anywhere: a uniform noise component."""

from collections.abc import Sequence
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, Real
from numpyro.distributions import constraints

from mixtures._checks import as_float, as_rows, is_traced
from mixtures._kernel import Frame, Groups, Quadratics, Rows, Sums
from mixtures.families.base import AbstractParams, FreeEstimate
from mixtures.families.gaussian import Gaussian, GaussianParams
from mixtures.families.moments import Moments
from mixtures.priors import Layout, Slot

_FIRST_WEIGHT = 0.1  # of noise where EM starts


class GaussianWithNoise(Gaussian):
    """Gaussian components and a uniform density over a box, for rows that belong to none of them.

    The weights then have K + 1 entries, noise last, and so have responsibilities; means and covariances have K. The
    density of noise is one over the box's volume everywhere, so rows outside the box are given too much of it (Banfield
    and Raftery 1993, section 5; Fraley and Raftery 2002, section 5.3).

    Parameters
    ----------
    covariance
        As for `Gaussian`.
    low, high
        Corners of the box, (D,), in data units.

    Raises
    ------
    ValueError
        If `covariance` is no covariance model, or the box has no volume.
    """

    low: Float[Array, " D"]
    high: Float[Array, " D"]

    def __init__(self, covariance: str, low, high):
        super().__init__(covariance)
        self.low, self.high = (jnp.atleast_1d(as_float(name, side)) for name, side in (("low", low), ("high", high)))
        if self.low.ndim != 1 or self.low.shape != self.high.shape:
            raise ValueError(f"low and high must have shape (D,), got {self.low.shape} and {self.high.shape}.")
        if not is_traced(self.low, self.high) and not (np.asarray(self.high) > np.asarray(self.low)).all():
            raise ValueError("high must exceed low in every feature, so that the box has a volume.")

    @staticmethod
    def for_data(x: Real[ArrayLike, "N *D"], covariance: str = "full") -> "GaussianWithNoise":
        """Noise over the range of the data, (N,) or (N, D)."""
        x = as_rows(x)
        return GaussianWithNoise(covariance, jnp.nanmin(x, axis=0), jnp.nanmax(x, axis=0))

    def num_weights(self, num_components: int) -> int:
        """K and one."""
        return num_components + 1

    def layout(self, num_components: int, num_features: int) -> Layout:
        """Those of the components, with one more weight."""
        if num_features != len(self.low):
            raise ValueError(f"The noise box has {len(self.low)} features, but the data have {num_features}.")
        inner = super().layout(num_components, num_features)
        return inner._replace(slots=inner.slots | {"weights": Slot(constraints.simplex, (), (num_components + 1,))})

    def num_parameters(self, num_components: int, num_features: int) -> int:
        """One more, for the weight of noise; mclust counts the box's volume as another."""
        return super().num_parameters(num_components, num_features) + 1

    def _log_density(self, observed: Float[Array, "*G D"]) -> Float[Array, " *G"]:
        """Log density of noise in the observed features."""
        return -(observed @ jnp.log(self.high - self.low))

    def quadratics(self, params: AbstractParams, frame: Frame, groups: Groups | None) -> Quadratics:
        """Those of the components, and one without curvature."""
        params = cast(GaussianParams, params)
        q = super().quadratics(_components(params), frame, groups)
        if groups is None:
            constant = self._log_density(jnp.ones_like(self.low))
        else:
            known = groups.component
            constant = self._log_density(groups.observed.astype(self.low.dtype))
            constant = jnp.where((known < 0) | (known == len(q.mean)), constant, -jnp.inf)
        return Quadratics(
            jnp.concatenate([q.constant, (jnp.log(params.weights[-1]) + constant)[..., None]], axis=-1),
            jnp.pad(q.mean, ((0, 1), (0, 0))),
            jnp.pad(q.factor, [(0, 1) if axis == q.constant.ndim - 1 else (0, 0) for axis in range(q.factor.ndim)]),
        )

    def moments(self, params: AbstractParams, mean: Float[Array, "W D"], sums: Sums, rows: Rows) -> Moments:
        """Those of the components, and what noise claims."""
        components, count = _components(cast(GaussianParams, params)), mean.shape[0] - 1
        found = super().moments(components, mean[:count], sums.of_first(count), rows)
        return eqx.tree_at(lambda m: m.others, found, jnp.sum(sums.count[..., count:]).reshape(1), is_leaf=_is_none)

    def expected_log_density(self, params: AbstractParams, moments: Moments) -> Float[Array, ""]:
        """With the log density of what noise claims."""
        params = cast(GaussianParams, params)
        assert moments.others is not None
        noise = jnp.log(params.weights[-1]) + self._log_density(jnp.ones_like(self.low))
        return super().expected_log_density(_components(params), moments) + moments.others[0] * noise

    def impute(self, params: AbstractParams, rows: Rows) -> tuple[Float[Array, "N D"], Float[Array, "N D"]]:
        """Averaged over components and noise, whose features are independent and uniform."""
        params, frame = cast(GaussianParams, params), rows.frame
        mean, covariance = self.standard_normals(_components(params), frame)
        middle = ((self.low + self.high) / 2 - frame.loc) / frame.scale
        spread = jnp.diag(((self.high - self.low) / frame.scale) ** 2 / 12)
        both = jnp.concatenate([mean, middle[None]]), jnp.concatenate([covariance, spread[None]])
        return self.impute_from(params, rows, *both)

    def start(
        self, weights: Float[Array, " K"], means: Float[Array, "K D"], covariances: Float[Array, "K D D"]
    ) -> GaussianParams:
        """The components as without noise, and a tenth of the rows for it."""
        inner = super().start(weights, means, covariances)
        weights = jnp.append((1 - _FIRST_WEIGHT) * weights, _FIRST_WEIGHT)
        return GaussianParams(weights, inner.means, inner.spread, self.covariance)

    def free_estimates(self, num_components: int, columns: Sequence[str]) -> list[FreeEstimate]:
        """With the weight of noise; a single component then has a weight too."""
        inner = [one for one in super().free_estimates(num_components, columns) if one.key != "weights"]
        weights = [FreeEstimate(f"weights[{k + 1}]", "weights", (k,), "unit interval") for k in range(num_components)]
        noise = FreeEstimate("weights[noise]", "weights", (num_components,), "unit interval", noise=True)
        return [*weights, noise, *inner]

    def marginal_densities(self, params: AbstractParams, feature: int, grid: Float[Array, " G"]) -> Float[Array, " G"]:
        """With the uniform density of noise inside its box."""
        params, low, high = cast(GaussianParams, params), self.low[feature], self.high[feature]
        noise = jnp.where((grid >= low) & (grid <= high), params.weights[-1] / (high - low), 0.0)
        return super().marginal_densities(_components(params), feature, grid) + noise

    def sample(self, params: AbstractParams, key: Key[Array, ""], num_rows: int) -> tuple[Array, Array]:
        """Rows (num_rows, D), and where each came from: K is noise."""
        params = cast(GaussianParams, params)
        key_noise, key_place, key_inner = jax.random.split(key, 3)
        x, component = super().sample(_components(params), key_inner, num_rows)
        noise = jax.random.bernoulli(key_noise, params.weights[-1], (num_rows,))
        place = jax.random.uniform(key_place, x.shape, x.dtype, self.low, self.high)
        return jnp.where(noise[:, None], place, x), jnp.where(noise, params.means.shape[0], component)


def _is_none(leaf) -> bool:
    return leaf is None


def _components(params: GaussianParams) -> GaussianParams:
    """The components alone, with weights that leave out noise."""
    return GaussianParams(params.weights[..., :-1], params.means, params.spread, params.covariance)
