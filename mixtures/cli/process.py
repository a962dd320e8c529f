"""The command line as a process of its own: Ctrl-C is answered at once, and ends in order however busy XLA is."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from mixtures.cli import app
from mixtures.cli.runtime import INTERRUPTED

_STOPPED = (INTERRUPTED, 128 + signal.SIGTERM)
_GRACE = 0.3  # seconds after which a run that could be stopped has said so, and ended


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line on `arguments`, and exit; on the process's own, if not given, with its signals watched."""
    if arguments is not None:
        app.main(arguments)
    _watch_interruptions()
    try:
        app.main()
    except SystemExit as stop:
        if stop.code in _STOPPED:
            _leave(int(stop.code))
        raise


def _watch_interruptions() -> None:
    """Say soon after the first SIGINT that the run will stop, and end the process at the second.

    Python's own handlers wait for compiled code to return, which takes XLA up to a minute; the wake-up socket does not.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_answer, args=(ours, theirs), daemon=True).start()


def _answer(ours: socket.socket, theirs: socket.socket) -> None:
    """Read signals as they come, with `theirs` kept open."""
    _wait_for_interruption(ours)
    time.sleep(_GRACE)
    _say("Stopping, as soon as what is being compiled or computed is done; Ctrl-C again stops at once.\n")
    _wait_for_interruption(ours)
    _say("Stopped at once.\n")
    os._exit(INTERRUPTED)


def _wait_for_interruption(ours: socket.socket) -> None:
    while ours.recv(1) != bytes([signal.SIGINT]):
        pass


def _say(words: str) -> None:
    """Past the buffers of standard error, whose lock the main thread may hold."""
    os.write(2, words.encode())


def _leave(code: int) -> NoReturn:
    """End without the interpreter's own tidying, under which XLA's threads that are still at work crash."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads on
            stream.flush()
    os._exit(code)
