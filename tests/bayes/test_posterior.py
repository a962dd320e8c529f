"""NUTS and VI as their users see them: right answers, honest statuses, complete trees."""

import arviz as az
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mixtures as mx
from mixtures import Status
from mixtures.bayes.pathfinder import multipath
from mixtures.bayes.vi import VIInfo

KEY = jax.random.key(1)


@pytest.fixture(scope="module")
def single():
    """One Gaussian component: its posterior under the conjugate prior is known in closed form."""
    x = np.random.default_rng(5).normal(3.0, 2.0, 40)
    return mx.Mixture.for_data(x, 1), x


def known_moments(model, x):
    """Posterior mean of μ and of σ² of normal data (Gelman et al. 2013, section 3.3)."""
    n, mean, prior = len(x), x.mean(), model.prior
    kappa, dof = float(prior.shrinkage), float(prior.dof)
    scale = (
        float(prior.scale[0, 0])
        + ((x - mean) ** 2).sum()
        + kappa * n / (kappa + n) * (mean - float(prior.mean[0])) ** 2
    )
    dof += n
    location = (kappa * float(prior.mean[0]) + n * mean) / (kappa + n)
    return {
        "means": (location, np.sqrt(scale / (dof - 2) / (kappa + n))),
        "covariances": (scale / (dof - 2), scale / (dof - 2) * np.sqrt(2 / (dof - 4))),
    }


@pytest.fixture(scope="module")
def nuts(single):
    return mx.fit_nuts(*single, key=KEY, num_warmup=500, num_samples=1000)


@pytest.fixture(scope="module")
def short(single):
    return mx.fit_nuts(*single, key=KEY, num_warmup=250, num_samples=60, num_chains=2)


def test_nuts_has_the_known_posterior_of_one_component(single, nuts):
    for name, (mean, sd) in known_moments(*single).items():
        summary = nuts.diagnostics.parameters[name]
        assert abs(summary.mean.item() - mean) < 4 * summary.mcse.item()
        assert abs(summary.sd.item() / sd - 1) < 0.1
    assert nuts.status is Status.CONVERGED
    assert nuts.diagnostics.max_rhat < 1.01


@pytest.mark.slow_but("full_rank")
@pytest.mark.parametrize("guide", ["mean_field", "full_rank", "laplace", "flow", "pathfinder"])
def test_vi_is_near_the_known_posterior_of_one_component(single, guide):
    """In (μ, log σ²) this posterior is all but normal and uncorrelated, so every guide should find it.

    The normal at its mode, S/(ν + 1), has the mean S/(ν + 1) e^(1/(ν + 1)) for σ², 0.21 sds below S/(ν − 2).
    """
    near = 0.3 if guide == "laplace" else 0.2
    vi = mx.fit_vi(*single, key=KEY, guide=guide, num_starts=2, num_steps=1000)
    assert vi.status is Status.CONVERGED
    for name, (mean, sd) in known_moments(*single).items():
        summary = vi.diagnostics.parameters[name]
        assert abs(summary.mean.item() - mean) < near * sd
        assert abs(summary.sd.item() / sd - 1) < 0.2


@pytest.mark.slow
def test_pathfinder_keeps_two_modes_in_proportion():
    """Two normals of unequal weight, far apart: paths end in either, and resampling gives each its share."""

    def energy(u):
        one, other = jnp.sum((u - 4) ** 2), jnp.sum((u + 4) ** 2)
        return -jnp.logaddexp(jnp.log(0.8) - one / 2, jnp.log(0.2) - other / 2)

    starts = jnp.array([[3.0, 3.0], [-3.0, -3.0], [5.0, 2.0], [-5.0, -2.0]])
    found = multipath(energy, KEY, starts, 4000)
    share = (np.asarray(found.draws)[:, 0] > 0).mean()
    # The approximations are exact, so what is left is the error of 4,000 resampled draws, and of their weights.
    assert share == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / 1000))


