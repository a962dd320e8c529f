"""scikit-learn's own checks of an estimator, for maximum likelihood and the posterior mode."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from mixtures.sklearn import GaussianMixture

pytestmark = pytest.mark.filterwarnings("ignore")
# That check has 15 rows of 30 features, on which the likelihood of whole covariances has no maximum: we say so.
NO_MAXIMUM = "the likelihood of full covariances is unbounded on fewer rows than features"


def expected_failures(estimator):
    unbounded = estimator.covariance_type == "full" and estimator.reg_covar is None
    return {"check_sample_weight_equivalence_on_dense_data": NO_MAXIMUM} if unbounded else {}


@parametrize_with_checks([GaussianMixture(n_init=2, random_state=0)], expected_failed_checks=expected_failures)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        GaussianMixture(2, covariance_type="diag", n_init=3, prior="default", random_state=0),
        GaussianMixture(n_init=2, reg_covar=1e-3, random_state=0),
    ],
    expected_failed_checks=expected_failures,
)
def test_sklearn_checks_of_other_settings(estimator, check):
    check(estimator)
