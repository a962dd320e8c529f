"""Priors over a mixture's parameters, stated in constrained coordinates: weights, means and covariances.

A prior is a list of *sites*: named NumPyro distributions, each given the values drawn before it. The log prior of EM,
the NumPyro model and prior simulation all read that one list, so they cannot differ.
"""

import abc
from collections.abc import Callable
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float
from numpyro.distributions import constraints

from mixtures._checks import check_positive, is_traced
from mixtures._distributions import ScaleCorrelation, Squared

Sites = dict[str, Callable[[dict[str, Array]], dist.Distribution]]
Shapes = dict[str, tuple[constraints.Constraint, tuple[int, ...]]]


class AbstractPrior(eqx.Module):
    """A prior over the parameters of a mixture whose components are exchangeable."""

    @abc.abstractmethod
    def sites(self, shapes: Shapes) -> Sites:
        """Name each parameter's distribution, in the order they are drawn.

        Parameters
        ----------
        shapes
            For each parameter of the family its support (a NumPyro constraint on one block) and its full shape.
        """

    @abc.abstractmethod
    def describe(self) -> dict[str, object]:
        """Say what this prior is, in plain values that can be written to JSON."""


class Flat(AbstractPrior):
    """No prior: the log joint is the log-likelihood, and its maximum is maximum likelihood. Not for sampling."""

    def sites(self, shapes: Shapes) -> Sites:
        """Improper uniform distributions over each parameter's support."""
        improper = {
            name: dist.ImproperUniform(
                support, shape[: len(shape) - support.event_dim], shape[len(shape) - support.event_dim :]
            )
            for name, (support, shape) in shapes.items()
        }
        return {name: (lambda _, d=d: d.to_event(len(d.batch_shape))) for name, d in improper.items()}

    def describe(self) -> dict[str, object]:
        """Say that there is no prior."""
        return {"name": "flat"}


class Conjugate(AbstractPrior):
    """Normal–inverse-Wishart prior with Dirichlet weights, for every Gaussian covariance model.

    μ_k | Σ_k ~ N(mean, Σ_k / shrinkage), Σ_k ~ inverse-Wishart(dof, scale), weights ~ Dirichlet(concentration).
    Diagonal variances are inverse-gamma(dof/2, scale_jj/2) each, a spherical variance inverse-gamma(dof/2, scale/2).

    Parameters
    ----------
    mean
        Prior mean of the component means, shape (D,), in data units.
    shrinkage
        Prior observations behind `mean`, κ > 0.
    dof
        Degrees of freedom ν of the covariances; ν > D − 1.
    scale
        Λ: (D, D) for full and tied, (D,) for diagonal, () for spherical; squared data units.
    concentration
        Dirichlet concentration of the weights, one number for all components.

    References
    ----------
    C. Fraley and A. E. Raftery (2007), Bayesian regularization for normal mixture estimation and model-based
    clustering, Journal of Classification 24, 155–181, section 3.
    """

    mean: Float[Array, " D"]
    shrinkage: Float[Array, ""]
    dof: Float[Array, ""]
    scale: Float[Array, "..."]
    concentration: Float[Array, ""]

    def __init__(self, mean, scale, dof, shrinkage=0.01, concentration=1.0):
        """Store every number as an array, so that changing one never recompiles."""
        self.mean = jnp.atleast_1d(_as_float("mean", mean))
        self.scale = _as_float("scale", scale)
        self.dof = _as_float("dof", dof)
        self.shrinkage = _as_float("shrinkage", shrinkage)
        self.concentration = _as_float("concentration", concentration)

    def __check_init__(self):
        """Refuse hyperparameters of the wrong shape or sign."""
        if self.mean.ndim != 1:
            raise ValueError(f"mean must have shape (D,), got shape {self.mean.shape}.")
        check_positive("shrinkage", self.shrinkage)
        check_positive("concentration", self.concentration)
        least = self.mean.shape[0] - 1
        if not is_traced(self.dof) and not np.all(np.asarray(self.dof) > least):
            raise ValueError(f"dof must exceed D − 1 = {least}, got {self.dof}.")

    def sites(self, shapes: Shapes) -> Sites:
        """Dirichlet weights, inverse-Wishart (or inverse-gamma) covariances, and means given the covariances."""
        support, shape = shapes["covariances"]
        num_components, num_features = shapes["means"][1]
        self._check_shapes(support, shape, num_features)

        def weights(_):
            return dist.Dirichlet(jnp.full(num_components, self.concentration))

        def covariances(_):
            if support.event_dim == 2:
                one = dist.InverseWishart(self.dof, scale_matrix=self.scale)
            else:
                one = dist.InverseGamma(self.dof / 2, self.scale / 2)
            batch = shape[: len(shape) - support.event_dim]
            return one.expand(batch).to_event(len(batch))

        def means(values):
            covariance = values["covariances"]
            if support.event_dim == 2:
                spread = jnp.broadcast_to(covariance, (num_components, *covariance.shape[-2:])) / self.shrinkage
                return dist.MultivariateNormal(self.mean, covariance_matrix=spread).to_event(1)
            # Everything else holds variances: broadcast (K,), (K, D), (1, 1) or (K, 1, 1) to one per mean.
            variance = covariance.reshape(-1, 1) if covariance.ndim != 2 else covariance
            return dist.Normal(self.mean, jnp.sqrt(variance / self.shrinkage)).expand(shapes["means"][1]).to_event(2)

        return {"weights": weights, "covariances": covariances, "means": means}

    def _check_shapes(self, support: constraints.Constraint, shape: tuple[int, ...], num_features: int) -> None:
        if support.event_dim == 2:
            allowed = [(num_features, num_features)]
        elif len(shape) == 1:
            allowed = [()]
        else:
            allowed = [(num_features,), (1, 1)] if num_features == 1 else [(num_features,)]
        if self.mean.shape != (num_features,) or self.scale.shape not in allowed:
            raise ValueError(
                f"For this mixture the conjugate prior needs mean of shape ({num_features},) and scale of shape "
                f"{allowed[0]}; got {self.mean.shape} and {self.scale.shape}."
            )

    def describe(self) -> dict[str, object]:
        """State the hyperparameters in data units."""
        values = {name: getattr(self, name).tolist() for name in ("mean", "shrinkage", "dof", "scale", "concentration")}
        return {"name": "conjugate", **values}


