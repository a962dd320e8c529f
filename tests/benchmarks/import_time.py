"""``import mixtures`` beside ``import jax, numpyro``, both in fresh processes with compiled bytecode."""

import os
import subprocess
import sys
import tempfile
import time

import numpy as np

_RUNS = 9
_OURS, _THEIRS = "import mixtures", "import jax, numpyro"


def seconds(program: str, environment: dict[str, str]) -> float:
    """How long a fresh Python runs `program`."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    return time.perf_counter() - begin


def run():
    """Yield one row: medians of alternating runs, after one that compiles all bytecode."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = cache
        seconds(_OURS, environment)
        pairs = [(seconds(_OURS, environment), seconds(_THEIRS, environment)) for _ in range(_RUNS)]
    ours, theirs = np.median(pairs, axis=0)
    yield _OURS, 1e3 * float(ours), _THEIRS, 1e3 * float(theirs), "ms"
