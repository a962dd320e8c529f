"""Ctrl-C in a real process: what is kept, what is said, and that going on gives what no interruption would have."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import mixtures as mx
from mixtures.cli import runtime

ACIDITY = Path(mx.__file__).parent / "datasets" / "acidity.csv"
LONG = (
    "compare",
    str(ACIDITY),
    "--chains",
    "1",
    "--starts",
    "4",
    "--warmup",
    "300",
    "--samples",
    "6000",
    "--guide",
    "laplace",
)
_PATIENCE = 300  # seconds


def start(*arguments):
    environment = os.environ | {"PYTHONPATH": str(Path(mx.__file__).parents[1])}
    command = [sys.executable, "-m", "mixtures", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for(file: Path, process) -> None:
    end = time.monotonic() + _PATIENCE
    while not file.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_an_interrupted_run_goes_on_to_the_same_draws():
    kept = Path("cut.unfinished")
    cut = start(*LONG, "--out", "cut")
    wait_for(kept, cut)
    cut.send_signal(signal.SIGINT)
    _, said = cut.communicate(timeout=_PATIENCE)
    assert cut.returncode == 130, said
    assert "Traceback" not in said
    command = shlex.join(["mixtures", *LONG, "--out", "cut", "--resume"])
    assert said.splitlines()[-1] == f"Stopped; what NUTS has done is kept in {kept}. Go on with: {command}"
    assert kept.exists()
    assert not Path("cut").exists()

    done = subprocess.run(
        [sys.executable, "-m", "mixtures", *shlex.split(said.splitlines()[-1].split("mixtures ")[1])],
        capture_output=True,
        text=True,
    )
    assert done.returncode == runtime.NOT_COMPARABLE, done.stderr  # of one chain
    assert not kept.exists()
    whole = start(*LONG, "--out", "whole")
    whole.communicate(timeout=_PATIENCE)
    assert whole.returncode == runtime.NOT_COMPARABLE
    draws = [xr.open_datatree(f"{name}/posterior.nc")["posterior"]["means"].values for name in ("cut", "whole")]
    np.testing.assert_array_equal(*draws)
