"""EM against independent implementations: scikit-learn, mclust and explicit formulas."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

import mixtures as mx
from mixtures import Status
from mixtures.datasets import load
from mixtures.em import step as em_step
from tests.models import gaussian
from tests.oracles import (
    COVARIANCES,
    component_log_densities,
    conjugate,
    conjugate_log_prior,
    expand,
    hyperparameters,
    package_params,
    random_params,
)


@eqx.filter_jit
def climb(model, x, params, max_steps):
    """One start, taken for `max_steps` steps or until its gains vanish."""
    rows = model.prepare(x)
    return jax.lax.while_loop(
        lambda s: (s.status == Status.RUNNING) & (s.num_steps < max_steps),
        lambda s: em_step.step(model, rows, s, jnp.asarray(1e-13)),
        em_step.init(model, rows, params),
    )


ONE, ENOUGH = jnp.asarray(1), jnp.asarray(20_000)


@pytest.fixture(scope="module")
def faithful():
    return load("faithful").values


@pytest.fixture(scope="module")
def rough_start():
    """Two rough components for the geyser, in every covariance model."""
    dense = np.array([[[0.3, 1.0], [1.0, 60.0]], [[0.2, -0.5], [-0.5, 30.0]]])
    compact = {
        "full": dense,
        "tied": dense[0],
        "diagonal": np.diagonal(dense, axis1=1, axis2=2),
        "spherical": np.array([20.0, 30.0]),
    }
    return np.array([0.5, 0.5]), np.array([[2.3, 60.0], [4.0, 75.0]]), compact


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("covariance", COVARIANCES)
def test_em_against_scikit_learn(covariance, faithful, rough_start):
    mixture = pytest.importorskip("sklearn.mixture", reason="scikit-learn is the oracle of this test")
    weights, means, compact = rough_start[0], rough_start[1], rough_start[2][covariance]
    precisions = np.linalg.inv(compact) if covariance in ("full", "tied") else 1 / compact
    model, x = mx.Mixture(mx.Gaussian(covariance), 2), jnp.asarray(faithful)
    start = package_params(covariance, weights, means, compact)

    for max_iter, tol, ours, rtol in [
        (1, 0.0, climb(model, x, start, ONE).params, 1e-9),
        (5000, 1e-14, climb(model, x, start, ENOUGH).params, 1e-5),
    ]:
        theirs = mixture.GaussianMixture(
            2,
            covariance_type={"diagonal": "diag"}.get(covariance, covariance),
            tol=tol,
            max_iter=max_iter,
            reg_covar=0,
            weights_init=weights,
            means_init=means,
            precisions_init=precisions,
        ).fit(faithful)
        np.testing.assert_allclose(ours.weights, theirs.weights_, rtol=rtol)
        np.testing.assert_allclose(ours.means, theirs.means_, rtol=rtol)
        np.testing.assert_allclose(ours.spread["covariances"], theirs.covariances_, rtol=rtol)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_map_step_maximises_the_expected_log_joint(covariance):
    rng = np.random.default_rng(8)
    x = np.concatenate([rng.normal(size=(15, 2)), rng.normal(size=(10, 2)) * [0.5, 2.0] + [2.0, 1.0]])
    weights, means, compact = random_params(rng, covariance, 2, spread=1.0)
    hyper = hyperparameters(covariance, 2)
    each = component_log_densities(x, weights, means, expand(covariance, compact, 2, 2))
    responsibilities = np.exp(each - np.logaddexp.reduce(each, axis=1, keepdims=True))

    def expected_log_joint(weights, means, compact):
        dense = expand(covariance, compact, 2, 2)
        log_density = np.stack([stats.multivariate_normal(means[k], dense[k]).logpdf(x) for k in range(2)], axis=1)
        log_joint = np.sum(responsibilities * (np.log(weights) + log_density))
        return log_joint + conjugate_log_prior(covariance, hyper, weights, means, compact)

    def unpack(free):
        w = 1 / (1 + np.exp(-free[0]))
        rest = free[5:]
        if covariance in ("diagonal", "spherical"):
            spread = np.exp(rest).reshape(compact.shape)
        else:
            tril = np.zeros((len(rest) // 3, 2, 2))
            tril[:, 0, 0], tril[:, 1, 0], tril[:, 1, 1] = np.exp(rest[0::3]), rest[1::3], np.exp(rest[2::3])
            spread = (tril @ tril.swapaxes(1, 2)).reshape(compact.shape)
        return np.array([w, 1 - w]), free[1:5].reshape(2, 2), spread

    size = 5 + {"full": 6, "tied": 3, "diagonal": 4, "spherical": 2}[covariance]
    found = optimize.minimize(lambda free: -expected_log_joint(*unpack(free)), np.zeros(size), method="BFGS")
    model = mx.Mixture(mx.Gaussian(covariance), 2, conjugate(hyper))
    start = package_params(covariance, weights, means, compact)
    ours = climb(model, jnp.asarray(x), start, ONE).params

    height = expected_log_joint(
        np.asarray(ours.weights), np.asarray(ours.means), np.asarray(ours.spread["covariances"])
    )
    assert -1e-12 < height + found.fun < 1e-6
    for actual, expected in zip((ours.weights, ours.means, ours.spread["covariances"]), unpack(found.x), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)


def test_map_of_the_series_by_explicit_formulas():
    # Loops over rows and components, with the formulas of Fraley and Raftery (2007), table 2, for one feature.
    y = load("timeseries").values[:, 0]
    num_rows, num_components = len(y), 3
    centre = sum(y) / num_rows
    lam = sum((v - centre) ** 2 for v in y) / (num_rows - 1) / num_components**2
    kappa, dof = 0.01, 3.0
    weights, means, variances = [1 / 3] * 3, [25.0, 38.0, 44.0], [1.0, 10.0, 1.0]
    for _ in range(1000):
        r = [
            [
                w * np.exp(-0.5 * (v - m) ** 2 / s) / np.sqrt(2 * np.pi * s)
                for w, m, s in zip(weights, means, variances, strict=True)
            ]
            for v in y
        ]
        r = [[p / sum(row) for p in row] for row in r]
        for k in range(num_components):
            n = sum(row[k] for row in r)
            mean = sum(row[k] * v for row, v in zip(r, y, strict=True)) / n
            scatter = sum(row[k] * (v - mean) ** 2 for row, v in zip(r, y, strict=True))
            weights[k] = n / num_rows
            means[k] = (n * mean + kappa * centre) / (n + kappa)
            variances[k] = (lam + scatter + kappa * n / (kappa + n) * (mean - centre) ** 2) / (dof + n + 3)

    x = jnp.asarray(y[:, None])
    model = mx.Mixture.for_data(x, 3)
    start = gaussian(
        jnp.ones(3) / 3, jnp.array([[25.0], [38.0], [44.0]]), jnp.array([[[1.0]], [[10.0]], [[1.0]]]), "full"
    )
    ours = climb(model, x, start, ENOUGH).params
    np.testing.assert_allclose(ours.weights, weights, rtol=1e-5)
    np.testing.assert_allclose(ours.means[:, 0], means, rtol=1e-6)
    np.testing.assert_allclose(ours.covariances[:, 0, 0], variances, rtol=1e-5)


# mclust 6.0, Mclust(faithful, G = 2, prior = priorControl()) to a tolerance of 1e-14: log-likelihood, weights, means
# and covariances. Components in order of eruptions.
SCALE = np.array([[0.651364166425, 6.98890392338], [6.98890392338, 92.41165617539]])
MCLUST_MAP = {
    "full": (
        SCALE,
        -1130.50926367,
        [0.356075729483, 0.643924270517],
        [[2.03703413779, 54.48526503111], [4.2900518575, 79.9728328252]],
        [
            [[0.0706689210841, 0.474768639577], [0.474768639577, 32.060484426665]],
            [[0.165608532038, 0.931411206209], [0.931411206209, 34.906364296232]],
        ],
    ),
    "tied": (
        SCALE,
        -1140.26093548,
        [0.35924273229, 0.64075726771],
        [[2.04631243915, 54.59807045986], [4.29598482473, 80.03555269927]],
        [[0.130917053966, 0.753347127882], [0.753347127882, 34.386613829427]],
    ),
    "diagonal": (
        [46.5315101709, 46.5315101709],
        -1229.21568993,
        [0.365080284432, 0.634919715568],
        [[2.07395297526, 54.74125595731], [4.30077341886, 80.18707987572]],
        [[0.549898279537, 33.6251568361], [0.417250760766, 32.1589003273]],
    ),
    "spherical": (
        46.5315101709,
        -1709.58082961,
        [0.366886251777, 0.633113748223],
        [[2.09724192287, 54.73818139974], [4.29362869449, 80.26144205667]],
        [16.8837456502, 15.7827859621],
    ),
}


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_default_prior_and_its_map_against_mclust(covariance, faithful, rough_start):
    scale, log_likelihood, weights, means, compact = MCLUST_MAP[covariance]
    model = mx.Mixture.for_data(jnp.asarray(faithful), 2, mx.Gaussian(covariance))
    np.testing.assert_allclose(model.prior.scale, scale, rtol=1e-10)
    assert (float(model.prior.dof), float(model.prior.shrinkage)) == (4.0, 0.01)

    start = package_params(covariance, rough_start[0], rough_start[1], rough_start[2][covariance])
    end = climb(model, jnp.asarray(faithful), start, ENOUGH)
    # mclust stops a little short, so its last digits are not the mode's.
    assert float(end.log_likelihood) == pytest.approx(log_likelihood, abs=1e-4)
    np.testing.assert_allclose(end.params.weights, weights, rtol=1e-5)
    np.testing.assert_allclose(end.params.means, means, rtol=1e-5)
    np.testing.assert_allclose(end.params.spread["covariances"], compact, rtol=1e-5)
