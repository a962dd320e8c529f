"""How far EM's and VI's estimates lie from the posterior mean, all parameters at once."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mixtures._cards import Card, Shown
from mixtures._kernel import Rows
from mixtures._numbers import fixed, percent
from mixtures.compare.monte_carlo import effective_size
from mixtures.coordinates import Coordinates
from mixtures.families import AbstractParams
from mixtures.model import Mixture

_DRAWS_PER_COORDINATE = 5  # effective ones; fewer leave a covariance matrix that says little


@dataclass(frozen=True)
class Location(Shown):
    """Mahalanobis distances from the mean of relabelled posterior draws, in unconstrained coordinates.

    `map` is that of EM's MAP and `vi` of VI's mean, in posterior sds over all `dimension` coordinates together;
    `beyond` is the share of a normal posterior that lies farther out than the MAP. NaN where draws are too few or
    stuck.
    """

    map: float
    vi: float
    dimension: int
    caution: str = ""  # where the draws, or the labels of their components, are not to be used

    @property
    def beyond(self) -> float:
        """P(χ² > distance²) with as many degrees of freedom as coordinates."""
        from scipy.stats import chi2

        return float(chi2.sf(self.map**2, self.dimension))

    @property
    def reason(self) -> str:
        """The same in words."""
        if self.caution:
            return self.caution
        if not np.isfinite(self.map):
            return "NUTS's draws are too few, or stuck, to say how far the MAP lies from their mean."
        return (
            f"All parameters at once, the MAP lies {self.map:.1f} posterior sds from the posterior mean in "
            f"{self.dimension} dimensions; {percent(self.beyond)} of a normal posterior would lie farther out."
        )

    def card(self) -> Card:
        """How far out the MAP and VI's mean lie."""
        title = "All parameters at once"
        if self.caution:
            return Card(f"{title}: not to be relied on", [self.reason])
        far = f"{fixed(self.map, 1)} posterior sds from the posterior mean, VI’s mean {fixed(self.vi, 1)}"
        return Card(f"{title}: the MAP lies {far}", [self.reason])


def location(model: Mixture, rows: Rows, plug_in: AbstractParams, vi: AbstractParams, nuts: AbstractParams) -> Location:
    """Distances of `plug_in` parameters, and of the mean of VI's draws, from the mean of NUTS's; (chain, draw) axes.

    The inverse of the covariance matrix of S draws is too large by (S − 1)/(S − d − 2) on average, which is undone
    (Hartlap, Simon and Schneider 2007, eq. 17). S is here the effective number of draws: that of squared coordinates
    which have been made uncorrelated, as it is a covariance matrix whose error matters.
    """
    point, vi_mean, draws = map(np.asarray, _coordinates(model, rows, plug_in, vi, nuts))
    dimension = draws.shape[-1]
    nowhere = Location(float("nan"), float("nan"), dimension)
    centre = draws.mean(axis=(0, 1))
    try:
        factor = np.linalg.cholesky(np.atleast_2d(np.cov(draws.reshape(-1, dimension).T)))
    except np.linalg.LinAlgError:  # too few, or chains that are stuck
        return nowhere
    freed = np.linalg.solve(factor, (draws - centre).reshape(-1, dimension).T).T.reshape(draws.shape)
    size = 1 / np.mean(1 / effective_size(freed**2))
    if not size >= _DRAWS_PER_COORDINATE * dimension:
        return nowhere
    shrink = max(0.0, size - dimension - 2) / (size - 1)
    far = [float(np.sqrt(shrink) * np.linalg.norm(np.linalg.solve(factor, p - centre))) for p in (point, vi_mean)]
    return Location(far[0], far[1], dimension)


@eqx.filter_jit
def _coordinates(
    model: Mixture, rows: Rows, plug_in, vi, nuts
) -> tuple[Float[Array, " d"], Float[Array, " d"], Float[Array, "C S d"]]:
    coordinates = Coordinates.of(model, rows.frame)
    vi_draws, nuts_draws = (jax.vmap(jax.vmap(coordinates.vector))(draws) for draws in (vi, nuts))
    return coordinates.vector(plug_in), jnp.mean(vi_draws, axis=(0, 1)), nuts_draws
