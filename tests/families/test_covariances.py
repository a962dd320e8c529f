"""The fourteen covariance models: what they share, how many parameters they have, and their M-steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import wishart

import mixtures as mx
from mixtures._kernel import Frame
from mixtures.coordinates import Coordinates
from mixtures.datasets import load
from mixtures.families.covariances import BY_CODE, COVARIANCE_MODELS
from mixtures.families.moments import Moments

NUM_COMPONENTS, NUM_FEATURES = 3, 4
CODES = tuple(BY_CODE)

# mclust 6.1's nMclustParams for D = 4, K = 3, and its log-likelihood of Old Faithful with K = 2, run to 1e-12.
NUM_PARAMETERS = {
    "EII": 15, "VII": 17, "EEI": 18, "VEI": 20, "EVI": 24, "VVI": 26, "EEE": 24,
    "VEE": 26, "EVE": 30, "VVE": 32, "EEV": 36, "VEV": 38, "EVV": 42, "VVV": 44,
}  # fmt: skip
FAITHFUL = {
    "EII": -1709.681373, "VII": -1709.529282, "EEI": -1157.680012, "VEI": -1152.880196, "EVI": -1153.885568,
    "VVI": -1147.806353, "EEE": -1140.186759, "VEE": -1136.259854, "EVE": -1136.910261, "VVE": -1132.187446,
    "EEV": -1139.331599, "VEV": -1134.679204, "EVV": -1135.769904, "VVV": -1130.263960,
}  # fmt: skip


def moments(independent: bool) -> Moments:
    """Three groups with their own scatter."""
    rng = np.random.default_rng(5)
    counts = np.array([20.0, 35.0, 50.0])
    scale = np.diag([1.0, 2.0, 5.0, 0.3]) + 0.2
    scatter = np.stack([wishart.rvs(int(n), scale * (k + 1), random_state=rng) for k, n in enumerate(counts)])
    scatter = np.diagonal(scatter, axis1=1, axis2=2) if independent else scatter
    return Moments(jnp.asarray(counts), jnp.asarray(rng.normal(size=(3, 4))), jnp.asarray(scatter))


@pytest.fixture(params=CODES)
def case(request):
    model = BY_CODE[request.param]
    return model, mx.Mixture(mx.Gaussian(model.name), NUM_COMPONENTS), moments(not model.cross_products)


@eqx.filter_jit
def maximise(mixture, stats, num_steps: int):
    """Parameters after repeated M-steps on the same statistics, and the expected log-likelihood after each."""

    def again(params, _):
        params = mixture.family.closed_form_m_step(mixture.prior, mixture.fixed, stats, params)
        return params, mixture.family.expected_log_density(params, stats)

    return jax.lax.scan(again, start(mixture), None, length=num_steps)


def start(mixture):
    family = mixture.family
    spread = family.model.widest(NUM_COMPONENTS, NUM_FEATURES)
    return family.params({"weights": jnp.ones(3) / 3, "means": jnp.zeros((3, 4)), **spread})


def test_there_are_fourteen_by_name_and_by_code():
    assert len(CODES) == len(set(CODES)) == len(COVARIANCE_MODELS) == 14
    for code, model in BY_CODE.items():
        assert mx.Gaussian(code) == mx.Gaussian(model.name)


def test_parameter_counts(case):
    model, mixture, _ = case
    assert mixture.num_parameters(NUM_FEATURES) == NUM_PARAMETERS[model.code]
    slots = model.slots(NUM_COMPONENTS, NUM_FEATURES)
    if model.code[1] == "I" or set(slots) != {"covariances"}:
        return
    assert model.num_free(NUM_COMPONENTS, NUM_FEATURES) == len(model.entries(NUM_COMPONENTS, NUM_FEATURES))


@pytest.mark.slow_but("EEE", "EVE", "VEE", "VEV", "VVV")
def test_m_step_converges_to_a_stationary_point_of_the_expected_log_likelihood(case):
    _, mixture, stats = case
    params, path = maximise(mixture, stats, 200)
    assert np.diff(path).min() > -1e-9 * abs(path[-1])
    coordinates = Coordinates.of(mixture, Frame(jnp.zeros(NUM_FEATURES), jnp.ones(NUM_FEATURES)))
    u = coordinates.vector(params)
    gradient = jax.jit(jax.grad(lambda u: mixture.family.expected_log_density(coordinates.params(u), stats)))(u)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-4)


def test_parts_are_shared_as_the_code_says(case):
    model, mixture, stats = case
    params, _ = maximise(mixture, stats, 200)
    along = np.linalg.eigvalsh(np.asarray(params.covariances))
    volumes = np.prod(along, axis=1) ** (1 / NUM_FEATURES)
    shapes = along / volumes[:, None]
    matrices = np.asarray(params.covariances) / volumes[:, None, None]
    volume, shape, orientation = model.code
    assert np.allclose(volumes, volumes[0]) == (volume == "E")
    assert np.allclose(shapes, 1.0) == (shape == "I")
    if shape != "I":
        assert np.allclose(shapes, shapes[0]) == (shape == "E")
    commute = [np.allclose(matrices[0] @ m, m @ matrices[0]) for m in matrices]
    assert all(commute) == (orientation in "IE")
    assert np.allclose(matrices, matrices * np.eye(NUM_FEATURES)) == (orientation == "I")


@pytest.mark.slow_but("EVE", "VEV")
@pytest.mark.parametrize("code", ["EEI", "VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV"])
def test_maximum_likelihood_is_mclusts(code):
    x = load("faithful").values
    fit = mx.fit_em(mx.Mixture(mx.Gaussian(code), 2), x, key=jax.random.key(0), objective="ml", num_starts=16)
    reached = float(fit.log_likelihood)
    if code == "VVE":  # here mclust's start ends in a local maximum
        assert FAITHFUL[code] + 0.05 < reached < FAITHFUL["VVV"]
    else:
        assert reached == pytest.approx(FAITHFUL[code], abs=2e-6)


@pytest.mark.parametrize("code", [c for c in CODES if "covariances" not in BY_CODE[c].slots(2, 2)])
def test_one_feature_has_only_volumes(code):
    with pytest.raises(ValueError, match="at least two features"):
        mx.Gaussian(code).layout(2, 1)
