"""The M-step's faults in words, from what it was found to compute."""

from collections.abc import Iterator

import numpy as np

from mixtures._numbers import number
from mixtures.audit import penalties
from mixtures.audit.findings import Finding
from mixtures.audit.layouts import Raw
from mixtures.audit.m_step import CENTRE, DIVISOR, RIDGE, MStep
from mixtures.audit.program import Program
from mixtures.audit.readings import CLOSED_FORM
from mixtures.audit.reference import Solution, expected_log_likelihood, free, gradient, power
from mixtures.families.covariances import COVARIANCE_MODELS

_CENTRES = {
    "the mean of all rows": "they are taken about the mean of all rows, not about their component's",
    "the means before the update": "they are taken about the means before the update, which are stale",
    "the means of the call before": "they are taken about the means of an earlier call, which are stale",
    "zero": "they are taken about zero: the means are not subtracted",
}
_IF_SHARED = {"n_k − 1": "N − K", "the number of rows": "K·N"}  # counts of all components together


def m_step_findings(program: Program, step: MStep, expected_exponent: float) -> list[Finding]:
    """What is wrong with an M-step of which this is known."""
    if not all(raw.finite for _, raw in step.seen):
        return [_not_finite(step.raw)]
    return [
        *_weights(program, step),
        *_means(program, step),
        *_spreads(program, step, expected_exponent),
    ]


def _weights(program: Program, step: MStep) -> Iterator[Finding]:
    weights, total = step.raw.weights, step.raw.weights.sum()
    if abs(total - 1) > step.tolerance:
        yield say_weights_sum(total, len(program.rows), "from responsibilities whose rows sum to one")
    if np.abs(weights / total - step.best.weights).max() > step.tolerance:
        constant = bool(np.ptp(weights) < step.tolerance * total)
        prior = None if constant else penalties.dirichlet(step.seen, step.tolerance)
        words = "they are never updated" if constant else ""
        yield from prior or _not_maximal(program, step, "weights", words, constant)


def _means(program: Program, step: MStep) -> Iterator[Finding]:
    sd = program.rows.std(axis=0)
    if np.abs((step.raw.means - step.best.means) / sd).max() > step.tolerance:
        alike = bool((np.ptp(step.raw.means, axis=0) / sd).max() < step.tolerance)
        prior = None if alike else penalties.normal(step.seen, program.rows, step.tolerance)
        words = "they are those of all rows alike, whatever the responsibilities" if alike else ""
        if prior is None:
            yield from _not_maximal(program, step, "means", words, alike)
        else:
            yield penalties.say_normal(prior, len(step.seen))


def _spreads(program: Program, step: MStep, expected_exponent: float) -> Iterator[Finding]:
    spread, rows = step.spread, program.rows
    if spread is None:
        prior = penalties.normal(step.seen, rows, step.tolerance)
        known = penalties.inverse_wishart(step.seen, rows, step.covariance, expected_exponent, prior, step.tolerance)
        open_ = not_judged(step)
        yield from known or (
            [open_] if open_ else _not_maximal(program, step, "variances", "", exponent=expected_exponent)
        )
        return
    if spread.exponent != expected_exponent:
        less = spread.exponent < expected_exponent
        what = "standard deviations where variances" if less else "variances where standard deviations"
        yield Finding(
            "variance-scale",
            f"The M-step returns {what} are meant.",
            f"Its spreads are weighted mean squares to the power {spread.exponent:g}, not {expected_exponent:g}.",
            "A square root too many." if less else "A square root forgotten.",
            "Return what the E-step's density takes, and name it so.",
        )
    if spread.centre != CENTRE:
        yield from _not_maximal(program, step, "variances", _CENTRES[spread.centre])
    if spread.divisor != DIVISOR:
        tied = step.covariance.startswith("tied")
        divisor = _IF_SHARED.get(spread.divisor, spread.divisor) if tied else spread.divisor
        words = f"their sums are divided by {divisor}, not by {'N, the number of rows' if tied else 'n_k'}"
        yield from _not_maximal(program, step, "variances", words, "without" in divisor)
    if spread.ridge > RIDGE * (rows.std(axis=0).min() if spread.after else rows.var(axis=0).min()):
        as_sd = spread.after and spread.exponent == 0.5
        yield penalties.ridge(spread.ridge, "standard deviation" if as_sd else "variance")


