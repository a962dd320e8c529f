"""Distances and curves of densities: the MAP plug-in beside posterior predictives. No label enters here."""

from collections.abc import Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.special import logsumexp

from mixtures._cards import Card, Shown
from mixtures._numbers import plus_minus
from mixtures._trees import flatten_draws, map_draws
from mixtures.bayes.posterior import Posterior
from mixtures.compare.monte_carlo import mean_error
from mixtures.families import AbstractParams
from mixtures.model import Mixture

LEVEL = 0.89  # of intervals and bands, ArviZ's default probability
BAND = (0.055, 0.945)  # its central quantiles
_MAX_DRAWS = 500  # thinned draws that stand for a posterior predictive density
_NUM_POINTS = 2000  # Monte Carlo points from each density
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
    standard error, of the points where densities are compared and of the draws that a predictive is the mean of, which
    depend on each other. That these are finitely many moves the predictives apart too: it adds about d/2N·ESS to `kl`
    and d/8N·ESS to a squared Hellinger distance, for d parameters, N rows and an effective number ESS of draws.
    Predictives are means over `num_draws`, and are compared at `num_points` from each density.
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
    num_draws: dict[str, int]
    num_points: int
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
    """Compare the density of `plug_in` parameters with the predictives of draws, which have (chain, draw) axes."""
    both = {"vi": vi, "nuts": nuts}
    each = dict(zip(("map", *both), log_densities(model, (plug_in, vi, nuts), key), strict=True))
    places = {name: place for place, name in enumerate(each)}

    def at_points_of(one: str, other: str):
        return (each[name][:, :, [places[one], places[other]]] for name in (one, other))

    costs = {name: kl_divergence(*at_points_of("map", name)) for name in both}
    near = {name: hellinger(*at_points_of("map", name)) for name in both}
    near["vi_nuts"] = hellinger(*at_points_of("vi", "nuts"))
    wide, sds = jnp.asarray(grids(values, _WIDE, _FINE)), values.std(axis=0)
    moved = {name: wasserstein(model, plug_in, draws, wide) for name, draws in both.items()}
    grid = jnp.asarray(grids(values))
    (vi_curve, _), (nuts_curve, band) = (predictive_curves(model, draws, grid) for draws in (vi, nuts))
    return Density(
        {name: value for name, (value, _) in near.items()},
        {name: error for name, (_, error) in near.items()},
        {name: value for name, (value, _) in costs.items()},
        {name: error for name, (_, error) in costs.items()},
        {name: value / sds for name, (value, _) in moved.items()},
        {name: error / sds for name, (_, error) in moved.items()},
        np.asarray(grid),
        np.asarray(plug_in_curves(model, plug_in, grid)),
        np.asarray(vi_curve),
        np.asarray(nuts_curve),
        np.asarray(band),
        {name: draws.weights.shape[0] * draws.weights.shape[1] for name, draws in both.items()},
        _NUM_POINTS,
    )


