"""Standard errors from derivatives of the objective, refused with a reason where there are none."""

from collections.abc import Callable
from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Integer, Real

from mixtures._cards import Card, Shown
from mixtures._checks import as_rows, check_choice, check_share
from mixtures._choices import STANDARD_ERRORS
from mixtures._kernel import Rows
from mixtures._numbers import plus_minus
from mixtures._status import Told
from mixtures.coordinates import Coordinates, hessian
from mixtures.em.fit import EMFit, check_fit
from mixtures.families import AbstractParams
from mixtures.model import Mixture

_SMALLEST_CURVATURE = 1e-8  # smallest eigenvalue of the scaled information that still counts as definite
_LEAST_ROWS = 1e-6  # a component that claims fewer rows than this is on the boundary
_LARGEST_GAP = 1e-3  # nats: a Newton step may promise at most this much, or the point is not stationary


class Refusal(Told):
    """Why there are no standard errors."""

    NONE = (0, "")
    NO_ESTIMATE = (1, "There is no estimate to give standard errors for.")
    BOUNDARY = (2, "A weight is on the boundary (zero), where the likelihood has no quadratic expansion.")
    INDEFINITE = (
        3,
        "The information matrix is not positive definite (smallest scaled eigenvalue {curvature:.2g}): the point is a "
        "saddle or lies on a flat ridge, so a quadratic approximation does not exist.",
    )
    NOT_STATIONARY = (4, "The fit is not at a stationary point: a Newton step promises {gap:.2g} nats more.")


class StandardErrors(eqx.Module, Shown):
    """Standard errors of the parameters, on their own scale; NaN where refused.

    `values` has the names and shapes of ``model.family.estimates``; `covariance` is the d × d covariance of the
    unconstrained coordinates, whose estimate is `point`.
    """

    values: dict[str, Float[Array, "..."]]
    covariance: Float[Array, "*batch d d"]
    point: Float[Array, "*batch d"]
    coordinates: Coordinates
    smallest_curvature: Float[Array, "*batch"]
    newton_gap: Float[Array, "*batch"]
    refusal_code: Int[Array, "*batch"]
    kind: str = eqx.field(static=True)

    @property
    def refused(self) -> bool:
        """Whether there are no standard errors; `reason` says why."""
        return int(self.refusal_code) != Refusal.NONE

    @property
    def reason(self) -> str:
        """Why the standard errors were refused, or an empty string."""
        return Refusal(int(self.refusal_code)).message.format(
            gap=float(self.newton_gap), curvature=float(self.smallest_curvature)
        )

    def card(self) -> Card:
        """Every free parameter with its standard error, or why there are none."""
        if self.refused:
            return Card(f"Standard errors, {self.kind}: refused", [self.reason])
        model, params = self.coordinates.model, self.coordinates.params(self.point)
        values = model.family.estimates(params)
        rows = [
            (one.name, plus_minus(float(values[one.key][one.entry]), float(self.values[one.key][one.entry])))
            for one in model.numbered_estimates(model.family.locations(params).shape[-1])
        ]
        return Card(f"Standard errors, {self.kind}: available", [], ("parameter", "estimate ± standard error"), rows)

    def _batch_shape(self) -> tuple[int, ...]:
        return self.refusal_code.shape

    def of(self, function: Callable[[AbstractParams], Array]) -> tuple[Array, Array]:
        """Value and standard error of any function of the parameters, by the delta method.

        Parameters
        ----------
        function
            From parameters, such as `EMFit.params`, to an array; differentiable.

        Returns
        -------
        value, error
            Arrays of the function's shape; the error is NaN where refused.
        """

        def of_point(u):
            return function(self.coordinates.params(u))

        jacobian = jax.jacfwd(of_point)(self.point)
        return of_point(self.point), jnp.sqrt(jnp.einsum("...i,ij,...j->...", jacobian, self.covariance, jacobian))

    def interval(self, function: Callable[[AbstractParams], Array], level: float = 0.89) -> tuple[Array, Array]:
        """Central interval of any function of the parameters, symmetric about its value; NaN where refused.

        Raises
        ------
        ValueError
            If `level` does not lie between 0 and 1.
        """
        check_share("level", level)
        value, error = self.of(function)
        half = jax.scipy.special.ndtri((1 + level) / 2) * error
        return value - half, value + half


