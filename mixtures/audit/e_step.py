"""The E-step at known parameters: which hypothesis about it reproduces its numbers."""

from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from mixtures.audit import probes
from mixtures.audit.findings import Finding
from mixtures.audit.layouts import Raw
from mixtures.audit.program import Program
from mixtures.audit.reference import log_parts, power
from mixtures.audit.trajectory import Visit

Array = np.ndarray
_TOLERANCE = 2e-3  # of a responsibility: rounding in single precision stays below it, no fault does
_LOST = 0.1  # of a responsibility
_VANISHED = 0.1  # of a sum that should be one: a factor leaves more, an epsilon where densities vanish less


class EStep(NamedTuple):
    """What an E-step does: spreads to the power `exponent` are its variances; `weighted`; normalised `by_row`."""

    exponent: float
    weighted: bool
    by_row: bool

    def expected(self, rows: Float[Array, "N D"], raw: Raw) -> Float[Array, "N K"]:
        """The responsibilities of such an E-step, in logarithms until the end."""
        distances, log_dets = log_parts(rows, raw.means, power(raw.spread, self.exponent))
        joint = (np.log(raw.weights) if self.weighted else 0) - 0.5 * (distances + log_dets)
        return np.exp(joint - logsumexp(joint, axis=1 if self.by_row else 0, keepdims=True))


def identify(program: Program, path: list[Visit], rng: np.random.Generator) -> EStep | None:
    """The simplest hypothesis that reproduces their responsibilities; None if none does."""
    tests = {a: _tried(program, path, a, rng) for a in (1.0, 0.5, 2.0, 4.0)}
    for by_row, weighted, exponent in product((True, False), (True, False), tests):
        step = EStep(exponent, weighted, by_row)
        if all(_agree(step.expected(program.rows, raw), found, by_row) for raw, found in tests[exponent]):
            return step
    return None


def _tried(program: Program, path: list[Visit], exponent: float, rng: np.random.Generator) -> list[tuple[Raw, Array]]:
    """Two sets of parameters with their responsibilities: ours, or where their E-step fails, theirs."""
    ours = [probes.wide(program.layout, program.rows, exponent, rng) for _ in range(2)]
    answers = [program.posterior(raw) for raw in ours]
    tried = [(raw, found) for raw, found in zip(ours, answers, strict=True) if found is not None]
    return tried or [(one.raw, one.resp) for one in path[:2] if one.resp is not None]


def _agree(expected: Array, found: Array, by_row: bool) -> bool:
    """Whether they agree but for a factor common to all that is normalised together, such as an epsilon makes."""
    axis = 1 if by_row else 0
    with np.errstate(invalid="ignore", divide="ignore"):
        total = found.sum(axis=axis, keepdims=True)
        usable = np.isfinite(total) & (total > 0)
        if usable.mean() < 0.5 or not (np.abs(np.where(usable, total, 1) - 1) < 0.5).mean() > 0.5:
            return False
        return bool(np.nanmax(np.abs(np.where(usable, found / total - expected, 0))) < _TOLERANCE)


def e_step_findings(
    program: Program, step: EStep | None, path: list[Visit], expected_exponent: float, rng
) -> list[Finding]:
    """What is wrong with an E-step of which this is known."""
    tried = _tried(program, path, expected_exponent, rng)
    if not tried:
        return []
    raw, theirs = tried[0]
    sums, column_sums = theirs.sum(axis=1), theirs.sum(axis=0)
    if step is None:
        return _unrecognised(program, raw, theirs, expected_exponent)
    found = []
    if not step.by_row:
        found.append(
            Finding(
                "responsibilities-wrong-axis",
                "Responsibilities are normalised over the rows of each component, not over the components of each row.",
                f"At parameters of our choice the rows sum to between {sums.min():.3g} and {sums.max():.3g}, the "
                f"components to between {column_sums.min():.6g} and {column_sums.max():.6g}.",
                "The sum in the denominator runs over the wrong axis.",
                "Divide each row's weighted densities by their sum over components, so that every row sums to one.",
            )
        )
    if not step.weighted and step.by_row:
        right = step._replace(weighted=True).expected(program.rows, raw)
        found.append(
            Finding(
                "weights-ignored",
                "The E-step ignores the weights of the components.",
                f"At weights {np.round(raw.weights, 3).tolist()} its numbers are those of equal weights, off by up to "
                f"{np.abs(right - theirs).max():.3g}.",
                "The densities are not multiplied by the weights.",
                "Let responsibilities be proportional to weight times density.",
            )
        )
    if step.exponent != expected_exponent:
        found.append(_scale(step.exponent, expected_exponent))
    if step.by_row and np.nanmax(np.abs(sums - 1), initial=0) > _TOLERANCE:
        found.append(_not_normalised(sums))
    return found + _underflow(program, step, path)


