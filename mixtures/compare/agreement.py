"""Every parameter under every engine, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtri

from mixtures.bayes.diagnostics import MAX_RHAT
from mixtures.bayes.nuts import NUTSInfo
from mixtures.bayes.posterior import Posterior
from mixtures.bayes.vi import VIInfo
from mixtures.compare.densities import BAND
from mixtures.em.fit import EMFit
from mixtures.em.uncertainty import StandardErrors
from mixtures.families.base import FreeEstimate
from mixtures.model import Mixture

_Z = float(ndtri(BAND[1]))

Interval = tuple[float, float]


@dataclass(frozen=True)
class AgreementRow:
    """One parameter under all engines; numbers that do not exist are NaN.

    `z` is (MAP − NUTS mean) / NUTS sd and `width_ratio` is SE / NUTS sd. Intervals are central 89 %: the MAP's from its
    standard error on the log scale (variances), logit scale (weights) or as it is (means, covariances); posteriors' by
    quantiles. `overlap` is what the MAP's and NUTS's intervals share, of what they cover together.
    """

    parameter: str
    map: float
    se: float
    vi_mean: float
    vi_sd: float
    nuts_mean: float
    nuts_sd: float
    nuts_mcse: float
    ess: float
    rhat: float
    z: float
    vi_z: float  # (VI mean − NUTS mean) / NUTS sd
    width_ratio: float
    vi_width_ratio: float  # VI sd / NUTS sd
    vi_wasserstein: float  # first Wasserstein distance of VI's draws from NUTS's, in NUTS sds
    overlap: float
    map_interval: Interval
    vi_interval: Interval
    nuts_interval: Interval
    spoken: str = ""  # what a sentence calls it
    caution: str = ""  # where NUTS's draws are not to be used

    @property
    def trusted(self) -> bool:
        """Whether chains agree, on the whole and about this parameter."""
        return not self.caution and self.rhat <= MAX_RHAT


def agreement(
    model: Mixture,
    fit: EMFit,
    errors: StandardErrors,
    vi: Posterior[VIInfo],
    nuts: Posterior[NUTSInfo],
    columns: Sequence[str],
) -> tuple[AgreementRow, ...]:
    """One row for every free parameter, in the family's order."""
    from scipy.stats import wasserstein_distance

    estimates = {name: np.asarray(v, float) for name, v in model.family.estimates(fit.params).items()}
    draws = [model.family.estimates(posterior.params) for posterior in (vi, nuts)]
    vi_draws, nuts_draws = ({name: np.asarray(v, float) for name, v in d.items()} for d in draws)
    summary = nuts.diagnostics.parameters
    rows, caution = [], nuts.caution
    for free in model.free_estimates(columns):
        key, index = free.key, free.entry
        value, se = float(estimates[key][index]), float(errors.values[key][index])
        from_vi, from_nuts = vi_draws[key][(..., *index)], nuts_draws[key][(..., *index)]
        nuts_mean, nuts_sd = float(from_nuts.mean()), float(from_nuts.std(ddof=1)) or float("nan")  # of stuck chains
        vi_mean, vi_sd = float(from_vi.mean()), float(from_vi.std(ddof=1))
        intervals = plug_in_interval(free, value, se), quantile_interval(from_vi), quantile_interval(from_nuts)
        rows.append(
            AgreementRow(
                parameter=free.name,
                map=value,
                se=se,
                vi_mean=vi_mean,
                vi_sd=vi_sd,
                nuts_mean=nuts_mean,
                nuts_sd=nuts_sd,
                nuts_mcse=float(summary[key].mcse[index]),
                ess=float(min(summary[key].ess_bulk[index], summary[key].ess_tail[index])),
                rhat=float(summary[key].rhat[index]),
                z=(value - nuts_mean) / nuts_sd,
                vi_z=(vi_mean - nuts_mean) / nuts_sd,
                width_ratio=se / nuts_sd,
                vi_width_ratio=vi_sd / nuts_sd,
                vi_wasserstein=float(wasserstein_distance(from_vi.ravel(), from_nuts.ravel())) / nuts_sd,
                overlap=interval_overlap(intervals[0], intervals[2]),
                map_interval=intervals[0],
                vi_interval=intervals[1],
                nuts_interval=intervals[2],
                spoken=free.spoken,
                caution=caution,
            )
        )
    return tuple(rows)


def plug_in_interval(free: FreeEstimate, value: float, se: float) -> Interval:
    """Central 89 % interval from a standard error, symmetric on the scale where the parameter is unconstrained."""
    if free.support == "positive":
        half = _Z * se / value
        return float(value * np.exp(-half)), float(value * np.exp(half))
    if free.support == "unit interval" and 0 < value < 1:
        half = _Z * se / (value * (1 - value))
        return float(expit(logit(value) - half)), float(expit(logit(value) + half))
    return float(value - _Z * se), float(value + _Z * se)


def quantile_interval(draws: np.ndarray) -> Interval:
    """Central 89 % interval of draws."""
    low, high = np.quantile(draws, BAND)
    return float(low), float(high)


def interval_overlap(a: Interval, b: Interval) -> float:
    """Length that two intervals share over the length they cover together, in [0, 1]; NaN where either does not exist.

    Jaccard's index: 1 for equal intervals alone, 0 for those that do not meet.
    """
    common = np.maximum(0.0, np.minimum(a[1], b[1]) - np.maximum(a[0], b[0]))
    together = (a[1] - a[0]) + (b[1] - b[0]) - common
    return float(common / together) if together > 0 else float("nan")
