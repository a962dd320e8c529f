"""Gaussian mixtures as scikit-learn estimators, under the names that its users know.

>>> from mixtures.sklearn import GaussianMixture
>>> GaussianMixture(n_components=3, random_state=0).fit(X).bic(X)
"""

try:
    import sklearn  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    raise ModuleNotFoundError(
        'mixtures.sklearn needs scikit-learn, which is not installed: pip install "mixtures[sklearn]".', name="sklearn"
    ) from None

from mixtures.sklearn.bayesian import BayesianGaussianMixture
from mixtures.sklearn.maximum import GaussianMixture
from mixtures.sklearn.wording import UnboundedLikelihoodWarning

__all__ = ["BayesianGaussianMixture", "GaussianMixture", "UnboundedLikelihoodWarning"]
