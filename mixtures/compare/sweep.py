"""`sweep`: many comparisons in one call, over data sets, numbers of components, covariance models and priors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Key

from mixtures._cards import Card, Shown
from mixtures._checks import check_count, check_key, check_type
from mixtures._files import short_name
from mixtures._numbers import fixed, plus_minus
from mixtures.bayes.diagnostics import MAX_KHAT
from mixtures.bayes.numpyro_model import refuse_flat
from mixtures.compare.comparison import Comparison, OnStage, compare
from mixtures.compare.prediction import MIN_ERRORS
from mixtures.compare.verdict import AGREE, LOCATION_ONLY, WIDTHS_OPEN
from mixtures.data import Data, as_data, check_components
from mixtures.em.fit import refuse_unbounded_weights
from mixtures.em.select import criteria
from mixtures.families import Gaussian, GaussianWithNoise
from mixtures.model import Mixture
from mixtures.priors import AbstractPrior

if TYPE_CHECKING:
    from pandas import DataFrame

Prior = AbstractPrior | Callable[[np.ndarray, Mixture], AbstractPrior] | None
OnCell = Callable[["Case", int, int], OnStage | None]  # the case, its place from 1, and how many there are


class Case(NamedTuple):
    """What one comparison of a sweep is of, by name."""

    data: str
    num_components: int
    covariance: str
    prior: str


@dataclass(frozen=True)
class SweepRow:
    """One comparison in a line; NaN where a number does not exist.

    `bic` is of the maximum-likelihood fit, larger is better; `elpd` the posterior's leave-one-out density of the data
    in nats with the largest Pareto k-hat of its rows, and `elpd_gap` how far it is below the best of the same data,
    with the standard error of that difference from the rows' own; a case whose k-hat exceeds 0.7 is not the best, and
    has no gap. `em_elpd` is EM's by cross-validation, corrected for folds being fitted to fewer rows. `worst_z` and
    `worst_width` are the farthest MAP and standard error from the posterior's, in its sds.
    """

    data: str
    num_components: int
    covariance: str
    prior: str
    verdict: str
    log_likelihood: float
    bic: float
    em_elpd: float
    elpd: float
    elpd_gap: float
    elpd_gap_error: float
    worst_row_khat: float
    worst_z: float
    worst_width: float
    hellinger: float
    adjusted_rand: float
    vi_khat: float
    max_rhat: float
    min_ess: float


@dataclass(frozen=True)
class Sweep(Shown):
    """Comparisons by case, in the order they were made."""

    comparisons: dict[Case, Comparison]

    @property
    def rows(self) -> tuple[SweepRow, ...]:
        """A line for every case."""
        best = {case.data: self._best(case.data) for case in self.comparisons}
        return tuple(_row(case, found, best[case.data]) for case, found in self.comparisons.items())

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the table comes to, data set by data set."""
        return _say_all(self.rows)

    def card(self) -> Card:
        """The verdict on every case, and how far its posterior's prediction is behind the best."""
        found = self.rows
        rows = [
            (
                f"{row.data}, K = {row.num_components}, {row.covariance}, {row.prior}",
                row.verdict,
                plus_minus(row.elpd_gap, row.elpd_gap_error),
                fixed(row.max_rhat, 3),
            )
            for row in found
        ]
        title = f"Sweep: {len(found)} comparisons of EM, VI and NUTS"
        return Card(title, _say_all(found), ("case", "verdict", "behind the best, nats", "R-hat"), rows)

    def to_frame(self) -> "DataFrame":
        """The rows as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    def save(self, folder: str | Path) -> Path:
        """Write a page with small multiples, its numbers, and the report of every case to `folder`.

        Raises
        ------
        ValueError
            If the folder cannot be written, or holds anything that this package did not write.
        """
        from mixtures.report.sweep import save_sweep  # the one upward call: a result knows how to show itself

        return save_sweep(self, Path(folder))

    def _best(self, name: str) -> Comparison | None:
        """The comparison of these data whose posterior predicts best, of those whose score can be relied on."""
        sound = [c for case, c in self.comparisons.items() if case.data == name and _can_be_relied_on(c)]
        return max(sound, key=lambda c: c.prediction.posterior.elpd, default=None)


def sweep(
    data: Any,
    *,
    key: Key[Array, ""],
    num_components: Sequence[int] = (1, 2, 3),
    covariances: Sequence[str] = ("full",),
    priors: Mapping[str, Prior] | None = None,
    noise: bool = False,
    checkpoints: str | Path | None = None,
    on_cell: OnCell | None = None,
    **settings: Any,
) -> Sweep:
    """Compare EM, VI and NUTS in every combination of data set, number of components, covariance model and prior.

    Parameters
    ----------
    data
        What `compare` takes, or a dictionary of these by name.
    key
        Random key; every case has its own from it, by its place among the others.
    num_components
        Numbers of components.
    covariances
        Covariance models, by plain name or by mclust's code.
    priors
        By name: a prior, a function of the data (N, D) and the mixture without a prior that makes one, or None for the
        default one, scaled to the data. Only the last if not given.
    noise
        Whether a uniform density over the range of the data is part of every mixture.
    checkpoints
        A folder, made if missing, in which NUTS keeps a state for every case: the same call then runs no chain again.
    on_cell
        Called as each case begins, with the case, its place from 1, and how many there are; returns what
        `compare` takes as ``on_stage``, or None.
    **settings
        As for `compare`: counts of starts, draws and chains, the guide, and simulations.

    Returns
    -------
    Sweep
        A comparison for every case.

    Raises
    ------
    ValueError
        If an argument is wrong; before anything is fitted.
    """
    check_key(key)
    sets = {name: as_data(one) for name, one in _named(data).items()}
    given = {"default": None} if priors is None else dict(priors)
    counts = dict.fromkeys(check_count("num_components", k) for k in num_components)
    names = dict.fromkeys(Gaussian(name).covariance for name in covariances)
    for name, values in (("data", sets), ("num_components", counts), ("covariances", names), ("priors", given)):
        if not values:
            raise ValueError(f"{name} must have at least one entry, got none.")
    models = {
        Case(name, k, covariance, prior): _model(sets[name], k, covariance, given[prior], noise)
        for name, k, covariance, prior in product(sets, counts, names, given)
    }
    if checkpoints is not None:
        Path(checkpoints).mkdir(exist_ok=True)
    found = {}
    for i, (case, model) in enumerate(models.items()):
        on_stage = None if on_cell is None else on_cell(case, i + 1, len(models))
        own = jax.random.fold_in(key, i)
        state = None if checkpoints is None else Path(checkpoints) / f"case-{i + 1}"
        found[case] = compare(model, sets[case.data], key=own, on_stage=on_stage, checkpoint=state, **settings)
    return Sweep(found)


def _named(data: Any) -> dict[str, Any]:
    if isinstance(data, Mapping):
        return {str(name): one for name, one in data.items()}
    one = as_data(data)
    return {short_name(one.source): one}


def _model(data: Data, num_components: int, covariance: str, prior: Prior, noise: bool) -> Mixture:
    """The mixture of one case, or what is wrong with it."""
    check_components(data, num_components)
    family = GaussianWithNoise.for_data(data.values, covariance) if noise else Gaussian(covariance)
    if prior is None:
        return Mixture.for_data(data.values, num_components, family)
    family.layout(num_components, data.values.shape[1])
    made = prior if isinstance(prior, AbstractPrior) else prior(data.values, Mixture(family, num_components))
    check_type("priors", made, AbstractPrior, "one of mx.priors, or a function that makes one")
    model = Mixture(family, num_components, made)
    refuse_flat(model)
    refuse_unbounded_weights(model, data.values.shape[1])
    return model


def _row(case: Case, c: Comparison, best: Comparison | None) -> SweepRow:
    sampled, diagnostics = c.nuts.status.is_estimate, c.nuts.diagnostics
    both, bounded = sampled and c.has_map, sampled and not c.map.unbounded
    gap, error = _behind(c, best) if best is not None and _can_be_relied_on(c) else (np.nan, np.nan)
    related = [row for row in c.agreement if c.relates(row)]
    ratios = np.array([row.width_ratio for row in related if np.isfinite(row.width_ratio)])
    return SweepRow(
        *case,
        verdict=c.verdict.level,
        log_likelihood=float(c.ml.log_likelihood),
        bic=criteria(c.model, c.ml, c.data.values).bic if c.ml.status.is_estimate else np.nan,
        em_elpd=c.prediction.em.corrected.total if c.has_map else np.nan,
        elpd=c.prediction.posterior.elpd if bounded else np.nan,
        elpd_gap=gap,
        elpd_gap_error=error,
        worst_row_khat=float(c.prediction.posterior.khat.max()) if bounded else np.nan,
        worst_z=float(np.max(np.abs([row.z for row in related]))) if related else np.nan,
        worst_width=float(ratios[np.argmax(np.abs(np.log(ratios)))]) if len(ratios) else np.nan,
        hellinger=c.density.hellinger["nuts"] if both else np.nan,
        adjusted_rand=c.clustering.ari["nuts"] if both and c.has_labels else np.nan,
        vi_khat=float(c.vi.info.khat),
        max_rhat=diagnostics.max_rhat,
        min_ess=diagnostics.min_ess,
    )


def _can_be_relied_on(c: Comparison) -> bool:
    """Whether chains agree, of a bounded density, and no row's leave-one-out score is in doubt."""
    return c.nuts.status.is_estimate and not c.map.unbounded and not c.prediction.posterior.doubt


