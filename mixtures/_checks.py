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
from jaxtyping import Array, Float, Int

from mixtures._frames import numbers_of

_LONGEST = 60  # characters of a value in a message


def is_traced(*values) -> bool:
    """Whether any leaf is a tracer, so that we are inside a caller's transformation."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(values))


def as_rows(x) -> Float[Array, "N D"]:
    """Data of shape (N,) or (N, D), or a table's numeric columns, as an (N, D) array in JAX's default precision."""
    x = as_float("x", numbers_of(x))
    if x.ndim not in (1, 2) or x.size == 0:
        raise ValueError(f"x must have shape (N,) or (N, D) with at least one row, got shape {x.shape}.")
    x = _with_automatic_sharding(x)
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


def has_missing(x: Float[Array, "N D"]) -> bool:
    """Whether concrete data hold NaN; traced data are taken to be complete."""
    if is_traced(x):
        return False
    with jax.ensure_compile_time_eval():  # x may be a constant of a caller's trace
        return bool(jnp.any(jnp.isnan(x)))


def check_data(x: Float[Array, "N D"], num_components: int, missing_allowed: bool = False) -> None:
    """Refuse data that cannot be fitted: missing or infinite values, constant columns, too few distinct rows.

    Where they are allowed, missing values are NaN; a row or a column of nothing else is refused all the same.
    """
    if x.shape[0] < 2:
        raise ValueError("x must have at least two rows, got one.")
    if is_traced(x):
        return
    with jax.ensure_compile_time_eval():  # x may be a constant of a caller's trace
        finite, sound, varies, empty_columns, empty_rows = map(np.asarray, _inspect(x))
        if not (sound if missing_allowed else finite).all():
            bad = ~(sound if missing_allowed else finite)
            count = int((jnp.isinf(x) if missing_allowed else ~jnp.isfinite(x)).sum())
            kind = "infinite" if missing_allowed else "NaN or infinite"
            raise ValueError(f"x must be finite; {count} values are {kind}, first in rows {_first(bad)}.")
        if empty_columns.any():
            raise ValueError(f"x has no value at all in columns {_first(empty_columns)}: leave them out.")
        if empty_rows.any():
            raise ValueError(
                f"x has no value at all in {empty_rows.sum()} rows, first {_first(empty_rows)}: leave them out."
            )
        if not varies.all():
            raise ValueError(f"x must vary in every column; columns {_first(~varies)} do not: leave them out.")
        if num_components > _count_distinct(x[:1000]) and num_components > (distinct := _count_distinct(x)):
            raise ValueError(
                f"num_components must be at most the number of distinct rows, {distinct}; got {num_components}."
            )


def _first(which: np.ndarray) -> str:
    return ", ".join(map(str, np.flatnonzero(which)[:5].tolist()))


@jax.jit
def _inspect(x: Float[Array, "N D"]):
    """Rows that are finite, rows without infinities, columns that vary, and columns and rows without any value."""
    missing = jnp.isnan(x)
    varies = jnp.nanmax(x, axis=0) > jnp.nanmin(x, axis=0)
    finite, sound = jnp.all(jnp.isfinite(x), axis=1), ~jnp.any(jnp.isinf(x), axis=1)
    return finite, sound, varies, jnp.all(missing, axis=0), jnp.all(missing, axis=1)


@jax.jit
def _count_distinct(x: Float[Array, "N D"]) -> Int[Array, ""]:
    ordered = jnp.nan_to_num(x, nan=jnp.inf)[jnp.lexsort(x.T)]
    return jnp.sum(jnp.any(ordered[1:] != ordered[:-1], axis=1)) + 1


def as_float(name: str, value) -> Float[Array, "..."]:
    """Real numbers as an array in JAX's default precision."""
    if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.integer):
        value = value.astype(float)  # JAX's default integers may be narrower than these
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers, got {shown(value)}.") from error
    if not jnp.issubdtype(array.dtype, jnp.number) or jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}.")
    return array.astype(float)


