"""Unconstrained coordinates of a mixture's parameters, for Hessians, numerical M-steps, VI and NUTS alike.

The map is NumPyro's own (stick-breaking weights, log variances, log-Cholesky matrices) after an affine change that
makes data of any unit look alike: coordinate 0 is a component at the data's centre, as wide as the data.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from numpyro.distributions.transforms import Transform, biject_to

from mixtures._kernel import Frame
from mixtures.families import AbstractParams, Fixed
from mixtures.model import Mixture


class _Site(eqx.Module):
    """How one parameter is made from unconstrained numbers; held entries of it have none."""

    name: str = eqx.field(static=True)
    transform: Transform
    fixed: Fixed
    whole: tuple[int, ...] = eqx.field(static=True)  # unconstrained shape of all entries
    standard: bool = eqx.field(static=True)  # the prior's support is the family's own: the affine change applies

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the unconstrained numbers of what is free."""
        free = self.fixed.free(self.name)
        if free is None:
            return self.whole
        if self.name == "weights":
            return (max(len(free) - 1, 0),)
        return (len(free), *self.whole[1:]) if len(free) else (0,)

    def constrain(self, raw: Array) -> tuple[Array, Array]:
        """The parameter, and the log Jacobian of what is free in it."""
        free = self.fixed.free(self.name)
        if free is not None and not len(free):
            return self.fixed.values[self.name], jnp.zeros(())
        if free is not None and self.name == "weights":
            shares = jnp.asarray(self.transform(raw))
            log_det = jnp.asarray(self.transform.log_abs_det_jacobian(raw, shares))
            return self.fixed.place_weights(shares), log_det + len(raw) * jnp.log(self.fixed.left)
        # Held entries pass through the transform as noughts: a constant in its Jacobian.
        raw = raw if free is None else jnp.zeros(self.whole, raw.dtype).at[free].set(raw)
        value = jnp.asarray(self.transform(raw))
        return self.fixed.keep(self.name, value), jnp.sum(self.transform.log_abs_det_jacobian(raw, value))

    def unconstrain(self, value: Array) -> Array:
        """The unconstrained numbers of what is free."""
        free = self.fixed.free(self.name)
        if free is None:
            return jnp.asarray(self.transform.inv(value))
        if not len(free):
            return jnp.zeros(0)
        if self.name == "weights":
            return jnp.asarray(self.transform.inv(value[free] / jnp.sum(value[free])))
        return jnp.asarray(self.transform.inv(value))[free]


class Coordinates(eqx.Module):
    """A bijection between a flat vector u ∈ R^d and the free parameters of `model`.

    Where nothing is fixed, ``loc + scale * u`` is the vector NumPyro would use for the same sites, ordered by name.
    """

    model: Mixture
    loc: Float[Array, " d"]
    scale: Float[Array, " d"]
    sites: tuple[_Site, ...]

    @staticmethod
    def of(model: Mixture, frame: Frame) -> "Coordinates":
        """Coordinates for data whose centre and scale are those of `frame`."""
        sites = _sites(model, frame.loc.shape[0])
        origin, unit = (_in_data_units(model, sites, frame, value) for value in (0.0, 1.0))
        loc, scale = {}, {}
        for site in sites:
            name = site.name
            loc[name] = origin[name] if site.standard else jnp.zeros(site.shape)
            scale[name] = unit[name] - origin[name] if site.standard else jnp.ones(site.shape)
        return Coordinates(model, ravel_pytree(loc)[0], ravel_pytree(scale)[0], sites)

    @property
    def size(self) -> int:
        """The number of coordinates d, which is the number of free parameters."""
        return self.loc.shape[0]

    def params(self, u: Float[Array, " d"]) -> AbstractParams:
        """Parameters at `u`."""
        return self._constrain(u)[0]

    def of_draws(self, u: Float[Array, "C S d"]) -> AbstractParams:
        """Parameters of every draw of every chain."""
        return jax.vmap(jax.vmap(self.params))(u)

    def log_abs_det_jacobian(self, u: Float[Array, " d"]) -> Float[Array, ""]:
        """Log |∂(free parameters)/∂u|, up to a constant where something is fixed."""
        return self._constrain(u)[1]

    def vector(self, params: AbstractParams) -> Float[Array, " d"]:
        """The `u` of `params`; infinite where a parameter lies on its boundary."""
        values = self.model.family.sites(params)
        raw = {site.name: site.unconstrain(values[site.name]) for site in self.sites}
        return (ravel_pytree(raw)[0] - self.loc) / self.scale

    def into_support(self, params: AbstractParams) -> AbstractParams:
        """Parameters with those that the prior excludes moved to distinct places well inside its support."""
        if all(site.standard for site in self.sites):
            return params
        u = self.vector(params)
        return self.params(jnp.where(jnp.isfinite(u), u, jnp.linspace(-1.0, 1.0, self.size, dtype=u.dtype)))

    def _constrain(self, u: Float[Array, " d"]) -> tuple[AbstractParams, Float[Array, ""]]:
        template = {site.name: jnp.zeros(site.shape, self.loc.dtype) for site in self.sites}
        raw = ravel_pytree(template)[1](self.loc + self.scale * u)
        made = {site.name: site.constrain(raw[site.name]) for site in self.sites}
        log_det = sum((part for _, part in made.values()), jnp.sum(jnp.log(jnp.abs(self.scale))))
        return self.model.family.params({name: value for name, (value, _) in made.items()}), log_det


def _sites(model: Mixture, num_features: int) -> tuple[_Site, ...]:
    layout = model.family.layout(model.num_components, num_features)
    sites, values = [], {}
    for name, site in model.prior.sites(layout).items():
        distribution = site(values)
        transform = biject_to(distribution.support)
        whole = transform.inverse_shape(distribution.shape())
        values[name] = transform(jnp.zeros(whole))
        support = getattr(distribution.support, "base_constraint", distribution.support)
        sites.append(_Site(name, transform, model.fixed, whole, support == layout.slots[name].support))
    return tuple(sites)


def _in_data_units(model: Mixture, sites: tuple[_Site, ...], frame: Frame, value: float) -> dict[str, Array]:
    """Unconstrained numbers of the parameters that are `value` in every coordinate of the standardised frame."""
    standard = {s.name: s.constrain(jnp.full(s.shape, value, frame.loc.dtype))[0] for s in sites}
    scaled = model.family.sites(model.family.rescale(model.family.params(standard), frame))
    return {s.name: s.unconstrain(scaled[s.name]) for s in sites}


def hessian(function, u: Float[Array, " d"]) -> Float[Array, "d d"]:
    """Hessian of a scalar function, one column at a time, so that memory does not grow with d × N."""
    gradient = jax.grad(function)
    return jax.lax.map(lambda direction: jax.jvp(gradient, (u,), (direction,))[1], jnp.eye(u.shape[0], dtype=u.dtype))
