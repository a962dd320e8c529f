"""What became of a fit, in a word and in a sentence a person can act on."""

from enum import IntEnum
from typing import Self


class Told(IntEnum):
    """Outcomes that are integers inside compiled code, and sentences outside it.

    Values are integers so that an array of outcomes is an ordinary array; `message` is what a person reads.
    """

    message: str

    def __new__(cls, code: int, message: str) -> Self:
        """Make an integer member that carries its message."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.message = message
        return member


class Status(Told):
    """The outcome of a fit or of one start."""

    RUNNING = (0, "The fit has not finished.")
    CONVERGED = (
        1,
        "Converged: the predicted remaining gain in the objective is below the tolerance, or below rounding error.",
    )
    INTERIOR = (
        2,
        "The objective is unbounded, so no global maximum exists; this is the largest interior local maximum found.",
    )
    MAX_STEPS = (3, "Stopped at the step limit before convergence; raise max_steps.")
    COLLAPSED = (
        4,
        "A component shrank onto rows that leave it no width that arithmetic can resolve; the objective means nothing.",
    )
    EMPTY = (5, "A component lost all its rows; fit fewer components.")
    DEGENERATE = (
        6,
        "Every start collapsed or ran empty: no interior maximum was found; use a prior that keeps variances from zero "
        "(the default one does, with objective='map') or fewer components.",
    )
    NON_FINITE = (7, "The objective became NaN or infinite; check the data and the prior.")
    STALLED = (8, "The objective stopped rising above rounding error before the tolerance was reached.")
    NOT_CONVERGED = (9, "The sampler or optimiser did not converge; conclude nothing from it.")

    DROPPED = (10, "Better starts left this one behind, so it was not run to convergence.")

    @property
    def label(self) -> str:
        """The name as written in tables and JSON: ``"max_steps"``."""
        return self.name.lower()

    @property
    def words(self) -> str:
        """The name as written in a title: ``"max steps"``."""
        return self.label.replace("_", " ")

    @property
    def is_estimate(self) -> bool:
        """Whether the parameters may be reported as a local maximum of the objective."""
        return self in (Status.CONVERGED, Status.INTERIOR)
