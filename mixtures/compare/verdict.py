"""The verdict, its rules and their thresholds.

Those of convergence belong to the engines, and those of one piece of evidence alone to it: how many errors a difference
in prediction has to be (`prediction.py`), and what the prior and simulated data have to show (`bayes/sensitivity.py`,
`bayes/predictive.py`).

Statements that do not depend on labels come first: a posterior that did not converge is never used, predictive
densities are compared next, and partitions and parameters, which need labels, last.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mixtures._cards import Card, Shown
from mixtures._numbers import fixed, percent, signed
from mixtures.bayes.diagnostics import MAX_KHAT
from mixtures.bayes.nuts import NUTSInfo
from mixtures.bayes.posterior import Posterior
from mixtures.bayes.predictive import PredictiveCheck
from mixtures.bayes.sensitivity import Sensitivity
from mixtures.bayes.vi import VIInfo
from mixtures.compare.agreement import AgreementRow
from mixtures.compare.densities import Density
from mixtures.compare.partitions import Clustering
from mixtures.compare.prediction import MIN_ERRORS, Prediction
from mixtures.em.fit import EMFit
from mixtures.em.uncertainty import Refusal, StandardErrors

# Densities differ. H² = 1 − exp(−δ²/8) for normals δ sds apart: these are 0.57 apart, and overlap by 78 %.
MAX_HELLINGER = 0.2
# Partitions differ. Steinley (2004), Psychological Methods 9, 386–396: recovery above 0.8 is good, above 0.9 excellent.
MIN_ARI = 0.8
# Locations differ. One sd is how far the mode of an exponential distribution, as skewed as few posteriors are, lies
# from its mean. A vague posterior passes: MAX_HELLINGER and MAX_UNCLEAR, which are absolute, and the prior's findings
# speak of that.
MAX_Z = 1.0
# Widths differ. An 89 % interval from a standard error of 2/3 of the posterior sd holds 71 % of a normal posterior, one
# from 3/2 of it 98 %.
WIDTH_RATIOS = (2 / 3, 3 / 2)
# Parameters are not compared. A name that is arbitrary in one draw of ten, and plain in the others, comes to this.
MAX_AMBIGUITY = 0.05
# A row is clear: as sure as a ratio of four to one, which Jeffreys (1961, appendix B) calls substantial (from 3.2).
CLEAR = 0.8
# Groups are not clear: one row in twenty has no component as sure as that. A convention.
MAX_UNCLEAR = 0.05

_MOST_NAMED = 5  # parameters of one sentence
_MOST_FAR = 3  # parameters with a sentence each

AGREE = "agree"
LOCATION_ONLY = "agree in location, not in width"
WIDTHS_OPEN = "agree in location, widths not compared"
DISAGREE = "disagree"
NOT_COMPARABLE = "not comparable"

EM_DEGENERATE = "em-degenerate"
ML_DEGENERATE = "ml-degenerate"
EM_NOT_AT_MAXIMUM = "em-not-at-a-maximum"
NOT_CONVERGED = "posterior-not-converged"
DIFFERENT_MODES = "different-modes"
LOCATIONS = "locations-differ"
WIDTHS = "widths-differ"
WIDTHS_UNKNOWN = "widths-not-compared"
ROWS_UNCLEAR = "rows-unclear"
MISFIT = "model-misfit"
PREDICTION = "prediction-differs"
VI_FAILED = "vi-failed"
VI_POOR = "vi-poor"
VI_NARROW = "vi-too-narrow"
VI_OTHER_MODE = "vi-other-mode"
PRIOR_DOMINATED = "prior-dominated"
PRIOR_CONFLICT = "prior-data-conflict"
LABELS_AMBIGUOUS = "labels-ambiguous"
CHAINS_DISAGREE = "chains-disagree"
IN_AGREEMENT = "agreement"
VI_USABLE = "vi-usable"


class Finding(NamedTuple):
    """One rule that applied: its name, and the sentence with its numbers."""

    code: str
    text: str


@dataclass(frozen=True)
class Verdict(Shown):
    """What the comparison concludes, and why.

    `level`, of EM and NUTS, is one of ``"agree"``, ``"agree in location, not in width"``, ``"agree in location, widths
    not compared"``, ``"disagree"``, ``"not comparable"``; `findings` are the rules that applied, the deciding ones
    first, then those that limit what the level is worth.
    """

    level: str
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The findings' sentences."""
        return tuple(finding.text for finding in self.findings)

    @property
    def codes(self) -> tuple[str, ...]:
        """The findings' names."""
        return tuple(finding.code for finding in self.findings)

    def say(self, code: str) -> str:
        """The sentence of the first finding of this name, or an empty string."""
        return next((finding.text for finding in self.findings if finding.code == code), "")

    def card(self) -> Card:
        """The verdict and its reasons."""
        return Card(f"Verdict: {self.level}", self.reasons)


