"""M-steps of covariance models without a closed form are not accused for that, and are judged by the rest."""

import numpy as np
import pytest

import mixtures as mx
from mixtures.datasets import load

FAITHFUL = np.asarray(load("faithful").values)


def e_step(x: np.ndarray, params: tuple[np.ndarray, np.ndarray, np.ndarray]):
    weights, means, covariances = params
    joint = np.empty((len(x), len(weights)))
    for k, covariance in enumerate(covariances):
        away = x - means[k]
        distance = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
        joint[:, k] = np.log(weights[k]) - 0.5 * (distance + np.log(np.linalg.det(covariance)))
    return np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))


def m_step_of(spread):
    def m_step(x, resp):
        counts = resp.sum(axis=0)
        means = resp.T @ x / counts[:, None]
        away = x[:, None] - means
        return counts / len(x), means, spread(np.einsum("nk,nki,nkj->kij", resp, away, away), counts)

    return m_step


def equal_shape(scatters, counts):
    """VEI, iterated as in section 4.2.2 of Celeux and Govaert (1995)."""
    diagonals, size = np.einsum("kii->ki", scatters), scatters.shape[1]
    volumes, shape = diagonals.sum(axis=1) / counts / size, np.ones(size)
    for _ in range(200):
        shape = (diagonals / volumes[:, None]).sum(axis=0)
        shape = shape / np.prod(shape) ** (1 / size)
        volumes = (diagonals / shape).sum(axis=1) / counts / size
    return volumes[:, None, None] * np.diag(shape)


def own_orientation(scatters, counts):
    """EEV: principal axes of each component, and the sums of their principal scatters for all."""
    values, axes = np.linalg.eigh(scatters)
    return np.einsum("kij,j,klj->kil", axes, values.sum(axis=0) / counts.sum(), axes)


def start():
    covariances = np.array([np.diag([0.3, 40.0]), np.diag([0.3, 40.0])])
    return np.full(2, 0.5), np.array([[2.0, 55.0], [4.4, 80.0]]), covariances


@pytest.mark.slow
@pytest.mark.parametrize(("code", "spread"), [("VEI", equal_shape), ("EEV", own_orientation)], ids=["VEI", "EEV"])
def test_an_m_step_without_a_formula_is_noted_and_its_end_judged_by_its_model(code, spread):
    found = mx.audit(FAITHFUL, e_step=e_step, m_step=m_step_of(spread), params=start())
    assert found.faults == (), str(found)
    assert f"the model {code}, and could not be judged" in found.findings[0].message
    assert found.codes in (("m-step-not-maximiser",), ("m-step-not-maximiser", "better-mode"))


@pytest.mark.slow
def test_an_m_step_that_is_wrong_under_its_model_shows_in_the_likelihood():
    """Twice the right variances: those of VEI, but no maximum."""
    m_step = m_step_of(lambda scatters, counts: 2 * equal_shape(scatters, counts))
    found = mx.audit(FAITHFUL, e_step=e_step, m_step=m_step, params=start())
    assert {"likelihood-decreases", "not-stationary"} & {one.code for one in found.faults}, str(found)


@pytest.mark.slow
def test_a_wrong_formula_of_a_model_that_has_one_stays_a_fault():
    def odd(scatters, counts):
        return np.einsum("kij,ij,k->kij", scatters, np.diag([1.5, 1.0]), 1 / counts)

    found = mx.audit(FAITHFUL, e_step=e_step, m_step=m_step_of(odd), params=start())
    assert "m-step-not-maximiser" in [one.code for one in found.faults]