def test_another_mode_is_said():
    zero, log_weights = jnp.zeros(()), jax.random.normal(KEY, (500,))
    elbos = jnp.array([-10.0, -10.1, -12.5, -30.0])
    info = VIInfo("full_rank", elbos[0], zero + 0.01, log_weights, elbos, zero, zero)
    _, words = info.judge(None)
    assert "1 of 4 starts ended in another approximation, at best 2.5 nats lower" in words
    alone = VIInfo("full_rank", elbos[0], zero + 0.01, log_weights, elbos[jnp.array([0, 1, 3])], zero, zero)
    assert "another mode" not in alone.judge(None)[1]


def test_equal_weights_have_no_tail():
    """As where the approximation is the posterior."""
    zero = jnp.zeros(())
    info = VIInfo("full_rank", zero, zero, jnp.full(500, -3.0), jnp.zeros(1), zero, zero)
    weights, khat = info.smoothed()
    assert khat == 0
    np.testing.assert_allclose(weights, 1 / 500)


@pytest.mark.parametrize("shape", [0.3, 1.2])
def test_khat_is_the_tail_index_of_the_weights(shape):
    """Powers of a uniform have exactly Pareto tails, of known index."""
    log_weights = -shape * jnp.log(jax.random.uniform(KEY, (20_000,)))
    zero = jnp.zeros(())
    info = VIInfo("full_rank", zero, zero, log_weights, jnp.zeros(1), zero, zero)
    # The index is fitted to the 424 largest weights: standard error (1 + k)/√424 (Smith 1987).
    assert abs(info.khat - shape) < 4 * (1 + shape) / np.sqrt(424)


def test_elbo_bounds_the_known_evidence(single):
    """The evidence of one conjugate component is a ratio of normalisers (Murphy 2007, eq. 95)."""
    from scipy.special import gammaln

    model, x = single
    n, prior = len(x), model.prior
    kappa, dof, scale = float(prior.shrinkage), float(prior.dof), float(prior.scale[0, 0])
    mean, m = x.mean(), float(prior.mean[0])
    scale_n = scale + ((x - mean) ** 2).sum() + kappa * n / (kappa + n) * (mean - m) ** 2
    evidence = (
        gammaln((dof + n) / 2) - gammaln(dof / 2) + dof / 2 * np.log(scale) - (dof + n) / 2 * np.log(scale_n)
        + 0.5 * np.log(kappa / (kappa + n)) - n / 2 * np.log(np.pi)
    )  # fmt: skip
    info = mx.fit_vi(model, x, key=KEY, num_starts=2, num_steps=1000).info
    assert evidence - 0.1 < info.elbo < evidence + 4 * info.elbo_mcse


def test_chains_that_disagree_are_not_converged(short):
    """Two chains in different places: the status says so, with the number."""
    apart = jax.tree.map(lambda leaf: leaf, short)
    shifted = apart.log_joint + jnp.array([[0.0], [50.0]])
    object.__setattr__(apart, "log_joint", shifted)
    assert apart.status is Status.NOT_CONVERGED
    assert "chains disagree" in apart.reason


def test_too_few_draws_are_not_converged(short):
    assert short.status is Status.NOT_CONVERGED


def test_datatree_calls_features_as_the_table_does(single, nuts):
    _, x = single
    tree = nuts.to_datatree({"name": ["a"] * len(x), "width": np.ravel(x)})
    assert tree["posterior"]["covariances"].coords["feature"].values.tolist() == ["width"]
    assert tree["posterior"]["covariances"].coords["feature_2"].values.tolist() == ["width"]
    assert tree["observed_data"].coords["feature"].values.tolist() == ["width"]
    assert tree["posterior"].coords["component"].values.tolist() == [1]
    assert nuts.to_datatree(x)["posterior"].coords["feature"].values.tolist() == [0]


