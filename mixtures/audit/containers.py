"""Parameters as people keep them: dictionaries, tuples and objects, of arrays, lists and numbers."""

import copy
import dataclasses
from collections.abc import Mapping, MutableMapping
from dataclasses import is_dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_WEIGHTS = [
    "weights",
    "weight",
    "w",
    "ws",
    "pi",
    "pis",
    "phi",
    "phis",
    "alpha",
    "alphas",
    "mixing",
    "mixing_weights",
    "mixture_weights",
    "mixing_proportions",
    "proportions",
    "mix",
    "mixing_coefficients",
    "coefficients",
    "priors",
    "prior",
    "probs",
    "probabilities",
    "p",
]
_MEANS = ["means", "mean", "mu", "mus", "m", "centers", "centres", "center", "centre", "loc", "locs", "locations"]
_VARIANCES = [
    "covariances",
    "variances",
    "covariance",
    "variance",
    "covs",
    "cov",
    "vars",
    "var",
    "v",
    "sigma2",
    "sigmas2",
    "sigma_2",
    "sigma_sq",
    "sigmasq",
    "sigma_squared",
    "s2",
    "covariance_matrices",
    "cov_matrices",
]
_SDS = [
    "sds",
    "sd",
    "stds",
    "std",
    "stdevs",
    "stdev",
    "stddevs",
    "stddev",
    "std_devs",
    "std_dev",
    "standard_deviations",
    "standard_deviation",
]
_EITHER = ["sigmas", "sigma", "scales", "scale", "s"]


class Parts(NamedTuple):
    """Where weights, means and spreads are in a container, and what the spreads are by their name, where it tells."""

    keys: tuple[Any, Any, Any]
    scale: str | None


def get(params: Any, key: Any) -> Any:
    """One part of a container."""
    return params[key] if isinstance(params, Mapping | list | tuple) else getattr(params, key)


