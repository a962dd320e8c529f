"""Synthetic comparisons: hand-made fits and draws, compared by the real code, so that no engine has to run."""

from dataclasses import replace
from functools import cache
from unittest.mock import patch

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import mixtures as mx
from mixtures import datasets
from mixtures._status import Status
from mixtures.bayes.nuts import NUTSInfo
from mixtures.bayes.posterior import Posterior
from mixtures.bayes.vi import VIInfo
from mixtures.compare import Calibration, Comparison, compare_fits, intervals
from mixtures.coordinates import Coordinates
from mixtures.data import Data
from mixtures.em.account import Starts
from mixtures.em.fit import EMFit
from mixtures.em.ridge import FloorProfile
from mixtures.families import GaussianParams
from mixtures.labels import Relabelling
from tests.models import gaussian

NUM_STARTS, CHAINS, DRAWS = 64, 4, 400


@cache
def series() -> Comparison:
    """The 50-point series with its MAP mode: three components, ties, an unbounded likelihood."""
    weights, means = [0.17980958, 0.27170752, 0.5484829], [24.81974936, 38.19894977, 44.32402605]
    variances = jnp.array([0.90643677, 11.31520034, 0.32775827])[:, None, None]
    params = gaussian(jnp.array(weights), jnp.array(means)[:, None], variances, "full")
    return replace(make(datasets.load("timeseries"), params), floor_profile=floor_profile())


@cache
def plane() -> Comparison:
    """Ninety-five rows of two features; the MAP is not a stationary point, so its standard errors are refused."""
    rng = np.random.default_rng(0)
    tril = np.array([[1.0, 0.0], [0.7, 0.5]])
    means = np.array([[0.0, 0.0], [1.0, 6.0], [4.0, 2.0]])
    covariances = np.stack([tril @ tril.T, np.eye(2), np.diag([0.25, 2.25])])
    parts = [rng.multivariate_normal(m, s, n) for m, s, n in zip(means, covariances, (40, 25, 30), strict=True)]
    params = gaussian(jnp.array([0.4, 0.3, 0.3]), jnp.asarray(means), jnp.asarray(covariances), "full")
    return make(Data(np.concatenate(parts), ("length", "width"), "plane.csv"), params)


def floor_profile() -> FloorProfile:
    """An interior maximum of −100 whose smallest variance is 1e-2, and a spike on ten rows that passes it at 1e-4."""
    floors = np.logspace(-8, -1, 29)
    heights = np.maximum(-100.0 - 50.0 * np.maximum(0.0, np.log(floors / 1e-2)), -100.0 - 5.0 * np.log(floors / 1e-4))
    interior, variance = jnp.array(-100.0), jnp.array(1e-2)
    least = np.where((floors > 1e-4) & (floors < 1e-2), 1e-2, floors)
    settled = jnp.ones(29, bool)
    return FloorProfile(*map(jnp.asarray, (floors, heights, least)), settled, interior, variance)


def calibration() -> Calibration:
    """Ten data sets: NUTS holds the truth in nine of them, VI refuses every interval."""
    truth, none = np.zeros((10, 2)), np.full((10, 2), np.nan)
    low = np.full((10, 2), -1.0)
    low[0] = 0.5
    return Calibration(
        ("weight_min", "means[1, y]"),
        1,
        truth,
        {"VI": none, "NUTS": truth + 0.1},
        {"VI": none, "NUTS": low},
        {"VI": none, "NUTS": truth + 1.0},
        {"VI": np.zeros(10, bool), "NUTS": np.ones(10, bool)},
        0.9,
        50,
        from_prior=False,
    )


def make(data: Data, params: GaussianParams) -> Comparison:
    """Compare synthetic fits around `params`."""
    model = mx.Mixture.for_data(jnp.asarray(data.values), params.weights.shape[0], mx.Gaussian(params.covariance))
    result = _compare(
        model,
        data,
        ml=em_fit(model, data, params, collapsed=17),
        map_fit=em_fit(model, data, params),
        vi=posterior(model, data, params, chains=1),
        nuts=posterior(model, data, params, chains=CHAINS),
    )
    return replace(result, timings={"EM, MAP": 0.83, "variational inference": 3.3, "NUTS": 4.7})


def em_fit(model, data: Data, params, collapsed: int = 0) -> EMFit:
    """A fit whose starts ended in two modes, or collapsed onto the most frequent row."""
    log_likelihood, log_joint = _heights(model, params, model.prepare(data.values))
    status = np.full(NUM_STARTS, Status.CONVERGED)
    status[:collapsed] = Status.COLLAPSED
    objective = np.full(NUM_STARTS, float(log_likelihood if collapsed else log_joint))
    objective[-5:] -= 7.9
    ties = data.ties()
    row = ties[0].rows[0] if ties else 0
    starts = Starts(
        jax.tree.map(lambda leaf: jnp.asarray(np.broadcast_to(leaf, (NUM_STARTS, *leaf.shape))), params),
        *map(jnp.asarray, (objective, status, np.full(NUM_STARTS, 40), np.full(NUM_STARTS, 2))),
        jnp.asarray(np.full(NUM_STARTS, row)),
        jnp.asarray(np.broadcast_to(data.values[row], (NUM_STARTS, data.values.shape[1]))),
        jnp.asarray(np.full(NUM_STARTS, len(ties[0].rows) if ties else 1)),
    )
    code = Status.INTERIOR if collapsed else Status.CONVERGED
    return EMFit(
        params, log_likelihood, log_joint, jnp.int32(code), jnp.int32(40), starts, "ml" if collapsed else "map"
    )


