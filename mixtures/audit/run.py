"""`audit`: what is wrong with somebody's EM, and what to do."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from mixtures._checks import check_count, check_key
from mixtures.audit.e_step import e_step_findings, identify
from mixtures.audit.findings import Audit, Finding, in_order
from mixtures.audit.layouts import Layout
from mixtures.audit.m_step import m_step_findings, probe
from mixtures.audit.program import Program, call
from mixtures.audit.reference import Solution, power
from mixtures.audit.solution import misread, solution_findings, wrong_axis
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
    rows = as_data(data).values
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
        params = getattr(params, "params", params)
    layout = Layout.of(params, rows.shape[1])
    if whole and layout.num_components != num_components:
        raise ValueError(f"fit must return {num_components} components, as asked, got {layout.num_components}.")
    return Audit(_deduplicated(_alone(layout, rows, key, whole)), "the fit" if whole else "the solution")


def _steps(program: Program, key) -> list[Finding]:
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    e, m = identify(program, rng), probe(program, rng)
    scale = program.layout.parts.scale
    returned = m.spread.exponent if m.spread else 1.0
    as_sd = scale == "sd" or (scale is None and e is not None and e.exponent == 2.0 and returned == 0.5)
    variance = 2.0 if as_sd else 1.0
    found = e_step_findings(program, e, variance, rng) + m_step_findings(program, m, 1 / variance)
    path, failure = run(program, variance)
    if failure is not None and not found:
        raise failure
    if not path[-1].finite:
        return found
    found += trajectory_findings(program.rows, path)
    return found + solution_findings(program.rows, path[-1], m.covariance, key)


def _alone(layout: Layout, rows: np.ndarray, key, whole: bool) -> list[Finding]:
    raw = layout.read()
    as_sd = layout.parts.scale == "sd"
    solution = Solution(raw.weights, raw.means, power(raw.spread, 2.0 if as_sd else 1.0))
    if not solution.finite and not whole:
        raise ValueError("params must be finite, and standard deviations and variances positive.")
    if not solution.finite:
        words = "The fit returns numbers that are not finite."
        cause = "Densities that underflow to 0 in linear space give 0/0."
        return [Finding("underflow", words, f"Weights {raw.weights.tolist()}.", cause, "Work with log-densities.")]
    other, found = 0.5 if as_sd else 2.0, []
    if misread(rows, solution.normalised(), layout.covariance, other):
        words = ("standard deviations", "variances") if other == 2.0 else ("variances", "standard deviations")
        found.append(
            Finding(
                "variance-scale",
                f"What should be {words[1]} are {words[0]}.",
                f"Read as {words[0]} they make the solution a stationary point; read as {words[1]} they do not.",
                "A square root too many, or one forgotten.",
                f"Return {words[1]}, or name them {words[0]}.",
            )
        )
        solution = solution._replace(covariances=power(solution.covariances, other))
    found += wrong_axis(rows, solution.weights)
    return found + solution_findings(rows, solution, layout.covariance, key)


def _deduplicated(findings: list[Finding]) -> tuple[Finding, ...]:
    """The first finding of every message, in the order to mend them; one sum of weights is enough."""
    seen: dict[str, Finding] = {}
    for one in findings:
        once = one.code in ("weights-not-normalised", "identical-components", "responsibilities-wrong-axis")
        seen.setdefault(one.code if once else one.code + one.message, one)
    return in_order(list(seen.values()))
