"""Standard errors from the observed information, refused with a reason where it is not positive definite."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from mixtures._checks import as_rows
from mixtures.coordinates import Coordinates, hessian
from mixtures.em.fit import EMFit
from mixtures.model import Mixture

_SMALLEST_CURVATURE = 1e-8  # smallest eigenvalue of the scaled information that still counts as definite
_LEAST_ROWS = 1e-6  # a component that claims fewer rows than this is on the boundary
_LARGEST_GAP = 1e-3  # nats: a Newton step may promise at most this much, or the point is not stationary


class StandardErrors(eqx.Module):
    """Standard errors of the parameters, on their own scale; NaN where refused.

    `values` has the names and shapes of ``model.family.estimates``; `covariance` is the d × d covariance of the
    unconstrained coordinates.
    """

    values: dict[str, Float[Array, "..."]]
    covariance: Float[Array, "*batch d d"]
    smallest_curvature: Float[Array, "*batch"]
    newton_gap: Float[Array, "*batch"]
    refusal_code: Int[Array, "*batch"]

    @property
    def refused(self) -> bool:
        """Whether there are no standard errors; `reason` says why."""
        return int(self.refusal_code) != 0

    @property
    def reason(self) -> str:
        """Why the standard errors were refused, or an empty string."""
        return _REASONS[int(self.refusal_code)].format(
            gap=float(self.newton_gap), curvature=float(self.smallest_curvature)
        )


_REASONS = {
    0: "",
    1: "There is no estimate to give standard errors for.",
    2: "A weight is on the boundary (zero), where the likelihood has no quadratic expansion.",
    3: "The observed information is not positive definite (smallest scaled eigenvalue {curvature:.2g}): "
    "the point is a saddle or lies on a flat ridge, so a quadratic approximation does not exist.",
    4: "The fit is not at a stationary point: a Newton step promises {gap:.2g} nats more.",
}


def standard_errors(model: Mixture, fit: EMFit, x: Real[ArrayLike, "N *D"]) -> StandardErrors:
    """Standard errors of a fit from the observed information of its objective.

    The Hessian is taken in unconstrained coordinates, inverted, and carried back by the delta method. At a stationary
    point it does not matter which coordinates are used (Efron and Hinkley 1978; Louis 1982 gives the same matrix).

    Parameters
    ----------
    model
        The mixture that was fitted.
    fit
        The fit, from `fit_em`; the curvature is that of the objective it maximised.
    x
        The data that were fitted, (N,) or (N, D).

    Returns
    -------
    StandardErrors
        NaN, with a reason, where there is no estimate, a weight is zero, the information is not positive definite or
        the point is not stationary.
    """
    target = model if fit.objective == "map" else model.without_prior()
    return _standard_errors(target, fit, as_rows(x))


@eqx.filter_jit
def _standard_errors(model: Mixture, fit: EMFit, x: Float[Array, "N D"]) -> StandardErrors:
    rows = model.prepare(x)
    coordinates = Coordinates.of(model, rows.frame)
    u = coordinates.vector(fit.params)

    def objective(u):
        return model.log_joint(coordinates.params(u), rows)

    information = -hessian(objective, u)
    information = (information + information.T) / 2
    unit = 1.0 / jnp.sqrt(jnp.abs(jnp.diagonal(information)))
    curvature = jnp.linalg.eigvalsh(information * unit[:, None] * unit)[0]
    covariance = jnp.linalg.inv(information * unit[:, None] * unit) * unit[:, None] * unit
    score = jax.grad(objective)(u)
    gap = 0.5 * score @ covariance @ score

    refusal = jnp.select(
        [
            jnp.isnan(fit.log_likelihood),
            ~(jnp.min(fit.params.weights) * rows.num_rows > _LEAST_ROWS),
            ~(curvature > _SMALLEST_CURVATURE),
            ~(gap < _LARGEST_GAP),
        ],
        [jnp.int32(code) for code in range(1, 5)],
        jnp.int32(0),
    )
    covariance = jnp.where(refusal == 0, covariance, jnp.nan)
    jacobian = jax.jacfwd(lambda u: model.family.estimates(coordinates.params(u)))(u)
    variances = jax.tree.map(lambda j: jnp.einsum("...i,ij,...j->...", j, covariance, j), jacobian)
    return StandardErrors(jax.tree.map(jnp.sqrt, variances), covariance, curvature, gap, refusal)
