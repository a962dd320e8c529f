"""The NumPyro form of a mixture and of its guides: the only file that calls `numpyro.sample`, `param` and `factor`."""

from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real
from numpyro.distributions import constraints
from numpyro.distributions.flows import InverseAutoregressiveTransform
from numpyro.distributions.transforms import AffineTransform, IndependentTransform
from numpyro.nn import AutoregressiveNN

from mixtures._kernel import Rows
from mixtures.coordinates import Coordinates
from mixtures.model import Mixture
from mixtures.priors import Flat

_NUM_FLOWS = 2
_FIRST_SCALE = 0.1  # of an approximation, in standardised unconstrained coordinates


def numpyro_model(model: Mixture, x: Real[ArrayLike, "N *D"] | Rows) -> None:
    """Declare the mixture to NumPyro: its prior's sites and its marginal log-likelihood.

    ``numpyro.infer.util.log_density(numpyro_model, (model, x), {}, sites)`` equals ``model.log_joint``; use it with any
    NumPyro sampler or handler.

    Parameters
    ----------
    model
        A mixture with a proper prior.
    x
        Data, (N,) or (N, D), or rows from ``model.prepare``.
    """
    refuse_flat(model)
    if model.fixed.masks:
        raise ValueError("NumPyro cannot fix part of a site: use fit_nuts or fit_vi, or numpyro.handlers.condition.")
    rows = x if isinstance(x, Rows) else model.prepare(x)
    values: dict[str, Array] = {}
    layout = model.family.layout(model.num_components, rows.frame.loc.shape[0])
    for name, site in model.prior.sites(layout).items():
        values[name] = jnp.asarray(numpyro.sample(name, site(values)))
    numpyro.factor("log_likelihood", model.log_likelihood(model.family.params(values), rows))


@eqx.filter_jit  # traced once, however many programs use it
def potential(model: Mixture, rows: Rows, coordinates: Coordinates, u: Float[Array, " d"]) -> Float[Array, ""]:
    """Negative log posterior density of the coordinates `u`, up to the evidence, Jacobians included.

    The same as NumPyro's own potential energy of `numpyro_model`, which cannot hold part of a site fixed.
    """
    return -model.log_joint(coordinates.params(u), rows) - coordinates.log_abs_det_jacobian(u)


class _FlatPosterior(dist.Distribution):
    """The unnormalised posterior as the distribution of one flat vector."""

    support = constraints.real_vector  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def __init__(self, model: Mixture, rows: Rows, coordinates: Coordinates):
        self._energy = partial(potential, model, rows, coordinates)
        super().__init__((), (coordinates.size,), validate_args=False)

    def log_prob(self, value, intermediates=None):
        """Log joint, up to the evidence."""
        return -self._energy(jnp.asarray(value))


def flat_model(model: Mixture, rows: Rows, coordinates: Coordinates) -> None:
    """Declare the same posterior over one flat vector site ``u``, which is what NumPyro's guides approximate.

    One site, with no factor beside it: NumPyro's ELBO sums sites in the order of a set, which changes from process to
    process, and a program that changes is not found in the compilation cache.
    """
    numpyro.sample("u", _FlatPosterior(model, rows, coordinates))


def mean_field(u: Float[Array, " d"]) -> dist.Distribution:
    """Independent normals, started at `u`, with parameters declared to NumPyro."""
    loc = numpyro.param("loc", u)
    scale = numpyro.param("scale", jnp.full_like(u, _FIRST_SCALE), constraint=constraints.positive)
    return dist.Normal(loc, scale).to_event(1)


def full_rank(u: Float[Array, " d"]) -> dist.Distribution:
    """One multivariate normal, started at `u`, with parameters declared to NumPyro."""
    loc = numpyro.param("loc", u)
    first = _FIRST_SCALE * jnp.eye(u.shape[0], dtype=u.dtype)
    scale_tril = numpyro.param("scale_tril", first, constraint=constraints.scaled_unit_lower_cholesky)
    return dist.MultivariateNormal(loc, scale_tril=scale_tril)


def flow(u: Float[Array, " d"]) -> dist.Distribution:
    """Two inverse autoregressive transforms of a normal (Kingma et al. 2016), started near `u`, as NumPyro has them."""
    size, parts = u.shape[0], []
    for i in range(_NUM_FLOWS if size > 1 else 0):
        network = AutoregressiveNN(size, [2 * size, 2 * size], permutation=np.arange(size)[:: 1 - 2 * (i % 2)])
        parts.append(InverseAutoregressiveTransform(numpyro.module(f"flow_{i}", network, (size,))))
    loc = jnp.asarray(numpyro.param("loc", u))
    scale = jnp.asarray(numpyro.param("scale", jnp.full_like(u, _FIRST_SCALE), constraint=constraints.positive))
    base = dist.Normal(jnp.zeros(size), 1.0).to_event(1)
    return dist.TransformedDistribution(base, [*parts, IndependentTransform(AffineTransform(loc, scale), 1)])


def point(u: Float[Array, " d"]) -> dist.Distribution:
    """A point mass, started at `u`, whose fit is the mode of the unconstrained density."""
    return dist.Delta(numpyro.param("loc", u), event_dim=1)


def flat_guide(approximation: Callable[[Float[Array, " d"]], dist.Distribution], u: Float[Array, " d"]) -> None:
    """Declare a guide for `flat_model` from one of the approximations above."""
    numpyro.sample("u", approximation(u))


def refuse_flat(model: Mixture) -> None:
    """Refuse a mixture without a prior: it has no posterior."""
    if isinstance(model.prior, Flat):
        raise ValueError(
            "model must have a proper prior for Bayesian inference, got none; "
            "use mx.Mixture.for_data(x, K) for the default prior."
        )
