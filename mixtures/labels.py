"""Component labels: canonical order, and alignment of posterior draws to one labelling.

A posterior under an exchangeable prior is symmetric in the labels, so draws of "the mean of component 2" mean nothing
until labels are fixed. Here each draw is permuted to agree with the responsibilities of all others, by assignment.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mixtures._kernel import Rows
from mixtures._trees import block_size
from mixtures.families import AbstractParams
from mixtures.model import Mixture

_MAX_ROUNDS = 20


class _Method(NamedTuple):
    """What an assignment maximises: Σ_k of_average(average)_k · of_draw(draw)_σ(k), over rows."""

    of_average: Callable[[Float[Array, "K N"]], Float[Array, "K N"]]
    of_draw: Callable[[Float[Array, "K N"]], Float[Array, "K N"]]
    most_rounds: int


def _log(responsibilities: Float[Array, "K N"]) -> Float[Array, "K N"]:
    return jnp.log(jnp.maximum(responsibilities, jnp.finfo(responsibilities.dtype).tiny))


def _hard(responsibilities: Float[Array, "K N"]) -> Float[Array, "K N"]:
    """One for each row's most probable component."""
    best = jnp.argmax(responsibilities, axis=0)
    return (best == jnp.arange(len(responsibilities))[:, None]).astype(responsibilities.dtype)


METHODS = {
    "stephens": _Method(_log, lambda responsibilities: responsibilities, _MAX_ROUNDS),
    "ecr": _Method(_hard, _hard, 1),
    "ecr_iterative": _Method(_hard, _hard, _MAX_ROUNDS),
}


class Relabelling(eqx.Module):
    """How draws were relabelled, and how far that can be believed.

    `permutations[c, s, k]` is the original label of the component now called k. `ambiguity` is the mean over draws of
    1 / (1 + exp(m)), where m is what the cheapest exchange of two labels would cost in Kullback–Leibler divergence (or,
    by the ECR methods, in rows): between 0 (labels are plain) and ½ (arbitrary).
    """

    permutations: Int[Array, "C S K"]
    ambiguity: Float[Array, ""]

    @property
    def switched(self) -> float:
        """Share of draws whose permutation is not the most common one of their chain: labels that really switched."""
        counts = [np.unique(chain, axis=0, return_counts=True)[1].max() for chain in np.asarray(self.permutations)]
        return 1.0 - sum(counts) / np.prod(self.permutations.shape[:2])


def canonical_order(model: Mixture, params: AbstractParams) -> Int[Array, " K"]:
    """Order of the components by the first coordinate of their location, ties broken by the next.

    Distinct components keep their places.
    """
    locations, alike = model.family.locations(params), jnp.asarray(np.flatnonzero(~model.distinct))
    order = jnp.arange(model.num_components)
    return order.at[alike].set(alike[jnp.lexsort(locations[alike].T[::-1])])


def relabel(
    model: Mixture, rows: Rows, params: AbstractParams, reference: AbstractParams, method: str = "stephens"
) -> tuple[AbstractParams, Relabelling]:
    """Align draws, with leading (chain, draw) axes, to `reference`, and then to each other until nothing changes.

    ``"stephens"``: each draw takes the permutation that minimises the Kullback–Leibler divergence of its
    responsibilities from the average of all relabelled ones (Stephens 2000, algorithm 2), starting from those of
    `reference`. ``"ecr"``: the permutation under which most rows have the most probable component that they have under
    `reference` (equivalence classes representatives: Papastamoulis and Iliopoulos 2010). ``"ecr_iterative"``: the same
    with each row's commonest component among all relabelled draws, repeated (Rodríguez and Walker 2014).
    """
    of_average, of_draw, most_rounds = METHODS[method]
    num_chains, num_draws = params.weights.shape[:2]
    flat = jax.tree.map(lambda leaf: leaf.reshape(num_chains * num_draws, *leaf.shape[2:]), params)
    block = block_size(num_chains * num_draws, rows.num_rows * model.num_components)

    def align(average):
        """Permutations, margins and the new average, given the average responsibilities (K, N)."""
        pattern = of_average(average)

        def add(total, draws):
            permutations, margins, aligned = jax.vmap(lambda draw: _align(model, rows, pattern, of_draw, draw))(draws)
            return total + jnp.sum(aligned, axis=0), (permutations, margins)

        total, (permutations, margins) = _scan_blocks(add, jnp.zeros_like(average), flat, block)
        return total / (num_chains * num_draws), permutations, margins

    def again(carry):
        average, permutations, _, rounds, _ = carry
        average, updated, margins = align(average)
        return average, updated, margins, rounds + 1, (rounds == 0) | jnp.any(updated != permutations)

    own = jnp.broadcast_to(jnp.arange(flat.weights.shape[1]), flat.weights.shape)
    average = model.component_responsibilities(reference, rows)
    carry = (average, own, jnp.zeros_like(flat.weights[:, 0]), jnp.int32(0), jnp.array(True))
    _, permutations, margins, _, _ = jax.lax.while_loop(lambda c: c[4] & (c[3] < most_rounds), again, carry)

    aligned = jax.vmap(model.family.permute)(flat, permutations[:, : model.num_components])
    aligned = jax.tree.map(lambda leaf: leaf.reshape(num_chains, num_draws, *leaf.shape[1:]), aligned)
    permutations = permutations.reshape(num_chains, num_draws, -1)
    ambiguity = jnp.mean(jax.nn.sigmoid(-margins))
    return aligned, Relabelling(permutations, ambiguity)


@eqx.filter_jit  # traced once, however many programs use it
def _align(
    model: Mixture, rows: Rows, pattern: Float[Array, "K N"], of_draw: Callable, draw: AbstractParams
) -> tuple[Int[Array, " K"], Float[Array, ""], Float[Array, "K N"]]:
    """Permutation of one draw that fits the pattern best, its margin, and what the draw adds to the next average."""
    responsibilities = of_draw(model.component_responsibilities(draw, rows))
    cost = _between_alike(model, -pattern @ responsibilities.T)
    permutation = assign(cost)
    return permutation, _margin(cost[:, permutation]), responsibilities[permutation]


def _between_alike(model: Mixture, cost: Float[Array, "K K"]) -> Float[Array, "K K"]:
    """The same costs, with exchanges that involve a distinct component made dearer than all others together."""
    distinct = np.r_[model.distinct, np.ones(len(cost) - model.num_components, bool)]  # noise comes last
    if not distinct.any():
        return cost
    barred = (distinct[:, None] | distinct) & ~np.eye(len(distinct), dtype=bool)
    return jnp.where(barred, 2.0 * len(distinct) * (1.0 + jnp.sum(jnp.abs(cost))), cost)


def assign(cost: Float[Array, "K K"]) -> Int[Array, " K"]:
    """Column assigned to each row at the least total cost."""
    from optax.assignment import hungarian_algorithm

    rows, columns = hungarian_algorithm(cost)
    return jnp.zeros(cost.shape[0], columns.dtype).at[rows].set(columns)


def _margin(cost: Float[Array, "K K"]) -> Float[Array, ""]:
    """Extra cost of the cheapest exchange of two labels, for a cost whose assignment is its diagonal."""
    if cost.shape[0] == 1:
        return jnp.array(jnp.inf, cost.dtype)
    own = jnp.diagonal(cost)
    exchange = cost + cost.T - own[:, None] - own
    return jnp.min(exchange[np.triu_indices(cost.shape[0], 1)])


def _scan_blocks(add, total, draws, block: int):
    """Scan `add` over blocks of draws, the last of which may be shorter."""
    count = jax.tree.leaves(draws)[0].shape[0]
    whole = count // block * block
    blocks = jax.tree.map(lambda leaf: leaf[:whole].reshape(-1, block, *leaf.shape[1:]), draws)
    total, outputs = jax.lax.scan(add, total, blocks)
    outputs = jax.tree.map(lambda leaf: leaf.reshape(whole, *leaf.shape[2:]), outputs)
    if whole < count:
        total, rest = add(total, jax.tree.map(lambda leaf: leaf[whole:], draws))
        outputs = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), outputs, rest)
    return total, outputs
