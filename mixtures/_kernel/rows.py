"""Data prepared for the kernel: standardised, in blocks, weighted, and grouped by what is known of each row."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from mixtures._kernel.frame import Frame

type Form = Literal["centred", "products", "squares"]
CENTRED: Form = "centred"  # accurate however narrow a component is
PRODUCTS: Form = "products"  # two matrix products with all cross products of the features
SQUARES: Form = "squares"  # two matrix products with the squares of the features

_MEMORY_LIMIT = 2**26  # largest rows × max(K × lanes, P) held at once: 512 MB in float64
_WHOLE_LIMIT = 2**20  # largest N × K × lanes of a processor with caches before rows are blocked,
_BLOCK_LIMIT = 2**18  # and of a block: four times as fast as all of 100,000 rows for 64 lanes of 3 components
_CACHE_LIMIT = 2**17  # largest rows × K × D × lanes of a centred block: it should fit a cache
_FEWEST_ROWS, _FEWEST_DRAWS = 256, 16  # of a block, and worked on at once
_GROUP_BLOCK = 256  # rows of a block where rows are grouped, so that padding stays small


class Groups(eqx.Module):
    """G groups of rows: the features observed in each, and the component its rows are known to come from (or −1)."""

    observed: Bool[Array, "G D"]
    component: Int[Array, " G"]
    of_block: Int[Array, " B"]
    place: Int[Array, " N"]  # of every row of the data among the rows of the blocks

    @staticmethod
    def find(missing: Bool[np.ndarray, "N D"], labels: Int[np.ndarray, " N"]) -> tuple["Groups", np.ndarray]:
        """The groups, and the row that stands in each place of each block, (B, n) with −1 for padding."""
        keys = np.column_stack([missing, labels])
        kinds, of_row = np.unique(keys, axis=0, return_inverse=True)
        counts = np.bincount(of_row.ravel(), minlength=len(kinds))
        size = min(_GROUP_BLOCK, int(counts.max()))
        blocks = -(-counts // size)
        rows = np.full((blocks.sum(), size), -1)
        first = np.cumsum(blocks) - blocks
        for group, start in enumerate(first):
            members = np.flatnonzero(of_row.ravel() == group)
            rows[start : start + blocks[group]].reshape(-1)[: len(members)] = members
        place = np.empty(len(missing), int)
        place[rows[rows >= 0]] = np.flatnonzero(rows.ravel() >= 0)
        of_block = np.repeat(np.arange(len(kinds)), blocks)
        observed = ~kinds[:, :-1].astype(bool)
        return Groups(*map(jnp.asarray, (observed, kinds[:, -1].astype(int), of_block, place))), rows


class Rows(eqx.Module):
    """B blocks of rows with weights (0 for padding).

    One block of products is stored as statistics; otherwise `blocks` holds standardised rows and each E-step makes
    their statistics anew, so nothing of size N × P exists.
    """

    blocks: Float[Array, "B _ n"]
    weights: Float[Array, "B n"]
    frame: Frame
    groups: Groups | None
    form: Form = eqx.field(static=True)
    stored: bool = eqx.field(static=True)  # whether blocks hold statistics
    num_rows: int = eqx.field(static=True)

    def row_weights(self) -> Float[Array, " N"]:
        """The weight of every row, in the order of the data."""
        flat = self.weights.reshape(-1)
        return flat[: self.num_rows] if self.groups is None else flat[self.groups.place]

    def reweighted(self, weights: Float[Array, " N"]) -> "Rows":
        """The same rows with other weights, which may be nought."""
        places = jnp.arange(self.num_rows) if self.groups is None else self.groups.place
        flat = jnp.zeros(self.weights.size, weights.dtype).at[places].set(weights)
        return eqx.tree_at(lambda rows: rows.weights, self, flat.reshape(self.weights.shape))

    def for_draws(self, num_components: int) -> tuple["Rows", int]:
        """The same rows in blocks that suit many draws, and how many of these to work on at once."""
        together = max(_FEWEST_DRAWS, _CACHE_LIMIT // (self.num_rows * num_components))
        if self.groups is not None:
            return self, together
        num_features = len(self.frame.loc)
        z = self.blocks[:, 1 : 1 + num_features] if self.stored else self.blocks
        z = z.swapaxes(0, 1).reshape(num_features, -1)[:, : self.num_rows].T
        return _arrange(z, self.row_weights(), self.frame, self.form, num_components * together), together

    def block(self, number: Int[ArrayLike, ""]) -> "Rows":
        """One block by itself, whose padding counts as rows."""
        groups, size = self.groups, self.weights.shape[1]
        if groups is not None:
            own, place = groups.of_block[number], jnp.arange(size)
            groups = Groups(groups.observed[own][None], groups.component[own][None], jnp.zeros(1, int), place)
        block, weights = self.blocks[number][None], self.weights[number][None]
        return Rows(block, weights, self.frame, groups, self.form, self.stored, size)

    def is_row(self) -> Bool[Array, "B n"]:
        """Which places of the blocks hold a row of the data; the others are padding."""
        places = jnp.arange(self.num_rows) if self.groups is None else self.groups.place
        return jnp.zeros(self.weights.size, bool).at[places].set(True).reshape(self.weights.shape)

    @staticmethod
    @eqx.filter_jit
    def prepare(
        x: Float[Array, "N D"],
        form: Form,
        num_components: int,
        num_lanes: int,
        weights: Float[Array, " N"] | None = None,
    ) -> "Rows":
        """Standardise and block complete rows; `num_lanes` is how many starts or draws are worked on at once."""
        frame = Frame.of(x)
        weights = jnp.ones(len(x), x.dtype) if weights is None else weights
        return _arrange(frame.standardise(x), weights, frame, form, num_components * num_lanes)

    @staticmethod
    def prepare_grouped(
        x: Float[Array, "N D"], form: Form, labels: Int[np.ndarray, " N"], weights: Float[Array, " N"] | None = None
    ) -> "Rows":
        """Standardise rows with missing values (NaN) or known components, and block those alike together."""
        frame, num_rows = Frame.of(x), x.shape[0]
        groups, rows = Groups.find(np.isnan(np.asarray(x)), labels)
        z = jnp.nan_to_num(frame.standardise(x))[rows]
        weights = jnp.ones(num_rows, x.dtype) if weights is None else weights
        blocks = jnp.swapaxes(z, 1, 2)
        return Rows(blocks, jnp.where(rows >= 0, weights[rows], 0.0), frame, groups, form, False, num_rows)


def _arrange(z: Float[Array, "N D"], weights: Float[Array, " N"], frame: Frame, form: Form, lanes: int) -> Rows:
    """Standardised rows in blocks, for as many components of all starts or draws together as there are lanes."""
    num_rows, num_features = z.shape
    if form == CENTRED:
        size = max(_FEWEST_ROWS, _CACHE_LIMIT // (lanes * num_features))
        return Rows(*_blocked(z, weights, size), frame, None, form, False, num_rows)
    num_stats = 1 + num_features + (num_features * (num_features + 1) // 2 if form == PRODUCTS else num_features)
    size = _MEMORY_LIMIT // max(num_stats, lanes)
    if jax.default_backend() == "cpu" and num_rows * lanes > _WHOLE_LIMIT:
        size = min(size, _BLOCK_LIMIT // lanes)
    if num_rows <= size:
        return Rows(statistics(z.T, form)[None], weights[None], frame, None, form, True, num_rows)
    return Rows(*_blocked(z, weights, max(_FEWEST_ROWS, size)), frame, None, form, False, num_rows)


def _blocked(z: Float[Array, "N D"], weights: Float[Array, " N"], size: int):
    size = min(z.shape[0], size)
    count = -(-z.shape[0] // size)
    padding = count * size - z.shape[0]
    blocks = jnp.pad(z, ((0, padding), (0, 0))).reshape(count, size, -1).swapaxes(1, 2)
    return blocks, jnp.pad(weights, (0, padding)).reshape(count, size)


def statistics(z: Float[Array, "D n"], form: Form) -> Float[Array, "P n"]:
    """1, z and the cross products (upper triangle of z zᵀ) or squares of z, one row a statistic."""
    rows, cols = np.triu_indices(z.shape[0]) if form == PRODUCTS else 2 * (np.arange(z.shape[0]),)
    return jnp.concatenate([jnp.ones((1, z.shape[1]), z.dtype), z, z[rows] * z[cols]])