def judge(
    ml: EMFit,
    map_fit: EMFit,
    errors: StandardErrors,
    vi: Posterior[VIInfo],
    nuts: Posterior[NUTSInfo],
    agreement: tuple[AgreementRow, ...],
    clustering: Clustering,
    density: Density,
    sensitivity: Sensitivity,
    prediction: Prediction,
    check: PredictiveCheck,
) -> Verdict:
    """Compare the MAP fit with NUTS, and say what limits that, and what maximum likelihood and VI are good for."""
    sampled = nuts.status.is_estimate  # asked for once: each time it computes the diagnostics anew
    obstacles = _obstacles(map_fit, errors, nuts, sampled)
    labelled, label_notes = _labels(nuts, agreement) if sampled else ((), [])
    notes = label_notes
    if sampled:
        names = None if _is_ambiguous(nuts) else {row.parameter: row.spoken for row in agreement}
        notes = [*notes, *_misfit(check), *(_unclear(clustering) if names else ()), *_prior(sensitivity, names)]
    if not obstacles:
        notes = [*notes, *_prediction(prediction)]
    notes = (*notes, *_maximum_likelihood(ml), *_variational(vi, sampled, labelled, density))
    if obstacles:
        return Verdict(NOT_COMPARABLE, (*obstacles, *notes))
    differences = (*_densities(density), *(_partitions(clustering) if labelled else ()), *_locations(labelled))
    if differences:
        return Verdict(DISAGREE, (*differences, *notes))
    if not labelled:
        distance = density.hellinger["nuts"]
        agreed = f"The densities agree (Hellinger distance {distance:.3f}), but no parameter could be compared."
        return Verdict(NOT_COMPARABLE, (Finding(IN_AGREEMENT, agreed), *notes))
    found = _summary(labelled, clustering, density)
    widths = _widths(errors, labelled)
    level = WIDTHS_OPEN if errors.refused else LOCATION_ONLY if widths else AGREE
    return Verdict(level, (*widths, found, *notes))


def _obstacles(map_fit: EMFit, errors: StandardErrors, nuts: Posterior[NUTSInfo], sampled: bool) -> list[Finding]:
    obstacles = []
    if not map_fit.status.is_estimate:
        obstacles.append(Finding(EM_DEGENERATE, f"EM gave no MAP estimate: {map_fit.summary}"))
    elif bool(map_fit.unbounded):
        words = (
            "The posterior density itself is unbounded under this prior, so the posterior may be improper and no draws "
            f"from it can be trusted; choose a prior that keeps variances from zero. {map_fit.summary}"
        )
        obstacles.append(Finding(EM_DEGENERATE, words))
    elif int(errors.refusal_code) in (Refusal.INDEFINITE, Refusal.NOT_STATIONARY):
        words = f"EM did not end at a maximum of the posterior density, so it gave no MAP estimate: {errors.reason}"
        obstacles.append(Finding(EM_NOT_AT_MAXIMUM, words))
    if not sampled:
        obstacles.append(Finding(NOT_CONVERGED, f"NUTS did not converge: {nuts.reason}"))
    return obstacles


