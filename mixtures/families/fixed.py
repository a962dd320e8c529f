"""Parameters that are held at given values while the others are estimated."""

from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mixtures._checks import is_traced
from mixtures.priors import Layout

_ROUNDING = 1e-6  # by which weights may miss one


class Fixed(eqx.Module):
    """Held values by site, and which leading entries of each site are held.

    A mask is empty where a site has no axis of components and is held as a whole. Values are arrays, so other values do
    not recompile; what is held is static.
    """

    values: dict[str, Array]
    masks: tuple[tuple[str, tuple[bool, ...]], ...] = eqx.field(static=True)

    @staticmethod
    def nothing() -> "Fixed":
        """Every parameter is free."""
        return Fixed({}, ())

    @staticmethod
    def read(given: Mapping[str, object], lengths: Mapping[str, int | None]) -> "Fixed":
        """From arrays with NaN for every entry of a component that is free.

        `lengths` are those of the sites' leading axes, None for a site that is one block.

        Raises
        ------
        ValueError
            If an array does not fit, holds only part of a component's block, or weights that cannot be.
        """
        values, masks = {}, {}
        for name, one in given.items():
            array, length = _as_array(name, one), lengths[name]
            if length is not None and (array.ndim == 0 or len(array) != length):
                raise ValueError(
                    f"{name} must have one entry for each of {length} components, NaN where free; "
                    f"got shape {array.shape}."
                )
            blocks = np.isnan(array).reshape(length or 1, -1)
            if (blocks.any(axis=1) != blocks.all(axis=1)).any():
                raise ValueError(f"{name} must be held or free (NaN) for a whole component; some are only partly NaN.")
            if np.isinf(array).any():
                raise ValueError(f"{name} must be finite where held.")
            held = ~blocks.all(axis=1)
            if not held.any():
                continue
            if name == "weights":
                array, held = _check_weights(array, held)
            values[name] = jnp.asarray(np.where(np.isnan(array), 0.0, array))
            masks[name] = () if length is None else tuple(held.tolist())
        return Fixed(values, tuple(sorted(masks.items())))

    def check(self, layout: Layout) -> None:
        """Refuse held values that do not suit the number of features."""
        for name, value in self.values.items():
            if value.shape != layout.slots[name].shape:
                raise ValueError(
                    f"The fixed {name} have shape {value.shape}, but data of "
                    f"{layout.slots['means'].block[0]} features need {layout.slots[name].shape}."
                )

    def free(self, name: str) -> np.ndarray | None:
        """Indices of a site's free leading entries; None where nothing of it is held."""
        mask = dict(self.masks).get(name)
        return None if mask is None else np.flatnonzero(~np.asarray(mask, bool))

    def keep(self, name: str, value: Array) -> Array:
        """A site's value with what is held put in its place; free weights share what held ones leave."""
        free = self.free(name)
        if free is None:
            return value
        if name == "weights":
            return self.place_weights(value[free] / jnp.sum(value[free]))
        return self.values[name].astype(value.dtype).at[free].set(value[free]) if free.size else self.values[name]

    def place_weights(self, shares: Float[Array, " F"]) -> Float[Array, " K"]:
        """All weights, from the shares that free ones have of what held ones leave."""
        held, free = self.values["weights"], self.free("weights")
        return held.at[free].set(self.left * shares).astype(shares.dtype)

    @property
    def left(self) -> Float[Array, ""]:
        """What held weights leave to free ones."""
        return 1.0 - jnp.sum(self.values["weights"])

    def distinct(self, num_components: int) -> np.ndarray:
        """Which components are told apart by what is held of them, so that their labels are theirs."""
        own = [mask[:num_components] for _, mask in self.masks if mask]
        return np.any(np.array(own, bool).reshape(-1, num_components), axis=0)

    def holds(self, name: str, entry: int) -> bool:
        """Whether a site's leading entry is held."""
        free = self.free(name)
        return free is not None and entry not in free

    @property
    def count(self) -> int:
        """How many free parameters fewer there are."""
        total = 0
        for name, mask in self.masks:
            block = self.values[name].shape[1:] if mask else self.values[name].shape
            size = block[0] * (block[0] + 1) // 2 if len(block) == 2 else int(np.prod(block))
            total += size * (sum(mask) if mask else 1) - (name == "weights" and all(mask))
        return total

    def describe(self) -> dict[str, object]:
        """What is held, in plain values; None where a component is free."""
        plain = {}
        for name, mask in self.masks:
            value = self.values[name].tolist()
            plain[name] = [v if held else None for v, held in zip(value, mask, strict=True)] if mask else value
        return plain


def _as_array(name: str, value) -> np.ndarray:
    if is_traced(value):
        raise ValueError(f"{name} must be known before tracing, because what is held decides what is compiled.")
    try:
        return np.asarray(value, float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers, NaN where free, got {type(value).__name__}.") from error


def _check_weights(weights: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Held weights and which they are: where one is left, it is held too."""
    if weights.ndim != 1:
        raise ValueError(f"weights must have shape (K,), got {weights.shape}.")
    if not (weights[held] > 0).all():
        raise ValueError(f"weights must be positive where held, got {weights[held].tolist()}.")
    total = weights[held].sum()
    if held.all() and abs(total - 1) > _ROUNDING:
        raise ValueError(f"weights must sum to 1 where all are held, got a sum of {total:g}.")
    if not held.all() and total >= 1:
        raise ValueError(f"Held weights must leave something to the free ones, got a sum of {total:g}.")
    if held.all():
        return weights / total, held
    if (~held).sum() == 1:
        return np.where(held, weights, 1 - total), np.ones_like(held)
    return weights, held
