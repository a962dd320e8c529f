"""An EM that breaks down: numbers that are not finite, and the component that lost its width before."""

import numpy as np

from mixtures.audit.findings import Finding
from mixtures.audit.reference import Solution, log_likelihood

_ROUNDING = 1e-6  # of the data's sd
_NARROW = 1e-3  # of the data's variance: wider components have not shrunk onto single values
_SHRINKS = "a component shrinks onto equal rows, where the likelihood is unbounded, until its variance is 0"
_ZERO_BY_ZERO = "0/0, from densities that underflow to 0 in linear space, or from a component that has lost its rows"
_FIX = (
    "Watch the log-likelihood and the variances in every step, and stop and say so where one is 0 or not finite; take "
    "other starts, or put a prior on the variances (fit_em with objective='map')."
)


def breaks_down(rows: np.ndarray, path: list[Solution]) -> list[Finding]:
    """Whether, and after which step, a number or the likelihood is not finite; `path` begins at the start given."""
    step = next((i for i, one in enumerate(path) if not np.isfinite(log_likelihood(rows, one))), None)
    if step is None:
        return []
    before, after = path[max(step - 1, 0)], path[step]
    k, variance, near = _narrowest(rows, before)
    alone = rows.shape[1] == 1
    mean = ", ".join(f"{value:.8g}" for value in before.means[k])
    width = (
        f"variance {variance * rows.var():.3g}, where the data's is {rows.var():.3g}"
        if alone
        else f"a smallest principal variance of {variance:.3g} times the data's"
    )
    words = f"component {k + 1} has lost its width" if after.finite else "numbers are not finite"
    shrunk = near > 0 and variance < _NARROW
    return [
        Finding(
            "not-finite",
            f"After step {step} {words}, and the likelihood is not defined.",
            f"After step {max(step - 1, 0)} the narrowest is component {k + 1}, with mean ({mean}) and {width}; {near} "
            f"of {len(rows)} rows equal its mean{'' if alone else ' in that direction'} to rounding.",
            f"Component {k + 1} shrank onto these rows, where the likelihood is unbounded; at a variance of 0 the "
            "densities are 0/0."
            if shrunk
            else f"{_ZERO_BY_ZERO[0].upper()}{_ZERO_BY_ZERO[1:]}.",
            _FIX,
        )
    ]


def ends_broken(solution: Solution) -> Finding:
    """A fit of which the result is no mixture, because numbers in it are not finite or a variance is 0."""
    variances = np.einsum("kii->ki", solution.covariances).tolist()
    return Finding(
        "not-finite",
        "The fit returns numbers that are not finite."
        if not solution.finite
        else "The fit returns a component without a width.",
        f"Weights {solution.weights.tolist()}, means {solution.means.tolist()}, variances {variances}.",
        f"Either {_SHRINKS}; or {_ZERO_BY_ZERO}. The steps, given as e_step and m_step, tell which.",
        _FIX + " Work with log-densities.",
    )


def _narrowest(rows: np.ndarray, solution: Solution) -> tuple[int, float, int]:
    """The narrowest component, its least principal variance in units of the data's, and the rows at its mean there."""
    sd = rows.std(axis=0)
    values, vectors = np.linalg.eigh(solution.covariances / np.outer(sd, sd))
    k = int(np.argmin(values[:, 0]))
    away = (rows - solution.means[k]) / sd @ vectors[k, :, 0]
    return k, float(values[k, 0]), int((np.abs(away) <= _ROUNDING).sum())
