"""What surrounds a run of the command line: exit codes, signals, and JAX's settings."""

import _thread
import atexit
import gc
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import typer

from mixtures._files import STANDARD_INPUT

FAILED, BAD_INPUT, NOT_COMPARABLE, INTERRUPTED = 1, 2, 3, 130
_TERMINATED = 128 + signal.SIGTERM
_AGAIN = 0.05  # seconds from an interruption that was ignored to the next


@contextmanager
def exit_codes(unfinished: Path | None = None, arguments: Sequence[str] = ()) -> Iterator[None]:
    """Turn whatever goes wrong inside into a sentence on standard error and an exit code.

    Bad data, folders and priors are one sentence and 2; an interruption 130, with what is kept in `unfinished` and how
    the command with these `arguments` goes on from it; anything else is a failure of this program, 1, shown in full.
    """
    signals: list[int] = []
    try:
        with _signals_unwind(signals):
            yield
    except (typer.Exit, typer.BadParameter, BrokenPipeError):
        raise
    except SystemExit as stop:
        if stop.code == _TERMINATED:  # and not that nobody reads on
            typer.echo(_say_stopped(unfinished, arguments), err=True)
        raise
    except (KeyboardInterrupt, Exception) as error:
        if isinstance(error, KeyboardInterrupt) or signal.SIGINT in signals:  # which compiled code makes another error
            typer.echo(_say_stopped(unfinished, arguments), err=True)
            raise typer.Exit(INTERRUPTED) from None
        if isinstance(error, _bad_input()):
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(BAD_INPUT) from None
        traceback.print_exc()
        typer.echo("Error: mixtures failed, which it should not; please report it with the lines above.", err=True)
        raise typer.Exit(FAILED) from None


def _say_stopped(unfinished: Path | None, arguments: Sequence[str]) -> str:
    if unfinished is None or not unfinished.exists() or (unfinished.is_dir() and not any(unfinished.iterdir())):
        return "Stopped; nothing is kept of this run, and nothing half-written is left behind."
    again = shlex.join(["mixtures", *(word for word in arguments if word != "--resume"), "--resume"])
    how = "Pipe the same data in again, to go on with" if STANDARD_INPUT in arguments else "Go on with"
    return f"Stopped; what NUTS has done is kept in {unfinished}. {how}: {again}"


def check_unfinished(place: Path, resume: bool) -> None:
    """Refuse to begin anew over the state of a run that was cut off; say so where there is none to continue.

    Raises
    ------
    FolderError
        If there is such a state, and it is not to be continued.
    """
    from mixtures.report.folder import FolderError

    if place.exists() and not resume:
        raise FolderError(
            f"{place} is the state of a run that was cut off; add --resume to continue it, or delete it to begin anew."
        )
    if resume and not place.exists():
        typer.echo(f"There is no {place} to continue, so the run begins anew.", err=True)


@contextmanager
def unfinished_run(place: Path) -> Iterator[None]:
    """Make room for the file or folder that keeps a run's state, which is gone once the run has ended well.

    Folders made for it stay only as long as it does.
    """
    from mixtures.report.folder import parents_of

    with parents_of(place):
        try:
            yield
        except BaseException:
            with suppress(OSError):  # a file, or a folder that holds something by now
                place.rmdir()
            raise
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _bad_input() -> tuple[type[Exception], ...]:
    from mixtures._files import DataError
    from mixtures.bayes.checkpoint import CheckpointError
    from mixtures.cli.prior_text import PriorError
    from mixtures.report.folder import FolderError

    return CheckpointError, DataError, FolderError, PriorError


@contextmanager
def _signals_unwind(came: list[int]) -> Iterator[None]:
    """Let SIGTERM unwind as an exit does, so that temporary folders are removed, and note every SIGINT in `came`.

    An interruption that would come again once the block is over comes to nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        signal.default_int_handler(number, frame)

    def interrupt_again(number: int, frame: FrameType | None) -> None:
        if not over.is_set():
            signal.default_int_handler(number, frame)

    def again(ignored: Any) -> None:
        """Python ignores what is raised in a finaliser or while it collects garbage: interrupt once more."""
        if ignored.exc_type is not KeyboardInterrupt:
            hook(ignored)
            return
        later.append(threading.Timer(_AGAIN, _interrupt_main))
        later[-1].daemon = True
        later[-1].start()

    later: list[threading.Timer] = []
    over = threading.Event()
    hook, sys.unraisablehook = sys.unraisablehook, again
    handlers: dict[int, Any] = {signal.SIGTERM: lambda *_: sys.exit(_TERMINATED), signal.SIGINT: interrupt}
    if hasattr(signal, "SIGUSR1"):
        handlers[signal.SIGUSR1] = interrupt_again  # the last to be restored: by itself it ends the process
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        over.set()
        sys.unraisablehook = hook
        try:
            _end(later)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _end(timers: list[threading.Timer]) -> None:
    """Cancel timers, and wait for those that are at work already."""
    for timer in timers:
        timer.cancel()
        if timer.is_alive():
            timer.join()


def _interrupt_main() -> None:
    """Interrupt the main thread, where possible not as Ctrl-C does, of which a second one ends the process at once."""
    if hasattr(signal, "SIGUSR1"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
    else:
        _thread.interrupt_main()


def prepare_jax() -> None:
    """Turn on float64, and keep compiled programs in the user's cache folder where that can be written."""
    import jax

    atexit.register(gc.freeze)  # else Python sweeps through all that JAX has traced before it ends, for a second
    jax.config.update("jax_enable_x64", True)
    if jax.config.jax_compilation_cache_dir is None and (folder := _writable_cache()) is not None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def say_jax() -> str:
    """What JAX runs on, at which precision, and where it keeps compiled programs."""
    import jax

    from mixtures._version import __version__

    bits = 64 if jax.config.jax_enable_x64 else 32
    cache = jax.config.jax_compilation_cache_dir
    kept = "are not kept" if cache is None else f"are kept in {cache}"
    devices = ", ".join(str(device) for device in jax.devices())
    return f"mixtures {__version__}, JAX {jax.__version__} on {devices}, float{bits}; compiled programs {kept}."


def cache_folder() -> Path:
    """Where the command line keeps compiled programs, if it can and nothing else is configured."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("mixtures", appauthor=False)) / "compiled"


def check_writable(folder: Path) -> None:
    """Make a folder if it is missing, and see whether files can be written there.

    Raises
    ------
    OSError
        If they cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _writable_cache() -> Path | None:
    folder = cache_folder()
    try:
        check_writable(folder)
    except OSError:
        return None
    return folder
