"""Convergence diagnostics of draws, computed by ArviZ, on parameters and on label-free quantities."""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float

from mixtures._numbers import fixed, plus_minus
from mixtures._status import Status

MAX_RHAT = 1.01  # Vehtari et al. 2021, section 4
MAX_KHAT = 0.7  # Vehtari et al. 2024, section 3.2: importance weights with heavier tails are not to be relied on
MIN_ESS_PER_CHAIN = 100  # Vehtari et al. 2021, section 4: 400 for four chains


@dataclass(frozen=True)
class Summary:
    """Mean, sd and reliability of one quantity; every field has the quantity's own shape.

    `mcse` is of the mean; `rhat` is rank-normalised and split (Vehtari et al. 2021); constants have NaN `rhat`.
    """

    mean: Float[np.ndarray, "..."]
    sd: Float[np.ndarray, "..."]
    mcse: Float[np.ndarray, "..."]
    rhat: Float[np.ndarray, "..."]
    ess_bulk: Float[np.ndarray, "..."]
    ess_tail: Float[np.ndarray, "..."]

    def at(self, entry: tuple[int, ...]) -> "Summary":
        """The summary of one entry."""
        return Summary(*(getattr(self, field.name)[entry] for field in fields(self)))

    @property
    def average(self) -> str:
        """Mean and sd of one entry, as a person reads them."""
        return plus_minus(float(self.mean), float(self.sd))

    @property
    def chains(self) -> tuple[str, str]:
        """R-hat and the smaller ESS of one entry, as a person reads them."""
        return fixed(float(self.rhat), 4), fixed(min(float(self.ess_bulk), float(self.ess_tail)), 0)


@dataclass(frozen=True)
class Diagnostics:
    """Summaries of relabelled parameters and of label-free invariants.

    `max_rhat` and `min_ess` are the worst over the *invariants*, which are sound whatever labels do;
    `max_rhat_parameters` and `min_ess_parameters` are the worst over relabelled parameters.
    """

    parameters: dict[str, Summary]
    invariants: dict[str, Summary]
    divergences: int

    @property
    def max_rhat(self) -> float:
        """Largest R-hat of a label-free quantity."""
        return _worst(np.nanmax, "rhat", self.invariants)

    @property
    def min_ess(self) -> float:
        """Smallest bulk or tail ESS of a label-free quantity."""
        return min(_worst(np.nanmin, name, self.invariants) for name in ("ess_bulk", "ess_tail"))

    @property
    def max_rhat_parameters(self) -> float:
        """Largest R-hat of a relabelled parameter."""
        return _worst(np.nanmax, "rhat", self.parameters)

    @property
    def min_ess_parameters(self) -> float:
        """Smallest bulk or tail ESS of a relabelled parameter."""
        return min(_worst(np.nanmin, name, self.parameters) for name in ("ess_bulk", "ess_tail"))


def judge_chains(diagnostics: Diagnostics, num_chains: int) -> tuple[Status, str]:
    """Whether chains converged on label-free quantities, which are sound whatever labels do, with the numbers."""
    rhat, ess, needed = diagnostics.max_rhat, diagnostics.min_ess, MIN_ESS_PER_CHAIN * num_chains
    numbers = f"Largest R-hat of a label-free quantity {rhat:.4f}, smallest ESS {ess:.0f}"
    if rhat == np.inf:
        return Status.NON_FINITE, "Some draws have no finite density; conclude nothing from them."
    if not np.isfinite(rhat):
        return Status.NOT_CONVERGED, "R-hat cannot be computed from these draws: too few, or all alike; run longer."
    if not rhat <= MAX_RHAT:
        disagree = f"chains disagree (R-hat above {MAX_RHAT}); conclude nothing from them."
        return Status.NOT_CONVERGED, f"{numbers}: {disagree}"
    if not ess >= needed:
        return Status.NOT_CONVERGED, f"{numbers}, fewer than {needed}: too few effective draws; run longer."
    return Status.CONVERGED, f"{numbers}."


def summarise(draws: Float[np.ndarray, "C S ..."]) -> Summary:
    """Summarise draws with leading (chain, draw) axes, entry by entry."""
    from arviz_stats.base import array_stats

    draws = np.asarray(draws, np.float64)
    shape = draws.shape[2:]
    columns = draws.reshape(*draws.shape[:2], -1)
    finite = np.isfinite(columns).all(axis=(0, 1))
    constant = finite & (np.ptp(np.where(finite, columns, 0.0), axis=(0, 1)) == 0)

    def each(function, worst: float) -> np.ndarray:
        # Constants have no R-hat; draws that are not all finite get the worst there is.
        values = [
            worst if not finite[i] else np.nan if constant[i] else function(columns[..., i])
            for i in range(columns.shape[-1])
        ]
        return np.asarray(values, float).reshape(shape)

    def stat(name, worst: float = np.inf, **options):
        return each(lambda a: getattr(array_stats, name)(a, chain_axis=0, draw_axis=1, **options), worst)

    return Summary(
        mean=draws.mean(axis=(0, 1)),
        sd=draws.std(axis=(0, 1), ddof=1),
        mcse=stat("mcse", method="mean"),
        rhat=stat("rhat", method="rank"),
        ess_bulk=stat("ess", 0.0, method="bulk"),
        ess_tail=stat("ess", 0.0, method="tail", prob=(0.05, 0.95)),
    )


def _worst(reduce, name: str, summaries: dict[str, Summary]) -> float:
    values = np.concatenate([np.ravel(getattr(s, name)) for s in summaries.values()])
    return float(reduce(values)) if np.isfinite(values).any() else float("nan")
