"""Double precision for as long as a method runs, whatever the caller's JAX is set to."""

from collections.abc import Callable
from functools import wraps

import jax
import numpy as np


def in_double[**P, T](method: Callable[P, T]) -> Callable[P, T]:
    """The same method with 64-bit JAX in this thread while it runs; the caller's setting is left as it was."""

    @wraps(method)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with jax.enable_x64(True):
            return method(*args, **kwargs)

    return run


def on_host[T](tree: T) -> T:
    """The same tree with NumPy arrays, which keep their precision through pickling and outside of `in_double`."""
    return jax.tree.map(np.asarray, tree)


def seed_of(random_state) -> int:
    """A seed of a JAX key from what scikit-learn takes as `random_state`: None, a number or a generator."""
    from sklearn.utils import check_random_state

    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
