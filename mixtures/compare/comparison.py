"""`compare`: run every engine on one model and one data set, and weigh the results against each other."""

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from mixtures._cards import Card, Shown
from mixtures._checks import as_rows, check_choice, check_count, check_key, check_type
from mixtures._choices import GUIDES
from mixtures._drivers import OnProgress
from mixtures._numbers import fixed, plus_minus
from mixtures._threads import together
from mixtures.bayes.boundary import admit_model
from mixtures.bayes.nuts import NUTSInfo, fit_nuts, open_checkpoint
from mixtures.bayes.posterior import Posterior
from mixtures.bayes.predictive import PredictiveCheck, check_posterior
from mixtures.bayes.sensitivity import Sensitivity, prior_sensitivity
from mixtures.bayes.vi import VIInfo, fit_vi
from mixtures.compare.agreement import AgreementRow, agreement
from mixtures.compare.calibrate import calibrate
from mixtures.compare.coverage import Calibration
from mixtures.compare.densities import LEVEL, Density, density, thin
from mixtures.compare.intervals import EMIntervals, em_intervals
from mixtures.compare.location import Location, location
from mixtures.compare.partitions import Clustering, Place, clustering, place
from mixtures.compare.prediction import Prediction, predict_fairly
from mixtures.compare.verdict import (
    CHAINS_DISAGREE,
    EM_DEGENERATE,
    EM_NOT_AT_MAXIMUM,
    LABELS_AMBIGUOUS,
    MAX_AMBIGUITY,
    NOT_CONVERGED,
    Verdict,
    judge,
)
from mixtures.data import Data, as_data
from mixtures.em.fit import EMFit, check_fit, fit_em, refuse_unbounded_weights
from mixtures.em.ridge import FloorProfile, floor_profile, refusal
from mixtures.em.uncertainty import StandardErrors, standard_errors
from mixtures.model import Mixture, check_model

if TYPE_CHECKING:
    from pandas import DataFrame

OnStage = Callable[[str], OnProgress | None]

_SIMULATED = 2_000_000  # values of all data sets simulated to check the posterior, and the fewest and most of these
_FEWEST_SETS, _MOST_SETS = 200, 1000
_FEWEST_ROWS = 1000  # of a simulated data set, however many features it has


@dataclass(frozen=True)
class Comparison(Shown):
    """EM (maximum likelihood and MAP), VI and NUTS on the same data, with their agreement and a verdict.

    Label-free first: `density` compares predictives, `place` says where EM's partition lies among the posterior's, and
    `prediction` who describes rows left out better; then `location` of all parameters at once and `agreement` of each,
    with EM's `intervals` by every kind. `sensitivity` and `check` say what the prior decides and what the data have
    that the model lacks. `floor_profile` is there where the likelihood was seen to be unbounded and the covariance
    model can be profiled, and `calibration` where data sets were simulated. `timings` are seconds by stage, compilation
    included; `settings` the key and counts the engines were run with.
    """

    model: Mixture
    data: Data
    ml: EMFit
    map: EMFit
    standard_errors: StandardErrors
    vi: Posterior[VIInfo]
    nuts: Posterior[NUTSInfo]
    agreement: tuple[AgreementRow, ...]
    clustering: Clustering
    density: Density
    place: Place
    location: Location
    intervals: tuple[EMIntervals, ...]
    prediction: Prediction
    sensitivity: Sensitivity
    check: PredictiveCheck
    verdict: Verdict
    timings: dict[str, float]
    settings: dict[str, object]
    floor_profile: FloorProfile | None = None
    calibration: Calibration | None = None

    def card(self) -> Card:
        """The verdict, and every parameter under EM, VI and NUTS; a dash where an engine found nothing to report."""
        rows = [
            (
                row.parameter,
                plus_minus(row.map, row.se) if self.map.status.is_estimate else "–",
                plus_minus(row.vi_mean, row.vi_sd) if self.has_vi_labels else "–",
                plus_minus(row.nuts_mean, row.nuts_sd) if self.shows(row) else "–",
                fixed(row.rhat, 4),
            )
            for row in self.agreement
        ]
        columns = ("parameter", "MAP ± SE", "VI ± sd", "NUTS ± sd", "R-hat")
        return Card(f"EM, VI and NUTS: {self.verdict.level}", self.verdict.reasons, columns, rows)

    @property
    def has_map(self) -> bool:
        """Whether EM ended at a maximum of a bounded posterior density, so that distances from it mean something."""
        return not {EM_DEGENERATE, EM_NOT_AT_MAXIMUM} & set(self.verdict.codes)

    @property
    def has_labels(self) -> bool:
        """Whether NUTS may speak of single components: it converged, and it is clear which is which."""
        return not {NOT_CONVERGED, LABELS_AMBIGUOUS} & set(self.verdict.codes)

    @property
    def has_vi_labels(self) -> bool:
        """Whether VI may speak of single components: it converged, and it is clear which of its components is which."""
        return self.vi.status.is_estimate and not bool(self.vi.relabelling.ambiguity > MAX_AMBIGUITY)

    def shows(self, row: AgreementRow) -> bool:
        """Whether NUTS may speak of this parameter: chains agree about it, and it is clear whose it is."""
        return row.trusted and self.has_labels

    def relates(self, row: AgreementRow) -> bool:
        """Whether EM's estimate of this parameter may be held against NUTS's: both may speak of it."""
        return self.shows(row) and self.has_map

    def to_frame(self) -> "DataFrame":
        """Every parameter under all engines, a row each; NaN where the report holds a number back."""
        from mixtures.report.content import content  # upward, as in `save`: one place says what is held back
        from mixtures.report.tables import as_frame

        return as_frame(content(self))

    def save(self, folder: str | Path) -> Path:
        """Write the report to `folder`, whole or not at all: pages, tables, numbers and draws.

        Raises
        ------
        ValueError
            If the folder cannot be written, or holds anything that this package did not write.
        """
        from mixtures.report import save  # upward: a result knows how to show itself

        return save(self, Path(folder))


