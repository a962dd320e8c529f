"""Shapes as people use them: (K,), (K, 1), (1, K), (K, D), (K, D, D), tied or not; responsibilities N × K or K × N."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from mixtures.audit.containers import Parts, find_parts, get, like, precision, replaced

Array = np.ndarray


@dataclass(frozen=True)
class Raw:
    """Numbers as they stand in somebody's parameters: `spread` (K, D, D) holds variances, or what stands for them."""

    weights: Float[Array, " K"]
    means: Float[Array, "K D"]
    spread: Float[Array, "K D D"]

    @property
    def finite(self) -> bool:
        """Whether every number is finite."""
        return all(bool(np.isfinite(part).all()) for part in (self.weights, self.means, self.spread))


@dataclass(frozen=True)
class Layout:
    """How somebody's parameters are kept: their container, shapes, and covariance model."""

    params: Any
    parts: Parts
    num_components: int
    num_features: int
    covariance: str
    error: float

    @staticmethod
    def of(params: Any, num_features: int, covariance: str | None = None) -> "Layout":
        """Recognise a layout; `covariance` decides where K = D and an array could be diagonals or one matrix.

        Raises
        ------
        ValueError
            If the container, or a shape in it, is not understood.
        """
        parts = find_parts(params)
        shapes = [_numbers(get(params, key)).shape for key in parts.keys]
        count = int(np.prod(shapes[0]))
        if count < 1 or max(shapes[0], default=1) != count:
            raise ValueError(f"weights must have shape (K,), (K, 1) or (1, K), got {shapes[0]}.")
        if sorted(n for n in shapes[1] if n != 1) != sorted(n for n in (count, num_features) if n != 1):
            raise ValueError(
                f"means must have shape ({count}, {num_features}) for {count} weights and {num_features} "
                f"feature{'s' * (num_features > 1)}, got {shapes[1]}."
            )
        found = _covariance(_numbers(get(params, parts.keys[2])), count, num_features)
        if {found, covariance} == {"tied", "diagonal"} and len(shapes[2]) == 2:
            found = str(covariance)
        return Layout(params, parts, count, num_features, found, precision([get(params, k) for k in parts.keys]))

    def read(self) -> Raw:
        """The numbers in the layout's own parameters."""
        weights, means, spread = (_numbers(get(self.params, key)) for key in self.parts.keys)
        means = means.T if self._transposed(means.shape) else means.reshape(self.num_components, self.num_features)
        return Raw(weights.ravel(), means, self._dense(spread))

    def pack(self, raw: Raw) -> Any:
        """Parameters of the same types and shapes with other numbers."""
        shape = _numbers(get(self.params, self.parts.keys[1])).shape
        means = raw.means.T if self._transposed(shape) else raw.means
        return replaced(self.params, self.parts, (raw.weights, means, self._blocks(raw.spread)))

    def with_numbers(self, raw: Raw) -> "Layout":
        """The layout of other parameters, rounded as their precision has it."""
        return Layout.of(self.pack(raw), self.num_features, self.covariance)

    def _transposed(self, shape: tuple[int, ...]) -> bool:
        square = self.num_components == self.num_features
        return len(shape) == 2 and shape == (self.num_features, self.num_components) and not square

    def _dense(self, spread: Array) -> Float[Array, "K D D"]:
        count, size = self.num_components, self.num_features
        eye = np.eye(size)
        if self.covariance == "full":
            return spread.reshape(count, size, size)
        if self.covariance == "tied":
            return np.repeat(spread.reshape(1, size, size), count, axis=0)
        if self.covariance == "diagonal":
            spread = spread.T if self._transposed(spread.shape) else spread.reshape(count, size)
            return spread[:, :, None] * eye
        diagonals = spread.reshape((-1, 1, 1) if self.covariance == "spherical" else (1, -1, 1))
        return np.broadcast_to(diagonals, (count, size, 1)) * eye

    def _blocks(self, dense: Float[Array, "K D D"]) -> Array:
        diagonals = np.einsum("kii->ki", dense)
        if self.covariance == "diagonal":
            return diagonals.T if self._transposed(np.shape(get(self.params, self.parts.keys[2]))) else diagonals
        return {
            "full": dense,
            "tied": dense[0],
            "spherical": diagonals[:, 0],
            "tied_diagonal": diagonals[0],
            "tied_spherical": diagonals[0, 0],
        }[self.covariance]


def _covariance(spread: Array, count: int, size: int) -> str:
    """The covariance model that a shape stands for."""
    shape, total = spread.shape, spread.size
    if size == 1 and total in (1, count):
        return "full" if total == count else "tied"
    if shape == (count, size, size):
        return "full"
    if shape in ((count, size), (size, count)):
        tied = count == size and np.allclose(spread, spread.T) and np.linalg.matrix_rank(spread) == size
        return "tied" if tied else "diagonal"
    if shape == (size, size):
        return "tied"
    if total == count and max(shape) == count:
        return "spherical"
    if shape == (size,):
        return "tied_diagonal"
    if total == 1:
        return "tied_spherical"
    raise ValueError(
        f"variances must be ({count},), ({count}, {size}) or ({count}, {size}, {size}), or the same without an axis "
        f"of components where they share them; got shape {shape}."
    )


def _numbers(value: Any) -> Array:
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"params must hold real numbers, got a {type(value).__name__} that is none.") from error


@dataclass(frozen=True)
class ResponsibilityLayout:
    """How somebody's responsibilities are kept: N × K or K × N, as probabilities or their logarithms."""

    template: Any
    by_component: bool
    logarithms: bool
    shape: tuple[int, int]

    @staticmethod
    def of(value: Any, num_rows: int, num_components: int) -> "ResponsibilityLayout":
        """Recognise a layout.

        Raises
        ------
        ValueError
            If the shape is not understood.
        """
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"e_step must return an array of responsibilities, got a {type(value).__name__}."
            ) from error
        shape = array.shape
        plain = tuple(n for n in shape if n != 1) if 1 in shape and num_components > 1 else shape
        wanted = (num_rows, num_components)
        if num_components == 1 and array.size == num_rows:
            by_component = shape[0] == 1
        elif plain in (wanted, wanted[::-1]):
            by_component = plain == wanted[::-1] and plain != wanted
        else:
            raise ValueError(
                f"e_step must return responsibilities of shape ({num_rows}, {num_components}) or "
                f"({num_components}, {num_rows}), got {shape}."
            )
        known = array[~np.isnan(array)]
        return ResponsibilityLayout(value, by_component, bool((known <= 0).all() and (known < 0).any()), wanted)

    def read(self, value: Any) -> Float[Array, "N K"]:
        """Responsibilities, whatever is wrong with them; all NaN where the shape has changed."""
        array = np.asarray(value, np.float64)
        if array.size != self.shape[0] * self.shape[1]:
            return np.full(self.shape, np.nan)
        found = array.reshape(self.shape[::-1]).T if self.by_component else array.reshape(self.shape)
        with np.errstate(over="ignore"):
            return np.exp(found) if self.logarithms else found

    def pack(self, resp: Float[Array, "N K"]) -> Any:
        """Responsibilities of the same type and shape with other numbers."""
        with np.errstate(divide="ignore"):
            found = np.log(resp) if self.logarithms else resp
        return like(self.template, found.T if self.by_component else found)