def standard_errors(
    model: Mixture,
    fit: EMFit,
    x: Real[ArrayLike, "N *D"],
    *,
    kind: str = "observed",
    weights: Real[ArrayLike, " N"] | None = None,
    labels: Integer[ArrayLike, " N"] | None = None,
) -> StandardErrors:
    """Standard errors of a fit from derivatives of its objective.

    Derivatives are taken in unconstrained coordinates, and carried back by the delta method. At a stationary point it
    does not matter which coordinates are used (Efron and Hinkley 1978; Louis 1982 gives the same matrix).

    Parameters
    ----------
    model
        The mixture that was fitted.
    fit
        The fit, from `fit_em`; the curvature is that of the objective it maximised.
    x
        The data that were fitted, (N,) or (N, D).
    kind
        ``"observed"``: the inverse of the observed information A, minus the Hessian. ``"opg"``: the inverse of B, the
        outer products of the rows' scores, plus minus the Hessian of the log prior. ``"sandwich"``: A⁻¹ B A⁻¹ (Huber
        1967; White 1982), right even where the components are not normal.
    weights, labels
        What the fit was given.

    Returns
    -------
    StandardErrors
        NaN, with a reason, where there is no estimate, a weight is zero, the information is not positive definite or
        the point is not stationary.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    rows_of_x = as_rows(x)
    check_fit(model, fit, rows_of_x)
    check_choice("kind", kind, STANDARD_ERRORS)
    target = model.for_objective(fit.objective)
    rows = target.prepare(rows_of_x, 1, weights, labels)
    expansion = _expand(target, fit.params, rows)
    outer = None if kind == "observed" else _outer_products(target, rows, expansion)
    return _standard_errors(target, fit, rows, expansion, outer, kind)


class _Expansion(NamedTuple):
    """The objective about the estimate, up to its quadratic term: what every kind begins with, compiled once."""

    coordinates: Coordinates
    point: Float[Array, " d"]
    score: Float[Array, " d"]
    observed: Float[Array, "d d"]


@eqx.filter_jit
def _expand(model: Mixture, params: AbstractParams, rows: Rows) -> _Expansion:
    coordinates = Coordinates.of(model, rows.frame)
    u = coordinates.vector(params)

    def objective(u):
        return model.log_joint(coordinates.params(u), rows)

    observed = -hessian(objective, u)
    return _Expansion(coordinates, u, jax.grad(objective)(u), (observed + observed.T) / 2)


@eqx.filter_jit
def _outer_products(model: Mixture, rows: Rows, at: _Expansion) -> Float[Array, "d d"]:
    """Sum over rows of the outer products of their scores, one coordinate's derivatives at a time."""

    def log_prob(u):
        return jax.nn.logsumexp(model.family.log_densities(at.coordinates.params(u), rows), axis=0)

    directions = jnp.eye(len(at.point), dtype=at.point.dtype)
    scores = jax.lax.map(lambda direction: jax.jvp(log_prob, (at.point,), (direction,))[1], directions)
    return (scores * rows.row_weights()) @ scores.T


@eqx.filter_jit
def _standard_errors(
    model: Mixture, fit: EMFit, rows: Rows, at: _Expansion, outer: Float[Array, "d d"] | None, kind: str
) -> StandardErrors:
    coordinates, u = at.coordinates, at.point
    inverse, curvature = _inverse(at.observed)
    covariance = inverse
    if kind == "sandwich":
        covariance = inverse @ cast(Array, outer) @ inverse
    if kind == "opg":
        prior = -jax.hessian(lambda u: model.log_prior(coordinates.params(u)))(u)
        covariance, opg_curvature = _inverse(cast(Array, outer) + prior)
        # The scores of few rows span few directions, however sharp the maximum is.
        curvature = jnp.minimum(curvature, opg_curvature)
    gap = 0.5 * at.score @ inverse @ at.score

    refusals = [
        (jnp.isnan(fit.log_likelihood), Refusal.NO_ESTIMATE),
        (~(jnp.min(fit.params.weights) * rows.num_rows > _LEAST_ROWS), Refusal.BOUNDARY),
        (~(curvature > _SMALLEST_CURVATURE), Refusal.INDEFINITE),
        (~(gap < _LARGEST_GAP), Refusal.NOT_STATIONARY),
    ]
    refusal = jnp.select([when for when, _ in refusals], [jnp.int32(r) for _, r in refusals], jnp.int32(Refusal.NONE))
    covariance = jnp.where(refusal == Refusal.NONE, covariance, jnp.nan)
    jacobian = jax.jacfwd(lambda u: model.family.estimates(coordinates.params(u)))(u)
    variances = jax.tree.map(lambda j: jnp.einsum("...i,ij,...j->...", j, covariance, j), jacobian)
    errors = jax.tree.map(jnp.sqrt, variances)
    return StandardErrors(errors, covariance, u, coordinates, curvature, gap, refusal, kind)


def _inverse(information: Float[Array, "d d"]) -> tuple[Float[Array, "d d"], Float[Array, ""]]:
    """Inverse, by way of unit diagonals, and the smallest eigenvalue of the matrix with unit diagonal."""
    unit = jax.lax.rsqrt(jnp.abs(jnp.diagonal(information)))
    scaled = information * unit[:, None] * unit
    return jnp.linalg.inv(scaled) * unit[:, None] * unit, jnp.linalg.eigvalsh(scaled)[0]
