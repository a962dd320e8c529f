"""`mixtures audit`: somebody's program or solution, read from a file and held against the mathematics."""

import difflib
import importlib.util
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from mixtures._files import DataError, is_there, listed, one_line
from mixtures.cli import options
from mixtures.cli.display import print_wrapped
from mixtures.cli.prepare import read_rows
from mixtures.cli.runtime import FAILED, exit_codes
from mixtures.cli.screen import Screen

if TYPE_CHECKING:
    from mixtures.audit import Audit

_STARTS = ("start", "init_params", "initial_params", "params")


def audit(
    program: Annotated[
        Path,
        typer.Argument(
            metavar="PROGRAM",
            help="A Python file with functions e_step and m_step and a start, or with a function fit; or a JSON file "
            "with weights, means and variances or covariances. Functions are handed the data as an array, "
            "(N,) if one column is used and (N, D) if several are.",
            show_default=False,
        ),
    ],
    source: options.Source,
    components: options.Components = 2,
    columns: options.Columns = None,
    e_step: Annotated[
        str, typer.Option(metavar="NAME", help="The E-step: data and parameters in, responsibilities out.")
    ] = "e_step",
    m_step: Annotated[
        str, typer.Option(metavar="NAME", help="The M-step: data and responsibilities in, parameters out.")
    ] = "m_step",
    start: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Parameters to start from, or a function of the data and K that makes them "
            "(start, init_params, initial_params or params if not given).",
        ),
    ] = None,
    fit: Annotated[
        str, typer.Option(metavar="NAME", help="Where there are no steps, the fit: data and K in, parameters out.")
    ] = "fit",
    drop_missing: options.DropMissing = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the bug in an EM program of your own: its steps, its fit, or a solution, held against the mathematics.

    Prints every finding with its evidence, its likely cause and the fix. PROGRAM is run, as Python runs a file.
    """
    with exit_codes():
        screen = Screen(as_json, quiet)
        if not (is_there(program) and program.is_file()):
            raise DataError(f"There is no file {program}; give a Python file, or a JSON file of a solution.")
        data = read_rows(source, columns, drop_missing, components, None)
        x = data.values[:, 0] if data.values.shape[1] == 1 else data.values
        names = {"e_step": e_step, "m_step": m_step, "start": start, "fit": fit}
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            found = _looked_at(program, x, components, names)
        show_findings(screen, found)
        screen.print_json(found.to_json())
        raise typer.Exit(FAILED if found.faults else 0)


def show_findings(screen: Screen, found: "Audit") -> None:
    """Every finding in four short paragraphs."""
    screen.conclusions.print(found.summary)
    for finding in found.findings:
        screen.conclusions.print(f"\n[bold]{finding.title}[/bold]")
        print_wrapped(screen.conclusions, finding.message, "  ")
        for name in ("evidence", "cause", "fix"):
            print_wrapped(screen.words, f"{name.capitalize()}: {getattr(finding, name)}", "  ")


def _looked_at(program: Path, x, components: int, names: dict[str, Any]) -> "Audit":
    from mixtures.audit import audit

    if program.suffix == ".json":
        return _guarded(lambda: audit(x, params=_read_solution(program)))
    with _as_python_runs(program) as module:
        return _module_looked_at(module, x, components, names)


def _module_looked_at(module: ModuleType, x, components: int, names: dict[str, Any]) -> "Audit":
    from mixtures.audit import audit

    e_step, m_step = names["e_step"], names["m_step"]
    if hasattr(module, e_step) or hasattr(module, m_step):
        expect, maximise = _function(module, e_step), _function(module, m_step)
        params = _start(module, names["start"], x, components)
        return _guarded(lambda: audit(x, e_step=expect, m_step=maximise, params=params))
    if not hasattr(module, names["fit"]):
        _refuse_missing(module, f"functions {e_step} and {m_step}, nor {names['fit']}", names["fit"])
    function = _function(module, names["fit"])
    return _guarded(lambda: audit(x, fit=function, num_components=components))


def _guarded(run: Callable[[], "Audit"]) -> "Audit":
    """An error of the program that is audited is said to be its own."""
    try:
        return run()
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"The audit could not go on: {one_line(error)} ({_place(error)}).") from error


def _place(error: BaseException) -> str:
    """The innermost line that raised, and the kind of error."""
    while error.__cause__ is not None:
        error = error.__cause__
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"


def _read_solution(path: Path) -> dict:
    import numpy as np

    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON: {one_line(error)}; mend it and try again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} must hold an object with weights, means and variances, got a {type(value).__name__}.")
    return {name: np.asarray(entry, float) for name, entry in value.items() if isinstance(entry, list | int | float)}


@contextmanager
def _as_python_runs(path: Path) -> Iterator[ModuleType]:
    """The module of a program, which finds its neighbours and itself as long as it is used."""
    name = path.stem if path.stem not in sys.modules else f"audited_{path.stem}"
    sys.path.insert(0, str(path.resolve().parent))
    try:
        yield _load(path, name)
    finally:
        sys.path.remove(str(path.resolve().parent))
        sys.modules.pop(name, None)


def _load(path: Path, name: str) -> ModuleType:
    from mixtures.audit.program import exits_are_failures

    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise DataError(f"{path} is no Python file; give one that ends in .py, or a .json file of a solution.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with exits_are_failures():
            spec.loader.exec_module(module)
    except Exception as error:
        raise DataError(f"{path} cannot be run: {one_line(error)} ({_place(error)}); mend it and try again.") from error
    return module


def _function(module: ModuleType, name: str) -> Callable:
    found = getattr(module, name, None)
    if found is None:
        _refuse_missing(module, f"function {name}", name)
    if not callable(found):
        raise DataError(f"{name} of {module.__name__} must be a function, got a {type(found).__name__}.")
    return found


def _start(module: ModuleType, name: str | None, x, components: int) -> Any:
    """The parameters given, or made by a function of as many of the data, K and a generator as it takes."""
    import numpy as np

    from mixtures.audit.program import exits_are_failures

    chosen = name or next((one for one in _STARTS if hasattr(module, one)), None)
    if chosen is None or not hasattr(module, chosen):
        _refuse_missing(module, f"start ({', '.join(_STARTS)})" if name is None else name, name or "start")
    found = getattr(module, chosen)
    if not callable(found):
        return found
    needed = [p for p in inspect.signature(found).parameters.values() if p.default is p.empty]
    try:
        with exits_are_failures():
            return found(*(x, components, np.random.default_rng(0))[: len(needed)])
    except Exception as error:
        raise DataError(f"{chosen} of {module.__name__} failed: {one_line(error)} ({_place(error)}).") from error


def _refuse_missing(module: ModuleType, what: str, name: str) -> NoReturn:
    own = [key for key, value in vars(module).items() if not key.startswith("_") and not isinstance(value, ModuleType)]
    near = difflib.get_close_matches(name, own, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise DataError(f"{module.__name__} has no {what}{hint}; it has {listed(own, most=20) or 'nothing'}.")
