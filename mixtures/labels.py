"""Component labels: canonical order, and alignment of posterior draws to one labelling."""

import jax.numpy as jnp
from jaxtyping import Array, Int

from mixtures.families import AbstractParams
from mixtures.model import Mixture


def canonical_order(model: Mixture, params: AbstractParams) -> Int[Array, " K"]:
    """Order of the components by the first coordinate of their location, ties broken by the next."""
    locations = model.family.locations(params)
    return jnp.lexsort(locations.T[::-1])
