"""Where deviations from each mean overtake the cross products of the features: the kernel's two forms side by side."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mixtures import Gaussian
from mixtures._kernel import CENTRED, PRODUCTS, SQUARES, Rows, e_step
from tests.benchmarks.em_iteration import best_seconds

FEATURES = (2, 4, 8, 16, 32, 48, 64, 96, 128)
_NUMBERS = 800_000  # rows times features
_COMPONENTS = 6


def seconds(num_features: int, covariance: str, form) -> float:
    """Seconds of one E-step."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(_NUMBERS // num_features, num_features)))
    family = Gaussian(covariance)
    means, spread = x[:_COMPONENTS], jnp.tile(jnp.eye(num_features), (_COMPONENTS, 1, 1))
    params = family.start(jnp.full(_COMPONENTS, 1 / _COMPONENTS), means, spread)
    rows = Rows.prepare(x, form, _COMPONENTS, 1)
    run = eqx.filter_jit(lambda params, rows: e_step(family.quadratics(params, rows.frame, None), rows))
    return best_seconds(lambda: jax.tree.leaves(run(params, rows)))


def run():
    """Yield rows for each number of features and kind of covariance."""
    for num_features in FEATURES:
        for covariance, form in (("full", PRODUCTS), ("diagonal", SQUARES)):
            products, centred = (1e3 * seconds(num_features, covariance, f) for f in (form, CENTRED))
            yield f"E-step by products, D={num_features} {covariance}", products, "by deviations", centred, "ms"
