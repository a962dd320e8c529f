"""The covariance models of a Gaussian mixture: what is shared, what is free, and the M-step that follows.

Each holds its free parameters in a compact array and says how to expand it to K dense matrices. All are singletons
without state. A 1 × 1 matrix is treated as a positive number throughout, which spares every engine its linear algebra.
"""

import abc

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro.distributions import constraints


class CovarianceModel(abc.ABC):
    """How K covariance matrices of D features are parametrised."""

    name: str
    full_statistics: bool  # whether the M-step needs cross products or only squares

    @abc.abstractmethod
    def shape(self, num_components: int, num_features: int) -> tuple[int, ...]:
        """Shape of the compact array."""

    @abc.abstractmethod
    def expand(
        self, compact: Float[Array, "..."], num_components: int, num_features: int
    ) -> Float[Array, "*batch K D D"]:
        """Dense covariance matrices, (…, K, D, D); leading axes of `compact` (draws, starts) are kept."""

    @abc.abstractmethod
    def compress(self, dense: Float[Array, "K D D"]) -> Float[Array, "..."]:
        """The compact array nearest to K dense matrices: entries are averaged where the model shares them."""

    @abc.abstractmethod
    def pool(
        self, scatter: Float[Array, "K D D"], counts: Float[Array, " K"]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Sum scatter matrices, and count the squared deviations in each sum, over whatever the model shares."""

    @abc.abstractmethod
    def mode_offset(self, num_components: int, num_features: int) -> int:
        """What the mode of (means, covariances) under the conjugate prior adds to ν and the counts.

        Λ's exponent contributes D + 1 and each mean prior that involves the covariance contributes 1 (per feature
        for the models of scalar variances).
        """

    @abc.abstractmethod
    def rescale(self, compact: Float[Array, "..."], scale: Float[Array, " D"]) -> Float[Array, "..."]:
        """Change the units of the features: multiply feature j by `scale[j]`."""

    @abc.abstractmethod
    def free_entries(self, num_components: int, num_features: int) -> list[tuple[int, int, int]]:
        """One (component, row, column) of the dense matrices, from 0, for every free covariance parameter."""

    def entry_name(self, component: int, row: str, column: str) -> str:
        """What to call one free entry in a table."""
        return f"covariances[{component + 1}, {row}, {column}]"

    def support(self, num_features: int) -> constraints.Constraint:
        """The NumPyro constraint of one block of the compact array."""
        matrices = self.full_statistics and num_features > 1
        return constraints.positive_definite if matrices else constraints.positive


class Full(CovarianceModel):
    """Every component has its own matrix (mclust VVV); compact shape (K, D, D)."""

    name, full_statistics = "full", True

    def shape(self, num_components, num_features):
        """(K, D, D)."""
        return (num_components, num_features, num_features)

    def expand(self, compact, num_components, num_features):
        """Already dense."""
        return compact

    def compress(self, dense):
        """Nothing is shared."""
        return dense

    def pool(self, scatter, counts):
        """Each component by itself."""
        return scatter, counts[:, None, None]

    def mode_offset(self, num_components, num_features):
        """D + 1 and one mean."""
        return num_features + 2

    def free_entries(self, num_components, num_features):
        """Every component's upper triangle."""
        rows, cols = np.triu_indices(num_features)
        return [(k, int(i), int(j)) for k in range(num_components) for i, j in zip(rows, cols, strict=True)]

    def rescale(self, compact, scale):
        """Multiply rows and columns."""
        return compact * scale[:, None] * scale


