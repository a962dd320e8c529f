"""M-steps that maximise more than the likelihood: a ridge, or a conjugate prior. A choice and no fault, if it is known.

A conjugate prior is rows that were never seen, so that each update is that of maximum likelihood with something added
to its sums. The equations are linear in what was added, and there are more of them than unknowns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mixtures.audit.findings import Finding
from mixtures.audit.layouts import Raw
from mixtures.audit.reference import pooled, power, scatter

Array = np.ndarray
Seen = Sequence[tuple[Array, Raw]]  # responsibilities (N, K), and what the M-step made of them


class RowsAt(NamedTuple):
    """What a normal prior on means amounts to: so many rows at one place, for each component."""

    num_rows: float
    place: Array


def dirichlet(seen: Seen, tolerance: float) -> list[Finding] | None:
    """Weights (n_k + c) / (N + K c), of a symmetric Dirichlet prior with concentration c + 1."""
    slopes, rest = [], []
    for resp, raw in seen:
        slopes.append(resp.shape[1] * raw.weights - 1)
        rest.append(resp.sum(axis=0) - len(resp) * raw.weights)
    found = _solve(np.concatenate(slopes)[:, None], np.concatenate(rest), tolerance * len(seen[0][0]))
    if found is None or found[0] <= -1:
        return None
    count, added = seen[0][0].shape[1], found[0]
    return [
        _note(
            "weights",
            f"w_k = (n_k + {added:.4g}) / (N + {count * added:.4g})",
            len(seen),
            f"a symmetric Dirichlet prior with concentration {added + 1:.4g}",
        )
    ]


def normal(seen: Seen, rows: Array, tolerance: float) -> RowsAt | None:
    """Means (Σ r x + c m) / (n_k + c), of a normal prior whose covariance is the component's own over c."""
    equations, rest, size = [], [], rows.shape[1]
    centre, sd = rows.mean(axis=0), rows.std(axis=0)
    for resp, raw in seen:
        means, totals = (raw.means - centre) / sd, resp.T @ ((rows - centre) / sd)
        for mean, count, total in zip(means, resp.sum(axis=0), totals, strict=True):
            equations.append(np.column_stack([mean, -np.eye(size)]))
            rest.append(total - count * mean)
    found = _solve(np.concatenate(equations), np.concatenate(rest), tolerance * len(rows))
    if found is None or found[0] <= tolerance:
        return None
    return RowsAt(float(found[0]), centre + sd * found[1:] / found[0])


def say_normal(prior: RowsAt, num_seen: int) -> Finding:
    """A normal prior on means, in words."""
    place = ", ".join(f"{value:.4g}" for value in prior.place)
    formula = f"μ_k = (Σ r_nk x_n + {prior.num_rows:.4g} m) / (n_k + {prior.num_rows:.4g}) with m = ({place})"
    return _note("means", formula, num_seen, f"a normal prior about m that weighs as much as {prior.num_rows:.4g} rows")


def inverse_wishart(
    seen: Seen, rows: Array, covariance: str, exponent: float, means: RowsAt | None, tolerance: float
) -> list[Finding] | None:
    """Variances (S_k + Λ) / (n_k + d), of an inverse Wishart or inverse gamma prior."""
    size = rows.shape[1]
    entries = np.tril_indices(size) if covariance in ("full", "tied") else (np.arange(size), np.arange(size))
    units = np.multiply.outer(rows.std(axis=0), rows.std(axis=0))
    for centred in (None, means) if means else (None,):
        equations, rest = [], []
        for resp, raw in seen:
            sums, counts = scatter(rows, resp, raw.means), resp.sum(axis=0)
            if centred:
                away = raw.means - centred.place
                sums = sums + centred.num_rows * np.einsum("ki,kj->kij", away, away)
            best = pooled(sums, counts, covariance) / units
            counts = np.full_like(counts, counts.sum()) if covariance.startswith("tied") else counts
            for cov, ours, count in zip(power(raw.spread, 1 / exponent) / units, best, counts, strict=True):
                equations.append(np.column_stack([cov[entries], -np.eye(len(entries[0]))]))
                rest.append(count * (ours - cov)[entries])
        found = _solve(np.concatenate(equations), np.concatenate(rest), tolerance * len(rows))
        if found is None:
            continue
        dof, scale = found[0], found[1:] * units[entries]
        if size == 1 and covariance == "tied" and abs(dof) <= tolerance * len(rows):
            return [ridge(scale[0] / len(rows), "variance")]  # the same update, and the likelier reading
        if dof > -tolerance and (found[1:][entries[0] == entries[1]] > tolerance).all():
            added = ", ".join(f"{value:.4g}" for value in scale)
            formula = f"Σ_k = (S_k + Λ) / (n_k + {max(dof, 0.0):.4g}) with Λ = ({added})"
            return [_note("variances", formula, len(seen), "an inverse Wishart (inverse gamma) prior")]
    return None


def ridge(added: float, of: str) -> Finding:
    """A constant that an M-step adds to every variance, or standard deviation."""
    return Finding(
        "m-step-not-maximiser",
        f"The M-step adds {added:.4g} to every {of}.",
        f"Less {added:.4g} they are those that maximise the expected log-likelihood, for every component.",
        "A ridge against singular covariances: a choice, and where a component collapses it is the answer.",
        "Say so beside the result, and see whether it depends on the ridge (mx.floor_profile draws that).",
        fault=False,
    )


def _note(name: str, formula: str, num_seen: int, prior: str) -> Finding:
    return Finding(
        "m-step-not-maximiser",
        f"The M-step's {name} maximise a posterior, not the likelihood.",
        f"{formula} reproduces them at {num_seen} sets of responsibilities of our choice.",
        f"They are those under {prior}: a choice, and part of the answer.",
        "Say so beside the result, and judge convergence by the log posterior rather than the log-likelihood.",
        fault=False,
    )


def _solve(equations: Array, rest: Array, tolerance: float) -> Array | None:
    """The unknowns of an overdetermined linear system, if it has a unique solution to within the tolerance."""
    if not (np.isfinite(equations).all() and np.isfinite(rest).all()):
        return None
    scale = np.abs(equations).max(axis=0)
    if not scale.all() or len(rest) <= len(scale):
        return None
    found, _, rank, _ = np.linalg.lstsq(equations / scale, rest, rcond=1e-9)
    residual = np.abs(equations / scale @ found - rest).max()
    return found / scale if rank == len(scale) and residual <= tolerance else None
