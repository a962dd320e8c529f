"""Parameters in read-only, frozen and foreign containers, and those in which no other numbers can be put."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import mixtures as mx
from mixtures.audit.containers import like
from tests.audit import programs as p


@dataclass(frozen=True)
class Frozen:
    weights: Any
    means: Any
    variances: Any


class Plain:
    def __init__(self, weights, means, variances):
        self.weights, self.means, self.variances = weights, means, variances


class ReadOnly(Mapping):
    def __init__(self, **entries):
        self.entries = entries

    def __getitem__(self, name):
        return self.entries[name]

    def __iter__(self):
        return iter(self.entries)

    def __len__(self):
        return len(self.entries)


def series_of(weights, means, variances):
    return {"weights": pd.Series(weights), "means": pd.Series(means), "variances": pd.Series(variances)}


KINDS = {
    "frozen": Frozen,
    "plain": Plain,
    "view": lambda *parts: MappingProxyType(dict(zip(("weights", "means", "variances"), parts, strict=True))),
    "read-only": lambda w, m, v: ReadOnly(weights=w, means=m, variances=v),
    "series": series_of,
}


@pytest.mark.parametrize("kind", KINDS)
def test_steps_may_keep_parameters_in_any_container(groups, kind):
    def parts(params):
        value = params if isinstance(params, Mapping) else vars(params)
        return {name: np.asarray(value[name]) for name in ("weights", "means", "variances")}

    def e_step(x, params):
        return p.right_e_step(x, parts(params))

    def m_step(x, resp):
        return KINDS[kind](*p.right_m_step(x, resp).values())

    found = mx.audit(groups.rows, e_step=e_step, m_step=m_step, params=KINDS[kind](*groups.start().values()))
    assert found.findings == (), str(found)


def test_responsibilities_may_be_a_frame(groups):
    def e_step(x, params):
        return pd.DataFrame(p.right_e_step(x, params), columns=list("abc"))

    def m_step(x, resp):
        assert list(resp.columns) == list("abc")
        return p.right_m_step(x, resp.to_numpy())

    assert mx.audit(groups.rows, e_step=e_step, m_step=m_step, params=groups.start()).findings == ()


def test_an_object_in_which_no_other_numbers_can_be_put_is_refused(groups):
    """Parameters of ours hold covariances as what the model leaves free."""
    model = mx.Mixture(mx.Gaussian("full"), 3)
    params = mx.fit_em(model, groups.rows, key=jax.random.key(0), objective="ml").params

    def e_step(x, params):
        return np.full((len(x), 3), 1 / 3)

    with pytest.raises(ValueError, match=r"a GaussianParams has .*; give a dictionary, or a tuple"):
        mx.audit(groups.rows, e_step=e_step, m_step=lambda x, resp: params, params=params)


def test_numbers_take_the_type_of_a_template():
    class Foreign:
        def __array__(self, dtype=None, copy=None):
            return np.zeros(2)

    values = np.array([1.5, 2.5])
    counted = like(pd.Series([1, 2], index=["a", "b"], dtype="Int64"), values)
    assert counted.to_dict() == {"a": 1.5, "b": 2.5}
    assert isinstance(like(Foreign(), values), np.ndarray)
    assert like(np.zeros(2, np.float32), values).dtype == np.float32
    assert like(jnp.zeros(2, jnp.float32), values).dtype == jnp.float32
    assert like([0, 0], values) == [1.5, 2.5]
    assert type(like(0, np.array(1.5))) is float
    assert type(like(np.float32(0), np.array(1.5))) is np.float32
