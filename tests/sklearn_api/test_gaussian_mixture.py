"""`GaussianMixture` against scikit-learn's own, against SciPy's densities, and within its tools."""

import pickle
import threading
import warnings

import jax
import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Theirs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mixtures as mx
from mixtures.families.covariances import COVARIANCE_MODELS
from mixtures.sklearn import GaussianMixture, UnboundedLikelihoodWarning

SHARED = ("full", "tied", "diag", "spherical")


def test_a_prior_without_a_mode_is_refused_in_their_words():
    prior = mx.priors.Conjugate([0.0, 0.0], np.eye(2), dof=5.0, shrinkage=0.1, concentration=0.5)
    x = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(ValueError, match=r"^prior needs a concentration of .*engine='nuts'\), or prior=None\.$"):
        GaussianMixture(2, prior=prior).fit(x)


@pytest.fixture(scope="module")
def apart():
    """120 rows of two features in three groups far from each other."""
    rng = np.random.default_rng(3)
    centres = np.array([[0.0, 0.0], [12.0, 3.0], [-2.0, 15.0]])
    return centres[rng.integers(0, 3, 120)] + rng.normal(size=(120, 2)) @ np.array([[1.0, 0.4], [0.0, 0.8]])


def make(**settings):
    return GaussianMixture(**{"n_components": 3, "n_init": 4, "random_state": 0, **settings})


@pytest.fixture(scope="module")
def fitted(apart):
    return make().fit(apart)


@pytest.mark.slow_but("full", "tied")
@pytest.mark.parametrize("covariance_type", SHARED)
def test_agrees_with_scikit_learn(apart, covariance_type):
    ours = make(covariance_type=covariance_type).fit(apart)
    theirs = Theirs(3, covariance_type=covariance_type, tol=1e-12, reg_covar=0, max_iter=2000, n_init=5, random_state=0)
    theirs.fit(apart)
    _, match = linear_sum_assignment(((ours.means_[:, None] - theirs.means_) ** 2).sum(axis=-1))
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        other = getattr(theirs, name)
        other = other if covariance_type == "tied" and "_" in name and other.shape == (2, 2) else other[match]
        assert getattr(ours, name).shape == other.shape
        np.testing.assert_allclose(getattr(ours, name), other, rtol=1e-3, atol=1e-3)
    for name in ("score", "aic", "bic"):
        assert getattr(ours, name)(apart) == pytest.approx(getattr(theirs, name)(apart), rel=1e-3)
    np.testing.assert_allclose(ours.predict_proba(apart), theirs.predict_proba(apart)[:, match], atol=1e-3)
    assert ours.lower_bound_ == pytest.approx(theirs.lower_bound_, abs=1e-6)


def test_lower_bound_is_the_mean_log_density(apart, fitted):
    parts = zip(fitted.weights_, fitted.means_, fitted.covariances_, strict=True)
    density = sum(w * multivariate_normal(m, c).pdf(apart) for w, m, c in parts)
    assert fitted.lower_bound_ == pytest.approx(np.log(density).mean(), abs=1e-10)
    np.testing.assert_allclose(fitted.score_samples(apart), np.log(density), atol=1e-9)


@pytest.mark.slow
def test_weights_count_rows(apart):
    weights = np.random.default_rng(0).integers(0, 4, len(apart))
    once = make(prior="default").fit(apart, sample_weight=weights)
    often = make(prior="default").fit(apart.repeat(weights, axis=0))
    np.testing.assert_allclose(once.means_, often.means_, rtol=1e-6)
    assert once.lower_bound_ == pytest.approx(often.lower_bound_, abs=1e-9)
    assert once.bic(apart, sample_weight=weights) == pytest.approx(often.bic(apart.repeat(weights, axis=0)))


def test_an_unbounded_likelihood_is_said_to_be(series):
    x = series[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # it did converge
        with pytest.warns(
            UnboundedLikelihoodWarning, match="unbounded.*13 identical rows with value 44.4457, the first of them row"
        ):
            found = make(n_init=16).fit(x)
    assert found.unbounded_
    assert found.status_ is mx.Status.INTERIOR
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(n_init=16, prior="default").fit(x)
    assert not found.on_floor_.any()


@pytest.mark.parametrize("floor", [1e-6, 0.01])
def test_a_floor_that_decides_the_answer_is_named(series, floor):
    with pytest.warns(
        UnboundedLikelihoodWarning, match=f"Component 3 lies on the floor: reg_covar={floor:g} decides the answer"
    ):
        found = make(n_init=16, reg_covar=floor).fit(series[:, None])
    assert found.covariances_[2, 0, 0] == pytest.approx(floor)  # of 13 identical rows the more likely, the narrower
    assert found.on_floor_.tolist() == [False, False, True]
    assert not found.unbounded_


def test_a_floor_that_nothing_touches_is_not_mentioned(apart):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not make(reg_covar=1e-6).fit(apart).on_floor_.any()


def test_no_maximum_is_an_error():
    x = np.random.default_rng(0).normal(size=(5, 6))
    with pytest.raises(ValueError, match="more distinct rows than features"):
        make(n_components=1).fit(x)
    assert make(n_components=1, reg_covar=1e-3).fit(x).converged_


@pytest.mark.slow
def test_missing_values(apart):
    gaps = apart.copy()
    gaps[::4, 1] = np.nan
    found = make().fit(gaps)
    assert found.lower_bound_ == pytest.approx(found.score(gaps), abs=1e-9)
    assert np.isfinite(found.predict_proba(gaps)).all()


def test_pipeline_and_grid_search(apart):
    chain = make_pipeline(StandardScaler(), make(n_init=2))
    search = GridSearchCV(chain, {"gaussianmixture__n_components": [1, 3]}, cv=2)
    assert search.fit(apart).best_params_["gaussianmixture__n_components"] == 3
    by_bic = GridSearchCV(make(n_init=2), {"n_components": [1, 3]}, cv=2, scoring=lambda e, x: -e.bic(x)).fit(apart)
    assert by_bic.best_params_ == {"n_components": 3}


def test_copies_predict_the_same(apart, fitted, tmp_path):
    joblib.dump(fitted, tmp_path / "fit")
    for copy in (pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "fit"), clone(fitted).fit(apart)):
        np.testing.assert_array_equal(copy.predict_proba(apart), fitted.predict_proba(apart))
        assert copy.fit_.reason == fitted.fit_.reason


