"""Argument checks: one sentence saying what was wrong, what came, and what to do.

Values are checked only where they are concrete; inside a caller's `jit` only shapes can be, and bad values become a
`Status`.
"""

import operator

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import NamedSharding
from jaxtyping import Array, Bool, Float, Int


def is_traced(*values) -> bool:
    """Whether any leaf is a tracer, so that we are inside a caller's transformation."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(values))


def as_rows(x) -> Float[Array, "N D"]:
    """Data of shape (N,) or (N, D) as an (N, D) array in JAX's default precision."""
    try:
        x = jnp.asarray(x)
    except (TypeError, ValueError) as error:
        raise ValueError(f"x must be an array of numbers, got {type(x).__name__}.") from error
    if not jnp.issubdtype(x.dtype, jnp.number) or jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise ValueError(f"x must hold real numbers, got dtype {x.dtype}.")
    if x.ndim not in (1, 2) or x.size == 0:
        raise ValueError(f"x must have shape (N,) or (N, D) with at least one row, got shape {x.shape}.")
    x = _with_automatic_sharding(x.astype(float))
    return x[:, None] if x.ndim == 1 else x


def _with_automatic_sharding(x: Array) -> Array:
    """The same array on the same devices, with XLA free to choose how results are spread over them.

    Meshes make shardings part of types by default; the engines' sums over rows leave that choice to the compiler.
    """
    sharding = None if is_traced(x) else x.sharding
    if not isinstance(sharding, NamedSharding) or not sharding.mesh.explicit_axes:
        return x
    mesh = jax.sharding.Mesh(np.asarray(sharding.mesh.devices), sharding.mesh.axis_names)
    return jax.device_put(x, NamedSharding(mesh, sharding.spec))


def check_data(x: Float[Array, "N D"], num_components: int) -> None:
    """Refuse data that cannot be fitted: missing or infinite values, constant columns, too few distinct rows."""
    if x.shape[0] < 2:
        raise ValueError("x must have at least two rows, got one.")
    if is_traced(x):
        return
    with jax.ensure_compile_time_eval():  # x may be a constant of a caller's trace
        finite, varies = _inspect(x)
        if not finite.all():
            first = ", ".join(map(str, np.flatnonzero(~np.asarray(finite))[:5].tolist()))
            count = int((~jnp.isfinite(x)).sum())
            raise ValueError(f"x must be finite; {count} values are NaN or infinite, first in rows {first}.")
        if not varies.all():
            constant = ", ".join(map(str, np.flatnonzero(~np.asarray(varies)).tolist()))
            raise ValueError(f"x must vary in every column; columns {constant} do not: leave them out.")
        if num_components > _count_distinct(x[:1000]) and num_components > (distinct := _count_distinct(x)):
            raise ValueError(
                f"num_components must be at most the number of distinct rows, {distinct}; got {num_components}."
            )


@jax.jit
def _inspect(x: Float[Array, "N D"]) -> tuple[Bool[Array, " N"], Bool[Array, " D"]]:
    """Which rows are finite, and which columns vary."""
    return jnp.all(jnp.isfinite(x), axis=1), jnp.max(x, axis=0) > jnp.min(x, axis=0)


@jax.jit
def _count_distinct(x: Float[Array, "N D"]) -> Int[Array, ""]:
    ordered = x[jnp.lexsort(x.T)]
    return jnp.sum(jnp.any(ordered[1:] != ordered[:-1], axis=1)) + 1


def check_count(name: str, value, least: int = 1) -> int:
    """Return a whole number of at least `least`, as an int."""
    try:
        count = operator.index(value)
    except TypeError:
        count = least - 1
    if isinstance(value, bool) or count < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    return count


def check_key(key) -> None:
    """Refuse anything but a JAX random key."""
    typed = isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ()
    legacy = isinstance(key, jax.Array) and key.dtype == jnp.uint32 and key.shape == (2,)
    if not (typed or legacy):
        raise ValueError(f"key must be one JAX random key, such as jax.random.key(0); got {type(key).__name__}.")


def check_choice(name: str, value, choices) -> None:
    """Refuse a value that is not among `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")


def check_positive(name: str, value) -> None:
    """Refuse a concrete number that is not positive."""
    if not is_traced(value) and not np.all(np.asarray(value) > 0):
        raise ValueError(f"{name} must be positive, got {value}.")
