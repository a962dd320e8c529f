"""Component families."""

from mixtures.families.base import AbstractFamily, AbstractParams
from mixtures.families.gaussian import Gaussian, GaussianParams
from mixtures.families.moments import Moments

__all__ = ["AbstractFamily", "AbstractParams", "Gaussian", "GaussianParams", "Moments"]
