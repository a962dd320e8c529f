"""`BayesianGaussianMixture`: estimates, predictions averaged over draws, and the prior under scikit-learn's names."""

import pickle
import subprocess
import sys

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.special import logsumexp, multigammaln
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture as Theirs

from mixtures.priors import Independent
from mixtures.sklearn import BayesianGaussianMixture
from mixtures.sklearn.precision import on_host


@pytest.fixture(scope="module")
def apart():
    rng = np.random.default_rng(4)
    return np.array([[0.0, 0.0], [9.0, 3.0]])[rng.integers(0, 2, 100)] + rng.normal(size=(100, 2))


def make(**settings):
    chosen = {"n_components": 2, "n_init": 1, "max_iter": 1000, "n_draws": 500, "random_state": 0}
    return BayesianGaussianMixture(**{**chosen, **settings})


@pytest.fixture(scope="module")
def fitted(apart):
    return make(mean_prior=[1.0, 2.0], n_predictive_draws=50).fit(apart)


def test_estimates_are_posterior_means(apart, fitted):
    params = fitted.posterior_.params
    np.testing.assert_allclose(fitted.means_, params.means.mean(axis=(0, 1)))
    np.testing.assert_allclose(fitted.means_, [[0, 0], [9, 3]], atol=0.5)
    assert fitted.converged_
    assert fitted.label_ambiguity_ < 1e-6
    np.testing.assert_array_equal(fitted.model_.prior.mean, [1.0, 2.0])


NUMBERS = (
    "weight_concentration_prior",
    "mean_precision_prior",
    "mean_prior",
    "degrees_of_freedom_prior",
    "covariance_prior",
)


def with_prior(estimator, x):
    """The estimator with its mixture, as after a fit."""
    with jax.enable_x64(True):
        estimator.model_ = on_host(estimator._model(x))
    return estimator


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_numbers_of_the_prior_have_scikit_learns_names_and_shapes(apart, covariance_type):
    theirs = Theirs(n_components=2, covariance_type=covariance_type, max_iter=1).fit(apart)
    ours = with_prior(make(covariance_type=covariance_type), apart)
    found = {name: getattr(ours, f"{name}_") for name in NUMBERS}
    for name, value in found.items():
        assert np.shape(value) == np.shape(getattr(theirs, f"{name}_")), name
    again = with_prior(make(covariance_type=covariance_type, **found), apart)
    np.testing.assert_equal({name: getattr(again, f"{name}_") for name in NUMBERS}, found)


def test_numbers_of_the_prior_are_those_of_the_fit(fitted):
    assert fitted.mean_prior_.tolist() == [1.0, 2.0]
    assert fitted.mean_precision_prior_ == 0.01
    with pytest.raises(AttributeError, match="mean_prior_ cannot be set"):
        fitted.mean_prior_ = [0.0, 0.0]
    fitted.mean_prior_[:] = 0
    assert fitted.mean_prior_.tolist() == [1.0, 2.0]


def test_numbers_that_the_prior_lacks_are_absent(apart):
    shared = with_prior(make(covariance_type="VEV"), apart)
    assert [hasattr(shared, f"{name}_") for name in NUMBERS] == [True, True, True, False, False]
    prior = Independent(dist.Dirichlet(np.ones(2)), dist.Normal(0, 10), scale=dist.HalfNormal(5))
    own = with_prior(make(prior=prior), apart)
    with pytest.raises(AttributeError, match="covariance_prior_ is absent: the prior of this mixture, Independent"):
        _ = own.covariance_prior_
    assert not any(hasattr(own, f"{name}_") for name in NUMBERS)
    assert not any(hasattr(make(), f"{name}_") for name in NUMBERS)


def test_predictions_are_averaged_over_draws(apart, fitted):
    draws = fitted._draws()
    log_joint = np.stack(
        [
            [np.log(w) + multivariate_normal(m, c).logpdf(apart) for w, m, c in zip(*draw, strict=True)]
            for draw in zip(*map(np.asarray, (draws.weights, draws.means, draws.covariances)), strict=True)
        ]
    )
    average = logsumexp(log_joint, axis=0) - np.log(len(log_joint))
    np.testing.assert_allclose(fitted.score_samples(apart), logsumexp(average, axis=0), atol=1e-8)
    copy = pickle.loads(pickle.dumps(fitted))
    with jax.enable_x64(False):
        np.testing.assert_allclose(copy.predict_proba(apart).T, np.exp(average - logsumexp(average, axis=0)), atol=1e-8)


@pytest.mark.slow
def test_the_evidence_bounds_itself_from_below(apart):
    """Of one normal component with a conjugate prior the evidence is known (Murphy 2007, equation 266)."""
    prior = {"mean_prior": [0.0, 0.0], "mean_precision_prior": 1.0, "degrees_of_freedom_prior": 4.0}
    found = make(n_components=1, covariance_prior=np.eye(2), **prior).fit(apart)
    count, mean = len(apart), apart.mean(axis=0)
    scatter = (apart - mean).T @ (apart - mean) + count / (count + 1) * np.outer(mean, mean)
    evidence = (
        multigammaln((4 + count) / 2, 2)
        - multigammaln(2, 2)
        - (4 + count) / 2 * np.linalg.slogdet(np.eye(2) + scatter)[1]
        - np.log(count + 1)
        - count * np.log(np.pi)
    )
    assert evidence - 0.5 < found.lower_bound_ < evidence + 4 * float(found.posterior_.info.elbo_mcse)
    assert found.n_iter_ == 1000


@pytest.mark.slow
def test_nuts_is_double_in_its_threads(apart):
    with jax.enable_x64(False):
        found = make(engine="nuts", n_init=2, max_iter=300, n_draws=2000, n_components=1).fit(apart)
    assert found.converged_
    assert found.n_iter_ == 300
    assert np.isnan(found.lower_bound_)
    assert found.posterior_.log_joint.dtype == np.float64
    np.testing.assert_allclose(found.means_[0], apart.mean(axis=0), atol=0.5)


@pytest.mark.slow
def test_no_estimates_of_what_did_not_converge(apart):
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        found = make(max_iter=60, n_draws=100).fit(apart)
    assert not found.converged_
    assert np.isnan(found.means_).all()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"engine": "em"}, "engine"),
        ({"prior": "mine"}, "prior"),
        ({"degrees_of_freedom_prior": 0.5}, "degrees_of_freedom_prior"),
        ({"weight_concentration_prior_type": "dirichlet_process"}, "weight_concentration_prior_type"),
        ({"covariance_prior": 1.0}, "covariance_prior"),
        ({"covariance_type": "VEV", "covariance_prior": 1.0}, "covariance_prior"),
    ],
    ids=str,
)
def test_wrong_arguments(apart, settings, word):
    with pytest.raises(ValueError, match=word):
        make(**settings).fit(apart)


def test_the_package_does_without_scikit_learn():
    program = (
        "import sys, mixtures\n"
        "assert 'sklearn' not in sys.modules\n"
        "sys.modules['sklearn'] = None\n"
        "try:\n    import mixtures.sklearn\n"
        "except ModuleNotFoundError as error:\n    assert 'mixtures[sklearn]' in str(error), error\n"
        "else:\n    raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
