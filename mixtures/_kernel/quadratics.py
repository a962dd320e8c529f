"""What goes into the kernel and what comes out of it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Quadratics(eqx.Module):
    """Weighted log-densities log w_k p(z | θ_k) = c_k − ½ ‖F_k (z − m_k)‖², in the frame's units.

    Normal components have F = L⁻¹ of their Cholesky factor L, or the inverse standard deviations where the features are
    independent. A leading axis of G holds a set of them for every group of rows that differ in what is known of them.
    """

    constant: Float[Array, "*G K"]
    mean: Float[Array, "K D"]
    factor: Float[Array, "..."]  # (…, K, D, D) or (…, K, D)

    @property
    def independent(self) -> bool:
        """Whether the factors are diagonals, (K, D)."""
        return self.factor.ndim - self.constant.ndim == 1

    def of_group(self, group) -> "Quadratics":
        """Those of one group."""
        return Quadratics(self.constant[group], self.mean, self.factor[group])

    def natural(self) -> Float[Array, "*G K P"]:
        """η with log w_k p(z | θ_k) = η_k · T(z), for T of 1, z and the squares or cross products of z."""
        if self.independent:
            precision = self.factor**2
            linear = precision * self.mean
            quadratic = -0.5 * precision
        else:
            precision = jnp.swapaxes(self.factor, -1, -2) @ self.factor
            linear = jnp.einsum("...kde,ke->...kd", precision, self.mean)
            rows, cols = np.triu_indices(self.mean.shape[-1])
            quadratic = -0.5 * precision[..., rows, cols] * np.where(rows == cols, 1.0, 2.0)
        constant = self.constant - 0.5 * jnp.sum(linear * self.mean, axis=-1)
        return jnp.concatenate([constant[..., None], linear, quadratic], axis=-1)


class Sums(eqx.Module):
    """Expected statistics: Σ w_n r_nk times 1, (z_n − m_k), and (z_n − m_k)(z_n − m_k)ᵀ or its diagonal."""

    count: Float[Array, "*G K"]
    first: Float[Array, "*G K D"]
    second: Float[Array, "..."]  # (…, K, D, D) or (…, K, D)

    def of_first(self, num_components: int) -> "Sums":
        """Those of the first components."""
        axis = self.count.ndim - 1
        return jax.tree.map(lambda leaf: jax.lax.slice_in_dim(leaf, 0, num_components, axis=axis), self)

    @staticmethod
    def from_products(expected: Float[Array, "K P"], mean: Float[Array, "K D"], independent: bool) -> "Sums":
        """From Σ w_n r_nk T(z_n); digits are lost where a component is far narrower than its distance from nought."""
        num_features = mean.shape[1]
        count, linear, quadratic = jnp.split(expected, [1, 1 + num_features], axis=1)
        first = linear - count * mean
        if independent:
            return Sums(count[:, 0], first, quadratic - 2 * linear * mean + count * mean**2)
        rows, cols = np.triu_indices(num_features)
        index = np.zeros((num_features, num_features), int)
        index[rows, cols] = index[cols, rows] = np.arange(len(rows))
        cross = linear[:, :, None] * mean[:, None, :]
        around = count[:, :, None] * mean[:, :, None] * mean[:, None, :]
        return Sums(count[:, 0], first, quadratic[:, index] - cross - jnp.swapaxes(cross, 1, 2) + around)
