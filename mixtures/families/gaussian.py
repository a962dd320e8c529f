"""Gaussian components, for any covariance model and any dimension."""

import difflib
from collections.abc import Mapping, Sequence
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Bool, Float, Int, Key
from numpyro.distributions import constraints

from mixtures import _kernel
from mixtures._checks import check_choice, is_traced, shown
from mixtures._kernel import CENTRED, PRODUCTS, SQUARES, Form, Frame, Groups, Quadratics, Rows, Sums
from mixtures.families.base import AbstractFamily, AbstractParams, FreeEstimate
from mixtures.families.covariances import (
    BY_CODE,
    COVARIANCE_MODELS,
    ConjugateModel,
    CovarianceModel,
    Entry,
    Spread,
    inverse_and_log_det,
)
from mixtures.families.fixed import Fixed
from mixtures.families.m_step import gaussian_m_step
from mixtures.families.moments import (
    Moments,
    complete,
    complete_independent,
    data_covariance,
    expected_rows,
    log_det_and_factor,
    observed_factor,
)
from mixtures.priors import AbstractPrior, Conjugate, Decomposed, Layout, Slot

_MANY_FEATURES = 32  # from which deviations cost no more than cross products: tests/benchmarks/kernel_forms.py


class GaussianParams(AbstractParams):
    """Weights, means and covariances of a Gaussian mixture, in data units; `spread` holds the covariances' sites."""

    weights: Float[Array, "*batch W"]  # K, or one more where there is noise
    means: Float[Array, "*batch K D"]
    spread: Spread
    covariance: str = eqx.field(static=True)

    @property
    def num_components(self) -> int:
        """K, which does not count noise."""
        return self.means.shape[-2]

    @property
    def covariances(self) -> Float[Array, "*batch K D D"]:
        """Dense covariance matrices, (…, K, D, D), whatever the covariance model."""
        return COVARIANCE_MODELS[self.covariance].dense(self.spread, *self.means.shape[-2:])

    @property
    def variances(self) -> Float[Array, "*batch K D"]:
        """Variances of every feature in every component."""
        return COVARIANCE_MODELS[self.covariance].variances(self.spread, *self.means.shape[-2:])


