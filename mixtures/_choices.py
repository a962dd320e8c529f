"""Names that a user chooses from, known to the engines and to the options of the command line."""

from enum import StrEnum


class Guide(StrEnum):
    """Guides of variational inference."""

    full_rank = "full_rank"
    mean_field = "mean_field"
    laplace = "laplace"
    flow = "flow"
    pathfinder = "pathfinder"


GUIDES = tuple(guide.value for guide in Guide)
STANDARD_ERRORS = ("observed", "opg", "sandwich")
CALIBRATED = (
    *(f"{objective}, {kind}" for objective in ("ML", "MAP") for kind in (*STANDARD_ERRORS, "bootstrap")),
    "VI",
    "NUTS",
)
