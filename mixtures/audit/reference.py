"""The E-step, the M-step and the likelihood of a Gaussian mixture as NumPy writes them, in double precision.

What an audit holds somebody's program against. It must not depend on JAX's precision or share code with the engines,
and it works on small problems, so it is short rather than fast.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

Array = np.ndarray


class Solution(NamedTuple):
    """Weights (K,), means (K, D) and covariances (K, D, D), in data units."""

    weights: Float[Array, " K"]
    means: Float[Array, "K D"]
    covariances: Float[Array, "K D D"]

    @property
    def finite(self) -> bool:
        """Whether every number is finite."""
        return all(bool(np.isfinite(part).all()) for part in self)

    def normalised(self) -> "Solution":
        """The same with weights that sum to one."""
        return self._replace(weights=self.weights / self.weights.sum())


def power(matrices: Float[Array, "K D D"], exponent: float) -> Float[Array, "K D D"]:
    """Powers of symmetric matrices; NaN where one is not finite or not positive definite and the power needs it."""
    if exponent == 1:
        return matrices
    with np.errstate(invalid="ignore"):
        if matrices.shape[-1] == 1:
            return matrices**exponent
        if not np.isfinite(matrices).all():
            return np.full_like(matrices, np.nan)
        values, vectors = np.linalg.eigh(matrices)
        return np.einsum("kij,kj,klj->kil", vectors, values**exponent, vectors)


def log_parts(
    rows: Float[Array, "N D"], means: Float[Array, "K D"], covariances: Float[Array, "K D D"]
) -> tuple[Float[Array, "N K"], Float[Array, " K"]]:
    """Squared Mahalanobis distances of rows from components, and log-determinants; NaN if not positive definite."""
    distances, log_dets = np.full((len(rows), len(means)), np.nan), np.full(len(means), np.nan)
    for k, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        try:
            factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            continue
        standard = np.linalg.solve(factor, (rows - mean).T)
        distances[:, k], log_dets[k] = (standard**2).sum(axis=0), 2 * np.log(np.diagonal(factor)).sum()
    return distances, log_dets


def log_joint(rows: Float[Array, "N D"], solution: Solution) -> Float[Array, "N K"]:
    """Log w_k + log N(x_n | μ_k, Σ_k)."""
    distances, log_dets = log_parts(rows, solution.means, solution.covariances)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(solution.weights) - 0.5 * (distances + log_dets + rows.shape[1] * np.log(2 * np.pi))


def log_likelihood(rows: Float[Array, "N D"], solution: Solution) -> float:
    """Σ_n log Σ_k w_k N(x_n | μ_k, Σ_k), the weights taken as they are; NaN where it is not defined."""
    if not solution.finite:
        return float("nan")
    return float(np.sum(np.asarray(logsumexp(log_joint(rows, solution), axis=1))))


def responsibilities(rows: Float[Array, "N D"], solution: Solution) -> Float[Array, "N K"]:
    """Probability that each row came from each component."""
    joint = log_joint(rows, solution)
    return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))


def scatter(
    rows: Float[Array, "N D"], row_weights: Float[Array, "N K"], centres: Float[Array, "K D"]
) -> Float[Array, "K D D"]:
    """Σ_n r_nk (x_n − c_k)(x_n − c_k)ᵀ."""
    deviations = rows[:, None, :] - centres
    return np.einsum("nk,nki,nkj->kij", row_weights, deviations, deviations)


def pooled(sums: Float[Array, "K D D"], counts: Float[Array, " K"], covariance: str) -> Float[Array, "K D D"]:
    """Mean squares from sums of squares and counts, under one of the six models with a closed form."""
    size = sums.shape[-1]
    if covariance.startswith("tied"):
        sums, counts = np.broadcast_to(sums.sum(axis=0), sums.shape), np.full_like(counts, counts.sum())
    found = sums / counts[:, None, None]
    if covariance in ("diagonal", "tied_diagonal"):
        return found * np.eye(size)
    if covariance in ("spherical", "tied_spherical"):
        return np.einsum("kii->k", found)[:, None, None] / size * np.eye(size)
    return found


def maximiser(rows: Float[Array, "N D"], resp: Float[Array, "N K"], covariance: str) -> Solution:
    """The M-step, w_k = n_k / N, μ_k = Σ r x / n_k, Σ_k = Σ r (x − μ)(x − μ)ᵀ / n_k.

    McLachlan and Peel (2000), section 3.2.
    """
    counts = resp.sum(axis=0)
    means = (resp.T @ rows) / counts[:, None]
    return Solution(counts / len(rows), means, pooled(scatter(rows, resp, means), counts, covariance))


def expected_log_likelihood(rows: Float[Array, "N D"], resp: Float[Array, "N K"], solution: Solution) -> float:
    """Q = Σ_n Σ_k r_nk log(w_k N(x_n | μ_k, Σ_k)), which the M-step maximises."""
    return float((resp * log_joint(rows, solution)).sum())


def gradient(rows: Float[Array, "N D"], resp: Float[Array, "N K"], solution: Solution) -> Solution:
    """Derivatives of Q by weights (Lagrange's multiplier for their sum subtracted), means and covariances.

    ∂Q/∂w_k = n_k/w_k − N, ∂Q/∂μ_k = Σ_k⁻¹ Σ_n r_nk (x_n − μ_k), and ∂Q/∂Σ_k = ½ Σ_k⁻¹ (S_k − n_k Σ_k) Σ_k⁻¹ for the
    scatter S_k about μ_k.
    """
    counts, (weights, means, covariances) = resp.sum(axis=0), solution
    precisions = np.linalg.pinv(covariances)
    pull = resp.T @ rows - counts[:, None] * means
    excess = scatter(rows, resp, means) - counts[:, None, None] * covariances
    with np.errstate(divide="ignore"):
        by_weights = counts / weights - len(rows)
    return Solution(by_weights, np.einsum("kij,kj->ki", precisions, pull), 0.5 * precisions @ excess @ precisions)


def free(slopes: Float[Array, "K D D"], covariance: str) -> Float[Array, "K D D"]:
    """Derivatives by covariances as those by what a covariance model leaves free, nought elsewhere."""
    size = slopes.shape[-1]
    if covariance.startswith("tied"):
        slopes = np.broadcast_to(slopes.sum(axis=0), slopes.shape)
    if covariance in ("spherical", "tied_spherical"):
        return np.einsum("kii->k", slopes)[:, None, None] * np.eye(size)
    return slopes * np.eye(size) if covariance in ("diagonal", "tied_diagonal") else slopes
