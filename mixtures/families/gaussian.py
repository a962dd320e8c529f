"""Gaussian components, for any covariance model and any dimension."""

from collections.abc import Sequence
from typing import Literal, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from numpyro.distributions import constraints

from mixtures._kernel import Frame, Rows
from mixtures.families.base import AbstractFamily, AbstractParams, FreeEstimate
from mixtures.families.covariances import COVARIANCE_MODELS, CovarianceModel, inverse_and_log_det
from mixtures.priors import AbstractPrior, Conjugate, Flat, Shapes


class GaussianParams(AbstractParams):
    """Weights, means and covariances of a Gaussian mixture, in data units."""

    weights: Float[Array, "*batch K"]
    means: Float[Array, "*batch K D"]
    compact: Float[Array, "..."]
    covariance_model: str = eqx.field(static=True)

    @property
    def covariances(self) -> Float[Array, "*batch K D D"]:
        """Dense covariance matrices, (…, K, D, D), whatever the covariance model."""
        num_components, num_features = self.means.shape[-2:]
        return COVARIANCE_MODELS[self.covariance_model].expand(self.compact, num_components, num_features)


class Gaussian(AbstractFamily):
    """Gaussian components.

    Parameters
    ----------
    covariance
        ``"full"``, ``"diagonal"``, ``"tied"`` or ``"spherical"`` (mclust's VVV, VVI, EEE, VII).

    Raises
    ------
    ValueError
        If `covariance` names none of these.
    """

    covariance: str = eqx.field(static=True, default="full")

    def __check_init__(self):
        """Refuse unknown covariance models."""
        if self.covariance not in COVARIANCE_MODELS:
            raise ValueError(f"covariance must be one of {', '.join(COVARIANCE_MODELS)}; got {self.covariance!r}.")

    @property
    def model(self) -> CovarianceModel:
        """The covariance model by this family's name for it."""
        return COVARIANCE_MODELS[self.covariance]

    def shapes(self, num_components: int, num_features: int) -> Shapes:
        """Weights on the simplex, real means, and covariances in the model's compact form."""
        return {
            "weights": (constraints.simplex, (num_components,)),
            "means": (constraints.real, (num_components, num_features)),
            "covariances": (self.model.support(num_features), self.model.shape(num_components, num_features)),
        }

    def num_parameters(self, num_components: int, num_features: int) -> int:
        """(K − 1) + K D + the covariance model's free entries."""
        free = self.model.free_entries(num_components, num_features)
        return num_components - 1 + num_components * num_features + len(free)

    def params(self, sites: dict[str, Array]) -> GaussianParams:
        """Parameters from their sites."""
        return GaussianParams(sites["weights"], sites["means"], sites["covariances"], self.covariance)

    def sites(self, params: AbstractParams) -> dict[str, Array]:
        """Sites from the parameters."""
        params = cast(GaussianParams, params)
        return {"weights": params.weights, "means": params.means, "covariances": params.compact}

    def default_prior(self, x: Float[Array, "N D"], num_components: int) -> Conjugate:
        """Fraley and Raftery's data-scaled conjugate prior, as mclust's ``defaultPrior`` computes it.

        Λ = cov(x) K^(−2/D) for full and tied covariances, the mean variance times K^(−2/D) for diagonal and spherical
        ones; κ = 0.01, ν = D + 2, Dirichlet(1) weights (Fraley and Raftery 2007, section 3.2). The mean variance is
        only sensible for features in like units: standardise others, or give `priors.Conjugate` a scale for each.
        """
        num_features = x.shape[1]
        shrink = num_components ** (-2.0 / num_features)
        covariance = jnp.cov(x, rowvar=False).reshape(num_features, num_features)
        mean_variance = jnp.trace(covariance) / num_features
        blank = self.model.shape(1, num_features)[1:] if not self.model.full_statistics else None
        scale = covariance if blank is None else jnp.full(blank, mean_variance)
        return Conjugate(jnp.mean(x, axis=0), scale * shrink, dof=num_features + 2.0)

    def prepare(self, x: Float[Array, "N D"], num_lanes: int) -> Rows:
        """Rows with statistics 1, z and the squares (or all cross products) of z."""
        return Rows.prepare(x, cross_products if self.model.full_statistics else squares, num_lanes)

    @eqx.filter_jit  # traced once, however many programs use it
    def natural_params(self, params: AbstractParams, frame: Frame) -> Float[Array, "K P"]:
        """η_k = (log w_k − ½ (D log 2π + log|Σ| + μᵀΣ⁻¹μ), Σ⁻¹μ, −½ Σ⁻¹), with Σ and μ in the frame's units."""
        params = cast(GaussianParams, params)
        num_features = params.means.shape[-1]
        mean = (params.means - frame.loc) / frame.scale
        log_weights = jnp.log(params.weights)
        if self.model.full_statistics:
            precision, log_det = inverse_and_log_det(params.covariances / (frame.scale[:, None] * frame.scale))
            linear = jnp.einsum("kde,ke->kd", precision, mean)
            rows, cols = np.triu_indices(num_features)
            quadratic = -0.5 * precision[:, rows, cols] * np.where(rows == cols, 1.0, 2.0)
        else:
            variances = self._variances(params) / frame.scale**2
            log_det = jnp.sum(jnp.log(variances), axis=-1)
            linear = mean / variances
            quadratic = -0.5 / variances
        constant = log_weights - 0.5 * (num_features * jnp.log(2 * jnp.pi) + log_det + jnp.sum(linear * mean, axis=-1))
        # Densities are per data unit: the frame's Jacobian belongs to every row.
        constant = constant - jnp.sum(jnp.log(frame.scale))
        return jnp.concatenate([constant[:, None], linear, quadratic], axis=1)

    def _variances(self, params: GaussianParams) -> Float[Array, "K D"]:
        compact = params.compact if params.compact.ndim == 2 else params.compact[:, None]
        return jnp.broadcast_to(compact, params.means.shape)

    def _moments(self, stats: Float[Array, "K P"], frame: Frame):
        """Counts (K,), means (K, D) and covariances (K, D, D) of the rows each component claims, in data units."""
        num_features = frame.loc.shape[0]
        counts, linear, quadratic = stats[:, 0], stats[:, 1 : 1 + num_features], stats[:, 1 + num_features :]
        safe = jnp.maximum(counts, jnp.finfo(stats.dtype).tiny)[:, None]
        mean, second = linear / safe, quadratic / safe
        if self.model.full_statistics:
            rows, cols = np.triu_indices(num_features)
            index = np.zeros((num_features, num_features), int)
            index[rows, cols] = index[cols, rows] = np.arange(len(rows))
            second = second[:, index]
            covariance = second - mean[:, :, None] * mean[:, None, :]
        else:
            covariance = (second - mean**2)[:, :, None] * jnp.eye(num_features)
        covariance = covariance * frame.scale[:, None] * frame.scale
        return counts, frame.loc + frame.scale * mean, covariance

    def closed_form_m_step(
        self, prior: AbstractPrior, stats: Float[Array, "K P"], frame: Frame
    ) -> GaussianParams | None:
        """The mode of (weights, means, covariances) given expected statistics, for no prior and the conjugate one.

        μ_k = (n_k ȳ_k + κ m)/(n_k + κ);  Σ_k = [Λ + S_k + κ n_k/(κ + n_k) (ȳ_k − m)(ȳ_k − m)ᵀ]/(ν + n_k + D + 2)
        (Fraley and Raftery 2007, table 2; tied, diagonal and spherical models pool numerator and denominator).
        """
        counts, means, covariances = self._moments(stats, frame)
        scatter = counts[:, None, None] * covariances
        if isinstance(prior, Flat):
            total, dof = self.model.pool(scatter, counts)
            return GaussianParams(counts / jnp.sum(counts), means, total / dof, self.covariance)
        if isinstance(prior, Conjugate):
            num_components, num_features = means.shape
            kappa = prior.shrinkage
            shift = means - prior.mean
            pull = (kappa * counts / (kappa + counts))[:, None, None] * shift[:, :, None] * shift[:, None, :]
            total, dof = self.model.pool(scatter + pull, counts)
            compact = (prior.scale + total) / (prior.dof + dof + self.model.mode_offset(num_components, num_features))
            means = (counts[:, None] * means + kappa * prior.mean) / (counts + kappa)[:, None]
            # Not quite nought, so that the Dirichlet density, 0 · log 0, stays a number.
            weights = jnp.maximum(counts + prior.concentration - 1.0, jnp.finfo(counts.dtype).tiny)
            return GaussianParams(weights / jnp.sum(weights), means, compact, self.covariance)
        return None

    def narrowest(self, params: AbstractParams, frame: Frame) -> Float[Array, " K"]:
        """Smallest variance of a feature given those before it, in the frame's units."""
        params = cast(GaussianParams, params)
        if not self.model.full_statistics:
            return jnp.min(self._variances(params) / frame.scale**2, axis=-1)
        dense = params.covariances / (frame.scale[:, None] * frame.scale)
        if dense.shape[-1] == 1:
            return dense[:, 0, 0]
        # A squared Cholesky pivot is a conditional variance: it vanishes exactly when the matrix turns singular.
        pivots = jnp.diagonal(jnp.linalg.cholesky(dense), axis1=-2, axis2=-1)
        return jnp.min(jnp.nan_to_num(pivots**2, nan=0.0), axis=-1)

    def start_at(
        self, centres: Float[Array, "K D"], widths: Float[Array, " K"], x: Float[Array, "N D"]
    ) -> GaussianParams:
        """Equal weights, means at `centres`, covariance k the data's times K^(−2/D) `widths[k]`."""
        num_components, num_features = centres.shape
        covariance = jnp.cov(x, rowvar=False).reshape(num_features, num_features) * num_components ** (
            -2.0 / num_features
        )
        dense = widths[:, None, None] * covariance
        weights = jnp.full(num_components, 1.0 / num_components, x.dtype)
        return GaussianParams(weights, centres, self.model.compress(dense), self.covariance)

    def locations(self, params: AbstractParams) -> Float[Array, "*batch K D"]:
        """The means."""
        return cast(GaussianParams, params).means

    def estimates(self, params: AbstractParams) -> dict[str, Array]:
        """Weights (…, K), means (…, K, D) and dense covariances (…, K, D, D)."""
        params = cast(GaussianParams, params)
        return {"weights": params.weights, "means": params.means, "covariances": params.covariances}

    def free_estimates(self, num_components: int, columns: Sequence[str]) -> list[FreeEstimate]:
        """Weights (of several components), means, and each free covariance once; components from 1."""
        components = range(num_components)
        weights = [FreeEstimate(f"weights[{k + 1}]", "weights", (k,), "unit interval") for k in components]
        weights = weights if num_components > 1 else []
        means = [
            FreeEstimate(f"means[{k + 1}, {name}]", "means", (k, d), "real")
            for k in components
            for d, name in enumerate(columns)
        ]
        covariances = [
            FreeEstimate(self.model.entry_name(k, columns[i], columns[j]), "covariances", (k, i, j), _sign(i, j))
            for k, i, j in self.model.free_entries(num_components, len(columns))
        ]
        return weights + means + covariances

    def marginal_densities(self, params: AbstractParams, feature: int, grid: Float[Array, " G"]) -> Float[Array, " G"]:
        """Mixture of the components' normal marginals."""
        params = cast(GaussianParams, params)
        scale = jnp.sqrt(params.covariances[:, feature, feature])
        return jax.scipy.stats.norm.pdf(grid[:, None], params.means[:, feature], scale) @ params.weights

    def permute(self, params: AbstractParams, order: Int[Array, " K"]) -> GaussianParams:
        """Reorder weights, means and whatever the covariance model does not share."""
        params = cast(GaussianParams, params)
        compact = params.compact if self.covariance == "tied" else params.compact[order]
        return GaussianParams(params.weights[order], params.means[order], compact, self.covariance)

    def rescale(self, params: AbstractParams, frame: Frame) -> GaussianParams:
        """Parameters in data units from parameters in the frame's units."""
        params = cast(GaussianParams, params)
        compact = self.model.rescale(params.compact, frame.scale)
        return GaussianParams(params.weights, frame.loc + frame.scale * params.means, compact, self.covariance)

    def sample(self, params: AbstractParams, key: Key[Array, ""], num_rows: int) -> tuple[Array, Array]:
        """Rows (num_rows, D) and the component each came from (num_rows,)."""
        params = cast(GaussianParams, params)
        key_component, key_noise = jax.random.split(key)
        component = jax.random.choice(key_component, params.weights.shape[0], (num_rows,), p=params.weights)
        noise = jax.random.normal(key_noise, (num_rows, params.means.shape[1]), params.means.dtype)
        tril = jnp.linalg.cholesky(params.covariances)
        return params.means[component] + jnp.einsum("nde,ne->nd", tril[component], noise), component


def _sign(row: int, column: int) -> Literal["real", "positive"]:
    return "positive" if row == column else "real"


def cross_products(z: Float[Array, "N D"]) -> Float[Array, "P N"]:
    """1, z and the upper triangle of z zᵀ, one row a statistic."""
    rows, cols = np.triu_indices(z.shape[1])
    t = z.T
    return jnp.concatenate([jnp.ones((1, t.shape[1]), t.dtype), t, t[rows] * t[cols]])


def squares(z: Float[Array, "N D"]) -> Float[Array, "P N"]:
    """1, z and z², one row a statistic."""
    t = z.T
    return jnp.concatenate([jnp.ones((1, t.shape[1]), t.dtype), t, t**2])
