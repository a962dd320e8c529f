"""The units in which the kernel works."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class Frame(eqx.Module):
    """An affine change of units, z = (x − loc) / scale, in which rows are centred and of unit spread."""

    loc: Float[Array, " D"]
    scale: Float[Array, " D"]

    @staticmethod
    def of(x: Float[Array, "N D"]) -> "Frame":
        """Centre on the column means and scale by the column standard deviations (1 for a constant column)."""
        loc = jnp.nanmean(x, axis=0)
        scale = jnp.sqrt(jnp.nanmean((x - loc) ** 2, axis=0))
        return Frame(loc, jnp.where(scale > 0, scale, 1.0))

    def fill(self, x: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """Rows with the centre in the place of missing values (NaN)."""
        return jnp.where(jnp.isnan(x), self.loc, x)

    def standardise(self, x: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """Express rows in this frame."""
        return (x - self.loc) / self.scale
