"""Each error in a normal density, and rows given whole to one component, is told from the others."""

import numpy as np
import pytest
from scipy.special import logsumexp

import mixtures as mx
from mixtures.datasets import load
from tests.audit import programs as p


def e_step_of(log_density):
    def e_step(x, params):
        joint = np.log(params["weights"]) + log_density(x[:, None] - params["means"], params["variances"])
        return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

    return e_step


DENSITIES = {
    "½ in the exponent": lambda d, v: -(d**2) / v - 0.5 * np.log(v),
    "not divided by the root": lambda d, v: -0.5 * d**2 / v,
    "wrong power": lambda d, v: -0.5 * d**2 / v - np.log(v),
    "power −0.25": lambda d, v: -0.5 * d**2 / v - 0.25 * np.log(v),
    "another scale than its normaliser": lambda d, v: -0.5 * d**2 / np.sqrt(v) - 0.5 * np.log(v),
}


@pytest.mark.parametrize("words", DENSITIES)
def test_each_error_of_a_density_is_named(groups, words):
    params = groups.start()
    found = mx.audit(groups.rows, e_step=e_step_of(DENSITIES[words]), m_step=p.right_m_step, params=params)
    own = [f for f in found.findings if f.code in ("responsibilities-wrong", "variance-scale")]
    assert len(own) == 1, str(found)
    assert words in own[0].message + own[0].evidence
    assert "m-step-not-maximiser" not in found.codes


def test_a_density_of_standard_deviations_with_the_wrong_normaliser(groups):
    """Divided by the square of sd, where sd itself belongs."""

    def e_step(x, params):
        return e_step_of(lambda d, s: -0.5 * d**2 / s**2 - 2 * np.log(s))(x, params | {"variances": params["stds"]})

    def m_step(x, resp):
        found = p.right_m_step(x, resp)
        found["stds"] = np.sqrt(found.pop("variances"))
        return found

    params = groups.start()
    params["stds"] = np.sqrt(params.pop("variances"))
    found = mx.audit(groups.rows, e_step=e_step, m_step=m_step, params=params)
    assert "wrong power" in found.findings[0].message
    assert "variance-scale" not in found.codes


def test_hard_assignment_is_named(groups):
    def e_step(x, params):
        return np.eye(3)[np.argmax(p.right_e_step(x, params), axis=1)]

    found = mx.audit(groups.rows, e_step=e_step, m_step=p.right_m_step, params=groups.start())
    assert found.findings[0].code == "responsibilities-wrong"
    assert "0 and 1" in found.findings[0].message


@pytest.mark.slow
def test_only_the_diagonal_is_used():
    x = load("faithful").values

    def e_step(x, params):
        weights, means, covariances = params
        variances = np.diagonal(covariances, axis1=1, axis2=2)
        joint = np.log(weights) - 0.5 * ((x[:, None] - means) ** 2 / variances + np.log(variances)).sum(axis=2)
        return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

    def m_step(x, resp):
        counts = resp.sum(axis=0)
        means = resp.T @ x / counts[:, None]
        deviations = x[:, None] - means
        covariances = np.einsum("nk,nki,nkj->kij", resp, deviations, deviations) / counts[:, None, None]
        return counts / len(x), means, covariances

    params = (np.full(2, 0.5), np.array([[2.0, 55.0], [4.4, 80.0]]), np.repeat(np.cov(x.T)[None], 2, axis=0))
    found = mx.audit(x, e_step=e_step, m_step=m_step, params=params)
    assert "only the diagonals" in found.findings[0].message
    assert "m-step-not-maximiser" not in found.codes
