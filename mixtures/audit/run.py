"""`audit`: what is wrong with somebody's EM, and what to do."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from mixtures._checks import check_count, check_key
from mixtures.audit.breakdown import breaks_down, ends_broken
from mixtures.audit.e_step import identify
from mixtures.audit.e_step_findings import e_step_findings
from mixtures.audit.findings import Audit, Finding, in_order
from mixtures.audit.layouts import Layout
from mixtures.audit.m_step import probe
from mixtures.audit.m_step_findings import m_step_findings, not_judged
from mixtures.audit.program import Program, call
from mixtures.audit.readings import read_solution, unwrap
from mixtures.audit.reference import Solution, power
from mixtures.audit.solution import solution_findings, wrong_axis
from mixtures.audit.trajectory import Visit, run, trajectory_findings
from mixtures.audit.unbounded import unbounded_under
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
    raw = program.layout.read()
    _check(Solution(raw.weights, raw.means, raw.spread))
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    visits, failure = run(program)
    e, m = identify(program, visits, rng), probe(program, rng)
    scale = program.layout.parts.scale
    powers = {step for step in (e and e.exponent, m.spread and 1 / m.spread.exponent) if step}  # of steps recognised
    variance = 2.0 if scale == "sd" or (scale is None and powers == {2.0}) else 1.0
    m = m.with_model(1 / variance)
    found = e_step_findings(program, e, visits, variance, rng) + m_step_findings(program, m, 1 / variance)
    faulty = any(one.fault for one in found)
    if failure is not None and not faulty:
        raise failure
    after = _on_the_way(program.rows, visits, variance, m.covariance, faulty, key)
    open_model = not_judged(m)
    if not faulty and any(one != open_model for one in found):  # they climb a posterior, and the likelihood says little
        after = [one for one in after if one.code not in ("likelihood-decreases", "not-stationary")]
    return found + after


def _on_the_way(
    rows: np.ndarray, visits: list[Visit], variance: float, covariance: str, faulty: bool, key
) -> list[Finding]:
    """What is said of the iteration and its end; a breakdown is left to the steps' own faults, if they have any."""
    path = [Solution(raw.weights, raw.means, power(raw.spread, variance)) for raw, _ in visits]
    broken = [] if faulty else breaks_down(rows, path)
    finite = [one for one in path if one.finite]
    found = trajectory_findings(rows, finite)
    if broken:
        return found + broken + unbounded_under(rows, covariance, len(finite[0].weights), key)
    found += solution_findings(rows, finite[-1], covariance, key)
    return [replace(one, fault=False) if one.code == "better-mode" else one for one in found]  # the start was given


def _alone(params: Any, rows: np.ndarray, key, whole: bool) -> list[Finding]:
    reading = read_solution(params, rows)
    solution, scale = reading.solution, Layout.of(params, rows.shape[1]).parts.scale
    if whole and _is_broken(rows, solution):
        return [ends_broken(solution), *unbounded_under(rows, reading.covariance, len(solution.weights), key)]
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


def _is_broken(rows: np.ndarray, solution: Solution) -> bool:
    """Whether numbers are not finite, or a component has no width but for rounding."""
    if not solution.finite:
        return True
    sd = rows.std(axis=0)
    return bool(np.abs(np.linalg.eigvalsh(solution.covariances / np.outer(sd, sd))).min() < 1e-15)


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
