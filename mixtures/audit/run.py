"""`audit`: what is wrong with somebody's EM, and what to do."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from mixtures._checks import check_count, check_key
from mixtures.audit.e_step import identify
from mixtures.audit.e_step_findings import e_step_findings
from mixtures.audit.findings import Audit, Finding, in_order
from mixtures.audit.layouts import Layout
from mixtures.audit.m_step import probe
from mixtures.audit.m_step_findings import m_step_findings
from mixtures.audit.program import Program, call
from mixtures.audit.readings import read_solution, unwrap
from mixtures.audit.reference import Solution, power
from mixtures.audit.solution import solution_findings, wrong_axis
from mixtures.audit.trajectory import run, trajectory_findings
from mixtures.data import as_data


def audit(
    data: Any,
    *,
    e_step: Callable[..., Any] | None = None,
    m_step: Callable[..., Any] | None = None,
    params: Any = None,
    fit: Callable[..., Any] | None = None,
    num_components: int | None = None,
    key: Key[Array, ""] | None = None,
) -> Audit:
    """Find the bug in an EM algorithm for a Gaussian mixture: in its steps, its fit, or its solution alone.

    Parameters
    ----------
    data
        Rows (N,) or (N, D), handed to the callables as given.
    e_step, m_step
        ``e_step(data, params)`` gives responsibilities, N × K or K × N; ``m_step(data, responsibilities)`` parameters.
        They are tried at parameters and responsibilities of our choice, and run from `params`.
    params
        Weights, means and variances or covariances, as a dictionary, a tuple in this order, or an object; the start of
        the steps, or without them the solution to be judged.
    fit
        ``fit(data, k)`` gives a solution.
    num_components
        K, for `fit`.
    key
        Random key of probes and starts. ``jax.random.key(0)`` if not given: a verdict on a program should not change
        between two looks at it.

    Returns
    -------
    Audit
        The findings, causes before what follows from them.

    Raises
    ------
    ValueError
        If arguments do not go together, a callable fails, or a shape is not understood.
    """
    rows, params = as_data(data).values, unwrap(params)
    key = jax.random.key(0) if key is None else key
    check_key(key)
    steps = e_step is not None and m_step is not None and params is not None and fit is None
    whole = fit is not None and num_components is not None and e_step is None and m_step is None and params is None
    alone = params is not None and e_step is None and m_step is None and fit is None
    if not (steps or whole or alone):
        raise ValueError("audit needs e_step, m_step and params; or fit and num_components; or params alone.")
    if steps:
        return Audit(_deduplicated(_steps(Program.of(data, rows, e_step, m_step, params), key)), "the E- and M-step")
    if whole:
        count = check_count("num_components", num_components)
        params = call("fit", fit, data, count)  # type: ignore
        params = unwrap(params)
    count = Layout.of(params, rows.shape[1]).num_components
    if whole and count != num_components:
        raise ValueError(f"fit must return {num_components} components, as asked, got {count}.")
    return Audit(_deduplicated(_alone(params, rows, key, whole)), "the fit" if whole else "the solution")


def _steps(program: Program, key) -> list[Finding]:
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    visits, failure = run(program)
    e, m = identify(program, visits, rng), probe(program, rng)
    scale = program.layout.parts.scale
    powers = {step for step in (e and e.exponent, m.spread and 1 / m.spread.exponent) if step}  # of steps recognised
    variance = 2.0 if scale == "sd" or (scale is None and powers == {2.0}) else 1.0
    found = e_step_findings(program, e, visits, variance, rng) + m_step_findings(program, m, 1 / variance)
    if failure is not None and not found:
        raise failure
    path = [Solution(raw.weights, raw.means, power(raw.spread, variance)) for raw, _ in visits]
    if not path[-1].finite:
        return found
    after = trajectory_findings(program.rows, path) + solution_findings(program.rows, path[-1], m.covariance, key)
    after = [replace(one, fault=False) if one.code == "better-mode" else one for one in after]  # the start was given
    if found and not any(one.fault for one in found):  # they climb a posterior, of which the likelihood says little
        after = [one for one in after if one.code not in ("likelihood-decreases", "not-stationary")]
    return found + after


def _alone(params: Any, rows: np.ndarray, key, whole: bool) -> list[Finding]:
    reading = read_solution(params, rows)
    solution, scale = reading.solution, Layout.of(params, rows.shape[1]).parts.scale
    if not whole:
        _check(solution)
    if not solution.finite:
        words = "The fit returns numbers that are not finite."
        cause = "Densities that underflow to 0 in linear space give 0/0."
        return [Finding("underflow", words, f"Weights {solution.weights}.", cause, "Work with log-densities.")]
    _check(solution)
    found = []
    if scale is not None and reading.exponent != (2.0 if scale == "sd" else 1.0):
        names = ("standard deviations", "variances")
        stands, named = names if scale == "variance" else names[::-1]
        found.append(
            Finding(
                "variance-scale",
                f"What should be {named} are {stands}.",
                f"Read as {stands} they make the solution a stationary point; read as {named} they do not.",
                "A square root too many, or one forgotten.",
                f"Return {named}, or name them {stands}.",
            )
        )
    found += wrong_axis(rows, solution.weights)
    return found + solution_findings(rows, solution, reading.covariance, key)


def _check(solution: Solution) -> None:
    """Refuse what is no mixture.

    Raises
    ------
    ValueError
        If a number is not finite, a weight is negative, or a covariance matrix is not positive definite.
    """
    if not solution.finite:
        raise ValueError("params must be finite, and standard deviations and variances positive.")
    if (solution.weights < 0).any() or solution.weights.sum() == 0:
        raise ValueError(f"weights must not be negative and must not all be 0, got {solution.weights.tolist()}.")
    lowest = np.linalg.eigvalsh(solution.covariances).min(axis=1)
    if (lowest <= 0).any():
        k = int(np.argmin(lowest))
        raise ValueError(
            f"variances must be positive, and covariance matrices positive definite, but the smallest eigenvalue of "
            f"component {k + 1} is {lowest[k]:.3g}."
        )


def _deduplicated(findings: list[Finding]) -> tuple[Finding, ...]:
    """The first finding of every message, in the order to mend them; one sum of weights is enough."""
    seen: dict[str, Finding] = {}
    for one in findings:
        once = one.code in ("weights-not-normalised", "identical-components", "responsibilities-wrong-axis")
        seen.setdefault(one.code if once else one.code + one.message, one)
    return in_order(list(seen.values()))
