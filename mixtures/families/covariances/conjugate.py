"""The six covariance models with a conjugate prior: what they share is whole matrices or whole variances.

Each holds its free parameters in one array, "covariances": blocks that are matrices (D, D), variances (D,) or one
variance (), one for each component or one for all. A 1 × 1 matrix is treated as a positive number throughout, which
spares every engine its linear algebra.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpyro.distributions import constraints

from mixtures.families.covariances.base import CovarianceModel, Entry, Spread, diagonals, upper_triangles
from mixtures.priors import Slot


class ConjugateModel(CovarianceModel):
    """Blocks of variances or matrices, free or tied over components."""

    def __init__(self, name: str, code: str, block: str, tied: bool):
        self.name, self.code, self.block, self.tied = name, code, block, tied
        self.cross_products = block == "matrix"

    def block_shape(self, num_features: int) -> tuple[int, ...]:
        """Shape of one block."""
        return {"matrix": (num_features, num_features), "variances": (num_features,), "variance": ()}[self.block]

    def slots(self, num_components, num_features):
        """One array of blocks."""
        support = constraints.positive_definite if self.cross_products and num_features > 1 else constraints.positive
        return {"covariances": Slot(support, () if self.tied else (num_components,), self.block_shape(num_features))}

    def _blocks(self, spread: Spread, num_components: int, num_features: int) -> Float[Array, "..."]:
        """The blocks with an axis of K, whether or not they are shared."""
        blocks = spread["covariances"]
        if not self.tied:
            return blocks
        axes = len(self.block_shape(num_features))
        at = blocks.ndim - axes
        return jnp.broadcast_to(jnp.expand_dims(blocks, at), (*blocks.shape[:at], num_components, *blocks.shape[at:]))

    def dense(self, spread, num_components, num_features):
        """Matrices, or variances put on diagonals."""
        if self.cross_products:
            return self._blocks(spread, num_components, num_features)
        return self.variances(spread, num_components, num_features)[..., None] * jnp.eye(num_features)

    def variances(self, spread, num_components, num_features):
        """Diagonals, or the one variance for every feature."""
        blocks = self._blocks(spread, num_components, num_features)
        if self.block == "matrix":
            return jnp.diagonal(blocks, axis1=-2, axis2=-1)
        return blocks if self.block == "variances" else jnp.repeat(blocks[..., None], num_features, axis=-1)

    def pool(
        self, scatter: Float[Array, "K D *D"], counts: Float[Array, " K"]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Sum scatter, and count the squared deviations in each sum, over whatever the model shares."""
        total, dof = scatter, counts
        if self.block == "variance":
            total, dof = jnp.sum(scatter, axis=-1), counts * scatter.shape[-1]
        if self.tied:
            return jnp.sum(total, axis=0), jnp.sum(dof)
        return total, dof.reshape(-1, *[1] * (total.ndim - 1))

    def maximise(self, scatter, counts, spread):
        """Mean squares."""
        total, dof = self.pool(scatter, counts)
        return {"covariances": total / dof}

    def read_blocks(self, blocks: Float[Array, "..."], free: Int[np.ndarray, " F"] | None) -> Float[Array, "..."]:
        """Held blocks with the feature axes that one feature can do without; those that are `free` become unit blocks.

        Raises
        ------
        ValueError
            If the shape is not one of blocks, or a held block is no covariance matrix or no variance.
        """
        axes = len(self.block_shape(1))
        if blocks.ndim == (0 if self.tied else 1):
            blocks = blocks.reshape(*blocks.shape, *[1] * axes)
        if blocks.ndim != axes + (not self.tied) or (self.cross_products and blocks.shape[-1] != blocks.shape[-2]):
            raise ValueError(f"covariances of the {self.name!r} model must be {self._say_shape()}; got {blocks.shape}.")
        if not self.tied and free is not None:
            unit = self.widest(len(blocks), blocks.shape[-1] if axes else 1)["covariances"]
            blocks = blocks.at[free].set(unit[free])
        least = np.linalg.eigvalsh(blocks).min() if self.cross_products else np.min(blocks)
        symmetric = not self.cross_products or np.allclose(blocks, np.swapaxes(blocks, -1, -2))
        if not (symmetric and least > 0):
            raise ValueError("covariances must be symmetric and positive definite where fixed, and variances positive.")
        return blocks

    def _say_shape(self) -> str:
        lead = [] if self.tied else ["K"]
        return f"of shape ({', '.join(lead + ['D'] * len(self.block_shape(1)))})"

    def widen(self, spread: Spread, least: Float[Array, ""], scale: Float[Array, " D"]) -> Spread:
        """The maximiser of the expected log-likelihood with no principal variance below `least`, from that without.

        Variances are measured in units of squared `scale`. In these units −n log|S| − tr(S⁻¹W) is concave in S⁻¹, and
        for given eigenvalues greatest where S has the axes of W (von Neumann's trace inequality). Along each axis it
        rises to W's own mean square w/n and falls beyond, so the best eigenvalue allowed is max(w/n, least).
        """
        blocks = spread["covariances"]
        if self.cross_products and blocks.shape[-1] > 1:
            units = scale[:, None] * scale
            along, axes = jnp.linalg.eigh(blocks / units)
            widened = (axes * jnp.maximum(along, least)[..., None, :]) @ jnp.swapaxes(axes, -1, -2) * units
            return {"covariances": jnp.where(along[..., :1, None] < least, widened, blocks)}
        # One variance for all features is narrowest where the unit is largest.
        squared = {"matrix": scale[:, None] ** 2, "variances": scale**2, "variance": jnp.max(scale**2)}[self.block]
        return {"covariances": jnp.maximum(blocks, least * squared)}

    def mode_offset(self, num_components: int, num_features: int) -> int:
        """What the mode of (means, covariances) under the conjugate prior adds to ν and the counts.

        A matrix's density contributes D + 1 and a variance's 2; each mean prior that involves the block contributes
        one for every squared deviation in it.
        """
        own = num_features + 1 if self.block == "matrix" else 2
        deviations = num_features if self.block == "variance" else 1
        return own + deviations * (num_components if self.tied else 1)

    def widest(self, num_components, num_features):
        """Identity blocks."""
        block = jnp.eye(num_features) if self.cross_products else jnp.ones(self.block_shape(num_features))
        return {"covariances": block if self.tied else jnp.broadcast_to(block, (num_components, *block.shape))}

    def num_free(self, num_components, num_features):
        """Those of a block, once or K times."""
        one = {"matrix": num_features * (num_features + 1) // 2, "variances": num_features, "variance": 1}[self.block]
        return one * (1 if self.tied else num_components)

    def entries(self, num_components, num_features):
        """A block's entries, once or K times."""
        count = 1 if self.tied else num_components
        if self.block == "variance":
            return [Entry(k, 0, 0, self.tied, True) for k in range(count)]
        found = upper_triangles(count, num_features) if self.cross_products else diagonals(count, num_features)
        return [entry._replace(all_components=self.tied) for entry in found]

    def rescale(self, spread, scale):
        """Multiply by squared factors; one variance by their geometric mean (only a common factor keeps the model)."""
        squared = {
            "matrix": scale[:, None] * scale,
            "variances": scale**2,
            "variance": jnp.exp(2 * jnp.mean(jnp.log(scale))),
        }[self.block]
        return {"covariances": spread["covariances"] * squared}

    def permute(self, spread, order):
        """Reorder the blocks unless they are shared."""
        return spread if self.tied else {"covariances": spread["covariances"][order]}


CONJUGATE_MODELS = (
    ConjugateModel("full", "VVV", "matrix", tied=False),
    ConjugateModel("tied", "EEE", "matrix", tied=True),
    ConjugateModel("diagonal", "VVI", "variances", tied=False),
    ConjugateModel("tied_diagonal", "EEI", "variances", tied=True),
    ConjugateModel("spherical", "VII", "variance", tied=False),
    ConjugateModel("tied_spherical", "EII", "variance", tied=True),
)
