"""What importing the package loads, and in which order it may be imported.

ArviZ leaves NumPyro lazily loaded, in which state its submodules lose attributes; importing us must not break.
"""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_arviz_may_be_imported_first():
    program = (
        "import arviz, mixtures, jax, jax.numpy as jnp\n"
        "model = mixtures.Mixture.for_data(jnp.arange(9.0), 2)\n"
        "mixtures.fit_vi(model, jnp.arange(9.0), key=jax.random.key(0), num_starts=1, num_steps=10, num_samples=100)\n"
    )
    subprocess.run([sys.executable, "-W", "error::FutureWarning", "-c", program], check=True)


def test_what_is_heavy_is_imported_where_it_is_used():
    heavy = (
        "arviz",
        "blackjax",
        "matplotlib",
        "optax",
        "pandas",
        "polars",
        "scipy.stats",
        "sklearn",
        "typer",
        "xarray",
    )
    program = f"import sys, mixtures; print(*[name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []
