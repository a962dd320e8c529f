"""Components far narrower than the data, against EM in extended precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mixtures as mx

WIDTH = 1e-5  # of the data's range


def spiked(num_features: int) -> np.ndarray:
    """Nine rows in ten spread over about one unit, the tenth in a spike far from their centre."""
    rng = np.random.default_rng(num_features)
    wide = rng.uniform(-0.5, 0.5, size=(900, num_features))
    spike = 0.31 + WIDTH * rng.normal(size=(100, num_features)) @ (np.eye(num_features) + 0.3)
    return np.concatenate([wide, spike]) + 2.0


def extended_em(x, weights, means, covariances, num_steps=400):
    """Maximum-likelihood EM in np.longdouble, covariances inverted by Gauss–Jordan elimination."""
    x, w, m, c = (np.asarray(a, np.longdouble) for a in (x, weights, means, covariances))
    for _ in range(num_steps):
        log_density = []
        for weight, mean, covariance in zip(w, m, c, strict=True):
            inverse, determinant = gauss_jordan(covariance)
            d = x - mean
            log_density.append(np.log(weight) - 0.5 * np.log(determinant) - 0.5 * ((d @ inverse) * d).sum(axis=1))
        log_density = np.array(log_density)
        r = np.exp(log_density - log_density.max(axis=0))
        r /= r.sum(axis=0)
        n = r.sum(axis=1)
        w, m = n / len(x), r @ x / n[:, None]
        c = np.array([(r[k, :, None] * (x - m[k])).T @ (x - m[k]) / n[k] for k in range(len(n))])
    return w, m, c


def gauss_jordan(a):
    size, determinant = len(a), np.longdouble(1)
    work = np.concatenate([a, np.eye(size, dtype=np.longdouble)], axis=1)
    for i in range(size):
        determinant *= work[i, i]
        work[i] /= work[i, i]
        for j in range(size):
            if j != i:
                work[j] -= work[j, i] * work[i]
    return work[:, size:], determinant


@pytest.mark.slow_but("1")
@pytest.mark.parametrize("num_features", [1, 2, 3])
def test_variance_of_a_spike_is_right_to_six_digits(num_features):
    x = spiked(num_features)
    fit = mx.fit_em(mx.Mixture(mx.Gaussian("full"), 2), x, key=jax.random.key(0), objective="ml", num_starts=32)
    assert fit.status.is_estimate
    spike = int(np.argmin(np.asarray(fit.params.covariances)[:, 0, 0]))
    assert np.asarray(fit.params.covariances)[spike, 0, 0] < (10 * WIDTH) ** 2
    _, means, covariances = extended_em(x, fit.params.weights, fit.params.means, fit.params.covariances)
    # Off the diagonal an entry may be nought, so errors there are in units of the two standard deviations.
    unit = np.sqrt(covariances[spike].diagonal())
    error = np.abs(np.asarray(fit.params.covariances)[spike] - covariances[spike]) / np.outer(unit, unit)
    assert float(error.max()) < 1e-6
    np.testing.assert_allclose(fit.params.means[spike], np.asarray(means[spike], float), rtol=1e-9)


@pytest.mark.slow_but("2")
@pytest.mark.parametrize("num_features", [1, 2])
def test_single_precision_never_gives_a_negative_variance(num_features):
    """Even where the spike is as narrow as the numbers can tell apart."""
    for width in (1e-2, 1e-4, 1e-6):
        rng = np.random.default_rng(1)
        rows = np.concatenate([rng.normal(size=(300, num_features)), 1.5 + width * rng.normal(size=(60, num_features))])
        x = jnp.asarray(rows, jnp.float32)
        with jax.enable_x64(False):
            model = mx.Mixture(mx.Gaussian("full"), 2)
            fit = mx.fit_em(model, x, key=jax.random.key(0), objective="ml", num_starts=16)
            variances = np.asarray(fit.params.variances)
        assert fit.log_likelihood.dtype == jnp.float32
        assert np.all((variances > 0) | np.isnan(variances))
        if width >= 1e-4:
            assert np.sqrt(variances.min()) == pytest.approx(width, rel=0.5)
