"""Agreement of clusterings: indices of hard partitions, which ignore labels, and of responsibilities, which do not."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.special import comb

from mixtures._kernel import Rows
from mixtures.bayes.partitions import variation_of_information
from mixtures.families import AbstractParams
from mixtures.model import Mixture


@dataclass(frozen=True)
class Clustering:
    """The MAP fit's partition and responsibilities against each posterior's.

    Responsibilities are (N, K) with components in canonical order; a posterior's are means over its draws, `sd` their
    posterior standard deviation. Dictionaries have the keys ``"vi"`` and ``"nuts"``.
    """

    map_responsibilities: Float[np.ndarray, "N K"]
    vi_responsibilities: Float[np.ndarray, "N K"]
    nuts_responsibilities: Float[np.ndarray, "N K"]
    nuts_responsibilities_sd: Float[np.ndarray, "N K"]
    ari: dict[str, float]
    variation_of_information: dict[str, float]  # nats
    total_variation: dict[str, float]  # mean over rows


def clustering(
    model: Mixture, rows: Rows, plug_in: AbstractParams, vi: AbstractParams, nuts: AbstractParams
) -> Clustering:
    """Compare the clustering of `plug_in` parameters with those of draws (one leading axis) of two posteriors."""
    own = np.asarray(model.responsibilities(plug_in, rows))
    (from_vi, _), (from_nuts, nuts_sd) = (_mean_and_sd(model, rows, draws) for draws in (vi, nuts))
    others = {"vi": np.asarray(from_vi), "nuts": np.asarray(from_nuts)}
    partition = own.argmax(axis=1)
    return Clustering(
        own,
        others["vi"],
        others["nuts"],
        np.asarray(nuts_sd),
        {name: adjusted_rand_index(partition, r.argmax(axis=1)) for name, r in others.items()},
        {name: float(variation_of_information(partition, r.argmax(axis=1)[None])[0]) for name, r in others.items()},
        {name: total_variation(own, r) for name, r in others.items()},
    )


@eqx.filter_jit
def _mean_and_sd(model: Mixture, rows: Rows, draws: AbstractParams) -> tuple[Float[Array, "N K"], Float[Array, "N K"]]:
    """Mean and sd over draws of the responsibilities, one draw at a time."""

    def add(moments, draw):
        responsibilities = model.responsibilities(draw, rows)
        return (moments[0] + responsibilities, moments[1] + responsibilities**2), None

    zero = jnp.zeros((rows.num_rows, draws.weights.shape[1]), draws.weights.dtype)
    (first, second), _ = jax.lax.scan(add, (zero, zero), draws)
    count = draws.weights.shape[0]
    mean = first / count
    return mean, jnp.sqrt(jnp.maximum(second / count - mean**2, 0.0))


def adjusted_rand_index(a: Int[np.ndarray, " N"], b: Int[np.ndarray, " N"]) -> float:
    """Adjusted Rand index of two partitions: 1 for identical, 0 expected by chance (Hubert and Arabie 1985, eq. 5).

    Two partitions that both put all rows in one group (or each row in its own) are identical: 1.
    """
    table = _contingency(a, b)
    pairs = comb(table, 2).sum()
    pairs_a, pairs_b = comb(table.sum(axis=1), 2).sum(), comb(table.sum(axis=0), 2).sum()
    expected = pairs_a * pairs_b / comb(len(a), 2)
    largest = (pairs_a + pairs_b) / 2
    return 1.0 if largest == expected else float((pairs - expected) / (largest - expected))


def total_variation(p: Float[np.ndarray, "N K"], q: Float[np.ndarray, "N K"]) -> float:
    """Mean over rows of the total variation distance between two responsibilities, in [0, 1]."""
    return float(0.5 * np.abs(p - q).sum(axis=1).mean())


def _contingency(a: Int[np.ndarray, " N"], b: Int[np.ndarray, " N"]) -> Int[np.ndarray, "I J"]:
    (labels_a, a), (labels_b, b) = (np.unique(labels, return_inverse=True) for labels in (a, b))
    counts = np.bincount(a * len(labels_b) + b, minlength=len(labels_a) * len(labels_b))
    return counts.reshape(len(labels_a), len(labels_b))
