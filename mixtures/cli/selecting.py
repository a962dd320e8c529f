"""What `mixtures select` needs besides its command: reading its lists, and showing its table."""

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from mixtures._numbers import fixed
from mixtures.cli.display import print_table, print_wrapped
from mixtures.cli.options import complete_covariance
from mixtures.cli.screen import Screen

if TYPE_CHECKING:
    from mixtures.data import Data
    from mixtures.em.select import Candidate, Selection

_MOST_SHOWN = 12
_MOST_COMPONENTS = 1000
_FOLDS = 10  # what `select` cross-validates in
CRITERIA = ("aic", "aicc", "bic", "sabic", "icl", "cv")


def parse_components(text: str) -> list[int]:
    """Numbers of components from text such as ``1:9``, ``1,3,5`` or ``4``, each once and in order."""
    found: set[int] = set()
    for part in text.split(","):
        first, colon, last = (word.strip() for word in part.partition(":"))
        try:
            low, high = int(first), int(last if colon else first)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is not a list of whole numbers such as 1:9, 1,3,5 or 4.") from None
        if not 1 <= low <= high <= _MOST_COMPONENTS:
            raise typer.BadParameter(
                f"{part.strip()!r} must run from 1 or more to no fewer, and to {_MOST_COMPONENTS} at most."
            )
        found.update(range(low, high + 1))
    return sorted(found)


def check_criterion(name: str) -> str:
    """A criterion, however its name is capitalised."""
    if name.lower() not in CRITERIA:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(CRITERIA)}.")
    return name.lower()


def check_covariances(text: str) -> str:
    """A comma list of covariance models, or a word for several of them."""
    from mixtures.families import Gaussian

    if text in ("all", "default"):
        return text
    for name in text.split(","):
        try:
            Gaussian(name.strip())
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    return text


def complete_covariances(incomplete: str) -> list[str]:
    """Lists that begin with what is typed, with a last model that there is."""
    before, comma, last = incomplete.rpartition(",")
    words = [] if comma else ["all", "default"]
    return [f"{before}{comma}{word}" for word in words + complete_covariance(last) if word.startswith(last)]


def check_folds(data: "Data", criterion: str) -> None:
    """Refuse to cross-validate fewer rows than there are folds.

    Raises
    ------
    DataError
        If there are.
    """
    from mixtures._files import DataError

    if criterion == "cv" and len(data.values) < _FOLDS:
        raise DataError(
            f"Cross-validation leaves out {_FOLDS} parts in turn, and {data.source} has only {len(data.values)} rows; "
            "choose another criterion."
        )


def chosen_covariances(text: str, num_features: int) -> list[str]:
    """Names of the models to try on so many features."""
    from mixtures.em.select import DEFAULT_COVARIANCES, covariance_names

    listed = {"all": "all", "default": DEFAULT_COVARIANCES}.get(text) or [name.strip() for name in text.split(",")]
    names = covariance_names(listed, num_features)
    if not names:
        raise typer.BadParameter(
            f"{text!r} names no model of one feature; these are full (V) and tied (E).", param_hint="--covariance"
        )
    return names


def show_task(console: Console, data: "Data", names: list[str], counts: list[int], noise: bool) -> None:
    """Say what will be fitted to what."""
    columns = ("column " if len(data.columns) == 1 else "columns ") + ", ".join(data.columns)
    console.print(Text(f"{data.source}: {len(data.values)} rows, {columns}", style="bold"))
    for note in data.notes:
        console.print(Text(f"Note: {note}", style="yellow"))
    models = f"{len(names)} covariance model{'s' if len(names) > 1 else ''}"
    counted = f"{len(counts)} number{'s' if len(counts) > 1 else ''} of components"
    beside = ", each beside uniform noise" if noise else ""
    console.print(Text(f"Candidates: {models} × {counted}{beside}, by maximum likelihood\n"))


def show_selection(screen: Screen, selection: "Selection") -> None:
    """Print the best candidates, and the choice with its reasons."""
    from mixtures.report.selection_words import NAMES, say_selection

    shown = selection.ranked[:_MOST_SHOWN]
    criteria = dict.fromkeys((selection.criterion, "bic", "icl"))
    columns = ("Model", "K", "Parameters", "Log-likelihood", *(_short(NAMES[name]) for name in criteria), "Remarks")
    rows = [
        (
            c.code,
            str(c.num_components),
            str(c.num_parameters),
            fixed(float(c.fit.log_likelihood), 3),
            *(fixed(getattr(c, name), 4 if name == "cv" else 2) for name in criteria),
            _remarks(c),
        )
        for c in shown
    ]
    if rows:
        print_table(screen.words, columns, rows)
    if len(selection.candidates) > len(shown):
        screen.words.print(f"… and {len(selection.candidates) - len(shown)} more candidates, which the report lists.\n")
    first, *others = say_selection(selection)
    print_wrapped(screen.conclusions, first, bold=len(first))
    for sentence in others:
        print_wrapped(screen.words, sentence, " • ")


def _short(name: str) -> str:
    return name if len(name) < 6 else "CV"


def _remarks(candidate: "Candidate") -> str:
    words = ["looks spurious"] * bool(candidate.spurious) + ["unbounded"] * bool(candidate.fit.unbounded)
    return ", ".join(words)
