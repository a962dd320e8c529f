"""How far EM's and VI's estimates lie from the posterior mean, all parameters at once."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mixtures._cards import Card, Shown
from mixtures._kernel import Rows
from mixtures._numbers import fixed
from mixtures.coordinates import Coordinates
from mixtures.families import AbstractParams
from mixtures.model import Mixture

_DRAWS_PER_COORDINATE = 5  # fewer leave a covariance matrix that says little


@dataclass(frozen=True)
class Location(Shown):
    """Mahalanobis distances from the mean of relabelled posterior draws, in unconstrained coordinates.

    `map` is that of EM's MAP and `vi` of VI's mean, in posterior sds over all `dimension` coordinates together;
    `beyond` is the share of a normal posterior that lies farther out than the MAP. NaN where draws are
    too few or stuck.
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
            f"{self.dimension} dimensions; {self.beyond:.0%} of a normal posterior would lie farther out."
        )

    def card(self) -> Card:
        """How far out the MAP and VI's mean lie."""
        title = "All parameters at once"
        if self.caution:
            return Card(f"{title}: not to be relied on", [self.reason])
        far = f"{fixed(self.map, 1)} posterior sds from the posterior mean, VI’s mean {fixed(self.vi, 1)}"
        return Card(f"{title}: the MAP lies {far}", [self.reason])


def location(model: Mixture, rows: Rows, plug_in: AbstractParams, vi: AbstractParams, nuts: AbstractParams) -> Location:
    """Distances of `plug_in` parameters, and of the mean of VI's draws, from the mean of NUTS's (one leading axis)."""
    point, vi_mean, draws = map(np.asarray, _coordinates(model, rows, plug_in, vi, nuts))
    dimension = draws.shape[1]
    nowhere = Location(float("nan"), float("nan"), dimension)
    if len(draws) < _DRAWS_PER_COORDINATE * dimension:
        return nowhere
    try:
        factor = np.linalg.cholesky(np.atleast_2d(np.cov(draws.T)))
    except np.linalg.LinAlgError:  # chains that are stuck
        return nowhere
    far = [float(np.linalg.norm(np.linalg.solve(factor, p - draws.mean(axis=0)))) for p in (point, vi_mean)]
    return Location(far[0], far[1], dimension)


@eqx.filter_jit
def _coordinates(model: Mixture, rows: Rows, plug_in, vi, nuts) -> tuple[Float[Array, " d"], Float[Array, " d"], Array]:
    coordinates = Coordinates.of(model, rows.frame)
    return (
        coordinates.vector(plug_in),
        jnp.mean(jax.vmap(coordinates.vector)(vi), axis=0),
        jax.vmap(coordinates.vector)(nuts),
    )
