"""The M-step at known responsibilities: does it maximise Q, and if not, what does it compute instead."""

from itertools import product
from typing import NamedTuple

import numpy as np

from mixtures.audit import probes
from mixtures.audit.findings import Finding
from mixtures.audit.layouts import Layout, Raw
from mixtures.audit.program import Program
from mixtures.audit.reference import Solution, expected_log_likelihood, gradient, maximiser, pooled, power, scatter

Array = np.ndarray
_MODELS = ("full", "diagonal", "spherical", "tied", "tied_diagonal", "tied_spherical")
_RIDGE = 1e-3  # of the data's variance: a ridge below it is a convention, not a fault


class Spread(NamedTuple):
    """How an M-step computes spreads: scatter about a centre over a count, to a power."""

    exponent: float
    centre: str
    divisor: str


_RIGHT = Spread(1.0, "the new means", "the component's responsibility n_k")


class MStep(NamedTuple):
    """What an M-step was seen to do on one set of responsibilities."""

    resp: Array
    theirs: Layout
    best: Solution
    covariance: str
    spread: Spread | None


def probe(program: Program, rng: np.random.Generator) -> MStep:
    """Hand an M-step responsibilities of our choice, after another call that a stale value could come from."""
    resp, before = (probes.responsibilities(*program.responsibilities.shape, rng) for _ in range(2))
    earlier = probes.wide(program.layout, program.rows, 1.0, rng)
    last = program.update(before).read().means
    program.posterior(earlier)
    theirs = program.update(resp)
    raw, rows = theirs.read(), program.rows
    centres = {
        _RIGHT.centre: raw.means,
        "the mean of all rows": np.repeat(rows.mean(axis=0)[None], len(raw.means), axis=0),
        "the means before the update": earlier.means,
        "the means of the call before": last,
        "zero": np.zeros_like(raw.means),
    }
    counts = resp.sum(axis=0)
    divisors = {
        _RIGHT.divisor: (resp, counts),
        "n_k − 1": (resp, counts - 1),
        "n_k − Σ r²/n_k": (resp, counts - (resp**2).sum(axis=0) / counts),
        "the number of rows": (resp, np.full_like(counts, len(rows))),
        "the number of rows, without responsibilities": (np.ones_like(resp), np.full_like(counts, len(rows))),
        "the number of rows − 1, without responsibilities": (np.ones_like(resp), np.full_like(counts, len(rows) - 1)),
    }
    tolerance = 1e-6 if theirs.error < 1e-10 else 3e-3
    for divisor, centre, exponent, covariance in product(divisors, centres, (1.0, 0.5, 2.0), _MODELS):
        if rows.shape[1] == 1 and covariance not in ("full", "tied"):
            continue
        row_weights, count = divisors[divisor]
        cov = pooled(scatter(rows, row_weights, centres[centre]), count, covariance)
        if _same(raw.spread, power(cov, exponent), tolerance, rows, ridge=exponent == 1):
            return MStep(resp, theirs, maximiser(rows, resp, covariance), covariance, Spread(exponent, centre, divisor))
    covariance = program.layout.covariance
    return MStep(resp, theirs, maximiser(rows, resp, covariance), covariance, None)


def _same(theirs: Array, expected: Array, tolerance: float, rows: Array, ridge: bool) -> bool:
    size = theirs.shape[-1]
    excess = theirs - expected
    added = np.einsum("kii->k", excess).mean() / size
    if ridge and 0 <= added <= _RIDGE * rows.var(axis=0).min():
        excess = excess - added * np.eye(size)
    return bool(np.abs(excess).max() <= tolerance * np.abs(expected).max())


def m_step_findings(program: Program, step: MStep, expected_exponent: float) -> list[Finding]:
    """What is wrong with an M-step of which this is known."""
    raw, best, found = step.theirs.read(), step.best, []
    if not raw.finite:
        return [_not_finite(raw)]
    tolerance = 1e-5 if step.theirs.error < 1e-10 else 3e-3
    total = raw.weights.sum()
    if abs(total - 1) > tolerance:
        found.append(say_weights_sum(total, len(program.rows), "from responsibilities whose rows sum to one"))
    if np.abs(raw.weights / total - best.weights).max() > tolerance:
        constant = np.ptp(raw.weights) < tolerance * total
        found += _not_maximal(program, step, "weights", "they are never updated" if constant else "", constant)
    if np.abs(raw.means - best.means).max() > tolerance * program.rows.std(axis=0).max():
        unweighted = np.ptp(raw.means, axis=0).max() < tolerance * program.rows.std(axis=0).max()
        words = "they are those of all rows alike, whatever the responsibilities" if unweighted else ""
        found += _not_maximal(program, step, "means", words, bool(unweighted))
    spread = step.spread
    if spread is None:
        return found + _not_maximal(program, step, "variances", "")
    if spread.exponent != expected_exponent:
        less = spread.exponent < expected_exponent
        what = "standard deviations where variances" if less else "variances where standard deviations"
        found.append(
            Finding(
                "variance-scale",
                f"The M-step returns {what} are meant.",
                f"Its spreads are weighted mean squares to the power {spread.exponent:g}, not {expected_exponent:g}.",
                "A square root too many." if less else "A square root forgotten.",
                "Return what the E-step's density takes, and name it so.",
            )
        )
    if spread.centre != _RIGHT.centre:
        found += _not_maximal(program, step, "variances", f"they are taken about {spread.centre}, which are stale")
    if spread.divisor != _RIGHT.divisor:
        ignored = "without" in spread.divisor
        found += _not_maximal(
            program, step, "variances", f"their sums are divided by {spread.divisor}, not by n_k", ignored
        )
    return found


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


def _not_maximal(program: Program, step: MStep, name: str, words: str, ignores: bool = False) -> list[Finding]:
    rows, raw = program.rows, step.theirs.read()
    cov = raw.spread if step.spread is None else power(raw.spread, 1 / step.spread.exponent)
    at = Solution(raw.weights / raw.weights.sum(), raw.means, cov)
    slopes = gradient(rows, step.resp, at)[("weights", "means", "variances").index(name)]
    k = int(np.argmax(np.abs(slopes.reshape(len(slopes), -1)).max(axis=1)))
    slope = slopes[k].ravel()[np.argmax(np.abs(slopes[k]))]
    short = expected_log_likelihood(rows, step.resp, step.best) - expected_log_likelihood(rows, step.resp, at)
    evidence = (
        f"At the M-step's result the gradient of the expected log-likelihood by the {name} of component {k + 1} is "
        f"{slope:.4g}, where it is 0 at the maximum; the result falls {short:.4g} nats short."
    )
    formulas: dict[str, str] = {
        "weights": "w_k = n_k / N with n_k the sum of component k's responsibilities.",
        "means": "μ_k = Σ r_nk x_n / n_k.",
        "variances": "σ²_k = Σ r_nk (x_n − μ_k)² / n_k, with the new μ_k and n_k = Σ r_nk.",
    }
    fix = formulas[name]
    message = f"The M-step's {name} do not maximise the expected log-likelihood{': ' if words else ''}{words}."
    cause = f"The {name}: {words}." if words else f"The formula of the {name}."
    found = [Finding("m-step-not-maximiser", message, evidence, cause, fix)]
    if ignores:
        found.append(
            Finding("weights-ignored", f"The update of the {name} ignores the responsibilities.", evidence, cause, fix)
        )
    return found
