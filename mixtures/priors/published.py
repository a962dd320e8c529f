"""Priors for Gaussian mixtures as they were published, scaled to data."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.typing import ArrayLike
from jaxtyping import Real

from mixtures._checks import as_rows, check_count
from mixtures.priors.hierarchical import Hierarchical
from mixtures.priors.independent import Independent


def richardson_green(x: Real[ArrayLike, "N *D"]) -> Hierarchical:
    """Richardson and Green's (1997) hierarchical prior for one feature, of midpoint ξ and range R.

    μ_k ~ N(ξ, R²), 1/σ²_k ~ gamma(2, β), β ~ gamma(0.2, 10/R²), weights ~ Dirichlet(1) (section 2.4 and 5.1); β is
    integrated out.

    Raises
    ------
    ValueError
        If the data have more than one feature; `fruhwirth_schnatter` is the like for several.
    """
    rows = as_rows(x)
    if rows.shape[1] > 1:
        raise ValueError(
            f"richardson_green is a prior for one feature, got {rows.shape[1]}; use fruhwirth_schnatter for several."
        )
    low, high = jnp.nanmin(rows, axis=0), jnp.nanmax(rows, axis=0)
    squared_range = (high - low) ** 2
    # Their rate 10/R² is hyper_shape / (shape · variance) for a variance of R²/100.
    return Hierarchical((low + high) / 2, squared_range, squared_range / 100, shape=2.0, hyper_shape=0.2)


def fruhwirth_schnatter(x: Real[ArrayLike, "N *D"], concentration: float = 4.0) -> Hierarchical:
    """Frühwirth-Schnatter's (2006, section 6.3.2) hierarchical independence prior, for medians m and ranges R_j.

    μ_k ~ N(m, diag R_j²), Σ_k⁻¹ ~ W(c, C), C ~ W(g, (100 g/c) diag(1/R_j²)) with c = 2.5 + (D − 1)/2 and
    g = 0.5 + (D − 1)/2; C is integrated out. Malsiner-Walli, Frühwirth-Schnatter and Grün (2016, section 3.1) state the
    same numbers.

    Parameters
    ----------
    x
        Data, (N,) or (N, D).
    concentration
        e of the weights' Dirichlet(e): 4 keeps every component in use; a small one, such as 0.01, makes a sparse
        mixture, which empties those it can do without.
    """
    rows = as_rows(x)
    squared_ranges = (jnp.nanmax(rows, axis=0) - jnp.nanmin(rows, axis=0)) ** 2
    return Hierarchical(jnp.nanmedian(rows, axis=0), squared_ranges, squared_ranges / 100, concentration=concentration)


def raftery(x: Real[ArrayLike, "N *D"], num_components: int) -> Independent:
    """Raftery's (1996) prior for mean ȳ, variance s² and range R of each feature, taken independently.

    μ_k ~ N(ȳ, R²/2.6), σ²_k ~ inverse-gamma(1.28, 0.36 s²), weights ~ Dirichlet(1), after Frühwirth-Schnatter (2006,
    section 6.2.2); BayesMix's ``priorsRaftery`` has 1.28 s² in the place of 0.36 s². For one feature, or for diagonal
    covariances.

    Parameters
    ----------
    x
        Data, (N,) or (N, D).
    num_components
        K, at least 1.
    """
    rows, count = as_rows(x), check_count("num_components", num_components)
    spread = jnp.nanmax(rows, axis=0) - jnp.nanmin(rows, axis=0)
    return Independent(
        weights=dist.Dirichlet(jnp.ones(count)),
        mean=dist.Normal(jnp.nanmean(rows, axis=0), spread / jnp.sqrt(2.6)),
        covariance=dist.InverseGamma(1.28, 0.36 * jnp.nanvar(rows, axis=0)),
    )
