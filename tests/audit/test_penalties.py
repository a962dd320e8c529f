"""M-steps of a posterior, and with a ridge, are told from wrong ones: noted with what they add, and no fault."""

import numpy as np
import pytest
from scipy.special import logsumexp

import mixtures as mx
from mixtures.datasets import load
from tests.audit import programs as p


def look(groups, e_step=p.right_e_step, begin=None, **changes):
    return mx.audit(groups.rows, e_step=e_step, m_step=p.changed_m_step(**changes), params=begin or groups.start())


def told(found, word):
    """The evidence of the only finding of an M-step, which is no fault and is about this."""
    (finding,) = (f for f in found.findings if f.code == "m-step-not-maximiser")
    assert found.faults == (), str(found)
    assert word in finding.message
    return finding.evidence


def test_a_dirichlet_prior_is_named(groups):
    found = look(groups, weights=lambda x, r: (r.sum(axis=0) + 1.5) / (len(x) + 4.5))
    assert "(n_k + 1.5) / (N + 4.5)" in told(found, "weights")


def test_a_normal_prior_is_named(groups):
    def means(x, resp):
        return (resp.T @ x + 2.5 * 4.0) / (resp.sum(axis=0) + 2.5)

    found = look(groups, means=means, variances=lambda x, r: (r * (x[:, None] - means(x, r)) ** 2).sum(0) / r.sum(0))
    assert "+ 2.5 m) / (n_k + 2.5) with m = (4)" in told(found, "means")


@pytest.mark.parametrize("tied", [False, True])
def test_an_inverse_gamma_prior_is_named(groups, tied):
    def m_step(x, resp):
        right, counts = p.right_m_step(x, resp), resp.sum(axis=0)
        sums = right["variances"] * counts
        if tied:
            sums, counts = sums.sum(), counts.sum()
        return right | {"variances": (sums + 7.0) / (counts + 6.0)}

    begin = groups.start() | ({"variances": np.array(groups.rows.var() / 9)} if tied else {})
    found = mx.audit(groups.rows, e_step=p.right_e_step, m_step=m_step, params=begin)
    assert "(n_k + 6) with Λ = (7)" in told(found, "variances")


def test_a_conjugate_prior_is_named_whole(groups):
    """Fraley and Raftery (2007): the prior on means adds to the sums of squares too."""

    def m_step(x, resp):
        counts, total = resp.sum(axis=0), resp.T @ x
        means = (total + 2.5 * 4.0) / (counts + 2.5)
        sums = (resp * (x[:, None] - means) ** 2).sum(axis=0) + 2.5 * (means - 4.0) ** 2 + 7.0
        return {"weights": counts / len(x), "means": means, "variances": sums / (counts + 6.0)}

    found = mx.audit(groups.rows, e_step=p.right_e_step, m_step=m_step, params=groups.start())
    assert found.faults == (), str(found)
    assert [f.code for f in found.findings[:2]] == ["m-step-not-maximiser"] * 2
    assert "(n_k + 2.5) with m = (4)" in found.findings[0].evidence
    assert "(n_k + 6) with Λ = (7)" in found.findings[1].evidence


def test_a_ridge_is_named_and_a_usual_one_is_not(groups):
    for added in (0.1, 1e-6):
        found = look(groups, variances=lambda x, r, added=added: p.right_m_step(x, r)["variances"] + added)
        if added == 0.1:
            assert "less 0.1" in told(found, "adds 0.1 to every variance").lower()
        else:
            assert found.findings == ()


@pytest.mark.parametrize("after", [False, True])
def test_a_ridge_on_standard_deviations_is_named(groups, after):
    def e_step(x, params):
        return p.right_e_step(x, params | {"variances": params["sds"] ** 2})

    def m_step(x, resp):
        right = p.right_m_step(x, resp)
        variances = right.pop("variances")
        return right | {"sds": np.sqrt(variances) + 0.1 if after else np.sqrt(variances + 0.1)}

    begin = groups.start()
    begin["sds"] = np.sqrt(begin.pop("variances"))
    found = mx.audit(groups.rows, e_step=e_step, m_step=m_step, params=begin)
    told(found, f"adds 0.1 to every {'standard deviation' if after else 'variance'}")


def test_a_ridge_on_a_shared_variance_is_no_prior(groups):
    def m_step(x, resp):
        right = p.right_m_step(x, resp)
        pooled = (right["variances"] * resp.sum(axis=0)).sum() / len(x)
        return right | {"variances": np.array(pooled + 0.1)}

    begin = groups.start() | {"variances": np.array(groups.rows.var() / 9)}
    found = mx.audit(groups.rows, e_step=p.right_e_step, m_step=m_step, params=begin)
    told(found, "adds 0.1 to every variance")