class Independent(AbstractPrior):
    """Independent priors on weights, means and spread, from any NumPyro distributions.

    Every component gets the same distribution, so the posterior is symmetric under relabelling.

    Parameters
    ----------
    weights
        Distribution over the K-simplex, e.g. ``dist.Dirichlet(jnp.ones(K))``.
    mean
        Distribution of one component's mean: a scalar one (used for each feature), one of batch shape (D,), or one
        with event shape (D,).
    scale
        Distribution of a standard deviation: scalar, or of batch shape (D,). For full and tied covariances of
        D > 1 features it is joined to `correlation`.
    covariance
        In place of `scale`: distribution of the covariance itself; over D × D matrices for full and tied, of a
        variance otherwise.
    correlation
        With `scale`, for full and tied covariances: distribution over D × D correlation matrices
        (default ``dist.LKJ(D)``, uniform).

    Notes
    -----
    The density is in (weights, means, covariances): a prior on a standard deviation σ enters as p(σ) / 2σ.
    """

    weights: dist.Distribution
    mean: dist.Distribution
    scale: dist.Distribution | None
    covariance: dist.Distribution | None
    correlation: dist.Distribution | None

    def __init__(self, weights, mean, scale=None, covariance=None, correlation=None):
        """Store the distributions with array parameters, so that changing one never recompiles."""
        given = {"weights": weights, "mean": mean, "scale": scale, "covariance": covariance, "correlation": correlation}
        for name, value in given.items():
            if value is not None and not isinstance(value, dist.Distribution):
                raise ValueError(f"{name} must be a numpyro Distribution, got {type(value).__name__}.")
            if value is not None and not _supported(name, value):
                raise ValueError(f"{name} must be a distribution {_NEEDS[name]}, got {type(value).__name__}.")
            setattr(self, name, jax.tree.map(jnp.asarray, value))
        if (scale is None) == (covariance is None):
            raise ValueError("Give exactly one of scale (standard deviations) and covariance.")
        if correlation is not None and scale is None:
            raise ValueError("correlation goes with scale, not with covariance.")

    def sites(self, shapes: Shapes) -> Sites:
        """Draw weights, covariances and means independently of each other."""
        support, shape = shapes["covariances"]
        num_components, num_features = shapes["means"][1]
        if self.weights.event_shape != (num_components,):
            raise ValueError(
                f"weights must be a distribution over {num_components} weights, "
                f"got event shape {self.weights.event_shape}."
            )
        spread = self._covariances(support, shape, num_features)
        means = _for_each(self.mean, (num_components, num_features), num_features, "mean")
        return {"weights": lambda _: self.weights, "covariances": lambda _: spread, "means": lambda _: means}

    def _covariances(self, support, shape, num_features):
        matrix = support.event_dim == 2
        if self.covariance is not None:
            if matrix and self.covariance.event_shape != (num_features, num_features):
                raise ValueError(
                    f"covariance must be a distribution over {num_features} × {num_features} matrices, "
                    f"got event shape {self.covariance.event_shape}."
                )
            return (
                _expand(self.covariance, shape)
                if matrix
                else _for_each(self.covariance, shape, num_features, "covariance")
            )
        assert self.scale is not None
        if self.correlation is not None and (not matrix or self.correlation.event_shape != (num_features,) * 2):
            raise ValueError(
                "correlation goes with full and tied covariances of several features, as many by as many; got event "
                f"shape {self.correlation.event_shape} for {num_features} features."
            )
        if not matrix:
            return _for_each(Squared(self.scale), shape, num_features, "scale")
        correlation = self.correlation if self.correlation is not None else dist.LKJ(num_features)
        scales = _for_each(self.scale, (num_features,), num_features, "scale")
        return _expand(ScaleCorrelation(scales, correlation), shape)

    def describe(self) -> dict[str, object]:
        """Name each distribution with its parameters."""
        given = {name: getattr(self, name) for name in ("weights", "mean", "scale", "covariance", "correlation")}
        return {"name": "independent", **{k: _describe_distribution(d) for k, d in given.items() if d is not None}}