def as_weights(weights, num_rows: int) -> Float[Array, " N"] | None:
    """Row weights as an array: one positive, finite number for each row."""
    if weights is None:
        return None
    weights = as_float("weights", weights)
    if weights.shape != (num_rows,):
        raise ValueError(f"weights must have shape ({num_rows},), one for each row; got shape {weights.shape}.")
    if not is_traced(weights):
        bad = ~(np.isfinite(weights) & (np.asarray(weights) > 0))
        if bad.any():
            raise ValueError(
                f"weights must be positive and finite; {bad.sum()} are not, first those of rows {_first(bad)}: "
                "leave such rows out."
            )
    return weights


def as_labels(labels, num_rows: int, num_components: int) -> np.ndarray | None:
    """Known components as an array of integers from 0 to K − 1, −1 where a row's is not known."""
    if labels is None:
        return None
    if is_traced(labels):
        raise ValueError("labels must be known before tracing; give them as a NumPy array, not as a traced one.")
    given = np.asarray(labels)
    if given.shape != (num_rows,):
        raise ValueError(f"labels must have shape ({num_rows},), one for each row; got shape {given.shape}.")
    if not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"labels must be whole numbers, −1 where unknown; got an array of {given.dtype}.")
    bad = (given < -1) | (given >= num_components)
    if bad.any():
        raise ValueError(
            f"labels must lie between 0 and {num_components - 1}, or be −1 where unknown; "
            f"{bad.sum()} do not, first those of rows {_first(bad)}."
        )
    return given


def check_type(name: str, value, kind: type, what: str) -> None:
    """Refuse a value that is not of a kind."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be {what}, got {shown(value)}.")


def check_count(name: str, value, least: int = 1) -> int:
    """Return a whole number of at least `least`, as an int."""
    try:
        count = operator.index(value)
    except TypeError:
        count = least - 1
    if isinstance(value, bool) or count < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {shown(value)}.")
    return count


def check_key(key) -> None:
    """Refuse anything but a JAX random key."""
    typed = isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ()
    legacy = isinstance(key, jax.Array) and key.dtype == jnp.uint32 and key.shape == (2,)
    if not (typed or legacy):
        raise ValueError(f"key must be one JAX random key, such as jax.random.key(0); got {shown(key)}.")


def check_choice(name: str, value, choices) -> None:
    """Refuse a value that is not among the names in `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {shown(value)}.")


def check_flag(name: str, value) -> None:
    """Refuse anything but True and False."""
    if not isinstance(value, bool | np.bool):
        raise ValueError(f"{name} must be True or False, got {shown(value)}.")


def check_callback(name: str, value) -> None:
    """Refuse what cannot be called, unless it is None."""
    if value is not None and not callable(value):
        raise ValueError(f"{name} must be a function, got {shown(value)}.")


def check_share(name: str, value) -> None:
    """Refuse anything but a number strictly between 0 and 1."""
    if not _is_number(value) or (not is_traced(value) and not 0 < float(value) < 1):
        raise ValueError(f"{name} must lie between 0 and 1, got {shown(value)}.")


def as_tolerance(name: str, value, dtype) -> Float[Array, ""]:
    """A positive, finite number as an array."""
    if not _is_number(value) or (not is_traced(value) and not 0 < float(value) < np.inf):
        raise ValueError(f"{name} must be positive and finite, got {shown(value)}.")
    return jnp.asarray(value, dtype)


def check_positive(name: str, value) -> None:
    """Refuse concrete numbers that are not positive."""
    if not is_traced(value) and not np.all(np.asarray(value) > 0):
        raise ValueError(f"{name} must be positive, got {shown(value)}.")


def _is_number(value) -> bool:
    """Whether a value is one real number, traced or not."""
    if isinstance(value, bool | str) or not isinstance(value, int | float | np.generic | np.ndarray | jax.Array):
        return False
    return np.ndim(value) == 0 and jnp.issubdtype(jnp.result_type(value), jnp.number)


def shown(value) -> str:
    """A value on one line, as an error message can hold it."""
    if isinstance(value, np.ndarray | jax.Array) and value.ndim:
        return f"an array of shape {value.shape}"
    plain = float(value) if _is_number(value) and not isinstance(value, int) and not is_traced(value) else value
    text = repr(plain)
    return text if len(text) <= _LONGEST and "\n" not in text else f"a {type(value).__name__}"