def not_judged(step: MStep) -> Finding | None:
    """What is said of covariances under a model for which no formula is at hand; None where there is one."""
    if step.covariance in CLOSED_FORM:
        return None
    code = COVARIANCE_MODELS[step.covariance].code
    return Finding(
        "m-step-not-maximiser",
        f"The M-step's covariances are those of the model {code}, and could not be judged.",
        f"At {len(step.seen)} sets of responsibilities of our choice they are of that model, and no formula of the six "
        "models that have one reproduces them.",
        f"The maximum under {code} has no closed form here (Celeux and Govaert 1995 iterate to it).",
        f"Nothing, if {code} is meant: the likelihood on the way and the end are judged by it. If another model is, "
        "mend the formula of the covariances.",
        fault=False,
    )


def _not_finite(raw: Raw) -> Finding:
    return Finding(
        "m-step-not-maximiser",
        "The M-step returns numbers that are not finite.",
        f"From responsibilities whose rows sum to one it makes weights {raw.weights.tolist()} and means "
        f"{raw.means.tolist()}.",
        "A division by zero, or a root or logarithm of a negative number.",
        "w_k = n_k / N, μ_k = Σ r_nk x_n / n_k and σ²_k = Σ r_nk (x_n − μ_k)² / n_k, with n_k = Σ r_nk.",
    )


def say_weights_sum(total: float, num_rows: int, where: str) -> Finding:
    """Weights that do not sum to one, and where that was seen."""
    return Finding(
        "weights-not-normalised",
        f"The weights sum to {total:.6g}, not to one.",
        f"They sum to {total:.6g} {where}; times the {num_rows} rows that is {total * num_rows:.6g}.",
        "The weights are not the mean responsibilities, or the responsibilities of a row do not sum to one.",
        "Let each weight be the mean of its component's responsibilities over the rows: w_k = n_k / N.",
    )


def _not_maximal(
    program: Program, step: MStep, name: str, words: str, ignores: bool = False, exponent: float = 1.0
) -> list[Finding]:
    rows, raw = program.rows, step.raw
    cov = power(raw.spread, 1 / (step.spread.exponent if step.spread else exponent))
    at = Solution(raw.weights / raw.weights.sum(), raw.means, cov)
    slopes = gradient(rows, step.resp, at)[("weights", "means", "variances").index(name)]
    if name == "variances":
        slopes = free(slopes, step.covariance)
    k = int(np.argmax(np.abs(slopes.reshape(len(slopes), -1)).max(axis=1)))
    slope = slopes[k].ravel()[np.argmax(np.abs(slopes[k]))]
    short = expected_log_likelihood(rows, step.resp, step.best) - expected_log_likelihood(rows, step.resp, at)
    evidence = (
        f"At the M-step's result the gradient of the expected log-likelihood by the {name} of component {k + 1} is "
        f"{number(slope)}, where it is 0 at the maximum; the result falls {short:.4g} nats short."
    )
    formulas: dict[str, str] = {
        "weights": "w_k = n_k / N with n_k the sum of component k's responsibilities.",
        "means": "μ_k = Σ r_nk x_n / n_k.",
        "variances": "σ²_k = Σ r_nk (x_n − μ_k)² / n_k, with the new μ_k and n_k = Σ r_nk.",
        "shared": "σ² = Σ_k Σ_n r_nk (x_n − μ_k)² / N, with the new μ_k.",
    }
    fix = formulas["shared" if name == "variances" and step.covariance.startswith("tied") else name]
    message = f"The M-step's {name} do not maximise the expected log-likelihood{': ' if words else ''}{words}."
    cause = f"The {name}: {words}." if words else f"The formula of the {name}."
    found = [Finding("m-step-not-maximiser", message, evidence, cause, fix)]
    if ignores:
        found.append(
            Finding("weights-ignored", f"The update of the {name} ignores the responsibilities.", evidence, cause, fix)
        )
    return found
