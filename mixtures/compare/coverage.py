"""What intervals covered in a simulation, by method and quantity, and how to say it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from mixtures._cards import Card, Shown
from mixtures._numbers import nominal, percent

if TYPE_CHECKING:
    from pandas import DataFrame

_SURPRISING = 0.001  # probability of a coverage so far from nominal, below which it is said


class CalibrationRow(NamedTuple):
    """How one method did on one quantity.

    `coverage` is the share of intervals that hold the truth, over the `intervals` data sets that have one, with a 95 %
    interval from `low` to `high` for the number of data sets (`wilson`); `trusted` is the same share over those where
    the method itself raises no doubt. `width` is the median width of an interval; `bias` the median of
    estimate − truth.
    """

    method: str
    quantity: str
    coverage: float
    low: float
    high: float
    intervals: int
    trusted: float
    trusted_intervals: int
    width: float
    bias: float


@dataclass(frozen=True)
class Calibration(Shown):
    """Estimates and intervals of every method for every data set simulated, with the truth; NaN where there is none.

    Arrays are (M, Q), data sets by quantities, the first `num_label_free` of which do not depend on labels. Components
    are matched to those of the truth. `trusted[method]` (M,) says where the method raises no doubt: standard errors
    are not refused; VI converged, with a Pareto k-hat of at most 0.7; the status of NUTS is that of an estimate.
    `effort` says in a sentence what each data set was fitted with.
    """

    quantities: tuple[str, ...]
    num_label_free: int
    truth: Float[np.ndarray, "M Q"]
    estimates: dict[str, Float[np.ndarray, "M Q"]]
    lows: dict[str, Float[np.ndarray, "M Q"]]
    highs: dict[str, Float[np.ndarray, "M Q"]]
    trusted: dict[str, Bool[np.ndarray, " M"]]
    level: float
    num_rows: int
    from_prior: bool
    effort: str = ""

    def rows(self) -> list[CalibrationRow]:
        """Coverage, width and bias of each method on each quantity."""
        return [row for method in self.estimates for row in self._rows_of(method)]

    def _rows_of(self, method: str) -> list[CalibrationRow]:
        return [self._row(method, i) for i in range(len(self.quantities))]

    def to_frame(self) -> "DataFrame":
        """The same as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def failed(self, method: str) -> float:
        """Share of data sets for which a method gave no interval."""
        return float(np.isnan(self.lows[method]).any(axis=1).mean())

    @property
    def sentences(self) -> list[str]:
        """What the intervals of each method cover, in words, and with what they were made."""
        total = len(self.truth)
        told = []
        for method in self.estimates:
            rows = [row for row in self._rows_of(method) if row.intervals]
            if not rows:
                told.append(f"{method}: no interval for any of {total} data sets.")
                continue
            worst = min(rows, key=lambda row: row.coverage)
            off = [row for row in rows if is_off(row.coverage, row.intervals, self.level)]
            which = f"{len(off)} of {len(rows)} quantities {'is' if len(off) == 1 else 'are'}" if off else "none is"
            mean = float(np.mean([row.coverage for row in rows]))
            told.append(
                f"{method}: intervals called {nominal(self.level)} cover {percent(mean, 1)} on average, at worst "
                f"{percent(worst.coverage, 1)} ({worst.quantity}; 95 % interval {percent(worst.low, 1)} to "
                f"{percent(worst.high, 1)}); {which} clearly off nominal "
                f"(p < {_SURPRISING:g}){self._doubts(method, rows)}."
            )
        return [*told, self.effort] if self.effort else told

    def _doubts(self, method: str, rows: list[CalibrationRow]) -> str:
        """How often a method doubts itself, and the least that it covers where it does not: what its user sees."""
        doubted = 1 - float(self.trusted[method].mean())
        sure = [row for row in rows if row.trusted_intervals]
        if doubted == 0 or not sure:
            return f"; it doubts itself for {percent(doubted)} of data sets" if doubted else ""
        least = min(sure, key=lambda row: row.trusted)
        return (
            f"; it doubts itself for {percent(doubted)} of data sets, and covers {percent(least.trusted, 1)} at worst "
            f"({least.quantity}) of the other {least.trusted_intervals}"
        )

    def card(self) -> Card:
        """What each method covers, in words and by quantity."""
        methods = list(self.estimates)
        rows = [
            (name, *(self._row(method, i).coverage for method in methods)) for i, name in enumerate(self.quantities)
        ]
        title = f"Coverage of {nominal(self.level)} intervals: {len(self.truth)} data sets of {self.num_rows} rows"
        return Card(title, self.sentences, ("quantity", *methods), rows)

    def _row(self, method: str, i: int) -> CalibrationRow:
        low, high, truth = self.lows[method][:, i], self.highs[method][:, i], self.truth[:, i]
        found, trusted = ~np.isnan(low), self.trusted[method]
        held = (low <= truth) & (truth <= high)
        return CalibrationRow(
            method,
            self.quantities[i],
            _share(held[found]),
            *wilson(int(held[found].sum()), int(found.sum())),
            int(found.sum()),
            _share(held[found & trusted]),
            int((found & trusted).sum()),
            _median(high[found], low[found]),
            _median(self.estimates[method][found, i], truth[found]),
        )


def is_off(coverage: float, intervals: int, level: float) -> bool:
    """Whether a share of so many intervals would be surprising if they covered at their level (binomial test)."""
    from scipy.stats import binomtest

    return bool(binomtest(round(coverage * intervals), intervals, level).pvalue < _SURPRISING)


def wilson(held: int, total: int) -> tuple[float, float]:
    """95 % interval of the probability of an event that happened `held` of `total` times (Wilson 1927).

    Unlike share ± error it keeps its width where the event always happened, or never. NaN where `total` is zero.
    """
    from scipy.stats import binomtest

    if not total:
        return float("nan"), float("nan")
    low, high = binomtest(held, total).proportion_ci(0.95, method="wilson")
    return float(low), float(high)


def _share(held: Bool[np.ndarray, " n"]) -> float:
    return float(held.mean()) if len(held) else float("nan")


def _median(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> float:
    """Of the differences that exist: those of infinite ends do not."""
    ends = np.isfinite(one) & np.isfinite(other)
    return float(np.median(one[ends] - other[ends])) if ends.any() else float("nan")
