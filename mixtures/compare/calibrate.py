"""`calibrate`: what the intervals of every method cover, measured on data simulated at the reader's own sample size."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from mixtures._checks import check_choice, check_count, check_share, check_type
from mixtures._choices import CALIBRATED
from mixtures._drivers import OnProgress
from mixtures._status import Status
from mixtures.bayes.boundary import admit_model
from mixtures.bayes.diagnostics import MAX_KHAT, Diagnostics
from mixtures.bayes.nuts import NUTSInfo, fit_nuts
from mixtures.bayes.posterior import Posterior
from mixtures.bayes.vi import VIInfo, fit_vi
from mixtures.compare.coverage import Calibration
from mixtures.em.bootstrap import MOST_FAILED, replicates
from mixtures.em.fit import EMFit, fit_em, refuse_unbounded_weights
from mixtures.em.uncertainty import standard_errors
from mixtures.families import AbstractParams
from mixtures.invariants import invariants
from mixtures.labels import relabel
from mixtures.model import Mixture

_CHUNK = 10  # data sets of one compiled call, between two steps of a progress bar
_NUM_STARTS = 16
_REPLICATES = 200
_VI_STARTS, _VI_STEPS, _VI_SAMPLES = 4, 1000, 500

_SCALES: dict[str, tuple[Callable, Callable]] = {
    "positive": (jnp.log, jnp.exp),
    "unit interval": (jax.scipy.special.logit, jax.nn.sigmoid),
    "real": (lambda value: value, lambda value: value),
}


def calibrate(
    model: Mixture,
    num_rows: int,
    key: Key[Array, ""],
    *,
    truth: AbstractParams | None = None,
    num_features: int = 1,
    columns: Sequence[str] | None = None,
    methods: Sequence[str] = CALIBRATED,
    level: float = 0.9,
    num_simulations: int = 500,
    guide: str = "full_rank",
    num_warmup: int = 400,
    num_samples: int = 500,
    num_chains: int = 4,
    on_progress: OnProgress | None = None,
) -> Calibration:
    """Measure what the intervals of every method cover at a sample size, by simulation.

    Every data set is fitted by EM (maximum likelihood and MAP, with each standard error and the bootstrap), VI and
    NUTS, in one compiled program that takes ten data sets a call, one after another: side by side, each transition of
    NUTS would wait for the longest trajectory, which took twice as long on two cores.

    With parameters drawn from the prior, posterior intervals of label-free quantities cover their level exactly (Cook,
    Gelman and Rubin 2006), so a miss is an error; at fixed parameters nothing has to, and what is measured is what can
    be expected there.

    Parameters
    ----------
    model
        A mixture with a proper prior.
    num_rows
        N, rows of each data set.
    key
        Random key; the same key gives the same result.
    truth
        Parameters to simulate from, such as those of a fit; drawn anew from the prior for each data set if not given.
    num_features
        D, where parameters are drawn from the prior.
    columns
        Names of the features, to name quantities by; ``x1``, ``x2``, … if not given.
    methods
        ``"VI"``, ``"NUTS"``, and ``"ML, kind"`` or ``"MAP, kind"``, where kind is observed, opg, sandwich or
        bootstrap; all if not given.
    level
        What the intervals are called.
    num_simulations
        M, data sets.
    guide, num_warmup, num_samples, num_chains
        As for `fit_vi` and `fit_nuts`.
    on_progress
        Called with (data sets done, data sets in all).

    Returns
    -------
    Calibration
        Intervals by standard error are symmetric on the scale where a quantity is unconstrained (log, logit); those of
        the bootstrap, VI and NUTS are between quantiles, and estimates then medians.

    Raises
    ------
    ValueError
        If an argument is wrong, or the model has no prior.

    Notes
    -----
    Each data set is fitted with less than `fit_em` and `fit_vi` do by default: EM from 16 starts, 200 bootstrap
    replicates, VI from 4 starts of 1000 steps, and NUTS with the counts given here. `Calibration.effort` says so. NUTS
    is trusted by the rule of its own status: R-hat and ESS of every label-free quantity, and divergences.
    """
    admit_model(model, key, on_progress)
    check_share("level", level)
    if not methods:
        raise ValueError("methods must name at least one method, got none.")
    for method in methods:
        check_choice("methods", method, CALIBRATED)
    total, rows = check_count("num_simulations", num_simulations), check_count("num_rows", num_rows, least=2)
    if truth is not None:
        check_type("truth", truth, AbstractParams, "parameters such as those of an EM fit")
        num_features = model.family.locations(truth).shape[-1]
    num_features = check_count("num_features", num_features)
    if any(method.startswith("MAP") for method in methods):
        refuse_unbounded_weights(model, num_features)
    names = tuple(f"x{d + 1}" for d in range(num_features)) if columns is None else tuple(columns)
    counts = {"num_warmup": num_warmup, "num_samples": num_samples, "num_chains": num_chains}
    chains = (check_count(name, count) for name, count in counts.items())
    plan = _Plan(rows, num_features, names, tuple(methods), guide, float(level), *chains)
    keys = jax.random.split(key, -(-total // _CHUNK) * _CHUNK).reshape(-1, _CHUNK)
    found = []
    for done, chunk in enumerate(keys, start=1):
        true, fits, vi, nuts = jax.tree.map(np.asarray, _simulate(model, truth, chunk, plan))
        found.append((true, fits, _trusted(fits, vi, nuts)))
        if on_progress is not None:
            on_progress(min(done * _CHUNK, total), total)
    whole = jax.tree.map(lambda *parts: np.concatenate(parts)[:total], *found)
    return _collect(model, plan, *whole, from_prior=truth is None)


class _Plan(NamedTuple):
    """What is done with each data set; all of it is part of the compiled program."""

    num_rows: int
    num_features: int
    columns: tuple[str, ...]
    methods: tuple[str, ...]
    guide: str
    level: float
    num_warmup: int
    num_samples: int
    num_chains: int


class _Quantity(NamedTuple):
    name: str
    support: str


def _quantities(model: Mixture, plan: _Plan) -> tuple[list[_Quantity], int]:
    """What intervals are made for: label-free quantities, then every free parameter."""
    layout = jax.eval_shape(lambda key: model.sample_prior(key, plan.num_features), jax.random.key(0))
    free = jax.eval_shape(lambda p: invariants(model, p), layout)
    names = [name for name in free if model.num_components > 1 or name.startswith(("centre", "widest"))]
    label_free = [_Quantity(name, "unit interval" if name.startswith("weight") else "real") for name in names]
    parameters = [_Quantity(one.name, one.support) for one in model.free_estimates(plan.columns)]
    return [*label_free, *parameters], len(label_free)


def _values(model: Mixture, plan: _Plan, params: AbstractParams) -> Float[Array, " Q"]:
    """Every quantity on the scale where it is unconstrained."""
    quantities, num_label_free = _quantities(model, plan)
    free, estimates = invariants(model, params), model.family.estimates(params)
    values = [free[one.name] for one in quantities[:num_label_free]]
    values += [estimates[one.key][one.entry] for one in model.free_estimates(plan.columns)]
    return jnp.stack([_SCALES[one.support][0](value) for one, value in zip(quantities, values, strict=True)])


class _Interval(NamedTuple):
    estimate: Float[Array, " Q"]
    low: Float[Array, " Q"]
    high: Float[Array, " Q"]


@eqx.filter_jit
def _simulate(model: Mixture, truth: AbstractParams | None, keys: Key[Array, " M"], plan: _Plan):
    """The truth, intervals by method, and what VI and NUTS report of themselves, for each of several data sets."""

    def one(key):
        key_truth, key_rows, *key_fits = jax.random.split(key, 6)
        true = model.sample_prior(key_truth, plan.num_features) if truth is None else truth
        x, _ = model.sample(true, key_rows, plan.num_rows)
        found, vi, nuts = {}, None, None
        for objective, own in (("ML", key_fits[0]), ("MAP", key_fits[1])):
            found |= _by_em(model, plan, true, x, own, objective)
        if "VI" in plan.methods:
            vi = _vi(model, plan, true, x, key_fits[2])
            found["VI"] = _by_draws(model, plan, vi)
        if "NUTS" in plan.methods:
            nuts = _nuts(model, plan, true, x, key_fits[3])
            found["NUTS"] = _by_draws(model, plan, nuts)
        return _values(model, plan, true), found, None if vi is None else vi.info, nuts

    return jax.lax.map(one, keys)


def _by_em(model: Mixture, plan: _Plan, true: AbstractParams, x: Float[Array, "N D"], key: Key[Array, ""], name: str):
    """Intervals of one objective by every kind of standard error that is asked for."""
    kinds = [method.removeprefix(f"{name}, ") for method in plan.methods if method.startswith(f"{name},")]
    if not kinds:
        return {}
    key_fit, key_bootstrap = jax.random.split(key)
    fit = fit_em(model, x, key=key_fit, objective=name.lower(), num_starts=_NUM_STARTS)
    fit = eqx.tree_at(lambda f: f.params, fit, _aligned(model, x, fit.params, true))
    z = jax.scipy.special.ndtri((1 + plan.level) / 2)
    found = {}
    for kind in kinds:
        if kind == "bootstrap":
            found[f"{name}, {kind}"] = _by_bootstrap(model, plan, fit, x, key_bootstrap)
            continue
        value, error = standard_errors(model, fit, x, kind=kind).of(lambda p: _values(model, plan, p))
        found[f"{name}, {kind}"] = _Interval(value, value - z * error, value + z * error)
    return found


def _aligned(model: Mixture, x: Float[Array, "N D"], params: AbstractParams, true: AbstractParams) -> AbstractParams:
    """The same components in the order of those of the truth."""
    single = jax.tree.map(lambda leaf: leaf[None, None], params)
    return jax.tree.map(lambda leaf: leaf[0, 0], relabel(model, model.prepare(x), single, true)[0])


def _by_bootstrap(model: Mixture, plan: _Plan, fit: EMFit, x: Float[Array, "N D"], key: Key[Array, ""]) -> _Interval:
    target = model.for_objective(fit.objective)
    limits = jnp.asarray(1e-6, x.dtype), jnp.int32(1000)
    params, status = replicates(
        target, fit.params, target.prepare(x), key, "nonparametric", _REPLICATES, plan.num_rows, *limits
    )
    values = jax.vmap(lambda p: _values(model, plan, p))(params)
    refused = jnp.mean(status != Status.CONVERGED) > MOST_FAILED
    low, high = (jnp.where(refused, jnp.nan, jnp.nanquantile(values, q, axis=0)) for q in _tails(plan))
    return _Interval(_values(model, plan, fit.params), low, high)


def _vi(model: Mixture, plan: _Plan, true: AbstractParams, x: Float[Array, "N D"], key: Key[Array, ""]):
    return fit_vi(
        model,
        x,
        key=key,
        guide=plan.guide,
        num_starts=_VI_STARTS,
        num_steps=_VI_STEPS,
        num_samples=_VI_SAMPLES,
        reference=true,
    )


def _nuts(model: Mixture, plan: _Plan, true: AbstractParams, x: Float[Array, "N D"], key: Key[Array, ""]):
    return fit_nuts(
        model,
        x,
        key=key,
        num_warmup=plan.num_warmup,
        num_samples=plan.num_samples,
        num_chains=plan.num_chains,
        reference=true,
    )


def _by_draws(model: Mixture, plan: _Plan, posterior: Posterior) -> _Interval:
    values = jax.vmap(jax.vmap(lambda p: _values(model, plan, p)))(posterior.params)
    low_tail, high_tail = _tails(plan)
    levels = jnp.array([low_tail, 0.5, high_tail])
    low, middle, high = jnp.quantile(values.reshape(-1, values.shape[-1]), levels, axis=0)
    return _Interval(middle, low, high)


def _tails(plan: _Plan) -> tuple[float, float]:
    return (1 - plan.level) / 2, (1 + plan.level) / 2


def _collect(
    model: Mixture,
    plan: _Plan,
    true: Float[np.ndarray, "M Q"],
    fits: dict[str, _Interval],
    trusted: dict[str, Bool[np.ndarray, " M"]],
    from_prior: bool,
) -> Calibration:
    """The account of all data sets, on the quantities' own scales."""
    quantities, num_label_free = _quantities(model, plan)

    def back(values) -> Float[np.ndarray, "M Q"]:
        return np.stack([np.asarray(_SCALES[q.support][1](v)) for q, v in zip(quantities, values.T, strict=True)], 1)

    return Calibration(
        tuple(one.name for one in quantities),
        num_label_free,
        back(true),
        {method: back(fits[method].estimate) for method in plan.methods},  # as asked: compiled code sorts names
        {method: back(fits[method].low) for method in plan.methods},
        {method: back(fits[method].high) for method in plan.methods},
        {method: trusted[method] for method in plan.methods},
        plan.level,
        plan.num_rows,
        from_prior,
        _effort(plan),
    )


