"""Distances and curves of densities: the MAP plug-in beside posterior predictives. No label enters here."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from mixtures._cards import Card, Shown
from mixtures._numbers import plus_minus
from mixtures._trees import map_draws
from mixtures.bayes.posterior import Posterior
from mixtures.families import AbstractParams
from mixtures.model import Mixture

BAND = (0.055, 0.945)  # a central 89 % band, ArviZ's default probability
_MAX_DRAWS = 500  # thinned draws that stand for a posterior predictive density
_NUM_POINTS = 4000  # Monte Carlo points of a Hellinger distance
_GRID_SIZE = 400
_WIDE, _FINE = 1.0, 1500  # margin, in ranges, and points of the grid that distributions are compared on


@dataclass(frozen=True)
class Density(Shown):
    """The MAP plug-in density against posterior predictive densities.

    `grid[d]` are points along feature d, in data units; `map[d]`, `vi[d]` and `nuts[d]` the marginal densities there,
    and `nuts_band[d]` the pointwise central 89 % band of the density under the posterior. Dictionaries have the keys
    ``"vi"`` and ``"nuts"``, and for the Hellinger distance, in [0, 1], of these two ``"vi_nuts"``. `kl` is the
    divergence of the predictive from the plug-in in nats, what a row from the one costs on average if it is described
    by the other; `wasserstein` is that of each feature's marginals, (D,), in sds of the data. Each has its Monte Carlo
    standard error.
    """

    hellinger: dict[str, float]
    hellinger_mcse: dict[str, float]
    kl: dict[str, float]
    kl_mcse: dict[str, float]
    wasserstein: dict[str, Float[np.ndarray, " D"]]
    wasserstein_mcse: dict[str, Float[np.ndarray, " D"]]
    grid: Float[np.ndarray, "D G"]
    map: Float[np.ndarray, "D G"]
    vi: Float[np.ndarray, "D G"]
    nuts: Float[np.ndarray, "D G"]
    nuts_band: Float[np.ndarray, "D 2 G"]
    caution: str = ""  # where NUTS's draws are not to be used

    def card(self) -> Card:
        """How far the MAP density lies from each predictive."""
        title = "Density of the MAP fit"
        if self.caution:
            return Card(f"{title}: not to be relied on", [self.caution])
        found = {
            "Hellinger distance": (self.hellinger, self.hellinger_mcse),
            "Kullback–Leibler divergence, nats": (self.kl, self.kl_mcse),
        }
        rows = [
            (name, *(plus_minus(values[engine], errors[engine]) for engine in ("vi", "nuts")))
            for name, (values, errors) in found.items()
        ]
        farthest = [float(self.wasserstein[engine].max()) for engine in ("vi", "nuts")]
        marginals = ("largest Wasserstein distance of marginals, sds of the data", *farthest)
        return Card(f"{title} against predictives", [], ("distance", "VI", "NUTS"), [*rows, marginals])


def density(
    model: Mixture,
    values: Float[np.ndarray, "N D"],
    plug_in: AbstractParams,
    vi: AbstractParams,
    nuts: AbstractParams,
    key: Key[Array, ""],
) -> Density:
    """Compare the density of `plug_in` parameters with the predictives of draws (one leading axis)."""
    both = {"vi": vi, "nuts": nuts}
    points = {name: log_densities(model, plug_in, draws, key) for name, draws in both.items()}
    costs = {name: kl_divergence(*values) for name, values in points.items()}
    points["vi_nuts"] = log_densities(model, vi, nuts, key)
    near = {name: hellinger(*values) for name, values in points.items()}
    wide, sds = jnp.asarray(grids(values, _WIDE, _FINE)), values.std(axis=0)
    moved = {name: wasserstein(model, plug_in, draws, wide) for name, draws in both.items()}
    grid = jnp.asarray(grids(values))
    (vi_curve, _), (nuts_curve, band) = (predictive_curves(model, draws, grid) for draws in (vi, nuts))
    return Density(
        {name: float(value) for name, (value, _) in near.items()},
        {name: float(error) for name, (_, error) in near.items()},
        {name: float(value) for name, (value, _) in costs.items()},
        {name: float(error) for name, (_, error) in costs.items()},
        {name: np.asarray(value) / sds for name, (value, _) in moved.items()},
        {name: np.asarray(error) / sds for name, (_, error) in moved.items()},
        np.asarray(grid),
        np.asarray(plug_in_curves(model, plug_in, grid)),
        np.asarray(vi_curve),
        np.asarray(nuts_curve),
        np.asarray(band),
    )


def thin(posterior: Posterior, most: int = _MAX_DRAWS) -> AbstractParams:
    """At most `most` evenly spaced draws of all chains, with one leading axis."""
    count = posterior.log_joint.size
    keep = np.linspace(0, count - 1, min(most, count)).astype(int)
    return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(count, *leaf.shape[2:])[keep], posterior.params)


@eqx.filter_jit
def hellinger(log_p: Float[Array, "2 n"], log_q: Float[Array, "2 n"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Hellinger distance between two densities, from `log_densities` of them, with its error.

    H² = 1 − ∫√(p q) = 1 − E_m[√(p q) / m] with m = (p + q)/2, whose integrand lies in [0, 1], so that the error is
    bounded by 1/(2√n) whatever the dimension.
    """
    values = jnp.exp(0.5 * (log_p + log_q) - jnp.logaddexp(log_p, log_q) + jnp.log(2.0))
    squared = jnp.maximum(1.0 - jnp.mean(values), 0.0)
    error = jnp.sqrt(jnp.sum(jnp.var(values, axis=1)) / values.shape[1]) / 2
    distance = jnp.sqrt(squared)
    return distance, error / jnp.maximum(2 * distance, jnp.sqrt(error) + jnp.finfo(error.dtype).tiny)


