"""NUTS against a Gibbs sampler that shares nothing with it: data augmentation, in NumPy, with its own formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mixtures as mx
from mixtures import Status
from mixtures.datasets import load

NUM_COMPONENTS = 3
GRID = np.array([25.0, 33.0, 40.0, 44.4])
QUANTITIES = (
    "log_likelihood",
    "log_joint",
    "largest_weight",
    "largest_log_variance",
    *(f"density at {g:g}" for g in GRID),
)


def normal_log_density(x, mean, variance):
    return -0.5 * (np.log(2 * np.pi * variance) + (x - mean) ** 2 / variance)


def gibbs(x, num_chains, num_warmup, num_samples, seed):
    """Label-free quantities of every draw, (chains, draws, quantities), under the package's default prior.

    w ~ Dirichlet(1), σ²_k ~ inverse-gamma(3/2, Λ/2) with Λ = s²/K², μ_k | σ²_k ~ N(x̄, σ²_k / κ), κ = 0.01
    (Fraley and Raftery 2007); Λ and x̄ from the data. Full conditionals as in Diebolt and Robert (1994).
    """
    rng = np.random.default_rng(seed)
    centre, half_lam, kappa = x.mean(), x.var(ddof=1) / NUM_COMPONENTS**2 / 2, 0.01
    shape = (num_chains, NUM_COMPONENTS)
    # Over-dispersed starts: means anywhere in the data's range, variances over two orders of magnitude.
    weights = rng.dirichlet(np.ones(NUM_COMPONENTS), num_chains)
    means = rng.uniform(x.min(), x.max(), shape)
    variances = x.var() * np.exp(rng.uniform(-5, 0, shape))
    kept = np.empty((num_chains, num_samples, len(QUANTITIES)))
    for step in range(num_warmup + num_samples):
        log_density = np.log(weights)[..., None] + normal_log_density(x, means[..., None], variances[..., None])
        log_row = np.logaddexp.reduce(log_density, axis=1)
        if step >= num_warmup:
            kept[:, step - num_warmup] = summarise(log_row.sum(1), weights, means, variances, centre, half_lam, kappa)
        # Allocations, by inverting the cumulative responsibilities.
        below = np.cumsum(np.exp(log_density - log_row[:, None]), axis=1)
        z = (rng.random((num_chains, 1, len(x))) > below[:, :-1]).sum(1)
        member = z[:, None, :] == np.arange(NUM_COMPONENTS)[:, None]
        n = member.sum(2)
        mean = (member * x).sum(2) / np.maximum(n, 1)
        scatter = (member * (x - mean[..., None]) ** 2).sum(2) + kappa * n / (kappa + n) * (mean - centre) ** 2
        weights = rng.gamma(1.0 + n)
        weights /= weights.sum(1, keepdims=True)
        variances = (half_lam + scatter / 2) / rng.gamma((3 + n) / 2)
        means = rng.normal((n * mean + kappa * centre) / (n + kappa), np.sqrt(variances / (n + kappa)))
    return kept


def summarise(log_likelihood, weights, means, variances, centre, half_lam, kappa):
    log_prior = np.log(2.0)  # Dirichlet(1, 1, 1)
    log_prior += normal_log_density(means, centre, variances / kappa).sum(1)
    # inverse-gamma(3/2, b): b^(3/2) / Γ(3/2) v^(−5/2) exp(−b/v), Γ(3/2) = √π / 2
    log_prior += (
        1.5 * np.log(half_lam) - np.log(np.sqrt(np.pi) / 2) - 2.5 * np.log(variances) - half_lam / variances
    ).sum(1)
    density = np.exp(normal_log_density(GRID, means[..., None], variances[..., None]))
    return np.column_stack(
        [
            log_likelihood,
            log_likelihood + log_prior,
            weights.max(1),
            np.log(variances).max(1),
            np.einsum("ck,ckg->cg", weights, density),
        ]
    )


def mean_and_error(draws):
    """Mean over chains and draws, and its Monte Carlo standard error: of batches a tenth of a chain long."""
    num_chains, num_draws = draws.shape[:2]
    batches = draws[:, : num_draws // 10 * 10].reshape(num_chains * 10, -1, *draws.shape[2:]).mean(1)
    return batches.mean(0), batches.std(0, ddof=1) / np.sqrt(len(batches))


@pytest.fixture(scope="module")
def oracle():
    return gibbs(load("timeseries").values[:, 0], num_chains=150, num_warmup=500, num_samples=1500, seed=1)


@pytest.fixture(scope="module")
def posterior():
    x = jnp.asarray(load("timeseries").values)
    model = mx.Mixture.for_data(x, NUM_COMPONENTS)
    return mx.fit_nuts(model, x, key=jax.random.key(3), num_warmup=1000, num_samples=2500)


def label_free(posterior):
    weights, means = np.asarray(posterior.params.weights), np.asarray(posterior.params.means)[..., 0]
    variances = np.asarray(posterior.params.covariances)[..., 0, 0]
    density = np.exp(normal_log_density(GRID, means[..., None], variances[..., None]))
    return np.stack(
        [
            posterior.log_likelihood,
            posterior.log_joint,
            weights.max(-1),
            np.log(variances).max(-1),
            *np.moveaxis(np.einsum("csk,cskg->csg", weights, density), -1, 0),
        ],
        axis=-1,
    )


@pytest.mark.slow
def test_nuts_crosses_between_modes(posterior):
    invariants = posterior.diagnostics.invariants
    assert max(float(s.rhat) for s in invariants.values()) <= 1.01
    assert posterior.status is Status.CONVERGED


@pytest.mark.slow
def test_nuts_agrees_with_gibbs(posterior, oracle):
    ours, theirs = mean_and_error(label_free(posterior)), mean_and_error(oracle)
    z = (ours[0] - theirs[0]) / np.hypot(ours[1], theirs[1])
    assert np.all(np.abs(z) < 4), dict(zip(QUANTITIES, z.tolist(), strict=True))


@pytest.mark.slow
def test_the_comparison_has_power(posterior, oracle):
    # Both errors are small beside the posterior's own spread, so a wrong prior or Jacobian would show.
    spread = oracle.std((0, 1))
    assert np.all(mean_and_error(oracle)[1] < 0.02 * spread)
    assert np.all(mean_and_error(label_free(posterior))[1] < 0.1 * spread)


def test_gibbs_chains_agree_among_themselves(oracle):
    # Split R-hat (Gelman et al. 2013, section 11.4).
    halves = np.concatenate(np.split(oracle, 2, axis=1))
    between, within = halves.mean(1).var(0, ddof=1), halves.var(1, ddof=1).mean(0)
    assert np.all(np.sqrt((between + within) / within) < 1.05)
