"""What surrounds a run of the command line: exit codes, signals, and JAX's settings."""

import atexit
import gc
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

FAILED, BAD_INPUT, NOT_COMPARABLE, INTERRUPTED = 1, 2, 3, 130


@contextmanager
def exit_codes(unfinished: Path | None = None) -> Iterator[None]:
    """Turn whatever goes wrong inside into a sentence on standard error and an exit code.

    Bad data, folders and priors are one sentence and 2; an interruption 130, with a word about the `unfinished` file
    that the work can be continued from; anything else is a failure of this program, 1, shown in full for a report.
    """
    try:
        with _terminable():
            yield
    except (typer.Exit, typer.BadParameter, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        kept = unfinished is not None and unfinished.exists()
        left = (
            f"its state is in {unfinished}; add --resume to continue" if kept else "nothing half-written is left behind"
        )
        typer.echo(f"Stopped; {left}.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if isinstance(error, _bad_input()):
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(BAD_INPUT) from None
        traceback.print_exc()
        typer.echo("Error: mixtures failed, which it should not; please report it with the lines above.", err=True)
        raise typer.Exit(FAILED) from None


@contextmanager
def unfinished_run(file: Path, resume: bool) -> Iterator[None]:
    """Make room for the file that keeps a run's state, which is gone once the run has ended well.

    A file of an earlier run is kept only to be resumed. Folders made for it stay only as long as it does.
    """
    from mixtures.report.folder import parents_of

    if not resume:
        file.unlink(missing_ok=True)
    with parents_of(file):
        yield
    file.unlink(missing_ok=True)


def _bad_input() -> tuple[type[Exception], ...]:
    from mixtures._files import DataError
    from mixtures.bayes.checkpoint import CheckpointError
    from mixtures.cli.prior_text import PriorError
    from mixtures.report.folder import FolderError

    return CheckpointError, DataError, FolderError, PriorError


@contextmanager
def _terminable() -> Iterator[None]:
    """Let a termination signal unwind as an exit does, so that temporary folders are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def prepare_jax() -> None:
    """Turn on float64, and keep compiled programs in the user's cache folder where that can be written."""
    import jax

    atexit.register(gc.freeze)  # else Python sweeps through all that JAX has traced before it ends, for a second
    jax.config.update("jax_enable_x64", True)
    if jax.config.jax_compilation_cache_dir is None and (folder := _cache_folder()) is not None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _cache_folder() -> Path | None:
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("mixtures", appauthor=False)) / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None
