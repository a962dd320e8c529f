"""The verdict on whole comparisons of data made for it, one of each kind: none of them served to choose a threshold.

Most have 200 rows and two components of one feature, so that the programs are compiled once.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import mixtures as mx
from mixtures.compare import verdict
from mixtures.report.content import content

KEY = jax.random.key(2024)
SETTINGS = {"num_starts": 16, "num_warmup": 400, "num_samples": 600}


def normals(*groups):
    """Rows from groups of (count, mean, sd)."""
    rng = np.random.default_rng(77)
    return np.concatenate([rng.normal(mean, sd, count) for count, mean, sd in groups])


APART = normals((90, -4.0, 1.0), (110, 4.0, 1.0))
LITTLE = normals((8, -6.0, 1.0), (192, 2.0, 1.0))
OVERLAPPING = normals((100, -0.9, 1.0), (100, 0.9, 1.0))
TIED = np.concatenate([normals((190, 0.0, 1.0)), np.full(10, 3.0)])


def compare(x, prior=None, **settings):
    model = mx.Mixture.for_data(x, 2) if prior is None else mx.Mixture(mx.Gaussian(), 2, prior)
    return mx.compare(model, x, key=KEY, **(SETTINGS | settings))


@pytest.mark.slow
def test_large_groups_far_apart_agree():
    found = compare(APART).verdict
    assert found.level == verdict.AGREE
    assert found.codes == (verdict.IN_AGREEMENT, verdict.VI_USABLE)


@pytest.mark.slow
def test_the_spread_of_eight_rows_is_skewed_so_widths_differ():
    """Its variance has a posterior like inverse gamma with shape about 5: the mode's curvature understates the sd."""
    found = compare(LITTLE).verdict
    assert found.level == verdict.LOCATION_ONLY
    assert found.codes[0] == verdict.WIDTHS
    assert "the variance of component 1" in found.reasons[0]


@pytest.mark.slow
def test_independent_normals_are_too_narrow_where_parameters_depend_on_each_other():
    result = compare(OVERLAPPING, guide="mean_field", num_warmup=1000, num_samples=3000)
    assert result.nuts.status.is_estimate
    assert {verdict.VI_NARROW, verdict.VI_POOR} <= set(result.verdict.codes)
    assert verdict.VI_USABLE not in result.verdict.codes


def one_normal_in_six_dimensions(num_rows, dof):
    x = np.random.default_rng(77).normal(size=(num_rows, 6))
    prior = mx.priors.Conjugate(jnp.zeros(6), dof * jnp.eye(6), dof=float(dof), shrinkage=0.01)
    return mx.compare(mx.Mixture(mx.Gaussian(), 1, prior), x, key=KEY, **SETTINGS).verdict


@pytest.mark.slow
def test_the_density_at_the_mode_of_twelve_rows_is_not_what_they_predict():
    """The predictive of a normal in six dimensions is Student's, here with about fifteen degrees of freedom."""
    found = one_normal_in_six_dimensions(12, 8)
    assert found.level == verdict.DISAGREE
    assert found.codes[0] == verdict.DIFFERENT_MODES


@pytest.mark.slow
def test_the_mode_of_a_covariance_on_few_degrees_of_freedom_lies_elsewhere():
    """An inverse Wishart with 60 degrees of freedom in six dimensions has its mode at four fifths of its mean."""
    found = one_normal_in_six_dimensions(30, 30)
    assert found.level == verdict.DISAGREE
    assert found.codes[:2] == (verdict.LOCATIONS, verdict.LOCATIONS)
    assert verdict.DIFFERENT_MODES not in found.codes
    assert all("variance of" in f.text for f in found.findings if f.code == verdict.LOCATIONS)


@pytest.mark.slow
def test_equal_rows_make_the_likelihood_unbounded_and_that_is_said():
    found = compare(TIED, num_starts=64).verdict
    assert found.level in (verdict.AGREE, verdict.LOCATION_ONLY), (
        "the level is of the MAP, which a prior keeps interior"
    )
    assert verdict.ML_DEGENERATE in found.codes
    assert any("unbounded" in reason for reason in found.reasons)


@pytest.mark.slow
def test_a_prior_that_leaves_variances_free_leaves_the_posterior_unbounded():
    prior = mx.priors.Independent(dist.Dirichlet(jnp.full(2, 2.0)), dist.Normal(0.0, 10.0), scale=dist.HalfNormal(3.0))
    result = compare(TIED, prior, num_starts=64, num_warmup=100, num_samples=100)
    assert result.verdict.level == verdict.NOT_COMPARABLE
    assert result.verdict.codes[0] == verdict.EM_DEGENERATE
    assert "unbounded" in result.verdict.reasons[0]
    value = content(result)
    assert value["further"]["place"] is value["further"]["prediction"] is None
    assert all(row["z"] is None for row in value["agreement"])


@pytest.mark.slow
def test_chains_cut_short_are_never_the_truth():
    result = compare(OVERLAPPING, num_warmup=5, num_samples=20)
    assert result.verdict.level == verdict.NOT_COMPARABLE
    assert result.verdict.codes[0] == verdict.NOT_CONVERGED
    told = {verdict.VI_NARROW, verdict.VI_OTHER_MODE, verdict.PRIOR_DOMINATED, verdict.LOCATIONS, verdict.WIDTHS}
    assert not told & set(result.verdict.codes)
    value = content(result)
    assert value["fits"]["nuts"]["estimates"] is None
    assert all(row["z"] is None and row["nuts_mean"] is None for row in value["agreement"])


@pytest.mark.slow
def test_a_prior_that_knows_better_than_200_rows_is_named():
    """Weights of one half on 10,000 rows’ worth of evidence."""
    prior = mx.priors.Conjugate(jnp.zeros(1), jnp.full((1, 1), 4.0), dof=4.0, shrinkage=0.01, concentration=5000.0)
    found = compare(APART, prior).verdict
    (told,) = (f.text for f in found.findings if f.code == verdict.PRIOR_DOMINATED)
    assert "the weight of component 1" in told
    assert "the mean of" not in told


@pytest.mark.slow
def test_a_prior_that_the_rows_speak_against_is_named():
    """A variance of 4 on 200 degrees of freedom, where the rows say 1."""
    prior = mx.priors.Conjugate(jnp.zeros(1), jnp.full((1, 1), 4.0 * 200), dof=200.0, shrinkage=0.01)
    found = compare(APART, prior).verdict
    (told,) = (f.text for f in found.findings if f.code == verdict.PRIOR_CONFLICT)
    assert "the variance of component 1" in told
    assert "the variance of component 2" in told
    assert "weight" not in told


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_one_group_called_two_is_not_said_to_agree(seed):
    """A single normal has no second component: labels, weights and means are then up to the prior."""
    found = compare(np.random.default_rng(seed).normal(size=200)).verdict
    assert found.level in (verdict.DISAGREE, verdict.NOT_COMPARABLE)
