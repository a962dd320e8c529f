"""What is wrong with an E-step, in words."""

import numpy as np

from mixtures.audit import probes
from mixtures.audit.e_step import TOLERANCE, Density, EStep, tried
from mixtures.audit.findings import Finding
from mixtures.audit.layouts import Raw
from mixtures.audit.program import Program
from mixtures.audit.trajectory import Visit

Array = np.ndarray
_LOST = 0.1  # of a responsibility
_VANISHED = 0.1  # of a sum that should be one: a factor leaves more, an epsilon where densities vanish less
_FORMULA = "N(x | μ, Σ) = |2πΣ|^(−½) exp(−½ (x − μ)ᵀ Σ⁻¹ (x − μ))"


def e_step_findings(
    program: Program, step: EStep | None, path: list[Visit], expected_exponent: float, rng
) -> list[Finding]:
    """What is wrong with an E-step of which this is known."""
    answers = tried(program, path, expected_exponent, rng)
    if not answers:
        return []
    raw, theirs = answers[0]
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
    if step.hard:
        found.append(_hard(theirs, step._replace(hard=False).expected(program.rows, raw)))
    if step.exponent != expected_exponent and step.density.determinant in (0.5, 0.0):
        found.append(_scale(step.exponent, expected_exponent))
    if step.density != Density():
        found.append(_density(step, expected_exponent))
    if step.by_row and np.nanmax(np.abs(sums - 1), initial=0) > TOLERANCE:
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


def _hard(theirs: Array, right: Array) -> Finding:
    return Finding(
        "responsibilities-wrong",
        "The E-step gives every row to one component: its responsibilities are 0 and 1.",
        f"They are the probabilities of our parameters rounded, off by up to {np.abs(theirs - right).max():.3g}.",
        "Classification EM (Celeux and Govaert 1992), of which k-means is a case. It does not climb the likelihood: "
        "groups that overlap come out too far apart and too narrow.",
        "Return the probabilities themselves, and assign rows after the fit.",
    )


def _density(step: EStep, expected: float) -> Finding:
    density, determinant = step.density, step.density.determinant * step.exponent / expected
    reproduced = f"Its responsibilities are reproduced to within {TOLERANCE} "
    if density.diagonal:
        code, message = "responsibilities-wrong", "The density uses only the diagonals of the covariances."
        evidence = reproduced + "with the covariances between features set to 0, and not with the whole matrices."
        cause = "Features are treated as independent, as in a product of univariate densities."
    elif density.quadratic == 1:
        code, message = "responsibilities-wrong", "The ½ in the exponent of the density is missing."
        evidence = reproduced + "by exp(−d²), d the distance in standard deviations, and not by exp(−d²/2)."
        cause = "Components are taken to be √2 times narrower than their variances say."
    elif density.determinant == 0:
        code, message = "responsibilities-wrong", "The density is not divided by the root of the determinant."
        evidence = reproduced + "by exp(−d²/2) alone, d the distance in standard deviations."
        cause = "The normaliser, in one dimension the standard deviation, is left out, which favours wide components."
    elif step.exponent == expected:
        code, message = "responsibilities-wrong", "The normaliser of the density is a wrong power of the determinant."
        evidence = reproduced + f"with |Σ| to the power −{determinant:g}, and not to the power −0.5."
        cause = (
            "A variance stands where its root, the standard deviation, is meant."
            if determinant > 0.5
            else "A standard deviation stands where the density takes the root of a variance."
        )
    else:
        code, message = "variance-scale", "The exponent of the density takes another scale than its normaliser."
        evidence = (
            f"{reproduced}with the parameter to the power {step.exponent:g} as the variance in the exponent (where "
            f"{expected:g} is right) and |Σ| to the power −{determinant:g} before it."
        )
        cause = (
            "A standard deviation stands for the variance in one of the two places."
            if step.exponent < expected
            else "A variance is squared in one of the two places."
        )
    return Finding(code, message, evidence, cause, f"Write {_FORMULA}, its logarithm, or a library's.")


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
        f"Its responsibilities are reproduced to within {TOLERANCE} when the variance is taken to be the parameter to "
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