def _labels(
    nuts: Posterior[NUTSInfo], agreement: tuple[AgreementRow, ...]
) -> tuple[tuple[AgreementRow, ...], list[Finding]]:
    """The rows whose labels and chains may be trusted, and what was left out."""
    if _is_ambiguous(nuts):
        share = float(nuts.relabelling.ambiguity)
        words = f"Component labels are ambiguous ({percent(share)}), so parameters were not compared one by one."
        return (), [Finding(LABELS_AMBIGUOUS, words)]
    trusted = tuple(row for row in agreement if row.trusted)
    left_out = [row.spoken for row in agreement if row not in trusted]
    if not left_out:
        return trusted, []
    return trusted, [Finding(CHAINS_DISAGREE, f"Chains disagree about {_listed(left_out)}, not compared.")]


def _is_ambiguous(posterior: Posterior) -> bool:
    return bool(posterior.relabelling.ambiguity > MAX_AMBIGUITY)


def _densities(density: Density) -> list[Finding]:
    distance = density.hellinger["nuts"]
    if distance <= MAX_HELLINGER:
        return []
    words = (
        f"The MAP density is a Hellinger distance of {distance:.2f} from the posterior predictive "
        f"(limit {MAX_HELLINGER})."
    )
    return [Finding(DIFFERENT_MODES, words)]


def _partitions(clustering: Clustering) -> list[Finding]:
    """Needs labels: the posterior's partition comes from responsibilities averaged over relabelled draws."""
    ari = clustering.ari["nuts"]
    if ari >= MIN_ARI:
        return []
    words = f"MAP and posterior partitions differ: adjusted Rand index {ari:.2f} (limit {MIN_ARI})."
    return [Finding(DIFFERENT_MODES, words)]


def _locations(rows: tuple[AgreementRow, ...]) -> list[Finding]:
    far = sorted((row for row in rows if not abs(row.z) <= MAX_Z), key=lambda row: -abs(row.z))
    first, others = far[:_MOST_FAR], [row.spoken for row in far[_MOST_FAR:]]
    told = [f"The MAP of {row.spoken} is {signed(row.z, 2)} posterior sds from the posterior mean." for row in first]
    if others:
        told.append(f"More than {MAX_Z:g} posterior sd away are also those of {_listed(others)}.")
    return [Finding(LOCATIONS, words) for words in told]


def _widths(errors: StandardErrors, rows: tuple[AgreementRow, ...]) -> list[Finding]:
    if errors.refused:
        words = f"Widths could not be compared, which does not say that they differ: {errors.reason}"
        return [Finding(WIDTHS_UNKNOWN, words)]
    low, high = WIDTH_RATIOS
    off = [row for row in rows if not low <= row.width_ratio <= high]
    if not off:
        return []
    worst = max(off, key=lambda row: abs(np.log(row.width_ratio)))
    words = (
        f"{len(off)} of {len(rows)} standard errors differ from the posterior sd by more than a factor of {high:.3g}; "
        f"the worst is that of {worst.spoken}, {worst.width_ratio:.2f} of its posterior sd."
    )
    return [Finding(WIDTHS, words)]


def _summary(rows: tuple[AgreementRow, ...], clustering: Clustering, density: Density) -> Finding:
    farthest = max(abs(row.z) for row in rows)
    words = (
        f"EM's MAP and NUTS agree in location: every MAP lies within {farthest:.2f} posterior sds of "
        f"the posterior mean; the densities are a Hellinger distance of {density.hellinger['nuts']:.3f} apart and the "
        f"partitions have adjusted Rand index {clustering.ari['nuts']:.2f}."
    )
    return Finding(IN_AGREEMENT, words)


def _misfit(check: PredictiveCheck) -> list[Finding]:
    if check.passed:
        return []
    words = f"Statistics of the data are unlike those of data simulated from the model: {check.reason}"
    return [Finding(MISFIT, words)]


def num_unclear(clustering: Clustering) -> int:
    """Rows that no component claims, under the names by which relabelled draws agree best."""
    return int(np.sum(~(clustering.nuts_responsibilities.max(axis=1) >= CLEAR)))


