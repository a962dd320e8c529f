"""Options that several commands share, with their help."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer


class Truth(StrEnum):
    """What data sets are simulated from."""

    fit = "fit"
    prior = "prior"


QUICK = {"num_starts": 16, "num_warmup": 500, "num_samples": 1000}


def completing(*words: str) -> Callable[[str], list[str]]:
    """A completion by these words, which must hold no spaces: shells would break them there."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def complete_covariance(incomplete: str) -> list[str]:
    """Names and codes of covariance models that begin so."""
    from mixtures.families.covariances import BY_CODE, COVARIANCE_MODELS

    return completing(*COVARIANCE_MODELS, *BY_CODE)(incomplete)


def check_covariance(name: str) -> str:
    """The plain name of a covariance model."""
    from mixtures.families import Gaussian

    try:
        return Gaussian(name).covariance
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Source = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A CSV, TSV (both also .gz), Parquet, Feather, Arrow, .npy or .npz file; - for CSV or TSV from standard "
        "input.",
        show_default=False,
    ),
]
Components = Annotated[int, typer.Option("--components", "-k", metavar="K", help="Number of mixture components.")]
Columns = Annotated[
    str | None,
    typer.Option(metavar="A,B,…", help="Columns to fit, separated by commas; all numeric ones if not given."),
]
Covariance = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        callback=check_covariance,
        autocompletion=complete_covariance,
        help="Covariance model of the components: full, diagonal, tied, spherical, or one of mclust's fourteen codes "
        "from EII to VVV.",
    ),
]
Noise = Annotated[
    bool, typer.Option("--noise", help="Beside the components, a uniform density over the range of the data.")
]
Prior = Annotated[
    str,
    typer.Option(
        metavar="TEXT",
        autocompletion=completing("default"),
        help="'default' (conjugate, scaled to the data), or NumPyro distributions of the weights, of a mean, and of a "
        "standard deviation (scale) or a covariance, as in the example below.",
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="Random seed; the same gives the same result.")
]
Starts = Annotated[int | None, typer.Option(min=1, metavar="R", help="EM starts (64 if not given).")]
Quick = Annotated[bool, typer.Option("--quick", help="Fewer starts and draws: for a look, not for a result.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the numbers as one JSON document; words go to standard error.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the conclusion only.")]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Also print the settings, and how long each stage and its compiling took."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue the same command where it was cut off, instead of anew.")
]
DropMissing = Annotated[bool, typer.Option("--drop-missing", help="Leave out rows with missing or infinite values.")]
