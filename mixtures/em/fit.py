"""`fit_em`: many starts, one honest result."""

from collections import Counter
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key, Real

from mixtures._checks import as_rows, check_choice, check_count, check_data, check_key, check_positive, is_traced
from mixtures._drivers import OnProgress, chunk_limits
from mixtures._kernel import Rows
from mixtures._status import Status
from mixtures.coordinates import Coordinates
from mixtures.em import step as em_step
from mixtures.em.step import EMState
from mixtures.families import AbstractParams
from mixtures.labels import canonical_order
from mixtures.model import Mixture
from mixtures.priors import Conjugate
from mixtures.starts import random_starts

_OBJECTIVES = {"map": "posterior density", "ml": "likelihood"}
_SINGLE_PRECISION = (
    "In single precision a component narrower than 2% of the data cannot be told from a collapsed one: use float64."
)
_CLEARLY = 1e-3  # nats
_LANE_LIMIT = 2**23  # rows × components × starts advanced at once; beyond it starts take turns


class Starts(eqx.Module):
    """What became of each of R starts, and where the collapsed ones went.

    `collapse_*` describe the narrowest component of each start; they mean something only where `status` is COLLAPSED.
    """

    objective: Float[Array, "*batch R"]
    status: Int[Array, "*batch R"]
    num_steps: Int[Array, "*batch R"]
    collapse_component: Int[Array, "*batch R"]  # its place in canonical order
    collapse_row: Int[Array, "*batch R"]  # the row nearest to it
    collapse_value: Float[Array, "*batch R D"]  # that row
    collapse_ties: Int[Array, "*batch R"]  # how many rows equal that row


class EMFit(eqx.Module):
    """The best interior maximum found by EM, and the account of how it was found.

    Parameters are in canonical order (by the first coordinate of the mean). When no start ended in an interior maximum,
    parameters and objectives are NaN and `status` is DEGENERATE (or NON_FINITE).
    """

    params: AbstractParams
    log_likelihood: Float[Array, "*batch"]
    log_joint: Float[Array, "*batch"]
    status_code: Int[Array, "*batch"]
    num_steps: Int[Array, "*batch"]
    starts: Starts
    objective: str = eqx.field(static=True)

    @property
    def status(self) -> Status:
        """The outcome; for a traced or batched fit the array of codes, which compare with `Status` members."""
        return (
            Status(int(self.status_code)) if _is_concrete_scalar(self.status_code) else cast(Status, self.status_code)
        )

    @property
    def collapsed_starts(self) -> Int[Array, "*batch"]:
        """How many starts ran into a component of vanishing width."""
        return jnp.sum(self.starts.status == Status.COLLAPSED, axis=-1)

    @property
    def unbounded(self) -> Bool[Array, "*batch"]:
        """Whether the objective was seen to be unbounded: at least one start climbed towards infinity."""
        return self.collapsed_starts > 0

    @property
    def summary(self) -> str:
        """The outcome in a sentence or two: the status, and the share of starts that collapsed."""
        assert _is_concrete_scalar(self.status_code), "summary needs one concrete fit"
        message = Status(int(self.status_code)).message.replace("objective", _OBJECTIVES[self.objective])
        collapsed, total = int(self.collapsed_starts), self.starts.status.shape[-1]
        share = f" {collapsed} of {total} starts ({collapsed / total:.0%}) collapsed." if collapsed else ""
        failed = int(np.isin(self.starts.status, (Status.EMPTY, Status.NON_FINITE, Status.STALLED)).sum())
        return message + share + (f" {failed} more failed numerically." if failed else "")

    @property
    def reason(self) -> str:
        """The outcome in full: the summary, which component collapsed onto which rows, and any that is empty."""
        single = self.log_likelihood.dtype == jnp.float32 and bool(self.unbounded)
        precision = [_SINGLE_PRECISION] if single else []
        return " ".join([self.summary, *_explain_collapses(self.starts), *_explain_empty(self.params), *precision])


def fit_em(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    objective: str = "map",
    num_starts: int = 64,
    max_steps: int = 10_000,
    atol: float = 1e-8,
    throw: bool = False,
    on_progress: OnProgress | None = None,
) -> EMFit:
    """Fit a mixture by expectation-maximisation from many random starts, and keep the best interior maximum.

    Parameters
    ----------
    model
        What to fit.
    x
        Data, (N,) or (N, D).
    key
        Random key of the starts; the same key gives the same fit.
    objective
        ``"map"`` maximises the log joint, in (weights, component parameters) coordinates; ``"ml"`` the log-likelihood.
    num_starts
        R, how many starts.
    max_steps
        EM iterations allowed to each start.
    atol
        Stop when the predicted remaining gain is below this many nats (Aitken extrapolation).
    throw
        Raise `RuntimeError` when the outcome is not an estimate; not available inside a transformation.
    on_progress
        Called with (steps done, steps allowed) between compiled chunks; not available inside a transformation.

    Returns
    -------
    EMFit
        The largest interior local maximum found. Starts whose component collapsed (where the likelihood is unbounded:
        Kiefer and Wolfowitz 1956) are counted, never returned: with them set aside this is the consistent root of the
        likelihood equations (Kiefer 1978; McLachlan and Peel 2000, section 3.8).

    Raises
    ------
    ValueError
        If an argument is wrong: its name, what came and what was expected.
    RuntimeError
        Only with ``throw=True``.
    """
    check_key(key)
    check_choice("objective", objective, tuple(_OBJECTIVES))
    num_starts, max_steps = check_count("num_starts", num_starts), check_count("max_steps", max_steps)
    check_positive("atol", atol)
    rows_of_x = as_rows(x)
    check_data(rows_of_x, model.num_components)
    if objective == "map":
        _refuse_unbounded_weights(model)
    target = model if objective == "map" else model.without_prior()

    rows, states = _begin(target, rows_of_x, key, num_starts)
    tolerance = jnp.asarray(atol, rows_of_x.dtype)
    traced = is_traced(model, x, key, tolerance)
    if traced and throw:
        raise ValueError("throw=True is not available inside a transformation; look at .status instead.")
    if traced:
        states = _advance(target, rows, states, tolerance, jnp.int32(max_steps))
    else:
        for limit in chunk_limits(max_steps, on_progress):
            states = _advance(target, rows, states, tolerance, jnp.int32(limit))
            if not bool(jnp.any(states.status == Status.RUNNING)):
                break
    fit = _finish(model, target, rows_of_x, rows, states, objective)
    if throw and not fit.status.is_estimate:
        raise RuntimeError(fit.reason)
    return fit


