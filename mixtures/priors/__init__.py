"""Priors over a mixture's parameters, stated in constrained coordinates: weights, means and covariances.

A prior is a list of *sites*: named NumPyro distributions, each given the values drawn before it. The log prior of EM,
the NumPyro model and prior simulation all read that one list, so they cannot differ.
"""

from mixtures.priors.base import AbstractPrior, Flat, Layout, Sites, Slot
from mixtures.priors.conjugate import Conjugate
from mixtures.priors.decomposed import Decomposed
from mixtures.priors.hierarchical import Hierarchical
from mixtures.priors.independent import Independent
from mixtures.priors.published import fruhwirth_schnatter, raftery, richardson_green

__all__ = [
    "AbstractPrior",
    "Conjugate",
    "Decomposed",
    "Flat",
    "Hierarchical",
    "Independent",
    "Layout",
    "Sites",
    "Slot",
    "fruhwirth_schnatter",
    "raftery",
    "richardson_green",
]
