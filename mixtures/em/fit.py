"""`fit_em`: many starts, one honest result."""

from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Integer, Key, Real

from mixtures._cards import Card, Shown
from mixtures._checks import (
    as_rows,
    as_tolerance,
    check_callback,
    check_choice,
    check_count,
    check_data,
    check_flag,
    check_key,
    check_type,
    is_traced,
)
from mixtures._drivers import OnProgress
from mixtures._kernel import CENTRED, Rows
from mixtures._numbers import fixed, percent
from mixtures._status import Status
from mixtures.em import race
from mixtures.em.account import (
    Mode,
    Starts,
    choose,
    collapses,
    component_rows,
    explain_collapses,
    explain_empty,
    modes,
)
from mixtures.em.step import EMState
from mixtures.families import AbstractParams
from mixtures.labels import canonical_order
from mixtures.model import Mixture, check_model
from mixtures.starts import STARTS, check_params, starting_params

_OBJECTIVES = {"map": "posterior density", "ml": "likelihood"}
_SHORT = {"map": "MAP", "ml": "maximum likelihood"}
_NARROW = 1e-4  # a variance, as a fraction of the data's
_FEW_ENOUGH = 2**18  # rows × components × starts that are all run to convergence


class EMFit(eqx.Module, Shown):
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
    def modes(self) -> tuple[Mode, ...]:
        """The distinct interior maxima found, best first; for one concrete fit."""
        self._refuse_batches("modes")
        return modes(self.starts)

    @property
    def num_run(self) -> int:
        """How many starts were run to their end, and not left behind by better ones."""
        return int((self.starts.status != Status.DROPPED).sum())

    @property
    def summary(self) -> str:
        """The outcome in a sentence or two: the status, and the share of starts that collapsed."""
        self._refuse_batches("summary")
        # The article goes with it: the argument objective='map' that a message advises keeps its name.
        message = Status(int(self.status_code)).message.replace("he objective", f"he {_OBJECTIVES[self.objective]}")
        collapsed, total = int(self.collapsed_starts), self.num_run
        dropped = self.starts.status.shape[-1] - total
        run = f"{total} starts" + (" run to their end" if dropped else "")
        share = f" {collapsed} of {run} ({percent(collapsed / total)}) collapsed." if collapsed else ""
        failed = int(np.isin(self.starts.status, (Status.EMPTY, Status.NON_FINITE, Status.STALLED)).sum())
        left = f" {dropped} more were left behind by better ones, and never converged." if dropped else ""
        return message + share + (f" {failed} more failed numerically." if failed else "") + left

    @property
    def reason(self) -> str:
        """The outcome in full: the summary, which component collapsed onto which rows, and any that is empty."""
        return " ".join([self.summary, *explain_collapses(self.starts), *explain_empty(self.params)])

    def card(self) -> Card:
        """The outcome, the height of the maximum, and the components."""
        title = f"EM, {_SHORT[self.objective]}: {self.status.words}"
        if not self.status.is_estimate:
            return Card(title, [self.reason])
        heights = [f"{name} {fixed(float(v), 3)}" for name, v in self._heights().items()]
        rows = component_rows(self.params)
        columns = ("component", "weight", "mean", "variance")[: len(rows[0])]
        return Card(title, [self.reason, f"{', '.join(heights)}."], columns, rows)

    def _heights(self) -> dict[str, Array]:
        found = {"Log-likelihood": self.log_likelihood}
        return found if self.objective == "ml" else found | {"log joint": self.log_joint}

    def _batch_shape(self) -> tuple[int, ...]:
        return self.status_code.shape

    def _refuse_batches(self, what: str) -> None:
        if not _is_concrete_scalar(self.status_code):
            raise ValueError(f"{what} needs one fit, got a traced one or a batch: index it first.")


