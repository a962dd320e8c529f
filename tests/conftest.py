"""Every test runs in float64 on the CPU, with programs compiled quickly rather than to run fast."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Two host devices, for the tests of sharded rows; the rest uses the first.
os.environ["XLA_FLAGS"] = " ".join(
    [os.environ.get("XLA_FLAGS", ""), "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"]
)
# What one test process has compiled, the others need not, nor itself after it has forgotten programs (below).
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="mixtures-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)

import jax
import numpy as np
import pytest
from xdist.scheduler import LoadScopeScheduling

jax.config.update("jax_enable_x64", True)


_TESTS = Path(__file__).parent
# Files whose tests ask for the same comparisons, which one process then makes once; and those that take longest.
_SHARED = ("report/", "cli/", "test_cards.py", "compare/test_calibrate.py", "compare/test_sweep.py")
_FIRST = ("test_guide.py", *_SHARED, "sklearn_api/", "bayes/", "audit/", "compare/")


class WholeFiles(LoadScopeScheduling):
    """Gives each process whole files, whose programs it compiles once, or files that share what they need."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].removeprefix("tests/")
        return "comparisons" if file.startswith(_SHARED) else file


def pytest_xdist_make_scheduler(config, log):
    return WholeFiles(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]):
    """Mark what is slow; the longest files first, which the option --no-loadscope-reorder keeps so."""
    for item in items:
        kept = item.get_closest_marker("slow_but")
        if kept and item.callspec.id not in kept.args:
            item.add_marker("slow")
    rank = {start: number for number, start in enumerate(_FIRST)}
    places = [item.path.relative_to(_TESTS).as_posix() for item in items]
    ranks = [min((rank[s] for s in _FIRST if place.startswith(s)), default=len(rank)) for place in places]
    items[:] = [items[i] for i in sorted(range(len(items)), key=ranks.__getitem__)]


_MOST_MAPS = 30_000  # Linux allows a process 65,530


@pytest.fixture(scope="module", autouse=True)
def forget_programs():
    """Free compiled programs before the memory maps that they hold run out, which would end in a crash."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and len(maps.read_bytes().splitlines()) > _MOST_MAPS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def series():
    """The 50 values this project began with."""
    from mixtures.datasets import load

    return load("timeseries").values[:, 0]


@pytest.fixture(scope="session")
def blobs():
    """300 rows of two features from three overlapping groups, in unequal units."""
    rng = np.random.default_rng(20)
    centres = np.array([[0.0, 0.0], [3.0, 1.0], [-1.0, 4.0]])
    rows = centres[rng.integers(0, 3, 300)] + rng.normal(size=(300, 2)) @ np.array([[1.0, 0.3], [0.0, 0.7]])
    return rows * np.array([10.0, 0.1]) + np.array([500.0, -3.0])