@pytest.mark.parametrize(("less", "words"), [(3, "N − K"), (1, "N − 1")])
def test_a_shared_variance_over_n_less_something(groups, less, words):
    def m_step(x, resp):
        right = p.right_m_step(x, resp)
        pooled = (right["variances"] * resp.sum(axis=0)).sum() / (len(x) - less)
        return right | {"variances": np.array(pooled)}

    begin = groups.start() | {"variances": np.array(groups.rows.var() / 9)}
    found = mx.audit(groups.rows, e_step=p.right_e_step, m_step=m_step, params=begin)
    (finding,) = found.faults
    assert f"divided by {words}, not by N, the number of rows" in finding.message


def test_centres_are_named_as_they_are(groups):
    def about(centre):
        return lambda x, r: (r * (x[:, None] - centre(x)) ** 2).sum(axis=0) / r.sum(axis=0)

    for centre, words in ((lambda x: x.mean(), "about the mean of all rows"), (lambda x: 0.0, "not subtracted")):
        found = look(groups, variances=about(centre))
        messages = [f.message for f in found.findings if f.code == "m-step-not-maximiser"]
        assert any(words in m for m in messages), str(found)
        assert "stale" not in " ".join(messages)


def test_a_scale_that_no_name_tells_is_that_of_the_step_that_is_recognised(groups):
    """A tuple of sds: the other step, which nothing reproduces, must not turn the right one into a fault."""

    def e_step(x, params):
        return p.right_e_step(
            x, dict(zip(("weights", "means", "variances"), params, strict=True)) | {"variances": params[2] ** 2}
        )

    def odd_e_step(x, params):
        return e_step(x, params) ** 2

    def m_step(x, resp):
        return (*tuple(p.right_m_step(x, resp).values())[:2], np.sqrt(p.right_m_step(x, resp)["variances"]))

    def with_a_prior(x, resp):
        weights, means, sds = m_step(x, resp)
        counts = resp.sum(axis=0)
        return weights, means, np.sqrt((sds**2 * counts + 7.0) / (counts + 6.0))

    weights, means, variances = groups.start().values()
    begin = (weights, means, np.sqrt(variances))
    odd = mx.audit(groups.rows, e_step=odd_e_step, m_step=m_step, params=begin)
    assert "variance-scale" not in odd.codes
    assert "responsibilities-not-normalised" in odd.codes
    assert mx.audit(groups.rows, e_step=e_step, m_step=with_a_prior, params=begin).faults == ()


def test_what_no_prior_adds_is_a_fault(groups):
    """Dividing by n_k + 1 with nothing in the sum is no posterior's mode."""
    found = look(groups, variances=lambda x, r: p.right_m_step(x, r)["variances"] * r.sum(0) / (r.sum(0) + 1))
    assert "m-step-not-maximiser" in [f.code for f in found.faults]


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_stale_means_are_no_prior_wherever_the_rows_are(groups, shift):
    x, last = groups.rows + shift, []

    def m_step(rows, resp):
        right = p.right_m_step(rows, resp)
        last.append(right["means"])
        return right | {"means": last[-2] if len(last) > 1 else right["means"]}

    begin = groups.start() | {"means": groups.start()["means"] + shift}
    found = mx.audit(x, e_step=p.right_e_step, m_step=m_step, params=begin)
    assert any("means" in f.message for f in found.faults), str(found)


def test_features_are_judged_in_their_own_units():
    """A wrong variance of a feature that is a millionth as wide as the other."""
    x = load("faithful").values * np.array([1e-3, 1e3])

    def e_step(x, params):
        weights, means, variances = params
        joint = np.log(weights) - 0.5 * ((x[:, None] - means) ** 2 / variances + np.log(variances)).sum(axis=2)
        return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

    def m_step(x, resp):
        counts = resp.sum(axis=0)
        means = resp.T @ x / counts[:, None]
        variances = np.einsum("nk,nkd->kd", resp, (x[:, None] - means) ** 2) / counts[:, None]
        return counts / len(x), means, variances * np.array([1.5, 1.0])

    sd = x.std(axis=0)
    begin = (np.full(2, 0.5), x.mean(axis=0) + np.array([[-1.0], [1.0]]) * sd, np.tile(sd**2 / 4, (2, 1)))
    found = mx.audit(x, e_step=e_step, m_step=m_step, params=begin)
    assert "m-step-not-maximiser" in [f.code for f in found.faults]


def test_components_of_one_place_and_different_widths_are_not_identical():
    half = np.abs(np.random.default_rng(0).normal(size=100)) * np.repeat([1.0, 4.0], 50)
    x = np.concatenate([-half, half])
    begin = {"weights": np.full(2, 0.5), "means": np.zeros(2), "variances": np.array([1.0, 9.0])}
    found = mx.audit(x, e_step=p.right_e_step, m_step=p.right_m_step, params=begin)
    assert "identical-components" not in found.codes
    assert found.faults == ()