class Tied(CovarianceModel):
    """All components share one matrix (mclust EEE); compact shape (D, D)."""

    name, full_statistics = "tied", True

    def shape(self, num_components, num_features):
        """(D, D)."""
        return (num_features, num_features)

    def expand(self, compact, num_components, num_features):
        """Repeat the one matrix."""
        *batch, _, _ = compact.shape
        return jnp.broadcast_to(compact[..., None, :, :], (*batch, num_components, num_features, num_features))

    def compress(self, dense):
        """Average over components."""
        return jnp.mean(dense, axis=0)

    def pool(self, scatter, counts):
        """Sum over components."""
        return jnp.sum(scatter, axis=0), jnp.sum(counts)

    def mode_offset(self, num_components, num_features):
        """D + 1 and K means."""
        return num_features + 1 + num_components

    def free_entries(self, num_components, num_features):
        """The first component's upper triangle."""
        return Full().free_entries(1, num_features)

    def entry_name(self, component, row, column):
        """All components share it."""
        return f"covariances[all, {row}, {column}]"

    def rescale(self, compact, scale):
        """Multiply rows and columns."""
        return compact * scale[:, None] * scale


class Diagonal(CovarianceModel):
    """Every component has its own variances, no covariances (mclust VVI); compact shape (K, D)."""

    name, full_statistics = "diagonal", False

    def shape(self, num_components, num_features):
        """(K, D)."""
        return (num_components, num_features)

    def expand(self, compact, num_components, num_features):
        """Put variances on diagonals."""
        return compact[..., None] * jnp.eye(num_features, dtype=compact.dtype)

    def compress(self, dense):
        """Read the diagonals."""
        return jnp.diagonal(dense, axis1=-2, axis2=-1)

    def pool(self, scatter, counts):
        """Each variance by itself."""
        return jnp.diagonal(scatter, axis1=-2, axis2=-1), counts[:, None]

    def mode_offset(self, num_components, num_features):
        """Two from the inverse-gamma's exponent and one mean."""
        return 3

    def free_entries(self, num_components, num_features):
        """Every diagonal."""
        return [(k, d, d) for k in range(num_components) for d in range(num_features)]

    def rescale(self, compact, scale):
        """Multiply each variance."""
        return compact * scale**2


class Spherical(CovarianceModel):
    """Every component has one variance for all features (mclust VII); compact shape (K,)."""

    name, full_statistics = "spherical", False

    def shape(self, num_components, num_features):
        """(K,)."""
        return (num_components,)

    def expand(self, compact, num_components, num_features):
        """Put the variance on every diagonal entry."""
        return compact[..., None, None] * jnp.eye(num_features, dtype=compact.dtype)

    def compress(self, dense):
        """Average the diagonals."""
        return jnp.trace(dense, axis1=-2, axis2=-1) / dense.shape[-1]

    def pool(self, scatter, counts):
        """Sum over features."""
        return jnp.trace(scatter, axis1=-2, axis2=-1), counts * scatter.shape[-1]

    def mode_offset(self, num_components, num_features):
        """Two from the inverse-gamma's exponent and one mean of D features."""
        return num_features + 2

    def free_entries(self, num_components, num_features):
        """Each matrix's first entry."""
        return [(k, 0, 0) for k in range(num_components)]

    def entry_name(self, component, row, column):
        """All features share it."""
        return f"covariances[{component + 1}]"

    def rescale(self, compact, scale):
        """Multiply by the geometric mean of the squared factors (only a common factor keeps the model)."""
        return compact * jnp.exp(2 * jnp.mean(jnp.log(scale)))


COVARIANCE_MODELS: dict[str, CovarianceModel] = {m.name: m for m in (Full(), Diagonal(), Tied(), Spherical())}


def inverse_and_log_det(
    dense: Float[Array, "*batch D D"],
) -> tuple[Float[Array, "*batch D D"], Float[Array, " *batch"]]:
    """Inverses and log determinants of positive definite matrices; NaN where a matrix is not."""
    if dense.shape[-1] == 1:
        return 1.0 / dense, jnp.log(dense[..., 0, 0])
    tril = jnp.linalg.cholesky(dense)
    half = jax.scipy.linalg.solve_triangular(tril, jnp.broadcast_to(jnp.eye(dense.shape[-1]), dense.shape), lower=True)
    return jnp.swapaxes(half, -1, -2) @ half, 2.0 * jnp.sum(jnp.log(jnp.diagonal(tril, axis1=-2, axis2=-1)), axis=-1)
