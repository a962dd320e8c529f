"""M-steps of Gaussian mixtures in closed form, one for each prior that has one."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mixtures.families.covariances import ConjugateModel, CovarianceModel, Spread
from mixtures.families.fixed import Fixed
from mixtures.families.moments import Moments, squared
from mixtures.priors import AbstractPrior, Conjugate, Flat
from mixtures.priors.floor import Floor

type Parts = tuple[Float[Array, " W"], Float[Array, "K D"], Spread]  # weights up to a factor, means, covariances


def gaussian_m_step(
    model: CovarianceModel, prior: AbstractPrior, fixed: Fixed, moments: Moments, spread: Spread
) -> Parts | None:
    """Weights, means and covariances that maximise the expected log joint, but for what is fixed.

    `spread` are the covariances so far, from which models without a closed form go on. None where the prior has no
    closed form.
    """
    if isinstance(prior, Flat):
        weights, means, spread = _maximum_likelihood(model, prior, fixed, moments, spread)
    elif isinstance(prior, Conjugate) and isinstance(model, ConjugateModel):
        weights, means, spread = _conjugate_mode(model, prior, fixed, moments)
    else:
        return None
    # Not quite nought, so that the Dirichlet density, 0 · log 0, stays a number.
    weights = jnp.maximum(fixed.keep("weights", weights / jnp.sum(weights)), jnp.finfo(weights.dtype).tiny)
    return weights, means, {name: fixed.keep(name, value) for name, value in spread.items()}


def _maximum_likelihood(model: CovarianceModel, prior: Flat, fixed: Fixed, moments: Moments, spread: Spread) -> Parts:
    """Shares, means and the covariance model's own rule; under a floor no principal variance is below it."""
    means = fixed.keep("means", moments.means)
    spread = model.maximise(moments.about(means), moments.counts, spread)
    if isinstance(prior, Floor) and isinstance(model, ConjugateModel):
        spread = model.widen(spread, prior.least, prior.scale)
    return moments.claims, means, spread


def _conjugate_mode(model: ConjugateModel, prior: Conjugate, fixed: Fixed, moments: Moments) -> Parts:
    """The mode of (weights, means, covariances) given expected statistics.

    μ_k = (n_k ȳ_k + κ m)/(n_k + κ);  Σ_k = [Λ + S_k + κ (μ_k − m)(μ_k − m)ᵀ]/(ν + n_k + D + 2) with S_k about μ_k
    (Fraley and Raftery 2007, table 2; models that share pool numerator and denominator).
    """
    counts, kappa = moments.counts, prior.shrinkage
    means = fixed.keep("means", (counts[:, None] * moments.means + kappa * prior.mean) / (counts + kappa)[:, None])
    pull = squared(jnp.broadcast_to(kappa, counts.shape), means - prior.mean, not model.cross_products)
    total, dof = model.pool(moments.about(means) + pull, counts)
    covariances = (prior.scale + total) / (prior.dof + dof + model.mode_offset(*means.shape))
    return jnp.maximum(moments.claims + prior.concentration - 1.0, 0.0), means, {"covariances": covariances}
