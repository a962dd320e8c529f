"""Full conditional distributions of a Gaussian mixture's parameters, given which component every row came from."""

import abc
from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, Key

from mixtures._distributions import HierarchicalInverseWishart
from mixtures.families import Gaussian, GaussianParams, Moments
from mixtures.families.covariances import ConjugateModel
from mixtures.families.moments import squared
from mixtures.model import Mixture
from mixtures.priors import Conjugate, Hierarchical, Independent


class Conditionals(eqx.Module):
    """Draws of weights, covariances and means from their full conditional distributions under one kind of prior."""

    model: Mixture

    @property
    def covariances(self) -> ConjugateModel:
        """The covariance model."""
        return cast(ConjugateModel, cast(Gaussian, self.model.family).model)

    def draw(self, key: Key[Array, ""], params: GaussianParams, moments: Moments) -> GaussianParams:
        """New parameters given the moments of the rows of each component."""
        key_weights, key_rest = jax.random.split(key)
        spread, means = self.draw_components(key_rest, params, moments)
        weights = jax.random.dirichlet(key_weights, self.concentration() + moments.counts)
        sites = {"weights": weights, "covariances": spread, "means": means}
        return cast(GaussianParams, self.model.family.params(sites))

    @abc.abstractmethod
    def concentration(self) -> Float[Array, "*K"]:
        """Of the weights' Dirichlet prior."""

    @abc.abstractmethod
    def draw_components(
        self, key: Key[Array, ""], params: GaussianParams, moments: Moments
    ) -> tuple[Float[Array, "..."], Float[Array, "K D"]]:
        """Covariances in their model's own shape, and means."""

    def dense(self, spread: Float[Array, "..."], moments: Moments) -> Float[Array, "K D D"]:
        """Every component's covariance matrix."""
        return self.covariances.dense({"covariances": spread}, *moments.means.shape)

    def draw_spread(
        self, key: Key[Array, ""], dof: Float[Array, "..."], scale: Float[Array, "..."], num_features: int
    ) -> Float[Array, "..."]:
        """Matrices that are inverse-Wishart(dof, scale), or variances that are inverse-gamma(dof/2, scale/2)."""
        if self.covariances.cross_products and num_features > 1:
            each = jnp.broadcast_to(dof, (*scale.shape[:-2], 1, 1))[..., 0, 0]
            return jnp.asarray(dist.InverseWishart(each, scale_matrix=scale).sample(key))
        return scale / (2 * jax.random.gamma(key, jnp.broadcast_to(dof / 2, scale.shape)))


class JointlyConjugate(Conditionals):
    """Under `priors.Conjugate`: covariances with the means integrated out, then means (Fraley and Raftery 2007)."""

    def concentration(self):
        """The prior's."""
        return cast(Conjugate, self.model.prior).concentration

    def draw_components(self, key, params, moments):
        """Σ_k ~ IW(ν + n_k, Λ + W_k + κ n_k/(κ + n_k) (ȳ_k − m)(ȳ_k − m)ᵀ), pooled over what components share."""
        key_spread, key_means = jax.random.split(key)
        prior, counts = cast(Conjugate, self.model.prior), moments.counts
        total = counts + prior.shrinkage
        shifts = squared(prior.shrinkage * counts / total, moments.means - prior.mean, moments.scatter.ndim == 2)
        scatter, dof = self.covariances.pool(moments.scatter + shifts, counts)
        spread = self.draw_spread(key_spread, prior.dof + dof, prior.scale + scatter, moments.means.shape[1])
        centres = (prior.shrinkage * prior.mean + counts[:, None] * moments.means) / total[:, None]
        tril = jnp.linalg.cholesky(self.dense(spread, moments) / total[:, None, None])
        return spread, centres + _times(tril, jax.random.normal(key_means, centres.shape, centres.dtype))


class _NormalMeans(NamedTuple):
    """Prior of every mean."""

    loc: Float[Array, " D"]
    precision: Float[Array, "D D"]


class _Scale(NamedTuple):
    """Of the inverse-Wishart (or inverse-gamma) prior of covariances, as ν and Λ."""

    dof: Float[Array, ""]
    scale: Float[Array, "..."]