def test_feature_names(apart):
    frame = pd.DataFrame(apart, columns=["a", "b"])
    assert list(make().fit(frame).feature_names_in_) == ["a", "b"]


def test_double_precision_is_the_estimators_own(apart, fitted):
    found = []

    def single():
        with jax.enable_x64(False):
            found.append(make().fit(apart.astype(np.float32).astype(float)))
            found.append(jax.config.jax_enable_x64)

    thread = threading.Thread(target=single)
    thread.start()
    thread.join()
    assert found[1] is False
    assert found[0].means_.dtype == np.float64
    np.testing.assert_allclose(found[0].means_, fitted.means_, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["VEI", "equal_orientation", "tied_diagonal", "tied_spherical"])
def test_other_covariance_models(apart, name):
    found = make(covariance_type=name, n_init=2).fit(apart)
    assert found.covariance_type == name
    family = found.model_.family.covariance
    shapes = {
        "diagonal_equal_shape": (3, 2),
        "equal_orientation": (3, 2, 2),
        "tied_diagonal": (2,),
        "tied_spherical": (),
    }
    assert family in COVARIANCE_MODELS
    assert found.covariances_.shape == found.precisions_.shape == shapes[family]


@pytest.mark.slow
def test_starts_may_be_given(apart, fitted):
    at_the_end = make(
        weights_init=fitted.weights_, means_init=fitted.means_, precisions_init=fitted.precisions_, max_iter=50
    ).fit(apart)
    assert at_the_end.n_iter_ <= 5
    again = make(warm_start=True).fit(apart).fit(apart)
    assert len(again.fit_.starts.status) == 1
    assert again.lower_bound_ == pytest.approx(fitted.lower_bound_, abs=1e-9)


@pytest.mark.parametrize("order", [[2, 0, 1], [1, 2, 0]])
def test_components_keep_the_order_that_they_are_given(apart, order):
    centres = np.array([[0.0, 0.0], [12.0, 3.0], [-2.0, 15.0]])[order]
    found = make(means_init=centres, warm_start=True).fit(apart)
    np.testing.assert_allclose(found.means_, centres, atol=1)
    np.testing.assert_array_equal(found.predict(centres), [0, 1, 2])
    np.testing.assert_allclose(found.fit(apart).means_, centres, atol=1)
    by_weights = make(n_init=1, weights_init=[0.2, 0.3, 0.5], means_init=centres).fit(apart)
    np.testing.assert_allclose(by_weights.means_, found.means_, atol=1e-4)


def test_estimates_cannot_be_set_beside_the_fit(fitted):
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        with pytest.raises(AttributeError, match=f"{name} cannot be set"):
            setattr(fitted, name, getattr(fitted, name))
    assert not hasattr(make(), "means_")


def test_scikit_learns_settings_are_taken(apart, fitted):
    for name in ("kmeans", "k-means++", "random", "random_from_data"):
        found = make(init_params=name, verbose_interval=5).fit(apart)
        assert found.lower_bound_ == pytest.approx(fitted.lower_bound_, abs=1e-8)


def test_messages_name_their_arguments(apart):
    with pytest.raises(ValueError, match=r"^n_components must be at most .* distinct rows, 2; got 3"):
        make(covariance_type="diag").fit(apart[:2])
    with pytest.raises(ValueError, match=r"^X must vary in every column; columns 2"):
        make().fit(np.c_[apart, np.ones(len(apart))])


def test_sample(fitted):
    x, y = fitted.sample(3000)
    assert x.shape == (3000, 2)
    np.testing.assert_allclose(np.bincount(y) / 3000, fitted.weights_, atol=0.05)
    np.testing.assert_allclose(x[y == 1].mean(axis=0), fitted.means_[1], atol=0.2)


@pytest.mark.parametrize(
    "settings",
    [
        {"covariance_type": "round"},
        {"n_components": 0},
        {"init_params": "medoids"},
        {"prior": "mine"},
        {"reg_covar": -1.0},
        {"reg_covar": 1e-3, "prior": "default"},
        {"reg_covar": 1e-3, "covariance_type": "VEV"},
        {"means_init": [[0.0, 0.0]]},
        {"precisions_init": -np.eye(2)},
        {"tol": 0},
    ],
    ids=str,
)
def test_wrong_arguments(apart, settings):
    name = next(iter(settings))
    with pytest.raises(ValueError, match={"reg_covar": "reg_covar|floor"}.get(name, f"^{name}")):
        make(**settings).fit(apart)
