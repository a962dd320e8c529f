"""Component families."""

from mixtures.families.base import AbstractFamily, AbstractParams
from mixtures.families.fixed import Fixed
from mixtures.families.gaussian import Gaussian, GaussianParams
from mixtures.families.moments import Moments, data_covariance
from mixtures.families.noise import GaussianWithNoise

__all__ = [
    "AbstractFamily",
    "AbstractParams",
    "Fixed",
    "Gaussian",
    "GaussianParams",
    "GaussianWithNoise",
    "Moments",
    "data_covariance",
]
