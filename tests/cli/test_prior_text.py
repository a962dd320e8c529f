"""Priors written as text on the command line."""

import os

import jax.numpy as jnp
import numpy as np
import pytest

import mixtures as mx
from mixtures.cli.prior_text import PriorError, build_prior, parse_prior
from mixtures.families import Gaussian

GOOD_PRIORS = {
    "mean=Normal(0, 10); scale=HalfNormal(5); weights=Dirichlet(1)": ("full", 1),
    "mean = Normal(-1.5, scale=2)\nscale = LogNormal(0, 1)": ("diagonal", 2),
    "mean=Normal([0, 1], [1, 2]); scale=HalfNormal([1, 2]); correlation=LKJ(2, 3.0)": ("full", 2),
    "mean=MultivariateNormal([0, 1], [[1, 0], [0, 1]]); covariance=InverseWishart(4, [[1, 0], [0, 1]])": ("tied", 2),
    "mean=Uniform(-5, 5); covariance=InverseGamma(2, 1); weights=Dirichlet(concentration=[2, 2, 2])": ("spherical", 2),
}


@pytest.mark.parametrize(("text", "setting"), GOOD_PRIORS.items())
def test_priors_that_can_be_used(text, setting):
    covariance, num_features = setting
    family = Gaussian(covariance)
    prior = build_prior(parse_prior(text), family, 3, num_features)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(30, num_features)))
    params = family.start(jnp.full(3, 1 / 3), x[:3], jnp.tile(jnp.eye(num_features), (3, 1, 1)))
    model = mx.Mixture(family, 3, prior)
    assert np.isfinite(model.log_prior(params))


BAD_PRIORS = {
    "": "needs a mean",
    "mean=Normal(0,1)": "needs a mean and either a scale or a covariance",
    "mean=Normal(0,1); scale=HalfNormal(1); covariance=Gamma(1,1)": "either a scale or a covariance",
    "default prior": "cannot be read",
    "prior.txt": "write it like",
    "x=Normal(0,1)": "'x', which is no parameter",
    "mean=Normal(0,1); mean=Normal(0,1); scale=HalfNormal(1)": "mean twice",
    "mean=Normal(0,1), scale=HalfNormal(1)": "cannot be read",
    "mean=__import__('os').system('touch owned'); scale=HalfNormal(1)": "write it like",
    "mean=Normal(open('owned', 'w')); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Normal(True, 1); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Normal('0', 1); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Normal(*[0, 1]); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Normal(**{'loc': 1}); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Normal(1e999, 1); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Normal(0, 2**9); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Gauss(0, 1); scale=HalfNormal(1)": "no distribution 'Gauss'",
    "mean=Gamma(); scale=HalfNormal(1)": "does not accept Gamma()",
    "mean=Poisson(3); scale=HalfNormal(1)": "mean must be a distribution of a continuous number",
    "mean=Normal(0, 1); scale=Uniform(-1, 1)": "scale must be a distribution of a positive number",
    "mean=Normal(0, 1); scale=HalfNormal(1); weights=Dirichlet([1, 1])": "over 3 weights",
    "mean=Normal(0, 1); scale=HalfNormal(1); weights=Dirichlet([1, 2, 3])": "one concentration for all components",
    "mean=Normal(0, 1); scale=HalfNormal(1); correlation=LKJ(3)": "correlation goes with full and tied covariances",
    "mean=Normal([0, 1, 2], 1); scale=HalfNormal(1)": "one distribution for all components",
}


@pytest.mark.parametrize(("text", "words"), BAD_PRIORS.items())
def test_priors_that_cannot_be_used(text, words, tmp_path):
    with pytest.raises(PriorError) as caught:
        build_prior(parse_prior(text), Gaussian("full"), 3, 2)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []
