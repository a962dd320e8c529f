"""What `fit_em` promises of its answer: a stationary point, fully converged, reported as it is."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from jax.scipy import stats as jstats
from scipy import optimize, stats

import mixtures as mx
from mixtures import Status
from mixtures.datasets import load
from mixtures.em import step as em_step
from mixtures.priors import AbstractPrior, Conjugate
from mixtures.starts import random_starts
from tests.models import gaussian

COVARIANCES = ("full", "diagonal", "tied", "spherical")
KEY = jax.random.key(0)


def overlapping():
    """Two groups one standard deviation apart, where EM needs thousands of steps."""
    rng = np.random.default_rng(11)
    return np.concatenate([rng.normal(size=60), rng.normal(1.0, 1.0, size=95)])[:, None]


# Sizes and counts shared with tests/test_reference_numbers.py, so that nothing is compiled twice.
DATA = {
    "acidity": (lambda: load("acidity").values, "tied"),
    "faithful": (lambda: load("faithful").values, "full"),
    "overlapping": (overlapping, "full"),
}


@cache
def fitted(name):
    make, covariance = DATA[name]
    x = jnp.asarray(make())
    model = mx.Mixture(mx.Gaussian(covariance), 2)
    return model, x, mx.fit_em(model, x, key=KEY, objective="ml", num_starts=16)


@cache
def fitted_series(objective):
    x = jnp.asarray(load("timeseries").values)
    model = mx.Mixture.for_data(x, 3)
    return model, x, mx.fit_em(model, x, key=KEY, objective=objective)


# An independent objective, and an independent optimiser that starts where EM stopped.


def log_likelihood(params, x):
    weights, means, covariances = params
    each = jnp.stack([jstats.multivariate_normal.logpdf(x, m, c) for m, c in zip(means, covariances, strict=True)])
    return jnp.sum(jax.nn.logsumexp(each + jnp.log(weights)[:, None], axis=0))


def polish(x, fit, log_prior=lambda params: 0.0):
    """The maximum of the log-likelihood plus `log_prior` nearest to a fit, and how far EM stopped short of it."""
    weights, means, covariances = fit.params.weights, fit.params.means, fit.params.covariances
    num_components, num_features = means.shape
    tied = fit.params.covariance == "tied"
    lower = np.tril_indices(num_features)
    tril = jnp.linalg.cholesky(covariances[:1] if tied else covariances)[:, *lower]
    # Centred on the fit and in its own units, so that one step size suits every coordinate.
    unit = jnp.sqrt(jnp.diagonal(covariances, axis1=1, axis2=2))

    def unpack(u):
        logits, shift, factor = jnp.split(u, [num_components - 1, num_components - 1 + means.size])
        w = jax.nn.softmax(jnp.log(weights) + jnp.append(logits, 0.0))
        entries = tril + factor.reshape(tril.shape) * jnp.abs(tril)
        root = jnp.zeros((len(tril), num_features, num_features)).at[:, *lower].set(entries)
        spread = root @ root.swapaxes(1, 2)
        return w, means + shift.reshape(means.shape) * unit, jnp.broadcast_to(spread, covariances.shape)

    @jax.jit
    def negative(u):
        params = unpack(u)
        return -log_likelihood(params, x) - log_prior(params)

    start = jnp.zeros(num_components - 1 + means.size + tril.size)
    found = optimize.minimize(
        jax.jit(jax.value_and_grad(negative)), start, jac=True, method="BFGS", options={"gtol": 1e-7}
    )
    return unpack(found.x), float(negative(start) - found.fun)


@pytest.mark.slow_but("overlapping")
@pytest.mark.parametrize("name", DATA)
def test_stops_within_a_millionth_of_the_maximum(name):
    # Peers stop 3 to 5 log-likelihood units short on such data.
    _, x, fit = fitted(name)
    maximum, short = polish(x, fit)
    assert -1e-9 < short < 1e-6
    np.testing.assert_allclose(fit.params.weights, maximum[0], atol=0.01)  # the same maximum, not another
    assert fit.status in (Status.CONVERGED, Status.INTERIOR)


@pytest.mark.parametrize("name", DATA)
def test_starts_that_end_together_agree(name):
    starts = fitted(name)[2].starts
    objective = np.asarray(starts.objective)[np.asarray(starts.status) == Status.CONVERGED]
    gaps = np.diff(np.sort(objective))
    together = gaps < 1e-3  # else they found different maxima
    assert together.any()
    assert gaps[together].max() < 1e-6


def test_a_fall_by_rounding_alone_counts_as_convergence():
    # These groups are so far apart that gains drop from 1e-7 to rounding error in one step.
    x = jnp.asarray(load("iris").values)
    model = mx.Mixture(mx.Gaussian("full"), 2)
    for seed in range(8):
        starts = mx.fit_em(model, x, key=jax.random.key(seed), objective="ml", num_starts=16).starts
        at_maximum = np.abs(np.asarray(starts.objective) + 214.3547044) < 1e-6
        assert at_maximum.any()
        assert set(np.asarray(starts.status)[at_maximum].tolist()) == {Status.CONVERGED}


# Monotonicity, without the guard that `step` puts around it.


class Disguised(AbstractPrior):
    """The conjugate prior under another name, so that EM cannot recognise its closed form."""

    inner: Conjugate

    def sites(self, layout):
        return self.inner.sites(layout)

    def describe(self):
        return {"name": "disguised"}


def half_normal_prior():
    return mx.priors.Independent(dist.Dirichlet(jnp.full(2, 2.0)), dist.Normal(5.0, 2.0), scale=dist.HalfNormal(1.0))


@eqx.filter_jit
def objectives_along_the_way(model, x, key, num_steps):
    rows = model.prepare(x)

    def one(params, _):
        value, stats = model.family.e_step(params, rows)
        return em_step.m_step(model, rows.frame, stats, params), value + model.log_prior(params)

    starts = random_starts(model, x, key, 4)
    return jax.lax.map(lambda p: jax.lax.scan(one, p, None, length=num_steps)[1], starts)


@pytest.mark.parametrize("name", [*COVARIANCES, "flat", "half-normal"])
def test_every_step_raises_the_objective(name, blobs):
    x = jnp.asarray((blobs - blobs.mean(0)) / blobs.std(0))
    model = {
        "flat": lambda: mx.Mixture(mx.Gaussian("full"), 2),
        "half-normal": lambda: mx.Mixture(mx.Gaussian("diagonal"), 2, half_normal_prior()),
    }.get(name, lambda: mx.Mixture.for_data(x, 2, mx.Gaussian(name)))()
    path = np.asarray(objectives_along_the_way(model, x, KEY, 40))
    assert np.all(np.isfinite(path))
    assert np.diff(path, axis=1).min() > -1e-11 * np.abs(path).max()
    assert np.all(path[:, -1] > path[:, 0])


# The numbers reported belong to the parameters returned.


@pytest.mark.parametrize("objective", ["ml", "map"])
def test_reported_objective_is_that_of_the_parameters(objective):
    _, x, fit = fitted_series(objective)
    x, weights = np.asarray(x), np.asarray(fit.params.weights)
    means, variances = np.asarray(fit.params.means)[:, 0], np.asarray(fit.params.covariances)[:, 0, 0]
    value = np.log(stats.norm.pdf(x, means, np.sqrt(variances)) @ weights).sum()
    # Fraley and Raftery's default prior for one feature and K = 3.
    lam, centre = np.var(x, ddof=1) / 9, np.mean(x)
    log_prior = np.log(2.0)  # Dirichlet(1, 1, 1)
    log_prior += stats.invgamma(1.5, scale=lam / 2).logpdf(variances).sum()
    log_prior += stats.norm(centre, np.sqrt(variances / 0.01)).logpdf(means).sum()

    assert float(fit.log_likelihood) == pytest.approx(value, rel=1e-12)
    assert float(fit.log_joint) == pytest.approx(value + log_prior, rel=1e-12)
    interior = np.asarray(fit.starts.status) == Status.CONVERGED
    reached = np.asarray(fit.starts.objective)[interior].max()
    assert reached == pytest.approx(value + log_prior if objective == "map" else value, rel=1e-12)


@pytest.mark.parametrize("name", DATA)
def test_components_come_in_order_of_their_means(name):
    assert np.all(np.diff(fitted(name)[2].params.means[:, 0]) > 0)


def test_one_component_is_the_closed_form():
    x = load("faithful").values
    num_rows, centre = len(x), x.mean(0)
    scatter = (x - centre).T @ (x - centre)
    fit = mx.fit_em(mx.Mixture.for_data(x, 1), x, key=KEY, num_starts=2)
    # The prior mean is the sample's, Λ the sample covariance, ν = 4, and the mode divides by ν + n + 4.
    spread = (scatter / (num_rows - 1) + scatter) / (4 + num_rows + 4)
    np.testing.assert_allclose(fit.params.weights, [1.0], rtol=1e-15)
    np.testing.assert_allclose(fit.params.means, [centre], rtol=1e-12)
    np.testing.assert_allclose(fit.params.covariances, [spread], rtol=1e-10)
    assert fit.status is Status.CONVERGED


# Priors without a closed form.


@pytest.mark.slow
def test_generalised_em_reaches_the_mode():
    x = jnp.asarray(load("acidity").values)
    model = mx.Mixture(mx.Gaussian("full"), 2, half_normal_prior())
    fit = mx.fit_em(model, x, key=KEY, num_starts=8)
    # p(σ) / 2σ grows without bound as σ → 0, so this log joint has no global maximum and some starts may find out.
    assert fit.status in (Status.CONVERGED, Status.INTERIOR)

    def log_prior(params):
        weights, means, covariances = params
        sigma = jnp.sqrt(covariances[:, 0, 0])
        on_weights = jnp.sum(jnp.log(weights)) + jnp.log(6.0)  # Dirichlet(2, 2)
        on_scales = jnp.sum(jnp.log(2.0) + jstats.norm.logpdf(sigma) - jnp.log(2 * sigma))
        return on_weights + jnp.sum(jstats.norm.logpdf(means, 5.0, 2.0)) + on_scales

    estimate = (fit.params.weights, fit.params.means, fit.params.covariances)
    assert float(fit.log_joint) == pytest.approx(float(log_likelihood(estimate, x) + log_prior(estimate)), rel=1e-12)
    mode, short = polish(x, fit, log_prior)
    assert -1e-9 < short < 1e-6
    for actual, expected in zip(estimate, mode, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-3)


@eqx.filter_jit
def climb(model, x, params):
    rows = model.prepare(x)
    return jax.lax.while_loop(
        lambda s: (s.status == Status.RUNNING) & (s.num_steps < 2000),
        lambda s: em_step.step(model, rows, s, jnp.asarray(1e-10)),
        em_step.init(model, rows, params),
    )


@pytest.mark.slow
def test_numerical_and_closed_form_steps_have_the_same_mode():
    x = jnp.asarray(load("faithful").values)
    model = mx.Mixture.for_data(x, 2)
    start = gaussian(
        jnp.array([0.5, 0.5]),
        jnp.array([[2.3, 60.0], [4.0, 75.0]]),
        jnp.array([[[0.3, 1.0], [1.0, 60.0]], [[0.2, 0.0], [0.0, 30.0]]]),
        "full",
    )
    closed = climb(model, x, start)
    numerical = climb(mx.Mixture(model.family, 2, Disguised(model.prior)), x, start)
    assert closed.status == numerical.status == Status.CONVERGED
    assert float(numerical.objective) == pytest.approx(float(closed.objective), abs=1e-8)
    np.testing.assert_allclose(numerical.params.weights, closed.params.weights, rtol=1e-5)
    np.testing.assert_allclose(numerical.params.means, closed.params.means, rtol=1e-5)
    np.testing.assert_allclose(numerical.params.spread["covariances"], closed.params.spread["covariances"], rtol=1e-5)


# Keys, starts, limits and refusals.


def test_starts_are_distinct(series):
    # 13 of these values are equal: drawing values with replacement would often start two components alike.
    x = jnp.asarray(series)[:, None]
    means = np.asarray(random_starts(mx.Mixture.for_data(x, 3), x, KEY, 200).means[..., 0])
    assert all(len(set(start)) == 3 for start in means.tolist())
    assert np.isin(means, series).all()
    assert len({tuple(sorted(start)) for start in means.tolist()}) > 100


def test_same_key_same_fit():
    model, x, fit = fitted("acidity")
    again = mx.fit_em(model, x, key=KEY, objective="ml", num_starts=16)
    other = mx.fit_em(model, x, key=jax.random.key(1), objective="ml", num_starts=16)
    assert eqx.tree_equal(fit, again)
    assert not np.array_equal(fit.starts.objective, other.starts.objective)
    assert float(other.log_likelihood) == pytest.approx(float(fit.log_likelihood), abs=1e-6)


def test_step_limit_is_reported():
    model, x, _ = fitted("overlapping")
    short = mx.fit_em(model, x, key=KEY, objective="ml", num_starts=16, max_steps=3)
    assert short.status is Status.MAX_STEPS
    assert int(short.num_steps) == 3
    assert "max_steps" in short.reason
    with pytest.raises(RuntimeError, match="raise max_steps"):
        mx.fit_em(model, x, key=KEY, objective="ml", num_starts=16, max_steps=3, throw=True)


def test_progress_is_told():
    model, x, _ = fitted("acidity")
    heard = []
    mx.fit_em(model, x, key=KEY, objective="ml", num_starts=16, on_progress=lambda *at: heard.append(at))
    assert heard == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": "mle"}, "objective must be one of 'map', 'ml'; got 'mle'"),
        ({"num_starts": 0}, "num_starts must be a whole number of at least 1, got 0"),
        ({"num_starts": True}, "num_starts must be a whole number of at least 1, got True"),
        ({"max_steps": 0}, "max_steps must be a whole number of at least 1, got 0"),
        ({"max_steps": 2.5}, "max_steps must be a whole number of at least 1, got 2.5"),
        ({"atol": 0.0}, "atol must be positive and finite, got 0.0"),
        ({"atol": float("nan")}, "atol must be positive and finite, got nan"),
        ({"x": np.array([1.0, np.nan, 2.0])}, "x has no value at all in 1 rows, first 1"),
        ({"x": np.array([1.0, np.inf, 2.0])}, "x must be finite; 1 values are infinite, first in rows 1"),
        ({"x": np.array([1.0, 1.0, 1.0])}, "x must vary in every column"),
        ({"x": np.array([[1.0, 2.0]])}, "x must have at least two rows"),
        ({"key": jax.random.split(KEY, 3)}, "key must be one JAX random key"),
    ],
)
def test_wrong_arguments(change, message, monkeypatch):
    # The run-time type checks of the test suite would get there first.
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    arguments = {"x": np.arange(10.0), "key": KEY} | change
    with pytest.raises(ValueError, match=message):
        mx.fit_em(
            mx.Mixture(mx.Gaussian(), 2), arguments.pop("x"), objective=arguments.pop("objective", "ml"), **arguments
        )


@pytest.mark.slow
def test_bounded_priors_bind(series):
    """Estimates stay inside the prior's support, and density outside it is nought."""
    prior = mx.priors.Independent(dist.Dirichlet(jnp.ones(3)), dist.Uniform(30.0, 45.0), dist.Uniform(0.5, 2.0))
    model = mx.Mixture(mx.Gaussian(), 3, prior)
    fit = mx.fit_em(model, series, key=KEY, num_starts=8)
    assert fit.status.is_estimate
    assert bool(((fit.params.means >= 30) & (fit.params.means <= 45)).all())
    assert bool(((fit.params.covariances >= 0.25) & (fit.params.covariances <= 4.0)).all())
    wide = eqx.tree_at(lambda p: p.spread["covariances"], fit.params, fit.params.spread["covariances"].at[0].set(25.0))
    assert model.log_prior(wide) == -jnp.inf
    # p(σ²) = p(σ) / 2σ with p(σ) = 1 / 1.5, three times; means uniform on 15 units; Dirichlet(1) of three weights is 2.
    expected = np.log(2) - 3 * np.log(15) - 3 * np.log(1.5) - np.log(2 * np.sqrt(fit.params.covariances)).sum()
    np.testing.assert_allclose(model.log_prior(fit.params), expected, rtol=1e-9)


def test_a_fit_of_another_covariance_model_is_refused(blobs):
    """Full and tied-by-another-name parameters may have the same locations, and would give a criterion of neither."""
    fit = mx.fit_em(mx.Mixture.for_data(blobs, 2), blobs, key=jax.random.key(0), num_starts=4)
    with pytest.raises(ValueError, match="fit must have parameters of shapes"):
        mx.criteria(mx.Mixture(mx.Gaussian("tied"), 2), fit, blobs)
    start = mx.Mixture.for_data(blobs, 2, mx.Gaussian("spherical")).sample_prior(jax.random.key(0), 2)
    with pytest.raises(ValueError, match="start must have parameters"):
        mx.fit_em(
            mx.Mixture.for_data(blobs, 2, mx.Gaussian("tied_diagonal")), blobs, key=jax.random.key(0), start=start
        )


def test_dependent_columns_are_named(blobs):
    with pytest.raises(ValueError, match="x must have more rows than features"):
        mx.Mixture.for_data(np.column_stack([blobs, blobs.sum(axis=1)])[:3], 2)
