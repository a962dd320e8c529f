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
from mixtures._trees import flatten_draws, map_in_blocks, sum_in_blocks
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
    num_chains, num_draws = params.weights.shape[:2]
    flat, chosen = flatten_draws(params), METHODS[method]
    draws = _Draws(flat, model, chosen, *rows.for_draws(model.num_components))

    def again(carry):
        permutations, _, rounds, _ = carry
        average = jax.lax.cond(rounds == 0, lambda _: draws.of_reference(reference), draws.average, permutations)
        updated, margins = jax.vmap(lambda cost: _align(model, cost))(draws.costs(average))
        return updated, margins, rounds + 1, (rounds == 0) | jnp.any(updated != permutations)

    own = jnp.broadcast_to(jnp.arange(flat.weights.shape[1]), flat.weights.shape)
    carry = (own, jnp.zeros_like(flat.weights[:, 0]), jnp.int32(0), jnp.array(True))
    permutations, margins, _, _ = jax.lax.while_loop(lambda c: c[3] & (c[2] < chosen.most_rounds), again, carry)

    shape = num_chains, num_draws
    aligned = jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), draws.aligned(permutations))
    ambiguity = jnp.mean(jax.nn.sigmoid(-margins))
    return aligned, Relabelling(permutations.reshape(*shape, -1), ambiguity)


class _Draws(NamedTuple):
    """Draws whose responsibilities are made anew, for one of B blocks of rows and some draws at a time."""

    params: AbstractParams
    model: Mixture
    method: _Method
    rows: Rows
    together: int

    def aligned(self, permutations: Int[Array, "S K"]) -> AbstractParams:
        return jax.vmap(self.model.family.permute)(self.params, permutations[:, : self.model.num_components])

    def of_reference(self, reference: AbstractParams) -> Float[Array, "B K n"]:
        return self._map_blocks(lambda block: self.model.component_responsibilities(reference, block))

    def average(self, permutations: Int[Array, "S K"]) -> Float[Array, "B K n"]:
        """What the draws say of every row on average, once they are permuted."""
        aligned = self.aligned(permutations)

        def total(block: Rows) -> Float[Array, "K n"]:
            return sum_in_blocks(lambda draw: self._responsibilities(draw, block), aligned, self.together)

        return self._map_blocks(total) / len(permutations)

    def costs(self, average: Float[Array, "B K n"]) -> Float[Array, "S K K"]:
        """What it costs to call a draw's components by the labels of this average."""
        pattern = jnp.where(self.rows.is_row()[:, None], jax.vmap(self.method.of_average)(average), 0.0)
        num_draws, num_labels = self.params.weights.shape

        def add(total, case):
            number, own = case
            block = self.rows.block(number)

            def gain(draw: AbstractParams) -> Float[Array, "K K"]:
                return (self._responsibilities(draw, block) @ own.T).T

            return total - map_in_blocks(gain, self.params, self.together), None

        nothing = jnp.zeros((num_draws, num_labels, num_labels), pattern.dtype)
        return jax.lax.scan(add, nothing, (jnp.arange(len(pattern)), pattern))[0]

    def _responsibilities(self, draw: AbstractParams, block: Rows) -> Float[Array, "K n"]:
        return self.method.of_draw(self.model.component_responsibilities(draw, block))

    def _map_blocks(self, function: Callable[[Rows], Float[Array, "K n"]]) -> Float[Array, "B K n"]:
        return jax.lax.map(lambda number: function(self.rows.block(number)), jnp.arange(len(self.rows.blocks)))


def _align(model: Mixture, cost: Float[Array, "K K"]) -> tuple[Int[Array, " K"], Float[Array, ""]]:
    """The permutation of one draw that costs least, and its margin."""
    cost = _between_alike(model, cost)
    permutation = assign(cost)
    return permutation, _margin(cost[:, permutation])


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