def fit_em(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    objective: str = "map",
    start: str | AbstractParams = "mixed",
    num_starts: int = 64,
    num_finalists: int | None = None,
    max_steps: int = 10_000,
    atol: float = 1e-8,
    weights: Real[ArrayLike, " N"] | None = None,
    labels: Integer[ArrayLike, " N"] | None = None,
    throw: bool = False,
    on_progress: OnProgress | None = None,
) -> EMFit:
    """Fit a mixture by expectation-maximisation from many starts, and keep the best interior maximum.

    Parameters
    ----------
    model
        What to fit.
    x
        Data, (N,) or (N, D). NaN is a value missing at random: the fit is then that of the observed values. Missing
        values are seen only outside of transformations.
    key
        Random key of the starts; the same key gives the same fit.
    objective
        ``"map"`` maximises the log joint, in (weights, component parameters) coordinates; ``"ml"`` the log-likelihood.
    start
        ``"kmeans++"``: wide components at rows far from each other. ``"rows"``: components of random widths at random
        rows. ``"mixed"``: these two in turn. ``"partitions"``: random partitions of the rows. ``"hierarchical"``:
        Ward's clustering of all rows, then of random halves. Or parameters, such as those of another fit, one set or R.
    num_starts
        R, how many starts, unless parameters are given.
    num_finalists
        How many of the best starts are run to convergence after a short run of all; the others are dropped. If not
        given, all of them where N K R is below 2¹⁸, and otherwise a twenty-fourth, at least eight.
    max_steps
        E-steps allowed to each start.
    atol
        Stop when the predicted remaining gain is below this many nats: Aitken's extrapolation of EM's gains, or what a
        Newton step promises where the Hessian is negative definite.
    weights
        Positive weight of each row, (N,); a weight of 2 is the row twice. 1 each if not given.
    labels
        Component (0 to K − 1) that each row is known to come from, (N,), −1 where it is not known. Components then keep
        these numbers, and are not put in canonical order.
    throw
        Raise `RuntimeError` when the outcome is not an estimate; not available inside a transformation.
    on_progress
        Called with (stages done, stages in all) between compiled stages; not available inside a transformation.

    Returns
    -------
    EMFit
        The largest interior local maximum found. Starts whose component collapsed (where the likelihood is unbounded:
        Kiefer and Wolfowitz 1956) are counted, never returned: with them set aside this is the usual candidate for the
        consistent root of the likelihood equations (Kiefer 1978; McLachlan and Peel 2000, section 3.8).

    Raises
    ------
    ValueError
        If an argument is wrong: its name, what came and what was expected.
    RuntimeError
        Only with ``throw=True``.
    """
    check_model(model)
    check_key(key)
    check_flag("throw", throw)
    check_callback("on_progress", on_progress)
    check_choice("objective", objective, tuple(_OBJECTIVES))
    num_starts, max_steps = _count_starts(start, num_starts), check_count("max_steps", max_steps)
    rows_of_x = as_rows(x)
    tolerance, limit = as_tolerance("atol", atol, rows_of_x.dtype), jnp.int32(max_steps)
    check_data(rows_of_x, model.num_components, missing_allowed=True)
    few = num_starts * rows_of_x.shape[0] * model.num_components < _FEW_ENOUGH
    default = num_starts if few else max(8, num_starts // 24)
    num_finalists = min(num_starts, default if num_finalists is None else check_count("num_finalists", num_finalists))
    if objective == "map":
        refuse_unbounded_weights(model, rows_of_x.shape[1])
    target = model.for_objective(objective)

    traced = is_traced(model, x, key, tolerance, weights, start)
    if traced and throw:
        raise ValueError("throw=True is not available inside a transformation; look at .status instead.")
    rows = target.prepare(rows_of_x, race.lanes(len(rows_of_x), model, num_starts), weights, labels)
    filled = rows.frame.fill(rows_of_x)
    known = None if labels is None else jnp.asarray(labels)
    params = starting_params(target, filled, key, start, num_starts)
    states = race.begin(target, rows, filled, known, params)
    states = race.short_runs(target, rows, states, tolerance, limit, num_finalists)
    if on_progress is not None and not traced:
        jax.block_until_ready(states)
        on_progress(1, 2)
    if traced or bool(jnp.any(states.status == Status.RUNNING)):
        states = race.finals(target, rows, states, tolerance, limit, num_finalists)
    if rows.form != CENTRED and (traced or _is_narrow(target, rows, states)):
        states = race.polish(
            target, target.prepare(rows_of_x, 1, weights, labels, accurate=True), states, tolerance, limit
        )
    fit = _finish(model, target, filled, rows, states, objective, ordered=labels is None)
    if on_progress is not None and not traced:
        jax.block_until_ready(fit)
        on_progress(2, 2)
    if throw and not fit.status.is_estimate:
        raise RuntimeError(fit.reason)
    return fit


def _count_starts(start: str | AbstractParams, num_starts: int) -> int:
    if isinstance(start, AbstractParams):
        return start.weights.shape[0] if start.weights.ndim > 1 else 1
    check_choice("start", start, STARTS)
    return check_count("num_starts", num_starts)


def check_fit(model: Mixture, fit: EMFit, x: Float[Array, "N D"], objective: str | None = None) -> None:
    """Refuse what is not a fit of this mixture (by a certain objective) to data with so many features.

    Raises
    ------
    ValueError
        If it is not.
    """
    check_model(model)
    check_type("fit", fit, EMFit, "an EM fit, from mx.fit_em")
    found, wanted = model.family.locations(fit.params).shape[-2:], (model.num_components, x.shape[1])
    if found != wanted:
        raise ValueError(
            f"fit must be of this model and these data: it has {found[0]} components in {found[1]} dimensions, "
            f"not {wanted[0]} in {wanted[1]}."
        )
    check_params(model, x.shape[1], fit.params, "fit")
    if objective not in (None, fit.objective):
        raise ValueError(f"fit must be from fit_em with objective={objective!r}; got one with {fit.objective!r}.")


def refuse_unbounded_weights(model: Mixture, num_features: int) -> None:
    """Refuse a prior under which weights of nought have infinite density."""
    layout = model.family.layout(model.num_components, num_features)
    weights = model.prior.sites(layout)["weights"]({})
    if not isinstance(weights, dist.Dirichlet) or is_traced(weights):
        return
    if model.num_components == 1 or model.fixed.free("weights") is not None:
        return
    least = float(np.min(np.asarray(weights.concentration)))  # jnp.min would be traced under a caller's jit
    if least < 1:
        raise ValueError(
            f"objective='map' needs a prior concentration of at least 1, got {least:g}: below it the density is "
            "infinite at zero weights, so there is no mode; use fit_nuts, or objective='ml'."
        )


@eqx.filter_jit
def _narrowest(model: Mixture, rows: Rows, states: EMState) -> Float[Array, " R"]:
    return jax.vmap(lambda p: jnp.min(model.family.narrowest(p, rows.frame)))(states.params)


def _is_narrow(model: Mixture, rows: Rows, states: EMState) -> bool:
    """Whether the highest start has a component so narrow that the products' rounding shows in its variance."""
    candidates = np.isin(states.status, (Status.CONVERGED, Status.STALLED))
    best = np.argmax(np.where(candidates, states.objective, -np.inf))
    return bool(candidates.any() and _narrowest(model, rows, states)[best] < _NARROW)


@eqx.filter_jit
def _finish(
    model: Mixture, target: Mixture, x: Float[Array, "N D"], rows: Rows, states: EMState, objective: str, ordered: bool
) -> EMFit:
    """Order components, choose the best interior maximum, and explain the rest."""
    status = jnp.where(states.status == Status.RUNNING, jnp.int32(Status.MAX_STEPS), states.status)
    if ordered:
        order = jax.vmap(lambda p: model.family.permute(p, canonical_order(model, p)))
        states = eqx.tree_at(lambda s: s.params, states, order(states.params))
    best, ended, found = choose(states.objective, status)
    winner = jax.tree.map(lambda leaf: leaf[best], states)

    def only_if_found(tree):
        return jax.tree.map(lambda leaf: jnp.where(found, leaf, jnp.nan), tree)

    starts = Starts(states.params, states.objective, status, states.num_steps, *collapses(model, x, rows, states))
    return EMFit(
        only_if_found(winner.params),
        only_if_found(winner.log_likelihood),
        only_if_found(winner.log_likelihood + model.log_prior(winner.params)),
        ended,
        winner.num_steps,
        starts,
        objective,
    )


def _is_concrete_scalar(value: Array) -> bool:
    return value.ndim == 0 and not is_traced(value)
