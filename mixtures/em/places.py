"""Where a component can lose its width: sets of rows that are equal, agree in one feature, or lie close together."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mixtures.families import Moments

_MOST_PAIRED = 1000  # rows among which close pairs are sought


def places(x: Float[np.ndarray, "N D"], weights: Float[np.ndarray, " N"], count: int, independent: bool) -> Moments:
    """Counts, means and scatter of `count` places, those first on which the likelihood climbs fastest.

    A component that keeps no width in d directions gains ½ d nats for each of its rows and each e-fold of variance: d
    is D on equal rows, 1 on rows that agree in one feature, and D − 1 (in one dimension 1) on a close pair. Rows with
    missing values are passed over.
    """
    complete = np.flatnonzero(~np.isnan(x).any(axis=1))
    if not len(complete):
        raise ValueError("x must have at least one row without missing values to look for narrow components, got none.")
    num_features = x.shape[1]
    found = [(num_features, members) for members in _tied(x, complete, count)]
    if num_features > 1:
        found += [(1, members) for d in range(num_features) for members in _tied(x[:, [d]], complete, count)]
    found += [(max(1, num_features - 1), members) for members in _close_pairs(x, complete, count)]
    found = found or [(num_features, complete[:1])]
    found.sort(key=lambda place: -place[0] * weights[place[1]].sum())
    chosen = [members for _, members in (found * count)[:count]]
    parts = zip(*(_moments(x[members], weights[members], independent) for members in chosen), strict=True)
    return Moments(*(jnp.asarray(np.stack(part)) for part in parts))


def _moments(x: Float[np.ndarray, "n D"], weights: Float[np.ndarray, " n"], independent: bool):
    mean = np.average(x, axis=0, weights=weights)
    gap = x - mean
    scatter = (weights * gap.T) @ gap
    return weights.sum(), mean, np.diagonal(scatter) if independent else scatter


def _tied(x: Float[np.ndarray, "N D"], rows: np.ndarray, count: int) -> list[np.ndarray]:
    """The rows of the most frequent values."""
    _, place, hits = np.unique(x[rows], axis=0, return_inverse=True, return_counts=True)
    most = np.argsort(-hits, kind="stable")[:count]
    return [rows[place.ravel() == i] for i in most if hits[i] > 1]


def _close_pairs(x: Float[np.ndarray, "N D"], rows: np.ndarray, count: int) -> list[np.ndarray]:
    """The closest pairs of different rows, among as many rows as can all be compared."""
    _, first = np.unique(x[rows], axis=0, return_index=True)
    some = rows[np.random.default_rng(0).permutation(np.sort(first))[:_MOST_PAIRED]]
    z = (x[some] - x[some].mean(axis=0)) / np.maximum(x[some].std(axis=0), np.finfo(float).tiny)
    one, other = np.triu_indices(len(some), 1)
    distance = sum((z[one, d] - z[other, d]) ** 2 for d in range(z.shape[1]))
    nearest = np.argsort(distance, kind="stable")[:count]
    return [some[[one[i], other[i]]] for i in nearest]
