"""Somebody's EM as it runs: the likelihood that it climbs, and components that never part."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mixtures._numbers import fixed
from mixtures.audit.findings import Finding
from mixtures.audit.identical import never_part
from mixtures.audit.layouts import Layout, Raw
from mixtures.audit.program import Program, call
from mixtures.audit.reference import Solution, log_likelihood

_STEPS = 500
_DECREASE = 1e-2  # nats; a ridge or rounding moves less


class Visit(NamedTuple):
    """Parameters that the steps came to, and the responsibilities that their E-step gave there, if it did not fail."""

    raw: Raw
    resp: Float[np.ndarray, "N K"] | None


def run(program: Program) -> tuple[list[Visit], ValueError | None]:
    """Iterate both steps from their start, in their own types, until nothing moves or a number is not finite.

    Numbers that are not finite come last. The second value is what a step failed with on the way.
    """
    params, sd, path = program.layout.params, program.rows.std(axis=0), []
    for _ in range(_STEPS):
        raw = Layout.of(params, program.rows.shape[1], program.layout.covariance).read()
        if not raw.finite:
            return [*path, Visit(raw, None)], None
        try:
            answer = call("e_step", program.e_step, program.data, params)
            path.append(Visit(raw, program.responsibilities.read(answer)))
            if len(path) > 1 and _rests(path[-2].raw, raw, sd):
                break
            params = call("m_step", program.m_step, program.data, answer)
            Layout.of(params, program.rows.shape[1])
        except ValueError as error:
            path = path if path and path[-1].raw is raw else [*path, Visit(raw, None)]
            return path, ValueError(f"{error} (after {len(path) - 1} steps from the start given)")
    return path, None


def _rests(before: Raw, after: Raw, sd: np.ndarray) -> bool:
    moved = np.abs((after.means - before.means) / sd).max()
    return bool(moved < 1e-9 and np.abs(after.spread - before.spread).max() < 1e-9 * sd.max() ** 2)


def trajectory_findings(rows: np.ndarray, path: list[Solution]) -> list[Finding]:
    """A likelihood that decreases, and components that start identical and stay so."""
    heights = np.array([log_likelihood(rows, one.normalised()) for one in path])
    steps, found = np.diff(heights), []
    falls = steps < -_DECREASE - 1e-6 * np.abs(heights[:-1])
    if falls.any():
        first, worst = int(np.argmax(falls)), int(np.nanargmin(steps))
        found.append(
            Finding(
                "likelihood-decreases",
                f"The log-likelihood decreases: by {-steps[worst]:.4g} nats in step {worst + 1}.",
                f"It decreases first in step {first + 1}, from {fixed(heights[first], 4)} to "
                f"{fixed(heights[first + 1], 4)}; {int(falls.sum())} of {len(steps)} steps decrease it.",
                "An EM step never decreases the likelihood (Dempster, Laird and Rubin 1977), so a step is wrong.",
                "Mend the steps, and compute the log-likelihood in every step: it must rise, and says when to stop.",
            )
        )
    return found + never_part(rows, path[0], path[-1])
