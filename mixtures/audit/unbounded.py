"""Whether the likelihood has a maximum at all: rows that are equal, or agree in one feature, can take it from it."""

from typing import Any, NamedTuple, cast

import jax
import numpy as np

from mixtures._numbers import fixed
from mixtures._status import Status
from mixtures.audit.findings import Finding
from mixtures.audit.reference import Solution, log_likelihood
from mixtures.data import as_data
from mixtures.em.fit import fit_em
from mixtures.families import Gaussian
from mixtures.families.covariances import COVARIANCE_MODELS
from mixtures.model import Mixture

_TIED = 0.1  # of all rows, or of all starts
_NUM_STARTS = 32
_WIDTHS = (1e-6, 1e-9, 1e-12)


class _Tie(NamedTuple):
    """Rows that agree in these features, and their values there."""

    features: list[int]
    values: tuple[float, ...]
    rows: list[int]


def search(rows: np.ndarray, model: Mixture, key) -> Any:
    """Maximum likelihood from many starts."""
    return fit_em(model, rows, key=key, objective="ml", num_starts=_NUM_STARTS)


def unbounded(rows: np.ndarray, model: Mixture, found: Any) -> list[Finding]:
    """Whether a tenth of the rows are tied, or a tenth of the starts of a search ended on equal rows.

    A component can be narrow in one direction alone, and the others wide, only where volumes and shapes both vary; so
    only then are rows counted that agree in one feature.
    """
    code = COVARIANCE_MODELS[cast(Gaussian, model.family).covariance].code
    if model.num_components == 1 or code.startswith("E"):  # one volume for all
        return []
    ties = _ties(rows, one_feature=code.startswith("VV"))
    if not ties:
        return []
    spikes = (np.asarray(found.starts.status) == Status.COLLAPSED) & (np.asarray(found.starts.collapse_ties) > 1)
    often = [
        tie for tie in ties if len(tie.rows) >= _TIED * len(rows) or (_whole(rows, tie) and spikes.mean() >= _TIED)
    ]
    return [_say(rows, often[0], _heights(rows, often[0], _interior(rows, found), code))] if often else []


def unbounded_under(rows: np.ndarray, covariance: str, num_components: int, key) -> list[Finding]:
    """The same where nothing was searched yet."""
    model = Mixture(Gaussian(covariance), num_components)
    return unbounded(rows, model, search(rows, model, jax.random.split(key)[1]))


def _ties(rows: np.ndarray, one_feature: bool) -> list[_Tie]:
    """The most frequent row and value of each feature, that first on which the likelihood climbs fastest."""
    every = list(range(rows.shape[1]))
    sets = [every, *([d] for d in every if one_feature and len(every) > 1)]
    first = [(features, as_data(rows[:, features]).ties()[:1]) for features in sets]
    found = [_Tie(features, tie.value, list(tie.rows)) for features, ties in first for tie in ties]
    return sorted(found, key=lambda tie: -len(tie.features) * len(tie.rows))


def _whole(rows: np.ndarray, tie: _Tie) -> bool:
    return len(tie.features) == rows.shape[1]


def _interior(rows: np.ndarray, found: Any) -> Solution:
    """The best fit of a search, or where it has none, components that are all as wide as the data."""
    if found.status.is_estimate:
        parts = (
            np.asarray(part, np.float64)
            for part in (found.params.weights, found.params.means, found.params.covariances)
        )
        return Solution(*parts).normalised()
    count = found.params.num_components
    wide = np.diag(rows.var(axis=0))
    return Solution(np.full(count, 1 / count), np.tile(rows.mean(axis=0), (count, 1)), np.tile(wide, (count, 1, 1)))


def _heights(rows: np.ndarray, tie: _Tie, base: Solution, code: str) -> list[float]:
    """Log-likelihoods with the nearest component narrower and narrower on tied rows, and the others as they were."""
    k = int(
        np.argmin(np.abs((base.means[:, tie.features] - tie.values) / rows[:, tie.features].std(axis=0)).sum(axis=1))
    )
    means, heights = base.means.copy(), []
    means[k] = rows[tie.rows].mean(axis=0)
    for width in _WIDTHS:
        covariances = base.covariances.copy()
        if _whole(rows, tie):
            covariances[k] *= width
        else:
            (d,) = tie.features
            variances = rows[tie.rows].var(axis=0)
            variances[d] = width * rows[:, d].var()
            covariances[k] = np.diag(variances)
            if code != "VVV":  # orientations are shared, and this one is along the axes
                covariances = covariances * np.eye(len(variances))
        heights.append(log_likelihood(rows, Solution(base.weights, means, covariances)))
    return heights


def _say(rows: np.ndarray, tie: _Tie, heights: list[float]) -> Finding:
    values = ", ".join(f"{value:.8g}" for value in tie.values)
    if _whole(rows, tie):
        agree, widths = f"are identical ({values})", "its variances times"
    else:
        agree, widths = f"are equal in feature {tie.features[0] + 1} ({values})", "a variance there, in the data's, of"
    reached = ", ".join(fixed(height, 1) for height in heights)
    return Finding(
        "unbounded-likelihood",
        "The likelihood is unbounded on these data: there is no maximum-likelihood solution.",
        f"{len(tie.rows)} of {len(rows)} rows {agree}. With the nearest component of the best fit found moved onto "
        f"them, and {widths} 1e-6, 1e-9 and 1e-12, the log-likelihood is {reached}, and so on.",
        "A fact of the data and the model, not of the program: free variances and tied rows.",
        "Report the largest interior maximum, or put a prior on the variances (fit_em with objective='map').",
        fault=False,
    )
