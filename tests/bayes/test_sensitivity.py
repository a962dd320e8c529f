"""Power-scaling sensitivity: ArviZ's own on the same draws, and a prior that is known to matter or not."""

import arviz as az
import jax
import numpy as np

import mixtures as mx

KEY = jax.random.key(4)


def single(shrinkage, num_rows=200):
    """One normal whose prior mean, 5 sds away, is worth `shrinkage` rows."""
    x = np.random.default_rng(1).normal(0.0, 1.0, num_rows)
    model = mx.Mixture(mx.Gaussian(), 1, mx.priors.Conjugate([5.0], [[1.0]], dof=3.0, shrinkage=shrinkage))
    return mx.fit_gibbs(model, x, key=KEY, num_warmup=100, num_samples=1000)


def test_same_as_arviz():
    posterior = single(5.0)
    found = mx.prior_sensitivity(posterior)
    tree = posterior.to_datatree()
    log_likelihood = np.asarray(posterior.log_likelihood)
    groups = {"posterior": {"mu": np.asarray(posterior.params.means)[..., 0, 0]}}
    groups |= {"log_likelihood": {"x": log_likelihood}, "log_prior": {"p": posterior.log_joint - log_likelihood}}
    tree = az.from_dict(groups)
    for group, ours in (("prior", found.prior), ("likelihood", found.likelihood)):
        np.testing.assert_allclose(ours["means"].item(), az.psense(tree, group=group)["mu"].item(), rtol=1e-6)


def test_a_prior_that_disagrees_with_the_data_is_said():
    strong, weak = mx.prior_sensitivity(single(20.0)), mx.prior_sensitivity(single(0.001))
    assert strong.prior["means"].item() > 0.05
    assert "the mean of component 1" in strong.reason
    assert weak.prior["means"].item() < 0.05
    assert weak.prior["weights"].item() == 0.0, "there is one component"
    assert "means" not in weak.reason