def _unclear(clustering: Clustering) -> list[Finding]:
    unclear, rows = num_unclear(clustering), len(clustering.nuts_responsibilities)
    if unclear <= MAX_UNCLEAR * rows:
        return []
    words = (
        f"Groups of rows are not clear: {unclear} of {rows} rows have no component with a posterior probability of "
        f"{percent(CLEAR)} or more."
    )
    return [Finding(ROWS_UNCLEAR, words)]


def _prediction(prediction: Prediction) -> list[Finding]:
    """None where a score cannot be relied on."""
    gap, error = prediction.difference, prediction.standard_error
    if prediction.posterior.doubt or not abs(gap) > MIN_ERRORS * error:
        return []
    words = (
        f"{'EM' if gap > 0 else 'The posterior'} predicts rows left out better: EM minus posterior {signed(gap, 2)} ± "
        f"{fixed(error, 2)} nats."
    )
    return [Finding(PREDICTION, words)]


def _prior(sensitivity: Sensitivity, names: dict[str, str] | None) -> list[Finding]:
    """Parameters that move with the prior and hardly with the data, and those that move with both.

    Without names, where labels are ambiguous, only their number is said.
    """
    weak, torn = (
        [names[code] for code in codes] if names else [_counted(len(codes))] * bool(codes)
        for codes in (sensitivity.dominated, sensitivity.conflicting)
    )
    found = []
    if weak:
        words = (
            f"The prior decides {_listed(weak)}: power scaling moves {'it' if len(weak) == 1 else 'them'} with the "
            "prior and hardly with the data, so agreement there says little."
        )
        found.append(Finding(PRIOR_DOMINATED, words))
    if torn:
        words = (
            f"The prior has a say in {_listed(torn)}: power scaling moves {'it' if len(torn) == 1 else 'them'} with "
            "the prior and with the data, which may disagree there, so agreement of the engines says nothing of the "
            "prior."
        )
        found.append(Finding(PRIOR_CONFLICT, words))
    return found


def _counted(count: int) -> str:
    return "one parameter" if count == 1 else f"{count} parameters"


def _listed(names: list[str]) -> str:
    shown, others = names[:_MOST_NAMED], len(names) - _MOST_NAMED
    return ", ".join(shown) + (f" and {others} more" if others > 0 else "")


def _maximum_likelihood(ml: EMFit) -> list[Finding]:
    if not (bool(ml.unbounded) or not ml.status.is_estimate):
        return []
    return [Finding(ML_DEGENERATE, f"Maximum likelihood: {ml.summary}")]


def _variational(
    vi: Posterior[VIInfo], sampled: bool, rows: tuple[AgreementRow, ...], density: Density
) -> list[Finding]:
    """What VI is good for, also by NUTS where that was `sampled`, in the `rows` that may be trusted."""
    if not vi.status.is_estimate:
        return [Finding(VI_FAILED, f"Variational inference is not to be used: {vi.reason}")]
    found, khat = [], vi.info.khat
    if not khat <= MAX_KHAT:
        words = f"The variational approximation is poor (Pareto k-hat {khat:.2f}, limit {MAX_KHAT})."
        found.append(Finding(VI_POOR, words))
    apart = density.hellinger["vi_nuts"]
    if sampled and not apart <= MAX_HELLINGER:
        words = f"VI's predictive is a Hellinger distance of {apart:.2f} from NUTS's (limit {MAX_HELLINGER})."
        found.append(Finding(VI_OTHER_MODE, words))
    narrow = min(rows, key=lambda row: row.vi_width_ratio, default=None)
    if not _is_ambiguous(vi) and narrow is not None and narrow.vi_width_ratio < WIDTH_RATIOS[0]:
        words = f"VI is too narrow: its sd of {narrow.spoken} is {narrow.vi_width_ratio:.2f} of NUTS's."
        found.append(Finding(VI_NARROW, words))
    return found or [Finding(VI_USABLE, f"The variational approximation is usable (Pareto k-hat {khat:.2f}).")]