def _refuse_unbounded_weights(model: Mixture) -> None:
    prior = model.prior
    if isinstance(prior, Conjugate) and not is_traced(prior) and float(prior.concentration) < 1:
        raise ValueError(
            f"objective='map' needs a prior concentration of at least 1, got {float(prior.concentration):g}: below it "
            "the density is infinite at zero weights, so there is no mode; use fit_nuts, or objective='ml'."
        )


def _lanes(num_rows: int, num_components: int, num_starts: int) -> int:
    return max(1, min(num_starts, _LANE_LIMIT // (num_rows * num_components)))


@eqx.filter_jit
def _begin(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int) -> tuple[Rows, EMState]:
    lanes = _lanes(x.shape[0], model.num_components, num_starts)
    rows = model.prepare(x, lanes)
    coordinates = Coordinates.of(model, rows.frame)
    params = random_starts(model, x, key, num_starts)
    return rows, jax.lax.map(lambda p: em_step.init(model, rows, coordinates.into_support(p)), params, batch_size=lanes)


@eqx.filter_jit
def _advance(model: Mixture, rows: Rows, states: EMState, atol: Float[Array, ""], limit: Int[Array, ""]) -> EMState:
    """Take steps until every start has stopped or taken `limit` of them."""

    def one(state):
        return jax.lax.while_loop(
            lambda s: (s.status == Status.RUNNING) & (s.num_steps < limit),
            lambda s: em_step.step(model, rows, s, atol),
            state,
        )

    lanes = _lanes(rows.num_rows, model.num_components, states.status.shape[0])
    return jax.lax.map(one, states, batch_size=lanes)


@eqx.filter_jit
def _finish(
    model: Mixture, target: Mixture, x: Float[Array, "N D"], rows: Rows, states: EMState, objective: str
) -> EMFit:
    """Choose the best interior maximum, order its components, and explain the rest."""
    status = jnp.where(states.status == Status.RUNNING, jnp.int32(Status.MAX_STEPS), states.status)
    ended_well = (status == Status.CONVERGED) | (status == Status.MAX_STEPS)
    # A stalled start's height is rounding error: it stands for the fit only where nothing better does.
    interior = jnp.where(jnp.any(ended_well), ended_well, status == Status.STALLED)
    # A start cut short stands for the fit only where it is clearly the highest.
    height = jnp.where(status == Status.MAX_STEPS, states.objective - _CLEARLY, states.objective)
    best = jnp.argmax(jnp.where(interior, height, -jnp.inf))
    winner = jax.tree.map(lambda leaf: leaf[best], states)

    collapsed, found = jnp.any(status == Status.COLLAPSED), jnp.any(interior)
    ended = jnp.where((status[best] == Status.CONVERGED) & collapsed, jnp.int32(Status.INTERIOR), status[best])
    nothing = jnp.where(jnp.any(status == Status.NON_FINITE), Status.NON_FINITE, Status.DEGENERATE).astype(jnp.int32)

    def only_if_found(tree):
        return jax.tree.map(lambda leaf: jnp.where(found, leaf, jnp.nan), tree)

    params = model.family.permute(winner.params, canonical_order(model, winner.params))
    starts = Starts(states.objective, status, states.num_steps, *_collapses(model, x, rows, states))
    return EMFit(
        only_if_found(params),
        only_if_found(winner.log_likelihood),
        only_if_found(winner.log_likelihood + model.log_prior(winner.params)),
        jnp.where(found, ended, nothing),
        winner.num_steps,
        starts,
        objective,
    )


def _collapses(model: Mixture, x: Float[Array, "N D"], rows: Rows, states: EMState):
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


def _explain_collapses(starts: Starts) -> list[str]:
    collapsed = np.flatnonzero(np.asarray(starts.status) == Status.COLLAPSED)
    if not len(collapsed):
        return []
    where = Counter(int(starts.collapse_row[i]) for i in collapsed)
    example = {int(starts.collapse_row[i]): i for i in collapsed}
    places = [_explain_one(starts, example[row], hits) for row, hits in where.most_common(3)]
    if len(where) > 3:
        places.append(f"and {len(where) - 3} more elsewhere")
    return [f"{'; '.join(places)} (rows count from 0).".capitalize()]


def _explain_empty(params: AbstractParams) -> list[str]:
    weights = np.asarray(params.weights)
    if not (weights < 1e-6).any():
        return []
    return [f"Component {weights.argmin() + 1} has weight {weights.min():.1g}: fewer components would fit as well."]


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


def _is_concrete_scalar(value: Array) -> bool:
    return value.ndim == 0 and not is_traced(value)
