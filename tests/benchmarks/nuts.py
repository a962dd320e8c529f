"""NUTS on two normals, N = 1,000, beside `MCMC.run` and nutpie on the same model and data: smallest ESS a second."""

import time
from importlib.metadata import version
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.diagnostics import effective_sample_size
from numpyro.infer import MCMC, NUTS

import mixtures as mx

_SETTINGS = {"num_warmup": 1000, "num_samples": 1000, "num_chains": 4}


def data() -> jax.Array:
    """Two groups, 60 % around −2.7 and 40 % around 2.9."""
    rng = np.random.default_rng(0)
    return jnp.asarray(np.where(rng.random(1000) < 0.6, rng.normal(-2.7, 1.0, 1000), rng.normal(2.9, 1.0, 1000)))


def peer_model(y: jax.Array) -> None:
    """The mixture as a NumPyro user writes it."""
    sigma = numpyro.sample("sigma", dist.HalfNormal(2.0).expand([2]).to_event(1))
    mu = numpyro.sample("mu", dist.Normal(0, 2.0).expand([2]).to_event(1))
    theta = numpyro.sample("theta", dist.Beta(5, 5))
    with numpyro.plate("n", len(y)):
        mixing = dist.Categorical(probs=jnp.stack([theta, 1 - theta]))
        numpyro.sample("y", dist.MixtureSameFamily(mixing, dist.Normal(mu, sigma)), obs=y)


def smallest_ess(draws) -> float:
    """Smallest effective sample size of any entry; leading axes (chain, draw)."""
    return min(float(np.min(effective_sample_size(np.asarray(a, float)))) for a in draws)


def ours(y: jax.Array, seed: int) -> float:
    """Smallest ESS a second, relabelling included."""
    prior = mx.priors.Independent(dist.Dirichlet(jnp.full(2, 5.0)), dist.Normal(0.0, 2.0), dist.HalfNormal(2.0))
    begin = time.perf_counter()
    posterior = mx.fit_nuts(mx.Mixture(mx.Gaussian(), 2, prior), y, key=jax.random.key(seed), **_SETTINGS)
    jax.block_until_ready(posterior)
    took = time.perf_counter() - begin
    params = posterior.params
    return smallest_ess([params.weights[..., 0], params.means, jnp.sqrt(params.spread["covariances"])]) / took


def theirs(y: jax.Array, mcmc: MCMC, seed: int) -> float:
    """Smallest ESS a second, started at the right labels."""
    start = {"sigma": jnp.zeros(2), "mu": jnp.array([-2.0, 2.0]), "theta": jnp.zeros(())}
    begin = time.perf_counter()
    mcmc.run(jax.random.key(seed), y, init_params=jax.tree.map(lambda a: jnp.broadcast_to(a, (4, *a.shape)), start))
    draws = jax.block_until_ready(mcmc.get_samples(group_by_chain=True))
    return smallest_ess(draws.values()) / (time.perf_counter() - begin)


def by_nutpie(y: jax.Array):
    """Yield the smallest ESS a second of the same in PyMC and nutpie, started at the right labels: cold, then warm."""
    import nutpie
    import pymc as pm

    begin = time.perf_counter()
    with pm.Model() as model:
        sigma = pm.HalfNormal("sigma", 2.0, shape=2)
        mu = pm.Normal("mu", 0.0, 2.0, shape=2, initval=np.array([-2.0, 2.0]))
        theta = pm.Beta("theta", 5, 5)
        weights = pm.math.stack([theta, 1 - theta])
        pm.NormalMixture("y", w=weights, mu=mu, sigma=sigma, observed=np.asarray(y))
    compiled = nutpie.compile_pymc_model(model)
    for seed in range(2):
        draws = nutpie.sample(compiled, draws=1000, tune=1000, chains=4, seed=seed, progress_bar=False)
        took = time.perf_counter() - begin
        found = draws["posterior"].dataset
        yield smallest_ess([found[name].values for name in ("sigma", "mu", "theta")]) / took
        begin = time.perf_counter()


def run():
    """Yield cold and warm rows; nutpie where it is installed."""
    y = data()
    mcmc = MCMC(NUTS(peer_model), **_SETTINGS, chain_method="sequential", progress_bar=False)
    nutpie = by_nutpie(y) if find_spec("nutpie") else None
    for seed, state in enumerate(("from nothing", "warm")):
        name, own = f"NUTS 4 × (1000 + 1000), N=1,000 K=2, smallest ESS, {state}", ours(y, seed)
        yield name, own, f"MCMC.run, NumPyro {numpyro.__version__}", theirs(y, mcmc, seed), "ESS/s"
        if nutpie is not None:
            yield name, own, f"nutpie {version('nutpie')}", next(nutpie), "ESS/s"
