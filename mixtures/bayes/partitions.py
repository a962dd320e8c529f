"""Partitions of the rows under a posterior: how often rows are together, a point partition, and a ball around it."""

from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, Real
from scipy.special import xlogy

from mixtures._cards import Card, Shown
from mixtures._checks import check_choice, check_count, check_key, check_share
from mixtures._kernel import Rows
from mixtures._numbers import nominal, number
from mixtures._trees import evenly, flatten_draws
from mixtures.bayes.boundary import admit_draws
from mixtures.bayes.posterior import Posterior
from mixtures.families import AbstractParams
from mixtures.model import Mixture

_MOST_ROWS = 5000  # whose similarities, N², are held at once
_MOST_SWEEPS = 20


@dataclass(frozen=True)
class PointPartition(Shown):
    """The partition of least expected loss that was found, and a credible ball around it.

    `labels` numbers clusters from 0 by size. `expected_loss` is in nats for the variation of information, and the share
    of pairs treated differently for Binder's loss; `radius` is that distance within which `level` of the posterior's
    partitions lie, and `edge` the partition of the ball that lies farthest out (Wade and Ghahramani 2018, section 4).
    """

    labels: Int[np.ndarray, " N"]
    expected_loss: float
    loss: str
    level: float
    radius: float
    edge: Int[np.ndarray, " N"]
    caution: str = ""  # where the draws are not to be used

    @property
    def num_clusters(self) -> int:
        """How many clusters it has."""
        return int(self.labels.max()) + 1

    def card(self) -> Card:
        """Sizes of the clusters, and how far the posterior's partitions lie from this one."""
        name, unit = {"vi": ("Variation of information", "nats"), "binder": ("Binder's loss", "of all pairs")}[
            self.loss
        ]
        words = (
            f"{name}: {number(self.expected_loss)} {unit} on average over the posterior, and within "
            f"{number(self.radius)} for {nominal(self.level)} of it."
        )
        rows = [(f"cluster {i + 1}", int(size)) for i, size in enumerate(np.bincount(self.labels))]
        found = "not to be relied on" if self.caution else f"{self.num_clusters} clusters"
        return Card(f"Point partition: {found}", [self.caution, words], ("cluster", "rows"), rows)


def similarity(posterior: Posterior, x: Real[ArrayLike, "N *D"]) -> Float[np.ndarray, "N N"]:
    """Posterior probability that two rows come from the same component: the mean over draws of Σ_k r_ik r_jk.

    Parameters
    ----------
    posterior
        Draws from any engine; labels do not matter.
    x
        The data that were fitted, (N,) or (N, D), of at most 5,000 rows.

    Raises
    ------
    ValueError
        If an argument is wrong, or there are too many rows.
    """
    data = admit_draws(posterior, x, exact=False)
    if len(data) > _MOST_ROWS:
        raise ValueError(f"x must have at most {_MOST_ROWS} rows for all pairs to be held; got {len(data)}.")
    found = np.array(similarities(posterior.model, posterior.model.prepare(data), flatten_draws(posterior.params)))
    np.fill_diagonal(found, 1.0)
    return found


def draw_partitions(
    posterior: Posterior, x: Real[ArrayLike, "N *D"], *, key: Key[Array, ""], num_partitions: int = 1000
) -> Int[np.ndarray, "S N"]:
    """Partitions drawn from the posterior: the component of every row, under draws of the parameters chosen evenly.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    check_key(key)
    count, data = check_count("num_partitions", num_partitions), admit_draws(posterior, x, exact=False)
    draws = evenly(posterior.params, count)
    return np.asarray(allocations(posterior.model, posterior.model.prepare(data), draws, key))


def point_partition(
    posterior: Posterior,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    loss: str = "vi",
    num_partitions: int = 500,
    level: float = 0.95,
) -> PointPartition:
    """Partition with the least posterior expected loss that a search finds, and its credible ball.

    The search starts from partitions that were drawn and from average linkage of the similarities cut everywhere, and
    then moves one row at a time to where the expected loss is least, until no move helps (Dahl, Johnson and Müller
    2022, section 3).

    Parameters
    ----------
    posterior
        Draws from any engine; labels do not matter.
    x
        The data that were fitted, (N,) or (N, D), of at most 5,000 rows.
    key
        Random key of the partitions drawn.
    loss
        ``"vi"``: variation of information (Meilă 2007), in nats. ``"binder"``: share of pairs of rows treated
        differently (Binder 1978).
    num_partitions
        S, partitions drawn from the posterior, over which the loss is averaged.
    level
        Probability of the credible ball.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    check_choice("loss", loss, DISTANCES)
    check_share("level", level)
    drawn = draw_partitions(posterior, x, key=key, num_partitions=num_partitions)
    return replace(search(drawn, similarity(posterior, x), loss, level), caution=posterior.caution)


