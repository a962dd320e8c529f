"""A solution: does it sum to one, is it a maximum, is there a better one, and is there any at all."""

from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mixtures._numbers import fixed
from mixtures.audit.findings import Finding
from mixtures.audit.identical import are_one
from mixtures.audit.m_step_findings import say_weights_sum
from mixtures.audit.readings import CLOSED_FORM, FAST, SHORT, step_gain
from mixtures.audit.reference import Solution, log_likelihood
from mixtures.audit.unbounded import search, unbounded, unbounded_under
from mixtures.em.fit import fit_em
from mixtures.em.spurious import spurious
from mixtures.families import Gaussian
from mixtures.model import Mixture

_BETTER = 1.0  # nats between modes that matter: a likelihood ratio of e


def solution_findings(rows: np.ndarray, solution: Solution, covariance: str, key) -> list[Finding]:
    """All that can be said of a solution alone."""
    found, total = [], float(solution.weights.sum())
    if abs(total - 1) > 2e-3:
        found.append(say_weights_sum(total, len(rows), "in the solution"))
    found += are_one(rows, solution)
    solution = solution.normalised()
    height = log_likelihood(rows, solution)
    if not np.isfinite(height):
        return found + unbounded_under(rows, covariance, len(solution.weights), key)
    model = Mixture(Gaussian(covariance), len(solution.weights))
    weights, means, covariances = map(jnp.asarray, solution)
    start = cast(Gaussian, model.family).start(weights, means, covariances)
    key_climb, key_search = jax.random.split(key)
    climbed = fit_em(model, rows, key=key_climb, objective="ml", start=start)
    searched = search(rows, model, key_search)
    next_gain = step_gain(rows, solution, covariance) if covariance in CLOSED_FORM else 0.0  # a climb says it all
    top = max(height, height + next_gain, _height(rows, climbed.params) if climbed.status.is_estimate else height)
    gap, half = top - height, model.num_parameters(rows.shape[1]) / 2
    if gap > half or (gap > SHORT and next_gain > FAST * len(rows)):
        found.append(
            Finding(
                "not-stationary",
                "The solution is not a stationary point of the likelihood.",
                f"Its log-likelihood is {fixed(height, 4)}; one right EM step gains {next_gain:.4g} nats, and climbing "
                f"on {gap:.4g} in all. The truth itself lies {half:g} nats below the maximum on average.",
                "The iteration stopped too early, after a fixed number of steps, or its steps are wrong.",
                "Iterate until the log-likelihood no longer rises, after mending whatever else was found.",
            )
        )
    return found + _better(rows, model, searched, top) + unbounded(rows, model, searched)


def _height(rows: np.ndarray, params: Any) -> float:
    """The log-likelihood of a fit in double precision, whatever it was fitted in."""
    parts = (np.asarray(part, np.float64) for part in (params.weights, params.means, params.covariances))
    return log_likelihood(rows, Solution(*parts).normalised())


def _better(rows, model: Mixture, searched, height: float) -> list[Finding]:
    for mode in searched.modes:
        fit = eqx.tree_at(lambda f: f.params, searched, mode.params)
        reached = _height(rows, mode.params)
        if reached <= height + _BETTER or spurious(model, fit, rows):
            continue
        means = np.round(np.asarray(mode.params.means), 3).tolist()
        return [
            Finding(
                "better-mode",
                f"A better mode exists, {reached - height:.4g} nats higher.",
                f"Its log-likelihood is {fixed(reached, 4)} with means {means}; the best in reach of this solution "
                f"is {fixed(height, 4)}. {mode.hits} of {searched.starts.status.shape[-1]} starts of ours found it.",
                "EM climbs to the nearest local maximum, and one start finds one of several.",
                "Run from many starts and keep the highest interior maximum.",
            )
        ]
    return []


def wrong_axis(rows: np.ndarray, weights: np.ndarray) -> list[Finding]:
    """Whether every weight is one over the number of rows: what the wrong axis leaves in a solution."""
    if len(rows) == len(weights) or not np.allclose(weights, 1 / len(rows), rtol=1e-5):
        return []
    return [
        Finding(
            "responsibilities-wrong-axis",
            "Every weight is one over the number of rows, as when responsibilities are normalised over rows.",
            f"All {len(weights)} weights are 1/{len(rows)}.",
            "The sum in the denominator of the responsibilities runs over the wrong axis.",
            "Divide each row's weighted densities by their sum over components.",
        )
    ]