class Gaussian(AbstractFamily):
    """Gaussian components.

    Parameters
    ----------
    covariance
        One of fourteen covariance models, by name or by mclust's code: ``"full"`` (VVV), ``"diagonal"`` (VVI),
        ``"tied"`` (EEE), ``"spherical"`` (VII), ``"tied_diagonal"`` (EEI), ``"tied_spherical"`` (EII),
        ``"diagonal_equal_shape"`` (VEI), ``"diagonal_equal_volume"`` (EVI), ``"equal_shape_orientation"`` (VEE),
        ``"equal_volume_orientation"`` (EVE), ``"equal_orientation"`` (VVE), ``"equal_volume_shape"`` (EEV),
        ``"equal_shape"`` (VEV), ``"equal_volume"`` (EVV); for one feature also E (tied) and V (full).

    Raises
    ------
    ValueError
        If `covariance` names none of these.
    """

    name = "gaussian"
    covariance: str = eqx.field(static=True)

    def __init__(self, covariance: str = "full"):
        """Take the name of a model, or its code."""
        by_code = {**BY_CODE, "E": COVARIANCE_MODELS["tied"], "V": COVARIANCE_MODELS["full"]}  # of one feature
        if not isinstance(covariance, str) or covariance not in {*COVARIANCE_MODELS, *by_code}:
            near = difflib.get_close_matches(str(covariance).lower(), COVARIANCE_MODELS, n=1)
            raise ValueError(
                f"covariance must be one of {', '.join(COVARIANCE_MODELS)}, or a code from EII to VVV; "
                f"got {shown(covariance)}{f' (did you mean {near[0]!r}?)' if near else ''}."
            )
        self.covariance = covariance if covariance in COVARIANCE_MODELS else by_code[covariance].name

    @property
    def model(self) -> CovarianceModel:
        """The covariance model by this family's name for it."""
        return COVARIANCE_MODELS[self.covariance]

    @property
    def independent(self) -> bool:
        """Whether the features of a component are independent."""
        return not self.model.cross_products

    def layout(self, num_components: int, num_features: int) -> Layout:
        """Weights on the simplex, real means, and the covariance model's own parameters."""
        if num_features == 1 and not isinstance(self.model, ConjugateModel):
            raise ValueError(
                f"covariance={self.covariance!r} needs at least two features; with one use 'full' or 'tied'."
            )
        spreads = self.model.dense if self.model.cross_products else self.model.variances
        slots = {
            "weights": Slot(constraints.simplex, (), (num_components,)),
            "means": Slot(constraints.real, (num_components,), (num_features,)),
            **self.model.slots(num_components, num_features),
        }
        return Layout(slots, lambda values: spreads(values, num_components, num_features))

    def num_weights(self, num_components: int) -> int:
        """One for each component."""
        return num_components

    def num_parameters(self, num_components: int, num_features: int) -> int:
        """(K − 1) + K D + the covariance model's free parameters."""
        free = self.model.num_free(num_components, num_features)
        return num_components - 1 + num_components * num_features + free

    def fix(self, num_components: int, values: Mapping[str, object]) -> Fixed:
        """Hold weights (K,), means (K, D) and covariances, in the shape of this model's own parameter."""
        whole = isinstance(self.model, ConjugateModel)
        for name in values:
            if name == "covariances" and not whole:
                raise ValueError(f"covariances cannot be fixed where they share parts, as under {self.covariance!r}.")
            check_choice("A fixed parameter", name, ("weights", "means", "covariances"))
        tied = isinstance(self.model, ConjugateModel) and self.model.tied
        lengths = {"weights": self.num_weights(num_components), "means": num_components, "covariances": num_components}
        fixed = Fixed.read(values, lengths | ({"covariances": None} if tied else {}))
        return self._with_feature_axes(fixed)

    def _with_feature_axes(self, fixed: Fixed) -> Fixed:
        """The same with the axes that a person leaves out where there is one feature, and covariances checked."""
        values = dict(fixed.values)
        if "means" in values and values["means"].ndim == 1:
            values["means"] = values["means"][:, None]
        if "covariances" in values and isinstance(self.model, ConjugateModel):
            values["covariances"] = self.model.read_blocks(values["covariances"], fixed.free("covariances"))
        return Fixed(values, fixed.masks)

    def params(self, sites: dict[str, Array]) -> GaussianParams:
        """Parameters from their sites."""
        spread = {name: value for name, value in sites.items() if name not in ("weights", "means")}
        return GaussianParams(sites["weights"], sites["means"], spread, self.covariance)

    def sites(self, params: AbstractParams) -> dict[str, Array]:
        """Sites from the parameters."""
        params = cast(GaussianParams, params)
        return {"weights": params.weights, "means": params.means, **params.spread}

    def default_prior(self, x: Float[Array, "N D"], num_components: int) -> Conjugate | Decomposed:
        """Fraley and Raftery's data-scaled conjugate prior, as mclust's ``defaultPrior`` computes it.

        Λ = cov(x) K^(−2/D) for full and tied covariances, the mean variance times K^(−2/D) for diagonal and spherical
        ones; κ = 0.01, ν = D + 2, Dirichlet(1) weights (Fraley and Raftery 2007, section 3.2). The mean variance is
        only sensible for features in like units: standardise others, or give `priors.Conjugate` a scale for each.

        Models that share volumes, shapes or orientations get `priors.Decomposed` with the same κ and weights, volumes
        that are inverse-gamma(ν/2, Λ/2) as a spherical component's, and log shapes of unit sd.
        """
        num_features = x.shape[1]
        shrink = num_components ** (-2.0 / num_features)
        centre, dof, covariance = jnp.nanmean(x, axis=0), num_features + 2.0, data_covariance(x)
        if self.model.cross_products and isinstance(self.model, ConjugateModel):
            _refuse_dependent(covariance)
            return Conjugate(centre, covariance * shrink, dof)
        mean_variance = jnp.mean(jnp.diagonal(covariance))
        if isinstance(self.model, ConjugateModel):
            return Conjugate(centre, jnp.full(self.model.block_shape(num_features), mean_variance * shrink), dof)
        return Decomposed(centre, dist.InverseGamma(dof / 2, mean_variance * shrink / 2))

    def form(self, num_features: int, dtype) -> Form:
        """Products in double precision, unless one feature or many with cross products make deviations as cheap."""
        if num_features == 1 or dtype != jnp.float64:
            return CENTRED
        if not self.model.cross_products:
            return SQUARES
        return PRODUCTS if num_features < _MANY_FEATURES else CENTRED

    def accurate_form(self) -> Form:
        """Deviations from each component's mean."""
        return CENTRED

    @eqx.filter_jit  # traced once, however many programs use it
    def quadratics(self, params: AbstractParams, frame: Frame, groups: Groups | None) -> Quadratics:
        """Log-densities in the frame's units, of the observed features of each group where there are groups."""
        params = cast(GaussianParams, params)
        mean = (params.means - frame.loc) / frame.scale
        # Densities are per data unit: the frame's Jacobian belongs to every observed feature.
        per_feature = -0.5 * jnp.log(2 * jnp.pi) - jnp.log(frame.scale)
        log_weights = jnp.log(params.weights)
        if groups is None:
            factor, log_det = self._factor(params, frame)
            return Quadratics(log_weights + jnp.sum(per_feature) - 0.5 * log_det, mean, factor)
        factor, log_det = jax.vmap(lambda seen: self._factor(params, frame, seen))(groups.observed)
        constant = log_weights + (groups.observed @ per_feature)[:, None] - 0.5 * log_det
        known = groups.component[:, None]
        possible = (known < 0) | (known == jnp.arange(constant.shape[1]))
        return Quadratics(jnp.where(possible, constant, -jnp.inf), mean, factor)

    def natural_params(self, params: AbstractParams, frame: Frame) -> Float[Array, "K P"]:
        """η_k = (log w_k − ½ (D log 2π + log|Σ| + μᵀΣ⁻¹μ), Σ⁻¹μ, −½ Σ⁻¹)."""
        return self.quadratics(params, frame, None).natural()

    def _factor(self, params: GaussianParams, frame: Frame, seen: Bool[Array, " D"] | None = None):
        """Inverse square roots of the covariances of the seen features, and their log determinants."""
        if self.model.cross_products:
            covariance = self._standard_covariance(params, frame)
            return log_det_and_factor(covariance) if seen is None else observed_factor(covariance, seen)
        factor = frame.scale * jax.lax.rsqrt(params.variances)
        seen = jnp.ones(factor.shape[1], bool) if seen is None else seen
        return jnp.where(seen, factor, 0.0), -2.0 * jnp.sum(jnp.where(seen, jnp.log(factor), 0.0), axis=-1)

    def _standard_covariance(self, params: GaussianParams, frame: Frame) -> Float[Array, "K D D"]:
        return params.covariances / (frame.scale[:, None] * frame.scale)

    def log_likelihood(self, params: AbstractParams, rows: Rows) -> Float[Array, ""]:
        """By the kernel."""
        return _kernel.log_likelihood(self.quadratics(params, rows.frame, rows.groups), rows)

    def log_densities(self, params: AbstractParams, rows: Rows) -> Float[Array, "K N"]:
        """By the kernel."""
        return _kernel.log_densities(self.quadratics(params, rows.frame, rows.groups), rows)

    def e_step(self, params: AbstractParams, rows: Rows) -> tuple[Float[Array, ""], Moments]:
        """By the kernel; missing features are completed by their conditional expectations."""
        quadratics = self.quadratics(params, rows.frame, rows.groups)
        log_likelihood, sums = _kernel.e_step(quadratics, rows)
        return log_likelihood, self.moments(params, quadratics.mean, sums, rows)

    def moments(self, params: AbstractParams, mean: Float[Array, "K D"], sums: Sums, rows: Rows) -> Moments:
        """Moments of the components from the kernel's sums about `mean`, in the frame's units."""
        params = cast(GaussianParams, params)
        if rows.groups is not None and self.model.cross_products:
            sums = complete(sums, self._standard_covariance(params, rows.frame), rows.groups.observed)
        elif rows.groups is not None:
            sums = complete_independent(sums, params.variances / rows.frame.scale**2, rows.groups.observed)
        return Moments.of(sums, mean, rows.frame)

    def impute(self, params: AbstractParams, rows: Rows) -> tuple[Float[Array, "N D"], Float[Array, "N D"]]:
        """Regressions on the observed features, averaged over components."""
        return self.impute_from(params, rows, *self.standard_normals(cast(GaussianParams, params), rows.frame))

    def standard_normals(
        self, params: GaussianParams, frame: Frame
    ) -> tuple[Float[Array, "K D"], Float[Array, "K D D"]]:
        """Means and covariances in the frame's units."""
        return (params.means - frame.loc) / frame.scale, self._standard_covariance(params, frame)

    def impute_from(
        self, params: AbstractParams, rows: Rows, mean: Float[Array, "W D"], covariance: Float[Array, "W D D"]
    ) -> tuple[Float[Array, "N D"], Float[Array, "N D"]]:
        """Mean and sd of every value, in data units, from normal parts in the frame's units."""
        values, sd = expected_rows(rows, self.log_densities(params, rows), mean, covariance)
        return rows.frame.loc + rows.frame.scale * values, rows.frame.scale * sd

    def expected_log_density(self, params: AbstractParams, moments: Moments) -> Float[Array, ""]:
        """Σ_k n_k log w_k − ½ [n_k log |2πΣ_k| + tr(Σ_k⁻¹ S_k)], with S_k the scatter about μ_k."""
        params = cast(GaussianParams, params)
        scatter = moments.about(params.means)
        if self.model.cross_products:
            precision, log_det = inverse_and_log_det(params.covariances)
            distance = jnp.sum(precision * scatter, axis=(1, 2))
        else:
            log_det = jnp.sum(jnp.log(params.variances), axis=1)
            distance = jnp.sum(scatter / params.variances, axis=1)
        log_det = log_det + params.means.shape[1] * jnp.log(2 * jnp.pi)
        each = moments.counts * (jnp.log(params.weights) - 0.5 * log_det) - 0.5 * distance
        return jnp.sum(each)

    def closed_form_m_step(
        self, prior: AbstractPrior, fixed: Fixed, moments: Moments, params: AbstractParams
    ) -> GaussianParams | None:
        """By `gaussian_m_step`: for no prior, and for the conjugate one."""
        parts = gaussian_m_step(self.model, prior, fixed, moments, cast(GaussianParams, params).spread)
        return None if parts is None else GaussianParams(*parts, self.covariance)

    def narrowest(self, params: AbstractParams, frame: Frame) -> Float[Array, " K"]:
        """Smallest variance of a feature given those before it, in the frame's units."""
        params = cast(GaussianParams, params)
        if not self.model.cross_products:
            return jnp.min(params.variances / frame.scale**2, axis=-1)
        dense = self._standard_covariance(params, frame)
        if dense.shape[-1] == 1:
            return dense[:, 0, 0]
        # A squared Cholesky pivot is a conditional variance: it vanishes exactly when the matrix turns singular.
        pivots = jnp.diagonal(jnp.linalg.cholesky(dense), axis1=-2, axis2=-1)
        return jnp.min(jnp.nan_to_num(pivots**2, nan=0.0), axis=-1)

    def least_variances(self, params: AbstractParams, frame: Frame) -> Float[Array, " K"]:
        """Smallest principal variance, in the frame's units."""
        params = cast(GaussianParams, params)
        if self.model.cross_products and params.means.shape[-1] > 1:
            return jnp.linalg.eigvalsh(self._standard_covariance(params, frame))[:, 0]
        return jnp.min(params.variances / frame.scale**2, axis=-1)

    def start(
        self, weights: Float[Array, " K"], means: Float[Array, "K D"], covariances: Float[Array, "K D D"]
    ) -> GaussianParams:
        """These weights and means, and the model's covariances that are nearest to these."""
        return GaussianParams(weights, means, self.model.nearest(covariances), self.covariance)

    def place(self, params: AbstractParams, centres: Float[Array, "K D"], counts: Float[Array, " K"]) -> GaussianParams:
        """Move their means."""
        params = cast(GaussianParams, params)
        return eqx.tree_at(lambda p: p.means, params, jnp.where(counts[:, None] > 0, centres, params.means))

    def locations(self, params: AbstractParams) -> Float[Array, "*batch K D"]:
        """The means."""
        return cast(GaussianParams, params).means

    def estimates(self, params: AbstractParams) -> dict[str, Array]:
        """Weights (…, K), means (…, K, D) and dense covariances (…, K, D, D)."""
        params = cast(GaussianParams, params)
        return {"weights": params.weights, "means": params.means, "covariances": params.covariances}

    def free_estimates(self, num_components: int, columns: Sequence[str]) -> list[FreeEstimate]:
        """Weights (of several components), means, and each covariance that is not shared with one before."""
        components = range(num_components)
        weights = [FreeEstimate(f"weights[{k + 1}]", "weights", (k,), "unit interval") for k in components]
        weights = weights if num_components > 1 else []
        means = [
            FreeEstimate(f"means[{k + 1}, {name}]", "means", (k, d), "real", features=_if_several(columns, d))
            for k in components
            for d, name in enumerate(columns)
        ]
        covariances = [
            _covariance_estimate(entry, columns) for entry in self.model.entries(num_components, len(columns))
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
        spread = self.model.permute(params.spread, order)
        weights = jnp.concatenate([params.weights[order], params.weights[len(params.means) :]])
        return GaussianParams(weights, params.means[order], spread, self.covariance)

    def rescale(self, params: AbstractParams, frame: Frame) -> GaussianParams:
        """Parameters in data units from parameters in the frame's units."""
        params = cast(GaussianParams, params)
        spread = self.model.rescale(params.spread, frame.scale)
        return GaussianParams(params.weights, frame.loc + frame.scale * params.means, spread, self.covariance)

    def sample(self, params: AbstractParams, key: Key[Array, ""], num_rows: int) -> tuple[Array, Array]:
        """Rows (num_rows, D) and the component each came from (num_rows,)."""
        params = cast(GaussianParams, params)
        key_component, key_noise = jax.random.split(key)
        component = jax.random.choice(key_component, params.weights.shape[0], (num_rows,), p=params.weights)
        noise = jax.random.normal(key_noise, (num_rows, params.means.shape[1]), params.means.dtype)
        tril = jnp.linalg.cholesky(params.covariances)
        return params.means[component] + jnp.einsum("nde,ne->nd", tril[component], noise), component


def _refuse_dependent(covariance: Float[Array, "D D"]) -> None:
    if is_traced(covariance):
        return
    sd = jnp.sqrt(jnp.diagonal(covariance))
    correlation = np.asarray(covariance / jnp.maximum(sd[:, None] * sd, jnp.finfo(sd.dtype).tiny))
    if not np.linalg.eigvalsh(correlation).min() > len(sd) * jnp.finfo(sd.dtype).eps:
        raise ValueError(
            "x must have more rows than features and no column that others determine, to scale a prior for whole "
            "covariances; leave columns out, or use diagonal covariances or an explicit prior."
        )


def _covariance_estimate(entry: Entry, columns: Sequence[str]) -> FreeEstimate:
    who = "all" if entry.all_components else str(entry.component + 1)
    features = "" if entry.all_features else f", {columns[entry.row]}, {columns[entry.column]}"
    support = "positive" if entry.row == entry.column else "real"
    name, where = f"covariances[{who}{features}]", (entry.component, entry.row, entry.column)
    shared = entry.all_components, entry.all_features
    named = () if entry.all_features else _if_several(columns, *sorted({entry.row, entry.column}))
    return FreeEstimate(name, "covariances", where, support, *shared, features=named)


def _if_several(columns: Sequence[str], *which: int) -> tuple[str, ...]:
    """Names of these features; none where there is only one to speak of."""
    return tuple(columns[d] for d in which) if len(columns) > 1 else ()
