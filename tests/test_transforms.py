"""Fits inside somebody else's compiled code: jit, vmap, float32, shards, and no recompiling."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from jax.sharding import NamedSharding, PartitionSpec

import mixtures as mx
from mixtures import Status
from mixtures.em import fit as em_fit
from mixtures.em import race

KEY = jax.random.key(0)


def em(x, key):
    return mx.fit_em(mx.Mixture.for_data(x, 2), x, key=key, num_starts=4)


def vi(x, key):
    return mx.fit_vi(mx.Mixture.for_data(x, 2), x, key=key, num_steps=30, num_starts=2, num_samples=100)


def nuts(x, key):
    return mx.fit_nuts(mx.Mixture.for_data(x, 2), x, key=key, num_warmup=30, num_samples=20, num_chains=2)


@pytest.fixture(scope="module")
def studies():
    """Four data sets of sixty rows in two groups."""
    rng = np.random.default_rng(4)
    return jnp.asarray(rng.normal(size=(4, 60)) + 4.0 * (rng.random((4, 60)) < 0.4))


@pytest.mark.slow_but("em")
@pytest.mark.parametrize("fit", [em, vi, nuts], ids=["em", "vi", "nuts"])
def test_jit_and_vmap_over_data_sets(fit, studies):
    """A simulation study is one compiled call, and each of its fits is the fit of that data set alone."""
    keys = jax.random.split(KEY, 4)
    study = jax.jit(jax.vmap(fit))(studies, keys)
    alone = fit(studies[2], keys[2])
    # NUTS trajectories amplify rounding, so only the first draws can be asked to coincide.
    pick = (lambda f: f.log_joint[:, :1]) if fit is nuts else (lambda f: f.log_joint)
    np.testing.assert_allclose(
        pick(jax.tree.map(lambda leaf: leaf[2], study)), pick(alone), rtol=1e-3 if fit is nuts else 1e-7
    )


def test_one_bad_lane_harms_no_other(studies):
    """A NaN in one data set is a status of that fit, never "converged", and leaves the others alone."""
    spoilt = studies.at[1, 3].set(jnp.nan)
    keys = jax.random.split(KEY, 4)
    clean, study = jax.jit(jax.vmap(em))(studies, keys), jax.jit(jax.vmap(em))(spoilt, keys)
    assert study.status.tolist() == [Status.CONVERGED, Status.NON_FINITE, Status.CONVERGED, Status.CONVERGED]
    np.testing.assert_array_equal(jnp.delete(study.log_joint, 1), jnp.delete(clean.log_joint, 1))
    assert bool(jnp.isnan(study.log_joint[1]))


def test_new_data_of_the_same_shape_and_new_numbers_do_not_recompile(studies):
    """Data, tolerances, keys and hyperparameters are traced; only shapes and counts are static."""
    mx.fit_em(mx.Mixture.for_data(studies[0], 2), studies[0], key=KEY, num_starts=4)

    def count_traces():
        return [f._cached._cache_size() for f in (race.begin, race.short_runs, em_fit._finish)]

    traces = count_traces()
    for i, atol in ((1, 1e-6), (2, 1e-9)):
        prior = mx.priors.Conjugate(mean=float(i), scale=[[2.0 + i]], dof=3.0 + i, shrinkage=0.1 * i)
        model = mx.Mixture(mx.Gaussian(), 2, prior)
        mx.fit_em(model, studies[i], key=jax.random.key(i), num_starts=4, atol=atol, max_steps=100 + i)
    assert count_traces() == traces


@pytest.mark.slow
def test_float32_is_right_too():
    """In single precision, on data far from zero, EM finds what it finds in double."""
    rng = np.random.default_rng(8)
    x = np.concatenate([rng.normal(1e5, 1e3, (80, 2)), rng.normal(1.05e5, 5e2, (80, 2))])
    for covariance in ("full", "diagonal"):
        double = mx.fit_em(mx.Mixture.for_data(x, 2, mx.Gaussian(covariance)), x, key=KEY, num_starts=4)
        with jax.enable_x64(False):
            single_x = jnp.asarray(x, jnp.float32)
            model = mx.Mixture.for_data(single_x, 2, mx.Gaussian(covariance))
            single = mx.fit_em(model, single_x, key=jax.random.key(0), num_starts=4)
        assert {leaf.dtype for leaf in jax.tree.leaves(single.params)} == {jnp.dtype("float32")}
        assert single.status is Status.CONVERGED
        np.testing.assert_allclose(single.log_joint, double.log_joint, rtol=1e-5)
        np.testing.assert_allclose(single.params.means, double.params.means, rtol=1e-4)
        assert bool((jnp.linalg.eigvalsh(single.params.covariances) > 0).all())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["automatic", "explicit"])
def test_rows_sharded_over_two_devices(kind, studies):
    """Every engine accepts rows spread over devices, under either kind of JAX mesh, and finds the same."""
    axis_types = {"automatic": jax.sharding.AxisType.Auto, "explicit": jax.sharding.AxisType.Explicit}
    mesh = jax.make_mesh((2,), ("rows",), axis_types=(axis_types[kind],))
    sharded = jax.device_put(studies[0], NamedSharding(mesh, PartitionSpec("rows")))
    assert len(sharded.devices()) == 2
    np.testing.assert_allclose(em(sharded, KEY).log_joint, em(studies[0], KEY).log_joint, rtol=1e-9)
    if kind == "automatic":
        np.testing.assert_allclose(vi(sharded, KEY).log_joint, vi(studies[0], KEY).log_joint, rtol=1e-5)
        assert bool(jnp.isfinite(nuts(sharded, KEY).log_joint).all())


@pytest.mark.slow
def test_a_fit_carries_no_data_and_no_closures(studies):
    """Every leaf of a result is an array of the size of the parameters, starts or draws."""
    x = jnp.tile(studies[0], 20)
    for fit in (em(x, KEY), vi(x, KEY)):
        leaves = jax.tree.leaves(fit)
        assert all(eqx.is_array(leaf) for leaf in leaves)
        assert not any(x.size in leaf.shape for leaf in leaves)


@pytest.mark.slow
def test_starts_may_be_mapped_and_the_model_closed_over(studies):
    """With a prior whose weights are a NumPyro distribution, and a start for each lane, fits are those one by one."""
    prior = mx.priors.Independent(dist.Dirichlet(jnp.full(2, 2.0)), dist.Normal(2.0, 5.0), dist.HalfNormal(3.0))
    model = mx.Mixture(mx.Gaussian(), 2, prior)
    starts = mx.fit_em(mx.Mixture.for_data(studies[0], 2), studies[0], key=KEY, num_starts=3).starts.params

    def fit(start):
        return mx.fit_em(model, studies[0], key=KEY, start=start).log_joint

    together = jax.jit(jax.vmap(fit))(starts)
    alone = [fit(jax.tree.map(lambda leaf, i=i: leaf[i], starts)) for i in range(3)]
    np.testing.assert_allclose(together, jnp.stack(alone), rtol=1e-6)
