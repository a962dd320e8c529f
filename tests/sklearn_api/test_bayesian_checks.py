"""scikit-learn's own checks of an estimator, for the posterior."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from mixtures.sklearn import BayesianGaussianMixture

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


@parametrize_with_checks(
    [BayesianGaussianMixture(covariance_type="diag", n_init=1, max_iter=20, n_draws=100, random_state=0)]
)
def test_sklearn_checks(estimator, check):
    check(estimator)