def compare(
    model: Mixture,
    x,
    *,
    key: Key[Array, ""],
    num_starts: int = 64,
    guide: str = "full_rank",
    num_warmup: int = 1000,
    num_samples: int = 2000,
    num_chains: int = 4,
    num_simulations: int = 0,
    checkpoint: str | Path | None = None,
    on_stage: OnStage | None = None,
) -> Comparison:
    """Fit a mixture by EM, VI and NUTS, and compare the results.

    Parameters
    ----------
    model
        A mixture with a proper prior.
    x
        Data: an array (N,) or (N, D), a table of pandas, Polars, Arrow or xarray, or `mixtures.data.Data`.
    key
        Random key; the same key gives the same comparison.
    num_starts
        EM starts, for maximum likelihood and for MAP.
    guide
        VI guide: ``"full_rank"``, ``"mean_field"``, ``"laplace"``, ``"flow"`` or ``"pathfinder"``.
    num_warmup, num_samples, num_chains
        NUTS iterations for adaptation and kept, per chain, and chains.
    num_simulations
        Data sets to simulate from the MAP fit, to measure what every method's 89 % intervals cover at this sample size,
        as by `calibrate`; none by default, a few hundred for a result. Each is fitted with less than `x` is, by the
        counts of `calibrate` and not those given here; the result's sentences say with what.
    checkpoint
        A file in which NUTS keeps its state, to be continued from by the same call; as for `fit_nuts`.
    on_stage
        Called with the name of each stage as it begins; returns a progress callback for it, or None.

    Returns
    -------
    Comparison
        Components of all engines in the canonical order of the MAP fit.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    admit_model(model, key)
    check_choice("guide", guide, GUIDES)
    chains = {"num_warmup": num_warmup, "num_samples": num_samples, "num_chains": num_chains}
    counts = {name: check_count(name, count) for name, count in ({"num_starts": num_starts} | chains).items()}
    simulations = check_count("num_simulations", num_simulations, least=0)
    data = as_data(x)
    keys = jax.random.split(key, 6)
    clock = _Clock(on_stage)
    values = jax.numpy.asarray(data.values)
    refuse_unbounded_weights(model, values.shape[1])
    if checkpoint is not None:
        open_checkpoint(checkpoint, model, as_rows(values), keys[3], chains)
    with clock.stage("EM, maximum likelihood") as progress:
        ml = fit_em(model, values, key=keys[0], objective="ml", num_starts=num_starts, on_progress=progress)
    profile = None
    if bool(ml.unbounded) and not refusal(model, values.shape[1]):
        with clock.stage("EM under variance floors"):
            profile = floor_profile(model, values, key=keys[5], fit=ml)
    with clock.stage("EM, MAP") as progress:
        best = fit_em(model, values, key=keys[1], objective="map", num_starts=num_starts, on_progress=progress)
    reference = best.params if best.status.is_estimate else None
    with clock.stage("variational inference") as progress:
        vi = fit_vi(model, values, key=keys[2], guide=guide, reference=reference, on_progress=progress)
    with clock.stage("NUTS") as progress:
        nuts = fit_nuts(
            model,
            values,
            key=keys[3],
            num_warmup=num_warmup,
            num_samples=num_samples,
            num_chains=num_chains,
            reference=reference,
            checkpoint=checkpoint,
            on_progress=progress,
        )
    with clock.stage("comparison"):
        result = compare_fits(model, data, ml=ml, map_fit=best, vi=vi, nuts=nuts, key=keys[4])
    calibration = None
    if simulations and best.status.is_estimate:
        with clock.stage("calibration") as progress:
            calibration = calibrate(
                model,
                len(values),
                jax.random.fold_in(key, 1),
                truth=best.params,
                columns=data.columns,
                guide=guide,
                level=LEVEL,
                num_simulations=simulations,
                on_progress=progress,
            )
    settings = {"key": jax.random.key_data(key).tolist(), "guide": guide, **counts, "num_simulations": simulations}
    return replace(result, timings=clock.seconds, settings=settings, floor_profile=profile, calibration=calibration)


def compare_fits(
    model: Mixture,
    x,
    *,
    ml: EMFit,
    map_fit: EMFit,
    vi: Posterior[VIInfo],
    nuts: Posterior[NUTSInfo],
    key: Key[Array, ""],
) -> Comparison:
    """Compare fits you already have, of the same model to the same data.

    Parameters
    ----------
    model
        The mixture that was fitted.
    x
        The data that were fitted.
    ml, map_fit
        From `fit_em` with ``objective="ml"`` and ``"map"``.
    vi, nuts
        From `fit_vi` and `fit_nuts`, with ``reference=map_fit.params`` so that labels match.
    key
        Random key of the Monte Carlo distances.

    Returns
    -------
    Comparison
        As from `compare`, without timings, settings, floor profile and calibration.

    Raises
    ------
    ValueError
        If `x` is no data, or a fit is not of this model.
    """
    check_key(key)
    check_model(model)
    data = as_data(x)
    values = jax.numpy.asarray(data.values)
    check_fit(model, ml, values, "ml")
    check_fit(model, map_fit, values, "map")
    _check_draws(model, vi=vi, nuts=nuts)
    rows = model.prepare(values)
    vi_draws, nuts_draws = thin(vi), thin(nuts)
    own = jax.random.split(key, 5)
    with together() as begin:  # the longest first
        predicting = begin(predict_fairly, model, values, map_fit, nuts, key=own[3])
        differentiating = begin(standard_errors, model, map_fit, values)
        measuring = begin(density, model, data.values, map_fit.params, vi_draws, nuts_draws, own[0])
        checking = begin(_check, nuts, values, own[4])
        placing = begin(place, model, data.values, map_fit.params, nuts_draws, own[1])
        clusters = begin(clustering, model, rows, map_fit.params, vi_draws, nuts_draws)
        locating = begin(location, model, rows, map_fit.params, vi.params, nuts.params)
        scaling = begin(prior_sensitivity, nuts, data.columns)
        errors = differentiating.result()
        intervals = begin(em_intervals, model, map_fit, errors, values, data.columns, own[2])
        table = agreement(model, map_fit, errors, vi, nuts, data.columns)
    partitions, densities, prediction = clusters.result(), measuring.result(), predicting.result()
    sensitivity, check = scaling.result(), replace(checking.result(), columns=tuple(data.columns))
    verdict = judge(ml, map_fit, errors, vi, nuts, table, partitions, densities, sensitivity, prediction, check)
    caution = nuts.caution or verdict.say(EM_DEGENERATE) or verdict.say(EM_NOT_AT_MAXIMUM)
    of_labels = caution or verdict.say(LABELS_AMBIGUOUS)
    of_all = of_labels or verdict.say(CHAINS_DISAGREE)
    return Comparison(
        model=model,
        data=data,
        ml=ml,
        map=map_fit,
        standard_errors=errors,
        vi=vi,
        nuts=nuts,
        agreement=table,
        clustering=replace(partitions, caution=of_labels),
        density=replace(densities, caution=caution),
        place=replace(placing.result(), caution=caution),
        location=replace(locating.result(), caution=of_all),
        intervals=intervals.result(),
        prediction=prediction,
        sensitivity=sensitivity,
        check=check,
        verdict=verdict,
        timings={},
        settings={},
    )


def _check_draws(model: Mixture, **posteriors: Posterior) -> None:
    for name, posterior in posteriors.items():
        check_type(name, posterior, Posterior, f"draws from fit_{name}")
        if not eqx.tree_equal(posterior.model, model):
            raise ValueError(f"{name} must be of this model; it was fitted with another family, size or prior.")


def _check(nuts: Posterior, values: Float[Array, "N D"], key: Key[Array, ""]) -> PredictiveCheck:
    """A predictive check in seconds: of some rows where there are very many, of which fewer say as much."""
    most = max(_FEWEST_ROWS, _SIMULATED // (_FEWEST_SETS * values.shape[1]))
    sets = _SIMULATED // (min(len(values), most) * values.shape[1])
    return check_posterior(nuts, values, key=key, num_draws=min(max(sets, _FEWEST_SETS), _MOST_SETS), max_rows=most)


class _Clock:
    """Announces stages and records how long each took."""

    def __init__(self, on_stage: OnStage | None):
        self.on_stage, self.seconds = on_stage, {}

    @contextmanager
    def stage(self, name: str):
        begin = time.perf_counter()
        yield None if self.on_stage is None else self.on_stage(name)
        self.seconds[name] = time.perf_counter() - begin
