"""The headline: NumPyro, EM and the mixture itself mean the same density."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pytest
from numpyro.distributions.transforms import biject_to
from numpyro.infer import MCMC, NUTS
from numpyro.infer.util import log_density, potential_energy

import mixtures as mx
from mixtures.bayes.numpyro_model import potential
from mixtures.coordinates import Coordinates
from tests.models import CASES, IDS, make


@pytest.mark.slow_but(
    *("full-1d-default", "full-3d-default", "full-3d-hierarchical", "full-3d-covariance", "full-3d-scale"),
    *("diagonal-3d-bounded", "tied-3d-default", "equal_shape-3d-decomposed", "equal_orientation-3d-default"),
)
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_numpyro_density_is_the_log_joint(case):
    model, x = make(case)
    rows = model.prepare(x)
    coordinates = Coordinates.of(model, rows.frame)
    u = jax.random.normal(jax.random.key(3), (coordinates.size,))

    @jax.jit
    def densities(u):
        params = coordinates.params(u)
        sites = model.family.sites(params)
        numpyro_density, trace = log_density(mx.numpyro_model, (model, x), {}, sites)
        raw = {name: biject_to(trace[name]["fn"].support).inv(value) for name, value in sites.items()}
        energy = potential_energy(mx.numpyro_model, (model, x), {}, raw)
        # NumPyro's unconstrained numbers are an affine function of ours.
        unit = jnp.sum(jnp.log(jnp.abs(coordinates.scale)))
        return numpyro_density, model.log_joint(params, x), energy - unit, potential(model, rows, coordinates, u)

    from_numpyro, from_model, their_energy, our_energy = densities(u)
    assert np.isfinite(from_model)
    np.testing.assert_allclose(from_numpyro, from_model, rtol=1e-8)
    np.testing.assert_allclose(our_energy, their_energy, rtol=1e-8)


def test_flat_prior_has_no_posterior(series):
    model = mx.Mixture(mx.Gaussian(), 2)
    for fit in (mx.fit_nuts, mx.fit_vi):
        with pytest.raises(ValueError, match="proper prior"):
            fit(model, series, key=jax.random.key(0))
    with pytest.raises(ValueError, match="proper prior"), numpyro.handlers.seed(rng_seed=0):
        mx.numpyro_model(model, series)


def test_prior_sites_sample_what_they_score(series):
    """Simulation from NumPyro's sites has the moments of the conjugate prior."""
    model = mx.Mixture.for_data(series, 3)
    prior = model.prior
    sites = prior.sites(model.family.layout(3, 1))
    keys = jax.random.split(jax.random.key(0), 4000)

    def draw(key):
        values = {}
        for name, site in sites.items():
            key, this = jax.random.split(key)
            values[name] = site(values).sample(this)
        return values

    draws = jax.vmap(draw)(keys)
    precision = 1.0 / draws["covariances"].ravel()  # gamma(ν/2, Λ/2): mean ν/Λ, variance 2ν/Λ²
    dof, scale = float(prior.dof), float(prior.scale[0, 0])
    error = np.sqrt(2 * dof) / scale / np.sqrt(precision.size)
    assert abs(precision.mean() - dof / scale) < 4 * error
    standard = (draws["means"] - prior.mean) * jnp.sqrt(prior.shrinkage / draws["covariances"][..., 0])
    assert abs(standard.mean()) < 4 / np.sqrt(standard.size)
    assert abs(standard.var() - 1) < 4 * np.sqrt(2 / standard.size)


@pytest.mark.filterwarnings("ignore")
def test_model_runs_under_numpyro_itself(series):
    """The public NumPyro model is an ordinary one: MCMC.run accepts it."""
    model = mx.Mixture.for_data(series, 2)
    mcmc = MCMC(NUTS(mx.numpyro_model), num_warmup=50, num_samples=20, progress_bar=False)
    mcmc.run(jax.random.key(0), model, jnp.asarray(series))
    assert mcmc.get_samples()["means"].shape == (20, 2, 1)
