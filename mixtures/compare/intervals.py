"""EM's intervals by every uncertainty it offers, to be laid beside those of VI and NUTS."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from mixtures._cards import Card, Shown
from mixtures.compare.agreement import Interval, plug_in_interval
from mixtures.compare.densities import BAND
from mixtures.em.bootstrap import bootstrap
from mixtures.em.fit import EMFit
from mixtures.em.uncertainty import Refusal, StandardErrors, standard_errors
from mixtures.model import Mixture

KINDS = ("observed", "sandwich", "bootstrap")
_REPLICATES = 500
_MOST_WORK = 5e7  # rows × components × replicates of a bootstrap that is still worth waiting for


@dataclass(frozen=True)
class EMIntervals(Shown):
    """Standard errors and central 89 % intervals of every free parameter, by one kind; NaN, with a reason, if refused.

    Intervals of ``"observed"`` and ``"sandwich"`` are symmetric on the log scale (variances), the logit scale (weights)
    or as they are; those of ``"bootstrap"`` lie between percentiles of `num_replicates`, of which the others have none.
    """

    kind: str
    errors: Float[np.ndarray, " Q"]
    intervals: tuple[Interval, ...]
    reason: str
    num_replicates: int = 0

    def card(self) -> Card:
        """The standard errors and intervals, or why there are none."""
        if self.reason:
            return Card(f"EM's intervals, {self.kind}: refused", [self.reason])
        rows = [
            (i + 1, float(error), *ends)
            for i, (error, ends) in enumerate(zip(self.errors, self.intervals, strict=True))
        ]
        title = f"EM's intervals, {self.kind}: available"
        return Card(title, [], ("free parameter", "standard error", "5.5 %", "94.5 %"), rows)


def em_intervals(
    model: Mixture,
    fit: EMFit,
    observed: StandardErrors,
    x: Float[Array, "N D"],
    columns: Sequence[str],
    key: Key[Array, ""],
) -> tuple[EMIntervals, ...]:
    """Every kind's intervals, in the order of `model.free_estimates`; `observed` are the errors of that kind."""
    sandwich = standard_errors(model, fit, x, kind="sandwich")
    symmetric = [
        _symmetric(kind, model, fit, errors, columns) for kind, errors in zip(KINDS, (observed, sandwich), strict=False)
    ]
    refusal = _no_bootstrap(model, fit, observed, len(x))
    if refusal:
        nothing, count = float("nan"), len(model.free_estimates(columns))
        return *symmetric, EMIntervals(KINDS[-1], np.full(count, nothing), ((nothing, nothing),) * count, refusal)
    return *symmetric, _between_percentiles(model, fit, x, columns, key)


def _symmetric(kind: str, model: Mixture, fit: EMFit, found: StandardErrors, columns: Sequence[str]) -> EMIntervals:
    free, estimates = model.free_estimates(columns), model.family.estimates(fit.params)
    errors = np.array([float(found.values[one.key][one.entry]) for one in free])
    values = [float(estimates[one.key][one.entry]) for one in free]
    intervals = [plug_in_interval(*each) for each in zip(free, values, errors, strict=True)]
    return EMIntervals(kind, errors, tuple(intervals), found.reason)


def _between_percentiles(model: Mixture, fit: EMFit, x, columns: Sequence[str], key: Key[Array, ""]) -> EMIntervals:
    repeated = bootstrap(model, fit, x, key=key, num_replicates=_REPLICATES)
    errors = np.array([float(repeated.values[one.key][one.entry]) for one in model.free_estimates(columns)])
    low, high = repeated.interval(lambda p: _free(model, p, columns), BAND[1] - BAND[0])
    intervals = tuple(zip(low.tolist(), high.tolist(), strict=True))
    return EMIntervals(KINDS[-1], errors, intervals, repeated.reason, _REPLICATES)


def _no_bootstrap(model: Mixture, fit: EMFit, observed: StandardErrors, num_rows: int) -> str:
    if not fit.status.is_estimate:
        return "There is no estimate to repeat."
    if fit.unbounded:
        return "The objective is unbounded, so there is no estimate to repeat."
    if int(observed.refusal_code) in (Refusal.INDEFINITE, Refusal.NOT_STATIONARY):
        return observed.reason
    if num_rows * model.num_components * _REPLICATES > _MOST_WORK:
        return f"{_REPLICATES} replicates of {num_rows} rows would take long; mx.bootstrap runs them."
    return ""


def _free(model: Mixture, params, columns: Sequence[str]) -> Float[Array, " Q"]:
    estimates = model.family.estimates(params)
    return jax.numpy.stack([estimates[one.key][one.entry] for one in model.free_estimates(columns)])
