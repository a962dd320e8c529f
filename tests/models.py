"""The registry every identity is tested on: a mixture for each covariance model, dimension and kind of prior."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

import mixtures as mx

CONJUGATE = ("full", "diagonal", "tied", "spherical", "tied_diagonal", "tied_spherical")
DECOMPOSED = ("VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV")
COVARIANCES = (*CONJUGATE, *(mx.Gaussian(code).covariance for code in DECOMPOSED))


def rows(num_features: int) -> np.ndarray:
    """Forty rows in units far from one."""
    rng = np.random.default_rng(7)
    scale, shift = np.array([10.0, 0.1, 1.0])[:num_features], np.array([300.0, -2.0, 0.0])[:num_features]
    return rng.normal(size=(40, num_features)) * scale + shift


def default(covariance: str, x: np.ndarray) -> mx.Mixture:
    return mx.Mixture.for_data(x, 3, mx.Gaussian(covariance))


def independent_scale(covariance: str, x: np.ndarray) -> mx.Mixture:
    num_features = x.shape[1]
    prior = mx.priors.Independent(
        weights=dist.Dirichlet(jnp.full(3, 2.0)),
        mean=dist.Normal(jnp.asarray(x.mean(axis=0)), 20.0),
        scale=dist.HalfNormal(3.0) if "spherical" in covariance else dist.HalfNormal(jnp.full(num_features, 3.0)),
    )
    return mx.Mixture(mx.Gaussian(covariance), 3, prior)


def independent_covariance(covariance: str, x: np.ndarray) -> mx.Mixture:
    num_features = x.shape[1]
    matrices = covariance in ("full", "tied") and num_features > 1
    spread = dist.InverseWishart(num_features + 3.0, jnp.eye(num_features)) if matrices else dist.Gamma(2.0, 0.5)
    mean = dist.MultivariateNormal(jnp.asarray(x.mean(axis=0)), 30.0 * jnp.eye(num_features))
    return mx.Mixture(
        mx.Gaussian(covariance), 3, mx.priors.Independent(dist.Dirichlet(jnp.ones(3)), mean, covariance=spread)
    )


def bounded(covariance: str, x: np.ndarray) -> mx.Mixture:
    """Priors whose supports have ends; NumPyro's densities outside them are not to be used."""
    num_features = x.shape[1]
    low, high = jnp.asarray(x.min(axis=0)), jnp.asarray(x.max(axis=0))
    scale = dist.Uniform(0.5, 4.0) if "spherical" in covariance or num_features == 1 else dist.HalfNormal(3.0)
    prior = mx.priors.Independent(dist.Dirichlet(jnp.ones(3)), dist.Uniform(low, high), scale)
    return mx.Mixture(mx.Gaussian(covariance), 3, prior)


def decomposed(covariance: str, x: np.ndarray) -> mx.Mixture:
    """Parts with priors other than the default ones."""
    prior = mx.priors.Decomposed(x.mean(axis=0), dist.LogNormal(0.5, 2.0), 0.7, shrinkage=0.2, concentration=3.0)
    return mx.Mixture(mx.Gaussian(covariance), 3, prior)


def hierarchical(covariance: str, x: np.ndarray) -> mx.Mixture:
    """Components that learn from each other how wide they are."""
    prior = mx.priors.Hierarchical(x.mean(axis=0), 4 * x.var(axis=0), x.var(axis=0) / 3, 2.2, 0.7, 2.0)
    return mx.Mixture(mx.Gaussian(covariance), 3, prior)


PRIORS = {
    "default": default,
    "bounded": bounded,
    "scale": independent_scale,
    "covariance": independent_covariance,
    "decomposed": decomposed,
    "hierarchical": hierarchical,
}

CASES = [
    (c, d, p)
    for c in CONJUGATE[:4]
    for d in (1, 3)
    for p in PRIORS
    if p not in ("decomposed", "hierarchical") and (d, p) != (1, "covariance")
]
CASES += [(c, 3, p) for c in CONJUGATE[4:] for p in ("default", "scale")]
CASES += [("full", 1, "hierarchical"), *((c, 3, "hierarchical") for c in ("full", "tied", "diagonal", "spherical"))]
CASES += [(c, 3, "default") for c in COVARIANCES if c not in CONJUGATE] + [(COVARIANCES[-2], 3, "decomposed")]
IDS = [f"{c}-{d}d-{p}" for c, d, p in CASES]


def make(case: tuple[str, int, str]) -> tuple[mx.Mixture, np.ndarray]:
    covariance, num_features, prior = case
    x = rows(num_features)
    return PRIORS[prior](covariance, x), x


def gaussian(weights, means, covariances, covariance: str = "full") -> mx.GaussianParams:
    """Parameters whose covariances are given in the covariance model's own shape."""
    sites = {"weights": weights, "means": means, "covariances": covariances}
    return mx.Gaussian(covariance).params({name: jnp.asarray(value) for name, value in sites.items()})