def test_datatree_round_trip(single, nuts, tmp_path):
    _, x = single
    tree = nuts.to_datatree(x)
    assert {"posterior", "sample_stats", "log_likelihood", "observed_data"} <= set(tree.children)
    assert dict(tree["posterior"].sizes) == {"chain": 4, "draw": 1000, "component": 1, "feature": 1, "feature_2": 1}
    pointwise = tree["log_likelihood"]["x"].values
    np.testing.assert_allclose(pointwise.sum(axis=-1), nuts.log_likelihood, rtol=1e-9)
    np.testing.assert_array_equal(tree["sample_stats"]["log_joint"].values, nuts.log_joint)
    tree.to_netcdf(tmp_path / "posterior.nc")
    back = az.from_netcdf(tmp_path / "posterior.nc")
    np.testing.assert_array_equal(back["posterior"]["means"].values, tree["posterior"]["means"].values)
    assert az.summary(back, var_names=["means"], round_to="none")["r_hat"].item() < 1.01


def test_densities_are_those_of_the_draws(single, nuts):
    """Label-free quantities belong to the relabelled parameters beside them."""
    model, x = single
    params = jax.tree.map(lambda leaf: leaf[2, 7], nuts.params)
    np.testing.assert_allclose(model.log_likelihood(params, x), nuts.log_likelihood[2, 7], rtol=1e-9)
    np.testing.assert_allclose(model.log_joint(params, x), nuts.log_joint[2, 7], rtol=1e-9)


@pytest.mark.slow
def test_same_key_same_draws_and_progress(single):
    heard = []
    settings = {"num_warmup": 200, "num_samples": 100, "num_chains": 2}
    a = mx.fit_nuts(*single, key=KEY, on_progress=lambda done, total: heard.append((done, total)), **settings)
    b = mx.fit_nuts(*single, key=KEY, **settings)
    np.testing.assert_array_equal(a.params.means, b.params.means)
    assert heard == [(150, 300), (300, 300)]


def test_a_draw_without_density_is_never_converged(single):
    model, x = single
    posterior = mx.fit_gibbs(model, x, key=KEY, num_warmup=50, num_samples=500)
    assert posterior.status is Status.CONVERGED
    broken = eqx.tree_at(lambda p: p.log_joint, posterior, posterior.log_joint.at[1, 7].set(-jnp.inf))
    assert broken.status is Status.NON_FINITE


@pytest.mark.slow
def test_modes_of_equal_height_are_seen():
    """Chains that sit in mirror images of each other have one distribution of densities, and another of places."""
    x = np.array([-3.0, -1.0, 1.0, 3.0])
    model = mx.Mixture(mx.Gaussian(), 1, mx.priors.Conjugate([0.0], [[1.0]], dof=50.0, shrinkage=1.0))
    posterior = mx.fit_gibbs(model, x, key=KEY, num_warmup=50, num_samples=500, num_chains=2)
    moved = posterior.params.means + jnp.array([-5.0, 5.0])[:, None, None, None]
    apart = eqx.tree_at(lambda p: p.params.means, posterior, moved)
    assert posterior.status is Status.CONVERGED
    assert apart.status is Status.NOT_CONVERGED


@pytest.mark.slow
def test_relabelled_draws_keep_their_first_labels():
    x = np.concatenate([np.random.default_rng(2).normal(m, 1.0, 20) for m in (0.0, 1.5)])
    posterior = mx.fit_gibbs(mx.Mixture.for_data(x, 2), x, key=KEY, num_warmup=50, num_samples=100, num_chains=2)
    other = posterior.relabelled(x, "ecr")

    def first(p):
        back = np.argsort(np.asarray(p.relabelling.permutations), axis=-1)
        return np.take_along_axis(np.asarray(p.params.means)[..., 0], back, axis=-1)

    assert np.any(other.relabelling.permutations != posterior.relabelling.permutations)
    np.testing.assert_array_equal(first(other), first(posterior))
