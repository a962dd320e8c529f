"""Finite mixtures, written down once and fitted by EM, variational inference and NUTS, with a comparison of the three.

>>> import jax, mixtures as mx
>>> model = mx.Mixture.for_data(x, num_components=3)
>>> result = mx.compare(model, x, key=jax.random.key(0))
>>> result.save("out/mine")
"""

import numpyro.util  # noqa: F401  (ArviZ leaves NumPyro lazy, and its submodules then lose attributes; this loads it)

from mixtures import priors
from mixtures._status import Status
from mixtures._version import __version__
from mixtures.audit import Audit, Finding, audit
from mixtures.bayes.evidence import Evidence, bridge_evidence
from mixtures.bayes.gibbs import fit_gibbs
from mixtures.bayes.importance import Corrected, importance_correct
from mixtures.bayes.loo import ChainStacking, Loo, loo, stack_chains
from mixtures.bayes.numpyro_model import numpyro_model
from mixtures.bayes.nuts import fit_nuts
from mixtures.bayes.partitions import PointPartition, draw_partitions, point_partition, similarity
from mixtures.bayes.posterior import Posterior
from mixtures.bayes.predictive import (
    PredictiveCheck,
    check_posterior,
    check_prior,
    posterior_predictive,
    prior_predictive,
)
from mixtures.bayes.sbc import SBCRanks, simulation_based_calibration
from mixtures.bayes.sensitivity import Sensitivity, prior_sensitivity
from mixtures.bayes.smc import fit_smc
from mixtures.bayes.telescope import Telescope, fit_telescope
from mixtures.bayes.vi import fit_vi
from mixtures.compare import Calibration, Comparison, Sweep, calibrate, compare, compare_fits, sweep
from mixtures.data import Data, read_data
from mixtures.em.bootstrap import Bootstrap, bootstrap
from mixtures.em.cross_validation import CrossValidation, cross_validate
from mixtures.em.fit import EMFit, fit_em
from mixtures.em.lrt import LikelihoodRatioTest, bootstrap_lrt, bootstrap_lrt_sequence
from mixtures.em.ridge import FloorProfile, floor_profile
from mixtures.em.select import Selection, criteria, select
from mixtures.em.spurious import spurious
from mixtures.em.uncertainty import StandardErrors, standard_errors
from mixtures.families import Gaussian, GaussianParams, GaussianWithNoise
from mixtures.folding import fold_duplicates
from mixtures.model import Mixture
from mixtures.report.saved import SavedComparison, load

__all__ = [
    "Audit",
    "Bootstrap",
    "Calibration",
    "ChainStacking",
    "Comparison",
    "Corrected",
    "CrossValidation",
    "Data",
    "EMFit",
    "Evidence",
    "Finding",
    "FloorProfile",
    "Gaussian",
    "GaussianParams",
    "GaussianWithNoise",
    "LikelihoodRatioTest",
    "Loo",
    "Mixture",
    "PointPartition",
    "Posterior",
    "PredictiveCheck",
    "SBCRanks",
    "SavedComparison",
    "Selection",
    "Sensitivity",
    "StandardErrors",
    "Status",
    "Sweep",
    "Telescope",
    "__version__",
    "audit",
    "bootstrap",
    "bootstrap_lrt",
    "bootstrap_lrt_sequence",
    "bridge_evidence",
    "calibrate",
    "check_posterior",
    "check_prior",
    "compare",
    "compare_fits",
    "criteria",
    "cross_validate",
    "draw_partitions",
    "fit_em",
    "fit_gibbs",
    "fit_nuts",
    "fit_smc",
    "fit_telescope",
    "fit_vi",
    "floor_profile",
    "fold_duplicates",
    "importance_correct",
    "load",
    "loo",
    "numpyro_model",
    "point_partition",
    "posterior_predictive",
    "prior_predictive",
    "prior_sensitivity",
    "priors",
    "read_data",
    "select",
    "similarity",
    "simulation_based_calibration",
    "spurious",
    "stack_chains",
    "standard_errors",
    "sweep",
]
