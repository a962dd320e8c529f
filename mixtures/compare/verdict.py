"""The verdict, its rules and their thresholds (those of convergence belong to the engines).

Statements that do not depend on labels come first: a posterior that did not converge is never used, predictive
densities are compared next, and partitions and parameters, which need labels, last.
"""

from dataclasses import dataclass

import numpy as np

from mixtures.bayes.diagnostics import MAX_KHAT, MAX_RHAT
from mixtures.bayes.nuts import NUTSInfo
from mixtures.bayes.posterior import Posterior
from mixtures.bayes.vi import VIInfo
from mixtures.compare.agreement import AgreementRow
from mixtures.compare.densities import Density
from mixtures.compare.partitions import Clustering
from mixtures.em.fit import EMFit
from mixtures.em.uncertainty import StandardErrors

MAX_HELLINGER = 0.2  # densities differ: two normals this far apart are 0.57 sd apart
MIN_ARI = 0.8  # partitions differ
MAX_Z = 1.0  # locations differ: the MAP lies outside the posterior mean ± one posterior sd
WIDTH_RATIOS = (2 / 3, 3 / 2)  # widths differ: a standard error is under 2/3 or over 3/2 of the posterior sd
MAX_AMBIGUITY = 0.05  # parameters are not compared when labels are this uncertain

AGREE = "agree"
LOCATION_ONLY = "agree in location, not in width"
DISAGREE = "disagree"
NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class Verdict:
    """What the comparison concludes, and why.

    `level` is one of ``"agree"``, ``"agree in location, not in width"``, ``"disagree"``, ``"not comparable"``;
    `reasons` are sentences, the deciding ones first.
    """

    level: str
    reasons: tuple[str, ...]


def judge(
    ml: EMFit,
    map_fit: EMFit,
    errors: StandardErrors,
    vi: Posterior[VIInfo],
    nuts: Posterior[NUTSInfo],
    agreement: tuple[AgreementRow, ...],
    clustering: Clustering,
    density: Density,
) -> Verdict:
    """Compare the MAP fit with NUTS, and say what maximum likelihood and VI add or fail at."""
    notes = (*_maximum_likelihood(ml), *_variational(vi, agreement, density))
    obstacles = _obstacles(map_fit, nuts)
    if obstacles:
        return Verdict(NOT_COMPARABLE, (*obstacles, *notes))
    labelled, label_notes = _labels(nuts, agreement)
    differences = (*_densities(density), *(_partitions(clustering) if labelled else ()), *_locations(labelled))
    notes = (*label_notes, *notes)
    if differences:
        return Verdict(DISAGREE, (*differences, *notes))
    if not labelled:
        distance = density.hellinger["nuts"]
        agreed = f"The densities agree (Hellinger distance {distance:.3f}), but no parameter could be compared."
        return Verdict(NOT_COMPARABLE, (agreed, *notes))
    found = _summary(labelled, clustering, density)
    widths = _widths(errors, labelled)
    return Verdict(LOCATION_ONLY if widths else AGREE, (*widths, found, *notes))


def _obstacles(map_fit: EMFit, nuts: Posterior[NUTSInfo]) -> list[str]:
    obstacles = []
    if not map_fit.status.is_estimate:
        obstacles.append(f"EM gave no MAP estimate: {map_fit.summary}")
    elif bool(map_fit.unbounded):
        obstacles.append(
            "The posterior density itself is unbounded under this prior, so the posterior may be improper and no draws "
            f"from it can be trusted; choose a prior that keeps variances from zero. {map_fit.summary}"
        )
    if not nuts.status.is_estimate:
        obstacles.append(f"NUTS did not converge: {nuts.reason}")
    return obstacles


def _labels(
    nuts: Posterior[NUTSInfo], agreement: tuple[AgreementRow, ...]
) -> tuple[tuple[AgreementRow, ...], list[str]]:
    """The rows whose labels and chains may be trusted, and what was left out."""
    ambiguity = float(nuts.relabelling.ambiguity)
    if ambiguity > MAX_AMBIGUITY:
        return (), [f"Component labels are ambiguous ({ambiguity:.0%}), so parameters were not compared one by one."]
    trusted = tuple(row for row in agreement if row.rhat <= MAX_RHAT)
    left_out = [row.parameter for row in agreement if row not in trusted]
    if not left_out:
        return trusted, []
    return trusted, [f"Chains disagree about {', '.join(left_out)}, which were not compared."]


def _densities(density: Density) -> list[str]:
    distance = density.hellinger["nuts"]
    if distance > MAX_HELLINGER:
        return [
            f"The MAP density is a Hellinger distance of {distance:.2f} from the posterior predictive "
            f"(limit {MAX_HELLINGER})."
        ]
    return []


def _partitions(clustering: Clustering) -> list[str]:
    """Needs labels: the posterior's partition comes from responsibilities averaged over relabelled draws."""
    ari = clustering.ari["nuts"]
    return (
        [f"MAP and posterior partitions differ: adjusted Rand index {ari:.2f} (limit {MIN_ARI})."]
        if ari < MIN_ARI
        else []
    )


def _locations(rows: tuple[AgreementRow, ...]) -> list[str]:
    far = sorted((row for row in rows if abs(row.z) > MAX_Z), key=lambda row: -abs(row.z))
    return [f"The MAP of {row.parameter} is {row.z:+.2f} posterior sds from the posterior mean." for row in far[:3]]


def _widths(errors: StandardErrors, rows: tuple[AgreementRow, ...]) -> list[str]:
    if errors.refused:
        return [f"There are no standard errors to compare widths with: {errors.reason}"]
    low, high = WIDTH_RATIOS
    off = [row for row in rows if not low <= row.width_ratio <= high]
    if not off:
        return []
    worst = max(off, key=lambda row: abs(np.log(row.width_ratio)))
    return [
        f"{len(off)} of {len(rows)} standard errors differ from the posterior sd by more than a factor of {high:.3g}; "
        f"the worst is {worst.parameter}, whose standard error is {worst.width_ratio:.2f} of its posterior sd."
    ]


def _summary(rows: tuple[AgreementRow, ...], clustering: Clustering, density: Density) -> str:
    where = (
        f"every MAP lies within {max(abs(r.z) for r in rows):.2f} posterior sds of the posterior mean; " if rows else ""
    )
    return (
        f"EM's MAP and NUTS agree in location: {where}the densities are a Hellinger distance of "
        f"{density.hellinger['nuts']:.3f} apart and the partitions have adjusted Rand index "
        f"{clustering.ari['nuts']:.2f}."
    )


def _maximum_likelihood(ml: EMFit) -> list[str]:
    return [f"Maximum likelihood: {ml.summary}"] if bool(ml.unbounded) or not ml.status.is_estimate else []


def _variational(vi: Posterior[VIInfo], agreement: tuple[AgreementRow, ...], density: Density) -> list[str]:
    if not vi.status.is_estimate:
        return [f"Variational inference is not to be used: {vi.reason}"]
    if vi.info.khat > MAX_KHAT:
        narrow = min(agreement, key=lambda row: row.vi_width_ratio)
        return [
            f"The variational approximation is poor (Pareto k-hat {vi.info.khat:.2f}, limit {MAX_KHAT}): its narrowest "
            f"sd, of {narrow.parameter}, is {narrow.vi_width_ratio:.2f} of NUTS's."
        ]
    return [f"The variational approximation is usable (Pareto k-hat {vi.info.khat:.2f})."]
