"""What the numbers of a solution may stand for: its covariance model, and variances or standard deviations."""

from itertools import product
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mixtures.audit.layouts import Layout
from mixtures.audit.reference import Solution, log_likelihood, maximiser, power, responsibilities
from mixtures.families import Gaussian
from mixtures.families.covariances import CONJUGATE_MODELS, COVARIANCE_MODELS
from mixtures.model import Mixture

CLOSED_FORM = tuple(model.name for model in CONJUGATE_MODELS)
SHORT, FAST = 0.5, 2e-3  # nats still to gain, and nats per row in the next step: twice the loosest usual tolerance
_SETTLED = 1e-3  # nats per row in the next step, at a point where common programs stop


class Reading(NamedTuple):
    """A solution as read: spreads to the power `exponent` are its covariances, under this covariance model."""

    solution: Solution
    covariance: str
    exponent: float


def unwrap(params: Any) -> Any:
    """The parameters of a fit that holds them, or what was given."""
    return getattr(params, "params", params)


def declared(params: Any) -> str | None:
    """The covariance model that an object says it has, as ours and scikit-learn's do."""
    name = getattr(params, "covariance", getattr(params, "covariance_type", None))
    try:
        return Gaussian("diagonal" if name == "diag" else name).covariance if isinstance(name, str) else None
    except ValueError:
        return None


def step_gain(rows: np.ndarray, solution: Solution, covariance: str) -> float:
    """What one right EM step gains, in nats, under a model with a closed form."""
    after = maximiser(rows, responsibilities(rows, solution), covariance)
    return log_likelihood(rows, after) - log_likelihood(rows, solution)


def read_solution(params: Any, rows: np.ndarray) -> Reading:
    """The reading of a solution at which it is stationary; where none is, the one that its shapes and names say.

    More constrained models come first, for a tied solution is not stationary under free covariances. Another scale
    than the name says, or than a variance where it says nothing, is believed only if it alone is stationary.
    """
    says = declared(params)
    layouts = [Layout.of(params, rows.shape[1], model) for model in ((says,) if says else ("tied", "diagonal"))]
    layouts = list({layout.covariance: layout for layout in layouts}.values())
    named_sd = layouts[0].parts.scale == "sd"
    scales = (2.0, 1.0) if named_sd else (1.0, 2.0)
    readings = []
    for exponent, layout in product(scales, layouts):
        raw = layout.read()
        solution = Solution(raw.weights, raw.means, power(raw.spread, exponent))
        models = (says,) if says else consistent(solution) or (layout.covariance,)
        readings += [Reading(solution, model, exponent) for model in models]
    plain = Reading(readings[0].solution, says or _by_shape(layouts[0], rows.shape[1]), scales[0])
    if not plain.solution.finite:
        return plain
    for exponent in scales:
        if exponent != scales[0] and not _moves(rows, plain):
            break
        for reading in readings:
            if reading.exponent == exponent and _settled(rows, reading):
                return reading
    constrained = consistent(plain.solution)
    if says is None and constrained and constrained[0] not in CLOSED_FORM:
        return plain._replace(covariance=constrained[0])
    return plain


def _by_shape(layout: Layout, num_features: int) -> str:
    return layout.covariance if num_features > 1 or layout.covariance == "tied" else "full"


def _gain(rows: np.ndarray, reading: Reading) -> float:
    if reading.covariance not in CLOSED_FORM:
        return float("nan")
    return step_gain(rows, reading.solution.normalised(), reading.covariance)


def _settled(rows: np.ndarray, reading: Reading) -> bool:
    return _gain(rows, reading) < min(SHORT, _SETTLED * len(rows))


def _moves(rows: np.ndarray, reading: Reading) -> bool:
    return _gain(rows, reading) > max(SHORT, FAST * len(rows))


def consistent(solution: Solution) -> tuple[str, ...]:
    """Covariance models that hold these covariances, the most constrained first."""
    if not solution.finite:
        return ()
    count, size = solution.means.shape
    names = COVARIANCE_MODELS if size > 1 else ("tied", "full")
    models = sorted(names, key=lambda name: Mixture(Gaussian(name), count).num_parameters(size))
    weights, means, covariances = map(jnp.asarray, solution)
    found = []
    for name in models:
        nearest = np.asarray(Gaussian(name).start(weights, means, covariances).covariances)
        if np.allclose(nearest, solution.covariances, rtol=1e-3, atol=1e-6 * np.abs(solution.covariances).max()):
            found.append(name)
    return tuple(found)
