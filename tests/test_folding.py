"""Folded rows and weights say what all rows say."""

import jax
import numpy as np
import pytest

import mixtures as mx
from mixtures.datasets import load


@pytest.mark.slow
def test_the_fit_and_its_standard_errors_stay():
    x = load("faithful").values[:, 1]  # whole minutes: 51 distinct values among 272
    values, weights = mx.fold_duplicates(x)
    assert values.shape == (len(np.unique(x)), 1)
    model, key = mx.Mixture.for_data(x, 2), jax.random.key(0)
    whole = mx.fit_em(model, x, key=key, num_starts=8)
    folded = mx.fit_em(model, values, weights=weights, key=key, num_starts=8)
    np.testing.assert_allclose(folded.log_joint, whole.log_joint, atol=1e-7)
    for kind in ("observed", "sandwich"):
        a = mx.standard_errors(model, whole, x, kind=kind).values["means"]
        b = mx.standard_errors(model, folded, values, weights=weights, kind=kind).values["means"]
        np.testing.assert_allclose(a, b, rtol=1e-4)


def test_missing_values_and_given_weights():
    x = np.array([[1.0, np.nan], [0.0, 2.0], [1.0, np.nan], [1.0, 0.0], [0.0, 2.0]])
    values, weights = mx.fold_duplicates(x, weights=np.array([1.0, 2.0, 0.5, 4.0, 8.0]))
    found = {tuple(np.nan_to_num(v, nan=-1.0)): w for v, w in zip(values, weights, strict=True)}
    assert found == {(1.0, -1.0): 1.5, (0.0, 2.0): 10.0, (1.0, 0.0): 4.0}


def test_refusal():
    with pytest.raises(ValueError, match="positive and finite"):
        mx.fold_duplicates(np.arange(3.0), weights=np.array([1.0, -1.0, 1.0]))
