"""The hot loop shared by every engine: mixture log-likelihood and expected statistics of quadratic log-densities."""

from mixtures._kernel.curvature import natural_curvature
from mixtures._kernel.frame import Frame
from mixtures._kernel.quadratics import Quadratics, Sums
from mixtures._kernel.rows import CENTRED, PRODUCTS, SQUARES, Form, Groups, Rows
from mixtures._kernel.steps import e_step, log_densities, log_likelihood

__all__ = [
    "CENTRED",
    "PRODUCTS",
    "SQUARES",
    "Form",
    "Frame",
    "Groups",
    "Quadratics",
    "Rows",
    "Sums",
    "e_step",
    "log_densities",
    "log_likelihood",
    "natural_curvature",
]
