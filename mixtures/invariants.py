"""Quantities of a mixture that do not depend on how its components are numbered."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mixtures._kernel import Frame
from mixtures.families import AbstractParams
from mixtures.model import Mixture


def invariants(model: Mixture, params: AbstractParams) -> dict[str, Float[Array, ""]]:
    """Label-free summaries of one set of parameters: weights, places and widths of the components.

    `weight_min` is the smallest weight; `weight_squares` Σ w² (1 for one component, 1/K for equal ones); `centre_d` the
    average location of feature d, and `between_d` the log of the components' spread about it; `narrowest` and `widest`
    the logs of the smallest and largest of the components' least variances.
    """
    weights, locations = params.weights, model.family.locations(params)
    num_components, num_features = locations.shape
    shares = weights[:num_components] / jnp.sum(weights[:num_components])
    centre = shares @ locations
    found = {"weight_min": jnp.min(weights), "weight_squares": jnp.sum(weights**2)}
    found |= {f"centre_{d + 1}": centre[d] for d in range(num_features)}
    if num_components > 1:
        between = jnp.log(shares @ (locations - centre) ** 2)
        found |= {f"between_{d + 1}": between[d] for d in range(num_features)}
    units = Frame(jnp.zeros(num_features), jnp.ones(num_features))
    widths = jnp.log(model.family.least_variances(params, units))
    return found | {"narrowest": jnp.min(widths), "widest": jnp.max(widths)}