def search(drawn: Int[np.ndarray, "S N"], similar: Float[np.ndarray, "N N"], loss: str, level: float) -> PointPartition:
    """The partition of least loss on average over those drawn, with its ball; `similar` says where to look."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(np.clip(1 - similar, 0, None), checks=False), "average")
    most = int(drawn.max()) + 1
    cuts = [fcluster(tree, count, "maxclust") - 1 for count in range(1, 2 * most + 1)]
    candidates = [*cuts, *drawn[:: max(1, len(drawn) // 50)]]
    distance = DISTANCES[loss]
    start = min(candidates, key=lambda one: distance(one, drawn).mean())
    labels = _by_size(_descend(_by_size(start), drawn, loss, 2 * most))
    distances = distance(labels, drawn)
    radius = float(np.quantile(distances, level, method="higher"))
    inside = np.flatnonzero(distances <= radius)
    edge = drawn[inside[distances[inside].argmax()]]
    return PointPartition(labels, float(distances.mean()), loss, level, radius, _by_size(edge))


@eqx.filter_jit
def similarities(model: Mixture, rows: Rows, draws: AbstractParams) -> Float[Array, "N N"]:
    """Probability that two rows are together, the mean over draws, which have one leading axis."""

    def add(total, draw):
        shares = model.component_responsibilities(draw, rows)
        return total + shares.T @ shares, None

    count = draws.weights.shape[0]
    return jax.lax.scan(add, jnp.zeros((rows.num_rows, rows.num_rows)), draws)[0] / count


@eqx.filter_jit
def allocations(model: Mixture, rows: Rows, draws: AbstractParams, key: Key[Array, ""]) -> Int[Array, "S N"]:
    """A component drawn for every row under every draw, which have one leading axis."""

    def one(case):
        draw, own = case
        return jax.random.categorical(own, model.family.log_densities(draw, rows), axis=0)

    return jax.lax.map(one, (draws, jax.random.split(key, draws.weights.shape[0])))


def _by_size(labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """The same partition with clusters numbered from the largest."""
    _, groups, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), int)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return rank[groups]


def _tables(labels: Int[np.ndarray, " N"], drawn: Int[np.ndarray, "S N"], most: int) -> Float[np.ndarray, "S A B"]:
    """How many rows each cluster of a partition shares with each cluster of every partition drawn."""
    others = int(drawn.max()) + 1
    codes = labels * others + drawn + (np.arange(len(drawn)) * most * others)[:, None]
    return np.bincount(codes.ravel(), minlength=len(drawn) * most * others).reshape(-1, most, others).astype(float)


def _terms(counts: np.ndarray, loss: str) -> np.ndarray:
    """What each cell adds to a loss: n log n, or n²."""
    return xlogy(counts, counts) if loss == "vi" else counts**2


def variation_of_information(labels: Int[np.ndarray, " N"], drawn: Int[np.ndarray, "S N"]) -> Float[np.ndarray, " S"]:
    """Variation of information in nats: (Σ n_a log n_a + Σ n_b log n_b − 2 Σ n_ab log n_ab) / N.

    Of one partition from each of several (Meilă 2007, eq. 16); 0 for identical ones.
    """
    return _distance(labels, drawn, "vi") / len(labels)


def binder_loss(labels: Int[np.ndarray, " N"], drawn: Int[np.ndarray, "S N"]) -> Float[np.ndarray, " S"]:
    """Share of pairs of rows that one partition joins and the other does not."""
    return _distance(labels, drawn, "binder") / (len(labels) * (len(labels) - 1))


def _distance(labels: Int[np.ndarray, " N"], drawn: Int[np.ndarray, "S N"], loss: str) -> Float[np.ndarray, " S"]:
    table = _tables(labels, drawn, int(labels.max()) + 1)
    own, others = (_terms(table.sum(axis=axis), loss).sum(axis=1) for axis in (2, 1))
    return own + others - 2 * _terms(table, loss).sum(axis=(1, 2))


DISTANCES = {"vi": variation_of_information, "binder": binder_loss}


def _descend(labels: Int[np.ndarray, " N"], drawn: Int[np.ndarray, "S N"], loss: str, most: int) -> np.ndarray:
    """Move single rows to the cluster, old or new, where the expected loss is least, until none moves."""
    most = max(most, int(labels.max()) + 1)
    labels, table = labels.copy(), _tables(labels, drawn, most)
    sizes, draws = np.bincount(labels, minlength=most).astype(float), np.arange(len(drawn))
    for _ in range(_MOST_SWEEPS):
        moved = False
        for row in range(len(labels)):
            old, at = labels[row], drawn[:, row]
            table[draws, old, at] -= 1
            sizes[old] -= 1
            shared = table[draws, :, at]
            gain = _terms(sizes + 1, loss) - _terms(sizes, loss)
            gain = gain - 2 * (_terms(shared + 1, loss) - _terms(shared, loss)).mean(axis=0)
            best = int(np.argmin(gain))
            new = best if gain[best] < gain[old] - 1e-12 else old
            labels[row], moved = new, moved or new != old
            table[draws, new, at] += 1
            sizes[new] += 1
        if not moved:
            break
    return labels
