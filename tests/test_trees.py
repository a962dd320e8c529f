"""Work in blocks is the same work."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixtures._trees import map_in_blocks, sum_in_blocks


@pytest.mark.parametrize("most", [0, 1, 3, 6, 7, 100])
def test_blocks_change_nothing(most):
    """Seven cases, of which three at once make a last block of one and six a block of four and one of three."""
    cases = {"x": jnp.arange(14.0).reshape(7, 2), "key": jax.random.split(jax.random.key(0), 7)}

    def one(case):
        return case["x"] @ jnp.array([1.0, 10.0]), jax.random.bits(case["key"])

    numbers, bits = map_in_blocks(one, cases, most)
    np.testing.assert_array_equal(numbers, np.arange(14.0).reshape(7, 2) @ [1.0, 10.0])
    np.testing.assert_array_equal(bits, [jax.random.bits(key) for key in cases["key"]])


def test_the_function_is_traced_once_and_at_most_so_many_cases_are_worked_on():
    sizes = []

    @jax.custom_batching.custom_vmap
    def seen(x):
        return x

    @seen.def_vmap
    def _(size, _, x):
        sizes.append(size)
        return x, True

    map_in_blocks(seen, jnp.arange(10.0), 4)
    assert set(sizes) == {4}


@pytest.mark.parametrize("most", [1, 3, 7, 100])
def test_sums_in_blocks_count_each_case_once(most):
    cases = jnp.arange(1.0, 8.0)
    total, squares = sum_in_blocks(lambda v: (v, jnp.array([v, v**2])), cases, most)
    np.testing.assert_allclose(total, 28.0)
    np.testing.assert_allclose(squares, [28.0, 140.0])
