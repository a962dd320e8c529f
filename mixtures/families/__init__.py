"""Component families: one a file, all behind `AbstractFamily`."""

from mixtures.families.base import AbstractFamily, AbstractParams
from mixtures.families.gaussian import Gaussian, GaussianParams

__all__ = ["AbstractFamily", "AbstractParams", "Gaussian", "GaussianParams"]
