"""Somebody's EM as it runs: the likelihood that it climbs, and components that never part."""

from itertools import combinations

import numpy as np

from mixtures.audit.findings import Finding
from mixtures.audit.layouts import Layout
from mixtures.audit.program import Program, call
from mixtures.audit.reference import Solution, log_likelihood, power

_STEPS = 500
_DECREASE = 1e-2  # nats; a ridge or rounding moves less


def run(program: Program, exponent: float) -> tuple[list[Solution], ValueError | None]:
    """Iterate both steps from their start, in their own types, until nothing moves or a number is not finite.

    Spreads to the power of `exponent` are variances. The second value is what a step failed with on the way.
    """
    params, sd, path = program.layout.params, program.rows.std(axis=0), []
    for _ in range(_STEPS):
        raw = Layout.of(params, program.rows.shape[1]).read()
        path.append(Solution(raw.weights, raw.means, power(raw.spread, exponent)))
        if not path[-1].finite:
            return path[:-1] or path, None
        if len(path) > 1 and np.abs((path[-1].means - path[-2].means) / sd).max() < 1e-9:
            moved = np.abs(path[-1].covariances - path[-2].covariances).max()
            if moved < 1e-9 * sd.max() ** 2:
                break
        try:
            resp = call("e_step", program.e_step, program.data, params)
            params = call("m_step", program.m_step, program.data, resp)
            Layout.of(params, program.rows.shape[1])
        except ValueError as error:
            return path, ValueError(f"{error} (after {len(path) - 1} steps from the start given)")
    return path, None


def trajectory_findings(rows: np.ndarray, path: list[Solution]) -> list[Finding]:
    """A likelihood that decreases, and components that start identical and stay so."""
    heights = np.array([log_likelihood(rows, one.normalised()) for one in path])
    steps, found = np.diff(heights), []
    if (steps < -_DECREASE - 1e-6 * np.abs(heights[:-1])).any():
        first, worst = int(np.argmax(steps < -_DECREASE)), int(np.nanargmin(steps))
        found.append(
            Finding(
                "likelihood-decreases",
                f"The log-likelihood decreases: by {-steps[worst]:.4g} nats in step {worst + 1}.",
                f"It decreases first in step {first + 1}, from {heights[first]:.4f} to {heights[first + 1]:.4f}; "
                f"{int((steps < -_DECREASE).sum())} of {len(steps)} steps decrease it.",
                "An EM step never decreases the likelihood (Dempster, Laird and Rubin 1977), so a step is wrong.",
                "Mend the steps, and compute the log-likelihood in every step: it must rise, and says when to stop.",
            )
        )
    return found + identical(rows, path[0], path[-1])


def identical(rows: np.ndarray, start: Solution, end: Solution) -> list[Finding]:
    """Pairs of components with one mean from the start to the end."""
    sd = rows.std(axis=0)
    count = len(start.weights)
    for i, j in combinations(range(count), 2):
        if all(np.abs((one.means[i] - one.means[j]) / sd).max() < 1e-6 for one in (start, end)):
            return [
                Finding(
                    "identical-components",
                    f"Components {i + 1} and {j + 1} start identical and stay so.",
                    f"Both have mean {np.round(start.means[i], 6).tolist()} at the start and "
                    f"{np.round(end.means[i], 6).tolist()} at the end.",
                    "Starting means were drawn with replacement, or from data with ties: equal components get equal "
                    "responsibilities for ever.",
                    "Draw starting means without replacement from the distinct values, and use several starts.",
                )
            ]
    return []