def _effort(plan: _Plan) -> str:
    """What each data set is fitted with, in a sentence."""
    chains = f"{plan.num_chains} chains of {plan.num_warmup} + {plan.num_samples} iterations"
    parts = {
        ("ML", "MAP"): f"EM from {_NUM_STARTS} starts",
        ("ML, bootstrap", "MAP, bootstrap"): f"{_REPLICATES} bootstrap replicates",
        ("VI",): f"VI ({plan.guide}) from {_VI_STARTS} starts of {_VI_STEPS} steps",
        ("NUTS",): f"NUTS with {chains}",
    }
    told = "; ".join(words for names, words in parts.items() if any(m.startswith(names) for m in plan.methods))
    return f"Each data set: {told}. A fit to the data may do more."


def _trusted(
    fits: dict[str, _Interval], vi: VIInfo | None, nuts: Posterior[NUTSInfo] | None
) -> dict[str, Bool[np.ndarray, " M"]]:
    """Where each method itself raises no doubt about a data set, by the rules by which it judges any fit."""
    trusted = {method: ~np.isnan(fit.low).any(axis=1) for method, fit in fits.items()}
    if vi is not None:
        trusted["VI"] = np.array([_is_sound(one) for one in _each(vi, len(vi.log_weights))])
    if nuts is not None:
        trusted["NUTS"] = np.array([one.status.is_estimate for one in _each(nuts, len(nuts.log_joint))])
    return trusted


def _each(batch, count: int):
    """What an engine says of each of several data sets."""
    for i in range(count):
        yield jax.tree.map(itemgetter(i), batch)


def _is_sound(info: VIInfo) -> bool:
    status, _ = info.judge(Diagnostics({}, {}, info.num_divergences()))
    return bool(status.is_estimate and info.khat <= MAX_KHAT)
