"""The E-step at known parameters: which hypothesis about it reproduces its numbers."""

from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from mixtures.audit import probes
from mixtures.audit.layouts import Raw
from mixtures.audit.program import Program
from mixtures.audit.reference import log_parts, power
from mixtures.audit.trajectory import Visit

Array = np.ndarray
TOLERANCE = 2e-3  # of a responsibility: rounding in single precision stays below it, no fault does


class Density(NamedTuple):
    """A normal density as written: exp(−quadratic·distance²) over the determinant to a power, maybe of diagonals."""

    quadratic: float = 0.5
    determinant: float = 0.5
    diagonal: bool = False

    def log(self, rows: Float[Array, "N D"], means: Float[Array, "K D"], spread: Array) -> Float[Array, "N K"]:
        """Its logarithm at covariances `spread` (K, D, D), but for a constant."""
        if self.diagonal:
            spread = spread * np.eye(spread.shape[-1])
        distances, log_dets = log_parts(rows, means, spread)
        return -self.quadratic * distances - self.determinant * log_dets


_RIGHT = Density()
_WRONG = (
    Density(quadratic=1.0),
    Density(determinant=0.0),
    Density(determinant=1.0),
    Density(determinant=0.25),
    Density(diagonal=True),
)


class EStep(NamedTuple):
    """What an E-step does: spreads to the power `exponent` are the variances of its density.

    `weighted` says whether it uses the weights, `by_row` whether it normalises over components, and `hard` whether it
    gives each row to one component.
    """

    exponent: float
    weighted: bool
    by_row: bool
    density: Density = _RIGHT
    hard: bool = False

    def expected(self, rows: Float[Array, "N D"], raw: Raw) -> Float[Array, "N K"]:
        """The responsibilities of such an E-step, in logarithms until the end."""
        joint = self.density.log(rows, raw.means, power(raw.spread, self.exponent))
        joint = joint + np.log(raw.weights) if self.weighted else joint
        if self.hard:
            return np.eye(joint.shape[1])[np.argmax(joint, axis=1)]
        return np.exp(joint - logsumexp(joint, axis=1 if self.by_row else 0, keepdims=True))


def identify(program: Program, path: list[Visit], rng: np.random.Generator) -> EStep | None:
    """The simplest hypothesis that reproduces their responsibilities; None if none does."""
    tests = {a: tried(program, path, a, rng) for a in (1.0, 0.5, 2.0, 4.0)}
    plain = (EStep(e, weighted, row) for row, weighted, e in product((True, False), (True, False), tests))
    hard = (EStep(e, weighted, True, hard=True) for weighted, e in product((True, False), tests))
    other = (EStep(e, w, row, d) for row, w, d, e in product((True, False), (True, False), _WRONG, tests))
    for step in (*plain, *hard, *other):
        if all(_agree(step.expected(program.rows, raw), found, step.by_row) for raw, found in tests[step.exponent]):
            return step
    return None


def tried(program: Program, path: list[Visit], exponent: float, rng: np.random.Generator) -> list[tuple[Raw, Array]]:
    """Two sets of parameters with their responsibilities: ours, or where their E-step fails, theirs."""
    ours = [probes.wide(program.layout, program.rows, exponent, rng) for _ in range(2)]
    answers = [program.posterior(raw) for raw in ours]
    both = [(raw, found) for raw, found in zip(ours, answers, strict=True) if found is not None]
    return both or [(one.raw, one.resp) for one in path[:2] if one.resp is not None]


def _agree(expected: Array, found: Array, by_row: bool) -> bool:
    """Whether they agree but for a factor common to all that is normalised together, such as an epsilon makes."""
    axis = 1 if by_row else 0
    with np.errstate(invalid="ignore", divide="ignore"):
        total = found.sum(axis=axis, keepdims=True)
        usable = np.isfinite(total) & (total > 0)
        if usable.mean() < 0.5 or not (np.abs(np.where(usable, total, 1) - 1) < 0.5).mean() > 0.5:
            return False
        return bool(np.nanmax(np.abs(np.where(usable, found / total - expected, 0))) < TOLERANCE)
