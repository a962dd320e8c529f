"""Where the words of a command go, and how many of them: `--json`, `--quiet` and `--verbose`."""

from pathlib import Path

import typer
from rich.text import Text

from mixtures.cli.display import Stages, make_console


class Screen:
    """The consoles of one command.

    `words` takes everything there is to say, `conclusions` what is said with ``--quiet`` too. With ``--json`` standard
    output is for one document, so both are on standard error, and ``--quiet`` leaves nothing but the document.
    """

    def __init__(self, as_json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        if quiet and verbose:
            raise typer.BadParameter("give --quiet or --verbose, not both.")
        self._as_json, self._quiet, self._verbose = as_json, quiet, verbose
        self.words = make_console(stderr=as_json, quiet=quiet)
        self.conclusions = make_console(stderr=as_json, quiet=quiet and as_json)

    def stages(self) -> Stages:
        """A bar or a line for each stage of the work; with ``--verbose`` also how long it took."""
        return Stages(quiet=self._quiet, timed=self._verbose)

    def show_settings(self, **settings: object) -> None:
        """With ``--verbose``, say what the run is made with."""
        if self._verbose:
            from mixtures.cli.runtime import say_jax

            console = make_console(stderr=True)
            console.print(Text(say_jax(), style="dim"))
            told = ", ".join(f"{name} = {value}" for name, value in settings.items())
            console.print(Text(f"Settings: {told}.", style="dim"))

    def show_json(self, file: Path) -> None:
        """With ``--json``, print the document that was just written."""
        if self._as_json:
            self.print_json(file.read_text(encoding="utf-8"))

    def print_document(self, value: object) -> None:
        """With ``--json``, print these plain values."""
        from mixtures.report.plain import plain, to_json

        self.print_json(to_json(plain(value)))

    def print_json(self, text: str) -> None:
        """With ``--json``, print this document."""
        if self._as_json:
            typer.echo(text, nl=not text.endswith("\n"))
