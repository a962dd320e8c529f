"""Steps and fits that end in NaN or at a variance of 0: after which step, and on which rows a component shrank."""

import numpy as np
import pytest

import mixtures as mx
from tests.audit import programs as p


def narrow(variance):
    """Parameters of which the third component is close to the thirteen equal values of the series."""
    means, variances = np.array([25.0, 37.0, 44.44571429]), np.array([9.0, 4.0, variance])
    return {"weights": np.full(3, 1 / 3), "means": means, "variances": variances}


def fit_from(params, num_steps):
    def fit(x, k):
        found = params
        with np.errstate(all="ignore"):
            for _ in range(num_steps):
                found = p.right_m_step(x, p.right_e_step(x, found))
        return found

    return fit


@pytest.mark.parametrize(("variance", "step"), [(1e-2, 34), (1e-3, 10)])
def test_a_component_that_shrinks_onto_equal_rows_is_named(series, variance, step):
    found = mx.audit(series, e_step=p.right_e_step, m_step=p.right_m_step, params=narrow(variance))
    assert found.codes == ("not-finite", "unbounded-likelihood"), str(found)
    broken, fact = found.findings
    assert broken.fault
    assert not fact.fault
    assert f"After step {step} component 3 has lost its width" in broken.message
    assert f"After step {step - 1} " in broken.evidence
    assert "mean (44.445714)" in broken.evidence
    assert "13 of 50 rows equal its mean" in broken.evidence
    assert "shrank onto these rows" in broken.cause


@pytest.mark.parametrize(("num_steps", "words"), [(100, "not finite"), (10, "without a width")])
def test_a_fit_that_ends_so_is_not_said_to_underflow(series, num_steps, words):
    found = mx.audit(series, fit=fit_from(narrow(1e-3), num_steps), num_components=3)
    assert found.codes == ("not-finite", "unbounded-likelihood"), str(found)
    assert words in found.findings[0].message
    assert "underflow" in found.findings[0].cause
    assert "shrinks onto equal rows" in found.findings[0].cause


def test_a_component_that_loses_its_rows_is_no_narrow_one(groups):
    far = groups.start() | {"means": np.array([0.0, 8.0, 1e6])}
    found = mx.audit(groups.rows, e_step=p.right_e_step, m_step=p.right_m_step, params=far)
    assert found.codes == ("not-finite",), str(found)
    assert "After step 1 numbers are not finite" in found.findings[0].message
    assert "lost its rows" in found.findings[0].cause
    assert "shrank" not in found.findings[0].cause


def test_a_fault_of_a_step_explains_it(groups):
    def e_step(x, params):
        joint = params["weights"] * np.exp(p.log_density(x, params["means"], params["variances"]))
        return joint / joint.sum(axis=1, keepdims=True)

    start = groups.start() | {"variances": np.full(3, 1e-3)}
    found = mx.audit(groups.rows, e_step=e_step, m_step=p.right_m_step, params=start)
    assert "underflow" in found.codes
    assert "not-finite" not in found.codes


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_start_that_is_no_mixture_is_refused(groups, value):
    start = groups.start() | {"variances": np.array([1.0, 1.0, value])}
    with pytest.raises(ValueError, match="variances"):
        mx.audit(groups.rows, e_step=p.right_e_step, m_step=p.right_m_step, params=start)


@pytest.mark.parametrize("faulty", [False, True])
def test_a_failure_is_raised_where_only_facts_are_found(groups, faulty):
    """A ridge is a choice, and n − 1 is a fault that comes before the failure."""
    calls = []

    def late(x, params):
        calls.append(0)
        return p.right_e_step(x, params | ({"weights": "none"} if len(calls) > 7 else {}))

    def with_ridge(x, resp):
        return p.right_m_step(x, resp)["variances"] + 0.1

    m_step = p.changed_m_step(variances=p.bessel if faulty else with_ridge)
    if faulty:
        assert mx.audit(groups.rows, e_step=late, m_step=m_step, params=groups.start()).faults
        return
    with pytest.raises(ValueError, match=r"e_step failed with .*\(after \d+ steps"):
        mx.audit(groups.rows, e_step=late, m_step=m_step, params=groups.start())
