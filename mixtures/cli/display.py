"""What the command line shows: a bar a stage while it works, tables and sentences when it is done."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mixtures._numbers import fixed, plus_minus
from mixtures.cli.clock import Clock

type Fits = dict[str, tuple[EMFit, StandardErrors]]

if TYPE_CHECKING:
    from mixtures.cli.screen import Screen
    from mixtures.compare import Comparison
    from mixtures.data import Data
    from mixtures.em.fit import EMFit
    from mixtures.em.uncertainty import StandardErrors
    from mixtures.model import Mixture


_MOST_ROWS = 60  # parameters printed; the report has all of them
_TEXT_WIDTH = 100  # of sentences; longer lines are hard to read
_TABLE_WIDTH = 400  # away from a terminal, where a table is better wide than broken
_FILES = {
    "report.html": "the report; open it in a browser",
    "report.md": "the same in short, for pull requests",
    "report.json": "the same numbers, for programs",
    "parameters.csv": "the table of parameters, for spreadsheets",
    "parameters.tex": "the same, for LaTeX",
    "posterior.nc": "the posterior draws, for ArviZ",
    "sweep.html": "all cases on one page; open it in a browser",
    "sweep.md": "the same in short, for pull requests",
    "sweep.json": "its numbers, for programs",
    "sweep.csv": "the same, for spreadsheets",
    "fit.json": "the estimates, for programs",
    "select.html": "the candidates and the choice; open it in a browser",
    "select.md": "the same in short, for pull requests",
    "select.json": "the same numbers, for programs",
    "calibration.html": "what intervals cover; open it in a browser",
    "calibration.md": "the same in short, for pull requests",
    "calibration.json": "the same numbers, for programs",
    "calibration.csv": "the same, for spreadsheets",
}
_OBJECTIVES = {"ml": "Maximum likelihood", "map": "MAP"}
_STYLES = {"agree": "bold green", "disagree": "bold red"}


def make_console(stderr: bool = False, quiet: bool = False) -> Console:
    """A console as wide as its terminal; away from a terminal, wide enough not to break tables."""
    console = Console(stderr=stderr, highlight=False, quiet=quiet)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, quiet=quiet, width=_TABLE_WIDTH)


class Stages:
    """Announces stages on standard error: bars on a terminal, one line a stage anywhere else.

    Called with a stage's name as it begins, it ends the stage before and returns the new one's progress callback.
    `brief` stages leave nothing behind: their bars vanish, and away from a terminal they are not announced. `quiet`
    ones are not shown at all; of `timed` ones it is said how long they took, and how much of that was compiling.
    """

    def __init__(self, brief: bool = False, quiet: bool = False, timed: bool = False) -> None:
        self._console = make_console(stderr=True)
        self._by_line = not (brief or quiet or self._console.is_terminal)
        self._clock = Clock() if timed else None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=brief,
            redirect_stdout=False,  # standard output may go to a file
            disable=quiet or not self._console.is_terminal,
        )
        self._stage = ""
        self._task: TaskID | None = None

    def __enter__(self) -> "Stages":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finish_stage()
        self._progress.stop()

    def __call__(self, stage: str) -> Callable[[int, int], None]:
        """Begin a stage."""
        self._finish_stage()
        self._stage = stage
        if self._by_line:
            self._console.print(f"{stage} …")
        task = self._task = self._progress.add_task(stage, total=None)
        return lambda done, total: self._progress.update(task, completed=done, total=total)

    def _finish_stage(self) -> None:
        if self._task is not None:
            self._progress.update(self._task, total=1, completed=1)
            self._progress.stop_task(self._task)
            self._task = None
            if self._clock is not None:
                self._console.print(Text(f"{self._stage}: {self._clock.lap()}.", style="dim"))


def show_setting(console: Console, data: "Data", model: "Mixture") -> None:
    """Say what will be fitted to what."""
    from mixtures.report.model_words import fixed_words, parts_words, prior_words

    columns = ("column " if len(data.columns) == 1 else "columns ") + ", ".join(data.columns)
    console.print(Text(f"{data.source}: {len(data.values)} rows, {columns}", style="bold"))
    for note in data.notes:
        console.print(Text(f"Note: {note}", style="yellow"))
    covariance = getattr(model.family, "covariance", "")
    parts, prior = parts_words(model), prior_words(model, data)
    console.print(Text(f"Model: {model.family.name.capitalize()} mixture of {parts}, {covariance} covariance, {prior}"))
    if held := fixed_words(model):
        console.print(Text(held))


def show_quick(console: Console, quick: bool) -> None:
    """Warn of a run with few starts and draws."""
    if quick:
        console.print("Quick look: few starts and draws, so these numbers are not for a publication.\n")


def show_comparison(screen: "Screen", result: "Comparison") -> None:
    """Print every parameter under all engines, then the fits in words, then the verdict with its reasons."""
    console = screen.words
    columns = ("Parameter", "MAP ± SE", "VI ± sd", "NUTS ± sd", "z", "R-hat", "ESS")
    rows = [
        (
            row.parameter,
            plus_minus(row.map, row.se) if result.map.status.is_estimate else "–",
            plus_minus(row.vi_mean, row.vi_sd) if result.has_vi_labels else "–",
            plus_minus(row.nuts_mean, row.nuts_sd) if result.shows(row) else "–",
            fixed(row.z, 2) if result.relates(row) else "–",
            fixed(row.rhat, 3),
            fixed(row.ess, 0),
        )
        for row in result.agreement
    ]
    print_table(console, columns, rows)
    for name, fit in (("ml", result.ml), ("map", result.map)):
        _print_item(console, _OBJECTIVES[name], _say_log_likelihood(fit), fit.reason)
        if name == "ml" and result.floor_profile is not None:
            _print_item(console, "Variance floors", result.floor_profile.sentences[0])
    _print_item(console, "VI", result.vi.reason)
    _print_item(console, "NUTS", result.nuts.reason)
    style = _STYLES.get(result.verdict.level, "bold yellow")
    console.print()
    screen.conclusions.print(Text.assemble("Verdict: ", (result.verdict.level, style)))
    for reason in result.verdict.reasons:
        print_wrapped(console, reason, " • ")


def show_fits(screen: "Screen", model: "Mixture", data: "Data", fits: Fits) -> None:
    """Print every parameter under maximum likelihood and MAP, then both fits in words."""
    estimates = [model.family.estimates(fit.params) for fit, _ in fits.values()]
    rows = [
        (
            free.name,
            *(
                plus_minus(float(values[free.key][free.entry]), float(errors.values[free.key][free.entry]))
                for values, (_, errors) in zip(estimates, fits.values(), strict=True)
            ),
        )
        for free in model.free_estimates(data.columns)
    ]
    print_table(screen.words, ("Parameter", *(f"{_OBJECTIVES[name]} ± SE" for name in fits)), rows)
    for name, (fit, errors) in fits.items():
        refused = f"No standard errors: {errors.reason}" if errors.refused else ""
        _print_item(screen.conclusions, _OBJECTIVES[name], _say_log_likelihood(fit), fit.reason, refused)


def show_written(console: Console, folder: Path | None, seconds: float) -> None:
    """Say what was written where, and how long it took."""
    console.print()
    if folder is not None:
        console.print(Text(f"Written to {_relative(folder)}:"))
        for file in sorted(folder.iterdir()):
            if file.name in _FILES:
                console.print(Text(f"  {file.name:<14} {_FILES[file.name]}"))
    console.print(f"Took {seconds:.1f} s.")


def _relative(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def print_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their columns, the first of them to the left."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left", overflow="fold")
    for row in rows[:_MOST_ROWS]:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
    if len(rows) > _MOST_ROWS:
        console.print(f"… and {len(rows) - _MOST_ROWS} more.")
    console.print()


def print_pairs(console: Console, title: str, pairs: Mapping[str, object]) -> None:
    """Print names and values under a title."""
    console.print(Text(title, style="bold"))
    for name, value in pairs.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        console.print(Text(f"  {name:<20} {shown}"))
    console.print()


def _say_log_likelihood(fit: "EMFit") -> str:
    return f"log-likelihood {fixed(float(fit.log_likelihood), 3)}."


def _print_item(console: Console, name: str, *sentences: str) -> None:
    print_wrapped(console, f"{name}: {' '.join(s for s in sentences if s)}", bold=len(name) + 1)


def print_wrapped(console: Console, text: str, start: str = "", bold: int = 0) -> None:
    """Print text with its later lines indented and no spaces at their ends; its first `bold` characters are bold."""
    width = min(console.width, _TEXT_WIDTH)
    lines = textwrap.wrap(text, width, initial_indent=start, subsequent_indent="   ", break_long_words=False)
    styled = Text("\n".join(lines))
    styled.stylize("bold", 0, bold)
    console.print(styled, soft_wrap=True)
