"""Agreement of clusterings: indices of hard partitions, which ignore labels, and of responsibilities, which do not."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from scipy.special import comb

from mixtures._cards import Card, Shown
from mixtures._kernel import Rows
from mixtures._numbers import nominal, percent, plus_minus
from mixtures._trees import evenly, flatten_draws
from mixtures.bayes.partitions import allocations, binder_loss, search, similarities, variation_of_information
from mixtures.compare.monte_carlo import mean_error
from mixtures.families import AbstractParams
from mixtures.model import Mixture

_MOST_ROWS = 400  # rows whose partitions are searched among
_MOST_SHARES = 5_000_000  # draws × rows whose responsibilities are averaged, and the fewest and most draws of these:
_FEWEST_DRAWS, _MOST_DRAWS = 50, 500  # fifty leave a mean off by a seventh of its sd, which 10,000 rows make small


@dataclass(frozen=True)
class Clustering(Shown):
    """The MAP fit's partition and responsibilities against each posterior's.

    Responsibilities are (N, K) with components in canonical order; a posterior's are means over its draws, `sd` their
    posterior standard deviation, over `num_draws` spread evenly. Dictionaries have the keys ``"vi"`` and ``"nuts"``.
    """

    map_responsibilities: Float[np.ndarray, "N K"]
    vi_responsibilities: Float[np.ndarray, "N K"]
    nuts_responsibilities: Float[np.ndarray, "N K"]
    nuts_responsibilities_sd: Float[np.ndarray, "N K"]
    ari: dict[str, float]
    variation_of_information: dict[str, float]  # nats
    total_variation: dict[str, float]  # mean over rows
    num_draws: int
    caution: str = ""  # where NUTS's draws, or the labels of their components, are not to be used

    def card(self) -> Card:
        """How far the MAP fit's partition lies from each posterior's."""
        title = "Partition of the MAP fit"
        if self.caution:
            return Card(f"{title}: not to be relied on", [self.caution])
        found = {
            "adjusted Rand index": self.ari,
            "variation of information, nats": self.variation_of_information,
            "total variation of responsibilities": self.total_variation,
        }
        rows = [(name, values["vi"], values["nuts"]) for name, values in found.items()]
        return Card(f"{title} against posteriors’", [], ("distance", "VI", "NUTS"), rows)


@dataclass(frozen=True)
class Place(Shown):
    """Where the MAP fit's partition lies among those of a posterior; no label enters.

    `expected_vi` (nats) and `expected_binder` (share of pairs) are its mean distances from the posterior's partitions,
    with the Monte Carlo errors of draws that depend on each other; `least_vi` that of the best partition found. It lies
    `distance` from that one, whose ball of `level` has the given `radius`; `beyond` is the share of the posterior's
    partitions at least as far out.
    `similarity_gap` is the mean difference, over pairs of rows, of being together by its responsibilities and by the
    posterior. All from `num_rows` rows, which are a random sample where there are more, and `num_draws` partitions.
    """

    expected_vi: float
    expected_vi_mcse: float
    expected_binder: float
    expected_binder_mcse: float
    least_vi: float
    distance: float
    radius: float
    level: float
    beyond: float
    similarity_gap: float
    num_rows: int
    num_draws: int
    caution: str = ""  # where the draws are not to be used

    @property
    def inside(self) -> bool:
        """Whether it lies in the credible ball."""
        return self.distance <= self.radius

    @property
    def reason(self) -> str:
        """The same in words."""
        if self.caution:
            return self.caution
        where = "inside" if self.inside else "outside"
        return (
            f"EM's partition lies {where} the {nominal(self.level)} credible ball of the posterior's partitions: "
            f"{percent(self.beyond)} of them are as far out or farther."
        )

    def card(self) -> Card:
        """Whether it lies in the credible ball, and how far from the posterior's partitions on average."""
        title = "EM's partition among the posterior's"
        if self.caution:
            return Card(f"{title}: not to be relied on", [self.reason])
        rows = [
            ("expected variation of information, nats", plus_minus(self.expected_vi, self.expected_vi_mcse)),
            ("the same of the best partition found", self.least_vi),
            ("expected Binder loss", plus_minus(self.expected_binder, self.expected_binder_mcse)),
            ("mean gap of similarities", self.similarity_gap),
        ]
        where = "inside" if self.inside else "outside"
        return Card(
            f"{title}: {where} the {nominal(self.level)} credible ball", [self.reason], ("measure", "value"), rows
        )