def find_parts(params: Any) -> Parts:
    """Recognise a container of weights, means and spreads.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(params, list | tuple) and not hasattr(params, "_fields"):
        if len(params) < 3:
            raise ValueError(
                f"params must hold weights, means and variances (or covariances), in order; got {len(params)} parts."
            )
        _refuse_other_order(params)
        return Parts((0, 1, 2), None)
    names = list(params) if isinstance(params, Mapping) else [n for n in dir(params) if not n.startswith("_")]
    by_name = {str(name).strip("_ ").lower().replace("-", "_").replace(" ", "_"): name for name in reversed(names)}

    def first(choices):
        found = [n for n in choices if n in by_name and _is_numeric(params, by_name[n], isinstance(params, Mapping))]
        return found[0] if found else None

    found = first(_WEIGHTS), first(_MEANS), first(_VARIANCES + _SDS + _EITHER)
    for what, name in zip(("weights", "means", "variances"), found, strict=True):
        if name is None:
            _refuse_other_scale(by_name)
            shown = ", ".join(map(str, names)) if isinstance(params, Mapping) else f"a {type(params).__name__}"
            raise ValueError(
                f"params must hold weights, means and variances, but no {what} were recognised in {shown}."
            )
    spread = str(found[2])
    scale = "variance" if spread in _VARIANCES else "sd" if spread in _SDS else None
    keys = tuple(by_name[str(name)] for name in found)
    return Parts(keys if not isinstance(params, tuple) else tuple(map(params._fields.index, keys)), scale)  # type: ignore


def _refuse_other_scale(names: Mapping[str, Any]) -> None:
    """Refuse logarithms and precisions, which are not what they could be taken for."""
    for name in names:
        if name.startswith("log_"):
            raise ValueError(f"params hold {name}; give the numbers themselves, as exp({name}), not their logarithms.")
        if name.startswith("precision") or name in ("tau", "taus", "lambda", "lambdas"):
            raise ValueError(f"params hold {name}; give variances or covariances, which are inverses of precisions.")


def _is_numeric(params: Any, name: Any, mapping: bool) -> bool:
    try:
        value = np.asarray(params[name] if mapping else getattr(params, name))
        return np.issubdtype(value.dtype, np.number)
    except (TypeError, ValueError, AttributeError):
        return False


def _refuse_other_order(params: Any) -> None:
    """Refuse a sequence of which the first part is no weights while another, alone, is."""
    arrays = [np.asarray(part) for part in params[:3]]
    alike = [a.ndim == 1 and np.issubdtype(a.dtype, np.number) and (a >= 0).all() for a in arrays]
    ones = [i for i, a in enumerate(arrays) if alike[i] and abs(a.sum() - 1) < 1e-6]
    if ones in ([1], [2]):
        raise ValueError(
            f"params must hold weights, means and variances in this order, but only part {ones[0] + 1} sums to one."
        )


def replaced(params: Any, parts: Parts, values: tuple[np.ndarray, ...]) -> Any:
    """The same container, of the same types and shapes, with other numbers."""
    new = {key: like(get(params, key), value) for key, value in zip(parts.keys, values, strict=True)}
    if isinstance(params, Mapping):
        return _mapping(params, new)
    if isinstance(params, list | tuple):
        items = [new.get(i, item) for i, item in enumerate(params)]
        return type(params)(*items) if hasattr(params, "_fields") else type(params)(items)
    return _object(params, new)


def _mapping(params: Mapping[Any, Any], new: dict[Any, Any]) -> Mapping[Any, Any]:
    """A copy with other entries: of the same type where that can be changed or be made of a dictionary."""
    if isinstance(params, MutableMapping):
        found = copy.copy(params)
        found.update(new)
        return found
    entries = {**params, **new}
    try:
        return type(params)(entries)  # type: ignore
    except TypeError:
        return entries


def _object(params: Any, new: dict[str, Any]) -> Any:
    """A copy with other attributes.

    Raises
    ------
    ValueError
        If it cannot have others.
    """
    found = copy.copy(params)
    try:
        for name, value in new.items():
            setattr(found, name, value)
        return found
    except AttributeError as error:
        fields = {field.name for field in dataclasses.fields(params) if field.init} if is_dataclass(params) else ()
        if set(new) <= set(fields):
            return dataclasses.replace(params, **new)  # type: ignore
        raise ValueError(
            f"params must be something in which other numbers can be put, but a {type(params).__name__} has "
            f"{', '.join(new)} that cannot be set; give a dictionary, or a tuple of weights, means and variances."
        ) from error


def like(template: Any, values: np.ndarray) -> Any:
    """Numbers in the type, the precision and the shape of a template; an array for types that are not known."""
    values = np.asarray(values).reshape(np.shape(template))
    if isinstance(template, list | tuple):
        return type(template)(like(t, v) for t, v in zip(template, values, strict=True))
    dtype = getattr(template, "dtype", None)
    known = isinstance(dtype, np.dtype) and np.issubdtype(dtype, np.floating)
    dtype = dtype if known else np.dtype(np.float64)
    if isinstance(template, jax.Array):
        return jnp.asarray(values, template.dtype if jnp.issubdtype(template.dtype, jnp.floating) else None)
    if isinstance(template, np.generic):
        return values.astype(dtype)[()]
    if hasattr(template, "iloc"):  # of pandas, which need not be installed
        labels = {name: getattr(template, name) for name in ("index", "columns") if hasattr(template, name)}
        return type(template)(values.astype(dtype), **labels)
    return values.astype(dtype) if values.ndim or isinstance(template, np.ndarray) else float(values)


def precision(value: Any) -> float:
    """The rounding error of the numbers that a callable returned."""
    leaves = jax.tree.leaves(value)
    single = any(getattr(leaf, "dtype", None) in (np.float32, np.float16, jnp.bfloat16) for leaf in leaves)
    return 1e-7 if single else 1e-15
