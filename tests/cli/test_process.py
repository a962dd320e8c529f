"""The end of a process that is stopped, in real processes that only pretend to be deep in compiled code."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import mixtures as mx

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
_PATIENCE = 60  # seconds
_DEAF = """
import signal, time
from mixtures.cli import app, main

def deaf():  # as compiled code is to Python's handlers
    signal.signal(signal.SIGINT, lambda *_: None)
    print("ready", flush=True)
    time.sleep(600)

app.main = deaf
main()
"""
_STOPPED = """
import atexit, sys
from mixtures.cli import app, main

atexit.register(print, "tidied")
app.main = lambda *_: (print("said"), sys.exit({code}))
main({arguments})
"""


def start(program):
    environment = os.environ | {"PYTHONPATH": str(Path(mx.__file__).parents[1])}
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_an_interruption_is_answered_at_once_and_a_second_one_ends_the_process():
    process = start(_DEAF)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline().startswith("Stopping")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=_PATIENCE)
    assert (process.returncode, said) == (130, "Stopped at once.\n")


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [(130, "", "said\n"), (143, "", "said\n"), (3, "", "said\ntidied\n"), (130, "[]", "said\ntidied\n")],
    ids=["interrupted", "terminated", "ended", "inside another program"],
)
def test_a_stopped_process_leaves_without_tidying(code, arguments, said):
    process = start(_STOPPED.format(code=code, arguments=arguments))
    printed, _ = process.communicate(timeout=_PATIENCE)
    assert (process.returncode, printed) == (code, said)