def _behind(c: Comparison, best: Comparison) -> tuple[float, float]:
    """How far a posterior's prediction is behind the best one's, in nats, with the standard error of the difference."""
    first, second = best.prediction.posterior, c.prediction.posterior  # on the same rows, as `predict_fairly` says
    gaps = first.pointwise - second.pointwise
    return first.elpd - second.elpd, float(first.num_rows * gaps.std(ddof=1) / np.sqrt(len(gaps)))


def _say_all(rows: Sequence[SweepRow]) -> tuple[str, ...]:
    names = dict.fromkeys(row.data for row in rows)
    return tuple(_say(name, [row for row in rows if row.data == name]) for name in names)


def _say(name: str, rows: list[SweepRow]) -> str:
    sound = [row for row in rows if row.verdict in (AGREE, LOCATION_ONLY, WIDTHS_OPEN)]
    told = [f"{name}: EM’s MAP agrees with the posterior in location in {len(sound)} of {len(rows)} cases."]
    sampled = [row for row in rows if np.isfinite(row.elpd)]
    predicted = [row for row in sampled if row.worst_row_khat <= MAX_KHAT]
    if len(predicted) > 1:
        best = max(predicted, key=lambda row: row.elpd)
        near = [row for row in predicted if row is not best and row.elpd_gap < MIN_ERRORS * row.elpd_gap_error]
        beside = f"; within two standard errors of it: {', '.join(_case_words(r, rows) for r in near)}" if near else ""
        told.append(f"The posterior of {_case_words(best, rows)} predicts best{beside}.")
    if doubtful := len(sampled) - len(predicted):
        told.append(f"In {doubtful} the leave-one-out score cannot be relied on (Pareto k-hat above {MAX_KHAT}).")
    lost = len(rows) - len(sampled)
    if lost:
        told.append(f"In {lost} the chains did not converge or the density is unbounded, so nothing is said of them.")
    return " ".join(told)


def _case_words(row: SweepRow, rows: list[SweepRow]) -> str:
    """A case by what differs between the rows."""
    varied = [f for f in ("covariance", "prior") if len({getattr(one, f) for one in rows}) > 1]
    return " ".join([f"K = {row.num_components}", *(str(getattr(row, name)) for name in varied)])