def place(
    model: Mixture,
    values: Float[np.ndarray, "N D"],
    plug_in: AbstractParams,
    draws: AbstractParams,
    key: Key[Array, ""],
    level: float = 0.95,
) -> Place:
    """Where the partition of `plug_in` parameters lies among those of draws, which have (chain, draw) axes."""
    key_rows, key_labels = jax.random.split(key)
    chosen = np.arange(len(values))
    if len(values) > _MOST_ROWS:
        chosen = np.sort(np.asarray(jax.random.choice(key_rows, len(values), (_MOST_ROWS,), replace=False)))
    rows = model.prepare(jnp.asarray(values)[chosen])
    own = np.asarray(_responsibilities(model, rows, plug_in))
    partition = own.argmax(axis=1)
    shape, draws = draws.weights.shape[:2], flatten_draws(draws)
    drawn = np.asarray(allocations(model, rows, draws, key_labels))
    similar = np.array(similarities(model, rows, draws))
    np.fill_diagonal(similar, 1.0)
    best = search(drawn, similar, "vi", level)
    far = variation_of_information(best.labels, drawn)
    distance = float(variation_of_information(best.labels, partition[None])[0])
    vi, binder = variation_of_information(partition, drawn), binder_loss(partition, drawn)
    pairs = np.triu_indices(len(chosen), 1)
    return Place(
        float(vi.mean()),
        float(mean_error(vi.reshape(shape))),
        float(binder.mean()),
        float(mean_error(binder.reshape(shape))),
        best.expected_loss,
        distance,
        best.radius,
        level,
        float((far >= distance - 1e-12).mean()),
        float(np.abs((own @ own.T)[pairs] - similar[pairs]).mean()),
        len(chosen),
        len(drawn),
    )


def clustering(
    model: Mixture, rows: Rows, plug_in: AbstractParams, vi: AbstractParams, nuts: AbstractParams
) -> Clustering:
    """Compare the clustering of `plug_in` parameters with those of two posteriors' draws, with (chain, draw) axes."""
    own = np.asarray(_responsibilities(model, rows, plug_in))
    fewest = min(draws.weights.shape[0] * draws.weights.shape[1] for draws in (vi, nuts))
    count = min(max(_MOST_SHARES // rows.num_rows, _FEWEST_DRAWS), _MOST_DRAWS, fewest)
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), evenly(vi, count), evenly(nuts, count))
    (from_vi, from_nuts), (_, nuts_sd) = jax.tree.map(np.asarray, _mean_and_sd(model, rows, both))
    others = {"vi": from_vi, "nuts": from_nuts}
    partition = own.argmax(axis=1)
    return Clustering(
        own,
        others["vi"],
        others["nuts"],
        nuts_sd,
        {name: adjusted_rand_index(partition, r.argmax(axis=1)) for name, r in others.items()},
        {name: float(variation_of_information(partition, r.argmax(axis=1)[None])[0]) for name, r in others.items()},
        {name: total_variation(own, r) for name, r in others.items()},
        count,
    )


@eqx.filter_jit
def _responsibilities(model: Mixture, rows: Rows, params: AbstractParams) -> Float[Array, "N K"]:
    return model.responsibilities(params, rows)


@eqx.filter_jit
def _mean_and_sd(
    model: Mixture, rows: Rows, posteriors: AbstractParams
) -> tuple[Float[Array, "P N K"], Float[Array, "P N K"]]:
    """Mean and sd over draws of the responsibilities, for several posteriors (first axis), one draw at a time."""

    def add(moments, draw):
        responsibilities = model.responsibilities(draw, rows)
        return (moments[0] + responsibilities, moments[1] + responsibilities**2), None

    def one(draws):
        zero = jnp.zeros((rows.num_rows, draws.weights.shape[1]), draws.weights.dtype)
        (first, second), _ = jax.lax.scan(add, (zero, zero), draws)
        count = draws.weights.shape[0]
        mean = first / count
        return mean, jnp.sqrt(jnp.maximum(second / count - mean**2, 0.0))

    return jax.lax.map(one, posteriors)


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
