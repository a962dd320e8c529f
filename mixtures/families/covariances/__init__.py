"""The fourteen covariance models of Gaussian mixtures (Celeux and Govaert 1995), by name and by mclust's code."""

from mixtures.families.covariances.base import CovarianceModel, Entry, Spread, inverse_and_log_det
from mixtures.families.covariances.conjugate import CONJUGATE_MODELS, ConjugateModel
from mixtures.families.covariances.decomposed import DECOMPOSED_MODELS

COVARIANCE_MODELS: dict[str, CovarianceModel] = {m.name: m for m in (*CONJUGATE_MODELS, *DECOMPOSED_MODELS)}
BY_CODE = {m.code: m for m in COVARIANCE_MODELS.values()}

__all__ = [
    "BY_CODE",
    "COVARIANCE_MODELS",
    "ConjugateModel",
    "CovarianceModel",
    "Entry",
    "Spread",
    "inverse_and_log_det",
]
