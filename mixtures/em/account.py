"""What became of each start of EM, and how to say it."""

from collections import Counter
from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from mixtures._kernel import Rows
from mixtures._numbers import numbers
from mixtures._status import Status
from mixtures.em.step import EMState
from mixtures.families import AbstractParams, GaussianParams
from mixtures.model import Mixture

_CLEARLY = 1e-3  # nats
_EMPTY = 1e-6  # weight of a component that claims nothing
_SAME_MODE = 1e-3  # nats between starts that found the same mode
_MOST_FEATURES = 8  # of a mean that stands in a table


class Mode(NamedTuple):
    """A distinct interior maximum, how many starts converged to it, and the parameters of the highest of these."""

    objective: float
    hits: int
    params: AbstractParams


class Starts(eqx.Module):
    """Where each of R starts ended, how, and where the collapsed ones went.

    `collapse_*` describe the narrowest component of each start; they mean something only where `status` is COLLAPSED.
    """

    params: AbstractParams
    objective: Float[Array, "*batch R"]
    status: Int[Array, "*batch R"]
    num_steps: Int[Array, "*batch R"]
    collapse_component: Int[Array, "*batch R"]  # its place by the first coordinate of the means
    collapse_row: Int[Array, "*batch R"]  # the row nearest to it
    collapse_value: Float[Array, "*batch R D"]  # that row
    collapse_ties: Int[Array, "*batch R"]  # how many rows equal that row


def choose(
    objective: Float[Array, " R"], status: Int[Array, " R"]
) -> tuple[Int[Array, ""], Int[Array, ""], Bool[Array, ""]]:
    """The start with the largest interior maximum, the status of the whole, and whether there is such a start."""
    ended_well = (status == Status.CONVERGED) | (status == Status.MAX_STEPS)
    # A stalled start's height is rounding error: it stands for the fit only where nothing better does.
    interior = jnp.where(jnp.any(ended_well), ended_well, status == Status.STALLED)
    # A start cut short stands for the fit only where it is clearly the highest.
    height = jnp.where(status == Status.MAX_STEPS, objective - _CLEARLY, objective)
    best = jnp.argmax(jnp.where(interior, height, -jnp.inf))
    collapsed, found = jnp.any(status == Status.COLLAPSED), jnp.any(interior)
    ended = jnp.where((status[best] == Status.CONVERGED) & collapsed, jnp.int32(Status.INTERIOR), status[best])
    nothing = jnp.where(jnp.any(status == Status.NON_FINITE), Status.NON_FINITE, Status.DEGENERATE).astype(jnp.int32)
    return best, jnp.where(found, ended, nothing), found


def collapses(model: Mixture, x: Float[Array, "N D"], rows: Rows, states: EMState):
    """For each start: its narrowest component, the row nearest to it and that row's ties."""

    def one(state):
        component = jnp.argmin(model.family.narrowest(state.params, rows.frame))
        locations = model.family.locations(state.params)
        place = jnp.sum(locations[:, 0] < locations[component, 0])
        distance = jnp.sum(((x - locations[component]) / rows.frame.scale) ** 2, axis=1)
        row = jnp.argmin(distance)
        ties = jnp.sum(jnp.all(x == x[row], axis=1))
        return place, row, x[row], ties

    return jax.lax.map(one, states)


def modes(starts: Starts) -> tuple[Mode, ...]:
    """The distinct interior maxima that concrete starts converged to, best first.

    Starts that stalled, were cut short or left behind did not reach a maximum, and are none.
    """
    objective, converged = np.asarray(starts.objective), np.flatnonzero(starts.status == Status.CONVERGED)
    order = converged[np.argsort(-objective[converged])]
    groups = np.split(order, np.flatnonzero(-np.diff(objective[order]) > _SAME_MODE) + 1)

    def mode(group: np.ndarray) -> Mode:
        return Mode(float(objective[group[0]]), len(group), jax.tree.map(lambda leaf: leaf[group[0]], starts.params))

    return tuple(mode(group) for group in groups if len(group))


_ENDS = {
    Status.COLLAPSED: "collapsed",
    Status.MAX_STEPS: "stopped at the step limit",
    Status.STALLED: "stalled in rounding error",
    Status.EMPTY: "lost a component",
    Status.NON_FINITE: "became NaN or infinite",
    Status.DROPPED: "left behind by better ones, and never converged",
}


def explain_ends(starts: Starts) -> str:
    """How many starts ended in which way."""
    counts, found = Counter(np.asarray(starts.status).tolist()), len(modes(starts))
    converged = f"{counts[Status.CONVERGED]} converged" + (
        f", to {found} distinct maxim{'um' if found == 1 else 'a'}" if found else ""
    )
    others = [f"{counts[status]} {words}" for status, words in _ENDS.items() if counts[status]]
    return f"Of {starts.status.shape[-1]} starts {'; '.join([converged, *others])}."


def explain_collapses(starts: Starts) -> list[str]:
    """Which components shrank onto which rows, most frequent first."""
    collapsed = np.flatnonzero(np.asarray(starts.status) == Status.COLLAPSED)
    if not len(collapsed):
        return []
    where = Counter(int(starts.collapse_row[i]) for i in collapsed)
    example = {int(starts.collapse_row[i]): i for i in collapsed}
    places = [_explain_one(starts, example[row], hits) for row, hits in where.most_common(3)]
    if len(where) > 3:
        places.append(f"and {len(where) - 3} more elsewhere")
    return [f"{'; '.join(places)} (rows count from 0).".capitalize()]


def explain_empty(params: AbstractParams) -> list[str]:
    """Whether a component, or noise, is all but empty."""
    weights, noise = np.split(np.asarray(params.weights), [params.num_components])
    told = [f"Noise has weight {w:.1g}: the components alone would fit as well." for w in noise if w < _EMPTY]
    if (weights < _EMPTY).any():
        which = f"Component {weights.argmin() + 1} has weight {weights.min():.1g}"
        told.append(f"{which}: fewer components would fit as well.")
    return told


def component_rows(params: AbstractParams) -> list[tuple[object, ...]]:
    """Each component's number, weight, mean and, for one feature, variance; then the weight of noise."""
    params = cast(GaussianParams, params)
    weights, means = np.asarray(params.weights), np.asarray(params.means)
    more = ", …" if means.shape[1] > _MOST_FEATURES else ""
    rows: list[tuple[object, ...]] = [
        (k + 1, weights[k], numbers(mean[:_MOST_FEATURES].tolist()) + more) for k, mean in enumerate(means)
    ]
    if means.shape[1] == 1:
        rows = [(*row, params.covariances[k, 0, 0].item()) for k, row in enumerate(rows)]
    return rows + [("noise", weight, "", "")[: len(rows[0])] for weight in weights[len(means) :]]


def _explain_one(starts: Starts, i: np.integer, hits: int) -> str:
    ties, row = int(starts.collapse_ties[i]), int(starts.collapse_row[i])
    value = ", ".join(f"{v:g}" for v in np.asarray(starts.collapse_value[i]))
    times = "once" if hits == 1 else f"{hits} times"
    component = f"component {int(starts.collapse_component[i]) + 1} (by first coordinate of the mean)"
    if ties > 1:
        return (
            f"{times} {component} shrank onto the {ties} identical rows with value {value}, the first of them row {row}"
        )
    return f"{times} {component} lost its width around row {row}, value {value}"