@eqx.filter_jit
def kl_divergence(log_p: Float[Array, "2 n"], log_q: Float[Array, "2 n"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Kullback–Leibler divergence ∫ q log(q/p) of the second density from the first, likewise, with its error; nats."""
    values = (log_q - log_p)[1]
    return jnp.mean(values), jnp.std(values) / jnp.sqrt(len(values))


def log_densities(
    model: Mixture, first: AbstractParams, second: AbstractParams, key: Key[Array, ""]
) -> tuple[Float[Array, "2 n"], Float[Array, "2 n"]]:
    """Log densities of two predictives, each at points from the first and points from the second.

    Either is the density of one set of parameters, or the mean over draws (one leading axis).
    """
    both = first, second
    x = jnp.concatenate([_points(model, p, k) for p, k in zip(both, jax.random.split(key), strict=True)])
    log_p, log_q = (_log_predictive(model, params, x).reshape(2, -1) for params in both)
    return log_p, log_q


def _as_draws(params: AbstractParams) -> AbstractParams:
    """One set of parameters as a single draw."""
    return params if params.weights.ndim > 1 else jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], params)


@eqx.filter_jit
def _points(model: Mixture, params: AbstractParams, key: Key[Array, ""]) -> Float[Array, "n D"]:
    """Half of all points, from draws in equal parts."""
    draws = _as_draws(params)
    num_draws = draws.weights.shape[0]
    per_draw = -(-(_NUM_POINTS // 2) // num_draws)
    x = jax.vmap(lambda d, k: model.sample(d, k, per_draw)[0])(draws, jax.random.split(key, num_draws))
    return x.reshape(num_draws * per_draw, -1)[: _NUM_POINTS // 2]


@eqx.filter_jit
def _log_predictive(model: Mixture, params: AbstractParams, x: Float[Array, "n D"]) -> Float[Array, " n"]:
    log_each = map_draws(lambda draw: model.log_prob(draw, x), _as_draws(params), len(x) * model.num_components)
    return jax.nn.logsumexp(log_each, axis=0) - jnp.log(log_each.shape[0])


@eqx.filter_jit
def wasserstein(
    model: Mixture, plug_in: AbstractParams, draws: AbstractParams, grid: Float[Array, "D G"]
) -> tuple[Float[Array, " D"], Float[Array, " D"]]:
    """First Wasserstein distance of each feature's marginals, ∫|F − G| over the grid, with the error of the draws."""
    step = jnp.diff(grid, axis=1)

    def distribution(params):
        densities = jnp.stack([model.family.marginal_densities(params, d, points) for d, points in enumerate(grid)])
        return jnp.cumsum((densities[:, 1:] + densities[:, :-1]) / 2 * step, axis=1)

    each = map_draws(distribution, draws, grid.size * model.num_components)  # (S, D, G − 1)
    gap = jnp.mean(each, axis=0) - distribution(plug_in)
    turned = jnp.einsum("sdg,dg->sd", each, jnp.sign(gap) * step)
    return jnp.sum(jnp.abs(gap) * step, axis=1), jnp.std(turned, axis=0) / jnp.sqrt(each.shape[0])


def grids(values: Float[np.ndarray, "N D"], beyond: float = 0.12, size: int = _GRID_SIZE) -> Float[np.ndarray, "D G"]:
    """For each feature, points from below its least value to above its largest, by a share of its range."""
    low, high = values.min(axis=0), values.max(axis=0)
    margin = beyond * (high - low)
    return np.linspace(low - margin, high + margin, size).T


@eqx.filter_jit
def plug_in_curves(model: Mixture, params: AbstractParams, grid: Float[Array, "D G"]) -> Float[Array, "D G"]:
    """Marginal densities of every feature under one set of parameters."""
    return jnp.stack([model.family.marginal_densities(params, d, points) for d, points in enumerate(grid)])


@eqx.filter_jit
def predictive_curves(
    model: Mixture, draws: AbstractParams, grid: Float[Array, "D G"]
) -> tuple[Float[Array, "D G"], Float[Array, "D 2 G"]]:
    """Marginal predictive densities of every feature, with the central band of the density over draws."""

    def one(d):
        each = map_draws(
            lambda draw: model.family.marginal_densities(draw, d, grid[d]), draws, grid.shape[1] * model.num_components
        )
        return jnp.mean(each, axis=0), jnp.quantile(each, jnp.asarray(BAND), axis=0)

    means, bands = zip(*[one(d) for d in range(grid.shape[0])], strict=True)
    return jnp.stack(means), jnp.stack(bands)