def thin(posterior: Posterior, most: int = _MAX_DRAWS) -> AbstractParams:
    """At most `most` draws, evenly spaced within every chain, with (chain, draw) axes."""
    chains, length = posterior.log_joint.shape
    keep = np.linspace(0, length - 1, min(length, max(1, most // chains))).astype(int)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:, keep], posterior.params)


def hellinger(p: Float[np.ndarray, "C S 2 n"], q: Float[np.ndarray, "B R 2 n"]) -> tuple[float, float]:
    """Hellinger distance between two predictives, with its error, from their draws' densities at points of the two.

    H² = 1 − ∫√(p q) = 1 − E_m[√(p q) / m] with m = (p + q)/2, whose integrand lies in [0, 1], so that the error of n
    points is bounded by 1/(2√n) whatever the dimension. A draw θ moves ∫√(p q) by ½ ∫√(p/q) q_θ to first order, whose
    error over draws comes on top.
    """
    log_p, log_q = _log_mean(p), _log_mean(q)
    with np.errstate(invalid="ignore"):  # NaN where there is no MAP
        log_m = np.logaddexp(log_p, log_q) - np.log(2)
    values = np.exp((log_p + log_q) / 2 - log_m)
    affinity = values.mean()

    def moved(each, log_own):
        shares = np.exp(each - log_own) * (values - affinity * np.exp(log_own - log_m))
        return mean_error(shares.mean(axis=(2, 3)) / 2)

    points = np.sqrt(values.var(axis=1).sum() / values.shape[1]) / 2
    error = float(np.linalg.norm([points, moved(p, log_p), moved(q, log_q)]))
    distance = np.sqrt(max(1.0 - affinity, 0.0))
    return float(distance), float(error / max(2 * distance, np.sqrt(error) + np.finfo(float).tiny))


def kl_divergence(p: Float[np.ndarray, "1 1 2 n"], q: Float[np.ndarray, "C S 2 n"]) -> tuple[float, float]:
    """Kullback–Leibler divergence ∫ q log(q/p) of a predictive from one density, likewise, with its error; nats.

    A draw θ moves it by ∫ q_θ log(q/p) to first order.
    """
    log_q = _log_mean(q)[1]
    values = log_q - p[0, 0, 1]
    moved = np.mean(np.exp(q[:, :, 1] - log_q) * (values - values.mean()), axis=-1)
    return float(values.mean()), float(np.hypot(values.std() / np.sqrt(len(values)), mean_error(moved)))


def _log_mean(each: Float[np.ndarray, "C S 2 n"]) -> Float[np.ndarray, "2 n"]:
    return logsumexp(each, axis=(0, 1)) - np.log(each.shape[0] * each.shape[1])


def log_densities(
    model: Mixture, predictives: Sequence[AbstractParams], key: Key[Array, ""]
) -> list[Float[np.ndarray, "C S M n"]]:
    """Log densities under every draw of M predictives, at n points from the first predictive to n from the last.

    A predictive is one set of parameters, or draws with (chain, draw) axes of which it is the mean.
    """
    shapes = [params.weights.shape[:-1] or (1, 1) for params in predictives]
    flat = [_one_axis(params) for params in predictives]
    each = np.asarray(_all_densities(model, flat, key)).reshape(-1, len(flat), _NUM_POINTS)
    ends = np.cumsum([len(params.weights) for params in flat])[:-1]
    return [one.reshape(*shape, *one.shape[1:]) for one, shape in zip(np.split(each, ends), shapes, strict=True)]


def _one_axis(params: AbstractParams) -> AbstractParams:
    """Draws with one leading axis; one set of parameters is one draw."""
    return jax.tree.map(lambda leaf: leaf[None], params) if params.weights.ndim == 1 else flatten_draws(params)


@eqx.filter_jit
def _all_densities(model: Mixture, predictives: list[AbstractParams], key: Key[Array, ""]) -> Float[Array, "S n"]:
    """In one program, of all draws at all points, each draw giving as many of its predictive's points as any other."""
    draws = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *predictives)
    counts = [len(params.weights) for params in predictives]
    starts = np.cumsum([0, *counts[:-1]])
    origin = [start + np.arange(_NUM_POINTS) * n // _NUM_POINTS for start, n in zip(starts, counts, strict=True)]
    origin = jnp.asarray(np.concatenate(origin))
    size = draws.weights[0].size * model.family.locations(draws).shape[-1] ** 2

    def point(case):
        place, own = case
        return model.sample(jax.tree.map(lambda leaf: leaf[place], draws), own, 1)[0][0]

    x = map_draws(point, (origin, jax.random.split(key, len(origin))), size)
    return map_draws(lambda draw: model.log_prob(draw, x), draws, len(x) * model.num_components)


def wasserstein(
    model: Mixture, plug_in: AbstractParams, draws: AbstractParams, grid: Float[Array, "D G"]
) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " D"]]:
    """First Wasserstein distance of each feature's marginals, ∫|F − G| over the grid, with the error of the draws."""
    distance, turned = map(np.asarray, _wasserstein(model, plug_in, flatten_draws(draws), grid))
    return distance, mean_error(turned.reshape(*draws.weights.shape[:2], -1))


@eqx.filter_jit
def _wasserstein(
    model: Mixture, plug_in: AbstractParams, draws: AbstractParams, grid: Float[Array, "D G"]
) -> tuple[Float[Array, " D"], Float[Array, "S D"]]:
    """The distances, and how far every draw moves them to first order."""
    step = jnp.diff(grid, axis=1)

    def distribution(params):
        densities = jnp.stack([model.family.marginal_densities(params, d, points) for d, points in enumerate(grid)])
        return jnp.cumsum((densities[:, 1:] + densities[:, :-1]) / 2 * step, axis=1)

    each = map_draws(distribution, draws, grid.size * model.num_components)  # (S, D, G − 1)
    gap = jnp.mean(each, axis=0) - distribution(plug_in)
    return jnp.sum(jnp.abs(gap) * step, axis=1), jnp.einsum("sdg,dg->sd", each, jnp.sign(gap) * step)


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
    draws = flatten_draws(draws)

    def one(d):
        each = map_draws(
            lambda draw: model.family.marginal_densities(draw, d, grid[d]), draws, grid.shape[1] * model.num_components
        )
        return jnp.mean(each, axis=0), jnp.quantile(each, jnp.asarray(BAND), axis=0)

    means, bands = zip(*[one(d) for d in range(grid.shape[0])], strict=True)
    return jnp.stack(means), jnp.stack(bands)