class SeparatelyConjugate(Conditionals):
    """Where means and covariances are independent a priori: each given the other (Diebolt and Robert 1994)."""

    @abc.abstractmethod
    def means_prior(self) -> _NormalMeans:
        """Normal prior of every mean."""

    @abc.abstractmethod
    def spread_prior(self, key: Key[Array, ""], spread: Float[Array, "..."]) -> _Scale:
        """Prior of covariances, drawn given the present ones where it is unknown."""

    def draw_components(self, key, params, moments):
        """Σ_k ~ IW(ν + n_k, Λ + scatter about μ_k); μ_k ~ N(A⁻¹(B⁻¹b + n_k Σ_k⁻¹ȳ_k), A⁻¹), A = B⁻¹ + n_k Σ_k⁻¹."""
        key_prior, key_spread, key_means = jax.random.split(key, 3)
        prior = self.spread_prior(key_prior, params.spread["covariances"])
        scatter, dof = self.covariances.pool(moments.about(params.means), moments.counts)
        spread = self.draw_spread(key_spread, prior.dof + dof, prior.scale + scatter, moments.means.shape[1])
        loc, precision = self.means_prior()
        inverse = moments.counts[:, None, None] * jnp.linalg.inv(self.dense(spread, moments))
        tril = jnp.linalg.cholesky(precision + inverse)
        linear = precision @ loc + _times(inverse, moments.means)
        noise = jax.random.normal(key_means, linear.shape, linear.dtype)
        half = jax.scipy.linalg.solve_triangular(tril, linear[..., None], lower=True) + noise[..., None]
        return spread, jax.scipy.linalg.solve_triangular(tril, half, lower=True, trans=1)[..., 0]


class HierarchicalConditionals(SeparatelyConjugate):
    """Under `priors.Hierarchical`: the common scale is drawn too (Richardson and Green 1997, section 3.1)."""

    def _prior(self) -> Hierarchical:
        return cast(Hierarchical, self.model.prior)

    def concentration(self):
        """The prior's."""
        return self._prior().concentration

    def means_prior(self):
        """Independent features."""
        return _NormalMeans(self._prior().mean, jnp.diag(1 / self._prior().mean_variance))

    def spread_prior(self, key, spread):
        """C | Σ ~ W(g + K c, G + Σ_k Σ_k⁻¹), or gamma for variances; ν = 2c and Λ = 2C."""
        layout = self.model.family.layout(self.model.num_components, len(self._prior().mean))
        site = cast(HierarchicalInverseWishart, self._prior().sites(layout)["covariances"]({}))
        return _Scale(2 * site.shape_, 2 * site.draw_rate(key, spread))


class IndependentConditionals(SeparatelyConjugate):
    """Under `priors.Independent` with Dirichlet weights, normal means and inverse-gamma or inverse-Wishart spreads."""

    num_features: int = eqx.field(static=True)

    def _prior(self) -> Independent:
        return cast(Independent, self.model.prior)

    def concentration(self):
        """The prior's."""
        return jnp.asarray(cast(dist.Dirichlet, self._prior().weights).concentration)

    def means_prior(self):
        """Of independent features, or jointly normal."""
        mean, num_features = self._prior().mean, self.num_features
        if isinstance(mean, dist.MultivariateNormal):
            return _NormalMeans(jnp.asarray(mean.loc), jnp.linalg.inv(mean.covariance_matrix))
        normal = cast(dist.Normal, mean)
        loc, scale = (jnp.broadcast_to(jnp.asarray(v), num_features) for v in (normal.loc, normal.scale))
        return _NormalMeans(loc, jnp.diag(1 / scale**2))

    def spread_prior(self, key, spread):
        """Known."""
        prior = self._prior().covariance
        if isinstance(prior, dist.InverseWishart):
            return _Scale(jnp.asarray(prior.concentration), jnp.asarray(prior.scale_matrix))
        gamma = cast(dist.InverseGamma, prior)
        return _Scale(2 * jnp.asarray(gamma.concentration), 2 * jnp.asarray(gamma.rate))


def conditionals(model: Mixture, num_features: int) -> Conditionals:
    """The full conditionals of a mixture.

    Raises
    ------
    ValueError
        If they have no closed form.
    """
    prior, family = model.prior, model.family
    if type(family) is not Gaussian or not isinstance(family.model, ConjugateModel):
        raise ValueError(
            "Gibbs sampling is for Gaussians without noise whose covariance model is full, tied, diagonal, "
            f"tied_diagonal, spherical or tied_spherical; got {family.name} {getattr(family, 'covariance', '')!r}."
        )
    if model.fixed.masks:
        raise ValueError("Gibbs sampling is not for mixtures with fixed parameters; use fit_nuts.")
    if isinstance(prior, Conjugate):
        return JointlyConjugate(model)
    if isinstance(prior, Hierarchical):
        return HierarchicalConditionals(model)
    if isinstance(prior, Independent) and _is_separately_conjugate(prior):
        return IndependentConditionals(model, num_features)
    raise ValueError(
        "Gibbs sampling needs priors.Conjugate or priors.Hierarchical, or priors.Independent with Dirichlet weights, "
        "normal means and covariance=InverseGamma or InverseWishart; use fit_nuts for others."
    )


def _is_separately_conjugate(prior: Independent) -> bool:
    return (
        isinstance(prior.weights, dist.Dirichlet)
        and isinstance(prior.mean, dist.Normal | dist.MultivariateNormal)
        and isinstance(prior.covariance, dist.InverseGamma | dist.InverseWishart)
    )


def _times(matrices: Float[Array, "K D D"], vectors: Float[Array, "K D"]) -> Float[Array, "K D"]:
    return jnp.einsum("kde,ke->kd", matrices, vectors)
