"""What a covariance model of a Gaussian mixture must provide."""

import abc
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mixtures.priors import Slot

Spread = dict[str, Float[Array, "..."]]  # the free parameters of K covariances, by site; draws and starts lead


class Entry(NamedTuple):
    """One number of the dense matrices that a person should see: where it stands (from 0), and who shares it."""

    component: int
    row: int
    column: int
    all_components: bool = False
    all_features: bool = False


class CovarianceModel(abc.ABC):
    """How K covariance matrices of D features are parametrised: Σ_k = λ_k D_k A_k D_kᵀ with parts shared or not.

    Volume λ, shape A (diagonal, determinant 1) and orientation D are those of Banfield and Raftery (1993) and Celeux
    and Govaert (1995). All models are singletons without state.
    """

    name: str
    code: str  # mclust's: volume, shape and orientation, each Equal, Varying or Identity
    cross_products: bool  # whether covariances can differ from zero, so that the M-step needs them

    @abc.abstractmethod
    def slots(self, num_components: int, num_features: int) -> dict[str, Slot]:
        """The free parameters."""

    @abc.abstractmethod
    def dense(self, spread: Spread, num_components: int, num_features: int) -> Float[Array, "*batch K D D"]:
        """Covariance matrices; leading axes of the parameters (draws, starts) are kept."""

    @abc.abstractmethod
    def variances(self, spread: Spread, num_components: int, num_features: int) -> Float[Array, "*batch K D"]:
        """Variances of every feature in every component."""

    @abc.abstractmethod
    def maximise(self, scatter: Float[Array, "K D *D"], counts: Float[Array, " K"], spread: Spread) -> Spread:
        """Raise the expected log-likelihood to its maximum, or for models without a closed form towards it.

        Parameters
        ----------
        scatter
            Weighted sums of squared deviations: matrices, or their diagonals for models without cross products.
        counts
            Rows that each component claims.
        spread
            The parameters so far, from which iterations start.
        """

    @abc.abstractmethod
    def widest(self, num_components: int, num_features: int) -> Spread:
        """Unit covariances."""

    @abc.abstractmethod
    def num_free(self, num_components: int, num_features: int) -> int:
        """Number of free covariance parameters."""

    @abc.abstractmethod
    def entries(self, num_components: int, num_features: int) -> list[Entry]:
        """The numbers to report, those that several components or features share only once."""

    @abc.abstractmethod
    def rescale(self, spread: Spread, scale: Float[Array, " D"]) -> Spread:
        """Change the units of the features: multiply feature j by `scale[j]`, as far as the model can follow."""

    @abc.abstractmethod
    def permute(self, spread: Spread, order: Int[Array, " K"]) -> Spread:
        """Reorder whatever components do not share."""

    def nearest(self, dense: Float[Array, "K D D"]) -> Spread:
        """The model's maximum likelihood estimate from K equal groups of rows with covariances `dense`."""
        num_components, num_features, _ = dense.shape
        scatter = dense if self.cross_products else jnp.diagonal(dense, axis1=-2, axis2=-1)
        return self.maximise(scatter, jnp.ones(num_components, dense.dtype), self.widest(num_components, num_features))


def upper_triangles(num_components: int, num_features: int) -> list[Entry]:
    """Every component's upper triangle."""
    rows, cols = np.triu_indices(num_features)
    return [Entry(k, int(i), int(j)) for k in range(num_components) for i, j in zip(rows, cols, strict=True)]


def diagonals(num_components: int, num_features: int) -> list[Entry]:
    """Every component's variances."""
    return [Entry(k, d, d) for k in range(num_components) for d in range(num_features)]


def inverse_and_log_det(
    dense: Float[Array, "*batch D D"],
) -> tuple[Float[Array, "*batch D D"], Float[Array, " *batch"]]:
    """Inverses and log determinants of positive definite matrices; NaN where a matrix is not."""
    if dense.shape[-1] == 1:
        return 1.0 / dense, jnp.log(dense[..., 0, 0])
    tril = jnp.linalg.cholesky(dense)
    half = jax.scipy.linalg.solve_triangular(tril, jnp.broadcast_to(jnp.eye(dense.shape[-1]), dense.shape), lower=True)
    return jnp.swapaxes(half, -1, -2) @ half, 2.0 * jnp.sum(jnp.log(jnp.diagonal(tril, axis1=-2, axis2=-1)), axis=-1)