@eqx.filter_jit
def _heights(model, params, rows):
    return model.log_likelihood(params, rows), model.log_joint(params, rows)


@eqx.filter_jit
def _draws(model, rows, params, key):
    """Draws normal in unconstrained coordinates, with their densities."""
    coordinates = Coordinates.of(model, rows.frame)
    noise = jax.random.normal(key, (CHAINS, DRAWS, coordinates.size)) * 0.3 / jnp.sqrt(rows.num_rows)
    draws = coordinates.of_draws(coordinates.vector(params) + noise)
    return draws, *jax.vmap(jax.vmap(lambda params: _heights(model, params, rows)))(draws)


def posterior(model, data: Data, params, chains: int) -> Posterior:
    """Independent draws around `params`."""
    found = _draws(model, model.prepare(data.values), params, jax.random.key(chains))
    draws, log_likelihood, log_joint = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[:chains]), found)
    shape = (chains, DRAWS)
    order, later = np.arange(model.num_components), np.arange(DRAWS)[:, None] >= 0.31 * DRAWS
    permutations = np.broadcast_to(np.where(later, order, order[::-1]), (*shape, model.num_components))
    relabelling = Relabelling(jnp.asarray(permutations), jnp.array(0.004))
    zeros = np.zeros(shape)
    told = (zeros > 0, np.full(shape, 7), zeros + 0.85, -np.asarray(log_joint), np.full(chains, 0.4))
    info = NUTSInfo(*map(jnp.asarray, told))
    if chains == 1:
        weights = jnp.asarray(0.3 * np.random.default_rng(9).normal(size=DRAWS))
        info = VIInfo(
            "full_rank",
            jnp.array(-141.32),
            jnp.array(0.05),
            weights,
            jnp.asarray(np.linspace(-150, -141.32, 8)),
            jnp.array(0.0),
            jnp.array(0.01),
        )
    return Posterior(draws, log_likelihood, log_joint, relabelling, info, model)


def unconverged(comparison: Comparison) -> Comparison:
    """The same with one chain on another level, which no average may hide."""
    shift = jnp.zeros((CHAINS, 1)).at[0].set(-40.0)
    log_joint = comparison.nuts.log_joint + shift
    return _again(comparison, nuts=eqx.tree_at(lambda p: p.log_joint, comparison.nuts, log_joint))


def ambiguous(comparison: Comparison, engine: str = "nuts") -> Comparison:
    """The same with draws whose components could as well have other labels."""
    draws = eqx.tree_at(lambda p: p.relabelling.ambiguity, getattr(comparison, engine), jnp.array(0.3))
    return _again(comparison, **{engine: draws})


def raced(comparison: Comparison) -> Comparison:
    """The same after a race: most starts were left behind, and one each was stopped, stalled and lost a component."""
    status = np.full(NUM_STARTS, Status.DROPPED)
    status[:5], status[5:8] = Status.CONVERGED, (Status.MAX_STEPS, Status.STALLED, Status.EMPTY)
    objective = comparison.map.starts.objective.at[3:5].add(-7.0).at[5:8].add(-20.0)
    starts = (jnp.asarray(status), objective)
    best = eqx.tree_at(lambda f: (f.starts.status, f.starts.objective), comparison.map, starts)
    return _again(comparison, map_fit=best)


def degenerate(comparison: Comparison) -> Comparison:
    """The same with every maximum-likelihood start collapsed."""
    nan = jax.tree.map(lambda leaf: leaf * jnp.nan, (comparison.ml.params, jnp.zeros(()), jnp.zeros(())))
    collapsed = jnp.full(NUM_STARTS, int(Status.COLLAPSED))
    ml = eqx.tree_at(
        lambda f: (f.params, f.log_likelihood, f.log_joint, f.status_code, f.starts.status),
        comparison.ml,
        (*nan, jnp.int32(Status.DEGENERATE), collapsed),
    )
    return _again(comparison, ml=ml)


def without_map(comparison: Comparison) -> Comparison:
    """The same with no MAP estimate at all."""
    return _again(comparison, map_fit=replace(degenerate(comparison).ml, objective="map"))


def unbounded(comparison: Comparison) -> Comparison:
    """The same with a posterior density that some starts climbed without end."""
    return _again(comparison, map_fit=replace(comparison.ml, objective="map"))


def poor_vi(comparison: Comparison) -> Comparison:
    """The same with heavy-tailed importance weights."""
    weights = jnp.log(jax.random.pareto(jax.random.key(0), 0.4, (DRAWS,)))
    return _again(comparison, vi=eqx.tree_at(lambda p: p.info.log_weights, comparison.vi, weights))


def without_vi(comparison: Comparison) -> Comparison:
    """The same with a variational fit that came to nothing."""
    vi = jax.tree.map(lambda leaf: leaf * jnp.nan if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, comparison.vi)
    return _again(comparison, vi=eqx.tree_at(lambda p: p.model, vi, comparison.model))


def renamed(comparison: Comparison, *columns: str) -> Comparison:
    """The same data under other column names."""
    return _again(replace(comparison, data=replace(comparison.data, columns=columns)))


def _again(c: Comparison, **fits) -> Comparison:
    given = {"ml": c.ml, "map_fit": c.map, "vi": c.vi, "nuts": c.nuts} | fits
    return replace(_compare(c.model, c.data, **given), floor_profile=c.floor_profile)


def _compare(model, data: Data, **fits) -> Comparison:
    """As `compare_fits`, with fewer bootstrap replicates."""
    with patch.object(intervals, "_REPLICATES", 25):
        return compare_fits(model, data, key=jax.random.key(0), **fits)