_NEEDS = {
    "weights": "over weights that sum to one",
    "mean": "of a continuous number",
    "scale": "of a positive number",
    "covariance": "of a positive number or a positive definite matrix",
    "correlation": "of a correlation matrix",
}


def _supported(name: str, given: dist.Distribution) -> bool:
    """Whether a distribution's support is that of the parameter it is given for."""
    support = cast(constraints.Constraint, given.support)
    if name == "weights":
        return support is constraints.simplex
    if name == "correlation":
        return support is constraints.corr_matrix
    if name == "mean" or support.is_discrete or is_traced(given):
        return not support.is_discrete
    negative = -np.logspace(-9, 9, 37).reshape(-1, 1)
    return support is constraints.positive_definite or not np.any(support(negative))


def _for_each(one: dist.Distribution, shape: tuple[int, ...], num_features: int, name: str) -> dist.Distribution:
    """Spread a scalar, (D,)-batched or (D,)-event distribution over all entries of `shape`."""
    allowed = {(): ((), (num_features,)), (num_features,): ((),)}
    if one.batch_shape not in allowed.get(one.event_shape, ()):
        raise ValueError(
            f"{name} must be one distribution for all components, of shape () or ({num_features},); got batch shape "
            f"{one.batch_shape} and event shape {one.event_shape}. Components must be exchangeable."
        )
    return _expand(one, shape)


def _expand(one: dist.Distribution, shape: tuple[int, ...]) -> dist.Distribution:
    batch = shape[: len(shape) - len(one.event_shape)]
    return one.expand(batch).to_event(len(batch))


def _describe_distribution(d: dist.Distribution) -> str:
    values = {name: getattr(d, name) for name in d.arg_constraints if getattr(d, name, None) is not None}
    return f"{type(d).__name__}({', '.join(f'{k}={jnp.asarray(v).tolist()}' for k, v in values.items())})"


def _as_float(name: str, value) -> Float[Array, "..."]:
    try:
        return jnp.asarray(value, float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a number or an array of numbers, got {type(value).__name__}.") from error
