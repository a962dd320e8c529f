"""The model stated a second time, by SciPy and plain NumPy: what the package is held against."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy import stats

import mixtures as mx
from tests.models import gaussian

COVARIANCES = ("full", "diagonal", "tied", "spherical")
DIMENSIONS = (1, 3)
NUM_COMPONENTS = 2


# Independent statements of the model: compact covariances to dense ones, densities by SciPy, one row at a time.


def expand(covariance, compact, num_components, num_features):
    """Dense (K, D, D) covariances in plain NumPy."""
    return {
        "full": lambda: compact,
        "tied": lambda: np.stack([compact] * num_components),
        "diagonal": lambda: np.stack([np.diag(v) for v in np.reshape(compact, (num_components, num_features))]),
        "spherical": lambda: np.stack([v * np.eye(num_features) for v in compact]),
    }[covariance]()


def component_log_densities(x, weights, means, dense):
    out = np.empty((len(x), len(weights)))
    for n, row in enumerate(x):
        for k in range(len(weights)):
            out[n, k] = np.log(weights[k]) + stats.multivariate_normal(means[k], dense[k]).logpdf(row)
    return out


def conjugate_log_prior(covariance, hyper, weights, means, compact):
    """Fraley and Raftery's prior, term by term."""
    num_components, num_features = means.shape
    mean, kappa, dof, scale, concentration = hyper
    total = stats.dirichlet(np.full(num_components, concentration)).logpdf(weights)
    dense = expand(covariance, compact, num_components, num_features)
    for k in range(num_components):
        total += stats.multivariate_normal(mean, dense[k] / kappa).logpdf(means[k])
    if covariance in ("full", "tied"):
        for matrix in compact if covariance == "full" else [compact]:
            # invwishart in one dimension is inverse-gamma(dof / 2, scale / 2).
            total += stats.invwishart(dof, scale).logpdf(matrix)
    else:
        each = np.broadcast_to(scale, compact.shape)
        for value, lam in zip(np.ravel(compact), np.ravel(each), strict=True):
            total += stats.invgamma(dof / 2, scale=lam / 2).logpdf(value)
    return total


def random_params(rng, covariance, num_features, spread=2.0):
    """Weights, means and the compact covariance array of two components."""
    means = rng.normal(scale=spread, size=(NUM_COMPONENTS, num_features))
    factors = rng.normal(size=(NUM_COMPONENTS, num_features, num_features + 2))
    matrices = factors @ factors.swapaxes(1, 2) / num_features
    compact = {
        "full": matrices,
        "tied": matrices[0],
        "diagonal": np.diagonal(matrices, axis1=1, axis2=2),
        "spherical": matrices[:, 0, 0],
    }[covariance]
    return np.array([0.3, 0.7]), means, np.array(compact)


def package_params(covariance, weights, means, compact):
    return gaussian(jnp.asarray(weights), jnp.asarray(means), jnp.asarray(compact), covariance)


def hyperparameters(covariance, num_features):
    matrix = np.eye(num_features) + 0.3
    scale = {"full": matrix, "tied": matrix, "diagonal": 0.5 + np.arange(num_features), "spherical": np.array(1.7)}
    return np.linspace(-1, 1, num_features), 0.4, num_features + 2.5, scale[covariance], 2.5


def conjugate(hyper):
    mean, kappa, dof, scale, concentration = hyper
    return mx.priors.Conjugate(mean, scale, dof, shrinkage=kappa, concentration=concentration)


@eqx.filter_jit
def log_prior(model, params):
    return model.log_prior(params)


@eqx.filter_jit
def densities(model, params, x):
    return model.log_prob(params, x), model.log_likelihood(params, x), model.responsibilities(params, x)
