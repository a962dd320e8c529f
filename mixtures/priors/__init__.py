"""Priors over a mixture's parameters, stated in constrained coordinates: weights, means and covariances.

A prior is a list of *sites*: named NumPyro distributions, each given the values drawn before it. The log prior of EM,
the NumPyro model and prior simulation all read that one list, so they cannot differ.
"""

from mixtures.priors.base import AbstractPrior, Flat, Layout, Sites, Slot
from mixtures.priors.conjugate import Conjugate
from mixtures.priors.decomposed import Decomposed
from mixtures.priors.independent import Independent

__all__ = ["AbstractPrior", "Conjugate", "Decomposed", "Flat", "Independent", "Layout", "Sites", "Slot"]
