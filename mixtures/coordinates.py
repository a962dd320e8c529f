"""Unconstrained coordinates of a mixture's parameters, for Hessians, numerical M-steps, VI and NUTS alike.

The map is NumPyro's own (stick-breaking weights, log variances, log-Cholesky matrices) after an affine change that
makes data of any unit look alike: coordinate 0 is a component at the data's centre, as wide as the data.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from numpyro.distributions.transforms import Transform, biject_to

from mixtures._kernel import Frame
from mixtures.families import AbstractParams
from mixtures.model import Mixture


class _Site(NamedTuple):
    transform: Transform
    unconstrained_shape: tuple[int, ...]
    standard: bool  # whether the prior's support is the family's own, so that the affine change applies


class Coordinates(eqx.Module):
    """A bijection between a flat vector u ∈ R^d and the parameters of `model`.

    ``loc + scale * u`` is the vector NumPyro would use for the same sites, ordered by site name.
    """

    model: Mixture
    loc: Float[Array, " d"]
    scale: Float[Array, " d"]
    num_features: int = eqx.field(static=True)

    @staticmethod
    def of(model: Mixture, frame: Frame) -> "Coordinates":
        """Coordinates for data whose centre and scale are those of `frame`."""
        num_features = frame.loc.shape[0]
        sites = _sites(model, num_features)
        origin, unit = (_in_data_units(model, sites, frame, value) for value in (0.0, 1.0))
        loc, scale = {}, {}
        for name, site in sites.items():
            standard = site.standard
            loc[name] = origin[name] if standard else jnp.zeros(site.unconstrained_shape)
            scale[name] = unit[name] - origin[name] if standard else jnp.ones(site.unconstrained_shape)
        return Coordinates(model, ravel_pytree(loc)[0], ravel_pytree(scale)[0], num_features)

    @property
    def size(self) -> int:
        """The number of coordinates d, which is the number of free parameters."""
        return self.loc.shape[0]

    def unconstrained_sites(self, u: Float[Array, " d"]) -> dict[str, Array]:
        """NumPyro's unconstrained value of each site at `u`."""
        sites = _sites(self.model, self.num_features)
        template = {name: jnp.zeros(site.unconstrained_shape, self.loc.dtype) for name, site in sites.items()}
        return ravel_pytree(template)[1](self.loc + self.scale * u)

    def params(self, u: Float[Array, " d"]) -> AbstractParams:
        """Parameters at `u`."""
        sites, raw = _sites(self.model, self.num_features), self.unconstrained_sites(u)
        return self.model.family.params({name: jnp.asarray(site.transform(raw[name])) for name, site in sites.items()})

    def vector(self, params: AbstractParams) -> Float[Array, " d"]:
        """The `u` of `params`; infinite where a parameter lies on its boundary."""
        sites, values = _sites(self.model, self.num_features), self.model.family.sites(params)
        raw = {name: site.transform.inv(values[name]) for name, site in sites.items()}
        return (ravel_pytree(raw)[0] - self.loc) / self.scale

    def into_support(self, params: AbstractParams) -> AbstractParams:
        """Parameters with those that the prior excludes moved to distinct places well inside its support."""
        if all(site.standard for site in _sites(self.model, self.num_features).values()):
            return params
        u = self.vector(params)
        return self.params(jnp.where(jnp.isfinite(u), u, jnp.linspace(-1.0, 1.0, self.size, dtype=u.dtype)))

    def log_abs_det_jacobian(self) -> Float[Array, ""]:
        """Log |∂(NumPyro's unconstrained vector)/∂u|, a constant."""
        return jnp.sum(jnp.log(jnp.abs(self.scale)))


def _sites(model: Mixture, num_features: int) -> dict[str, _Site]:
    layout = model.family.layout(model.num_components, num_features)
    sites, values = {}, {}
    for name, site in model.prior.sites(layout).items():
        distribution = site(values)
        transform = biject_to(distribution.support)
        shape = transform.inverse_shape(distribution.shape())
        values[name] = transform(jnp.zeros(shape))
        support = getattr(distribution.support, "base_constraint", distribution.support)
        sites[name] = _Site(transform, shape, support == layout.slots[name].support)
    return sites


def _in_data_units(model: Mixture, sites: dict[str, _Site], frame: Frame, value: float) -> dict[str, Array]:
    """Unconstrained sites of the parameters that are `value` in every coordinate of the standardised frame."""
    flat = {n: jnp.full(s.unconstrained_shape, value, frame.loc.dtype) for n, s in sites.items()}
    standard = {n: jnp.asarray(s.transform(flat[n])) for n, s in sites.items()}
    scaled = model.family.sites(model.family.rescale(model.family.params(standard), frame))
    return {name: jnp.asarray(site.transform.inv(scaled[name])) for name, site in sites.items()}


def hessian(function, u: Float[Array, " d"]) -> Float[Array, "d d"]:
    """Hessian of a scalar function, one column at a time, so that memory does not grow with d × N."""
    gradient = jax.grad(function)
    return jax.lax.map(lambda direction: jax.jvp(gradient, (u,), (direction,))[1], jnp.eye(u.shape[0], dtype=u.dtype))