def _not_normalised(sums: Array) -> Finding:
    return Finding(
        "responsibilities-not-normalised",
        "The responsibilities of a row do not sum to one.",
        f"They are in the right proportions, but rows sum to between {np.nanmin(sums):.4g} and {np.nanmax(sums):.4g}.",
        "A factor, or an epsilon in the denominator that is not small beside the densities.",
        "Divide by the sum over components and by nothing else; in logarithms no epsilon is needed.",
    )


def _scale(exponent: float, expected: float) -> Finding:
    handed_sd = exponent < expected
    what = (
        "hands a standard deviation to a density that takes a variance"
        if handed_sd
        else ("uses a variance where a standard deviation is meant")
    )
    return Finding(
        "variance-scale",
        f"The E-step {what}.",
        f"Its responsibilities are reproduced to within {_TOLERANCE} when the variance is taken to be the parameter to "
        f"the power {exponent:g}, and not when it is taken to the power {expected:g}.",
        "A square root too many." if handed_sd else "A square too many, or a square root forgotten.",
        "Hand the density the scale that it is written for, and keep one of the two, variance or sd, throughout.",
    )


def _unrecognised(program: Program, raw: Raw, theirs: Array, exponent: float) -> list[Finding]:
    right = EStep(exponent, True, True).expected(program.rows, raw)
    sums = theirs.sum(axis=1)
    finite = np.where(np.isfinite(theirs), theirs, np.inf)
    row, k = np.unravel_index(np.argmax(np.abs(finite - right)), right.shape)
    off = bool(np.nanmax(np.abs(sums - 1), initial=0) > _LOST)
    return [
        Finding(
            "responsibilities-not-normalised" if off else "responsibilities-wrong",
            "The responsibilities of a row do not sum to one."
            if off
            else "The responsibilities are not the posterior probabilities of the components.",
            f"At our parameters rows sum to between {sums.min():.3g} and {sums.max():.3g}; row {row} (from 0) "
            f"gives component {k + 1} {theirs[row, k]:.3g} where {right[row, k]:.3g} is right.",
            "The division by the sum over components is missing."
            if off
            else "An error in the density, such as a missing factor, or responsibilities that are not probabilities.",
            "Compute weight times density in logarithms, and divide by the sum over components.",
        )
    ]


def _underflow(program: Program, step: EStep, path: list[Visit]) -> list[Finding]:
    """Whether densities vanish on the program's own way, or where rows are a dozen sds from their component."""
    narrow = probes.narrow(program.layout, program.rows, step.exponent, not step.by_row)
    places = [(f"step {number}" if number else "the start given", one.raw, one.resp) for number, one in enumerate(path)]
    places.append((f"components {probes.FAR} of whose sds reach every row", narrow, program.posterior(narrow)))
    axis = 1 if step.by_row else 0
    for where, raw, theirs in places:
        if theirs is None:
            continue
        right, total = step.expected(program.rows, raw), theirs.sum(axis=axis, keepdims=True)
        with np.errstate(invalid="ignore"):
            scaled = np.where(total > _VANISHED, theirs / np.where(total > 0, total, 1), theirs)
            lost = ~(np.abs(scaled - right) < _LOST) & np.isfinite(right)
        if lost.any():
            row, k = np.argwhere(lost)[0]
            return [
                Finding(
                    "underflow",
                    "Densities underflow to zero in linear space, and the responsibilities of such rows are lost.",
                    f"At {where}, {lost.any(axis=1).sum()} of {len(lost)} rows are wrong: row {row} (from 0) gives "
                    f"component {k + 1} {theirs[row, k]:.3g} where {right[row, k]:.3g} is right.",
                    "A normal density is 0 in floating point from 38 standard deviations on; 0/0 is NaN, or 0 where an "
                    "epsilon in the denominator hides it.",
                    "Work with log-densities, subtract their log-sum-exp over components, and leave out every epsilon.",
                )
            ]
    return []
