"""Wrong arguments: one sentence, naming the argument, what came and what was expected, before any work."""

import inspect
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import mixtures as mx
from tests.models import gaussian

KEY = jax.random.key(0)
X = np.arange(10.0)
MODEL = mx.Mixture.for_data(X, 2)
DIRICHLET, NORMAL, HALF = dist.Dirichlet(jnp.ones(2)), dist.Normal(0.0, 5.0), dist.HalfNormal(2.0)


def independent(**changes):
    arguments = {"weights": DIRICHLET, "mean": NORMAL, "scale": HALF} | changes
    return mx.Mixture(mx.Gaussian(), 2, mx.priors.Independent(**arguments)).log_prior(
        gaussian(jnp.ones(2) / 2, jnp.zeros((2, 1)), jnp.ones((2, 1, 1)), "full")
    )


def spherical(**changes):
    arguments = {"weights": DIRICHLET, "mean": NORMAL} | changes
    prior = mx.priors.Independent(**arguments)
    return prior.sites(mx.Gaussian("spherical").layout(2, 2))


CASES = {
    "key is a number": (lambda: mx.fit_em(MODEL, X, key=0), "key must be one JAX random key"),
    "batch of keys": (lambda: mx.fit_em(MODEL, X, key=jax.random.split(KEY)), "key must be one JAX random key"),
    "objective": (
        lambda: mx.fit_em(MODEL, X, key=KEY, objective="mle"),
        "objective must be one of 'map', 'ml'; got 'mle'",
    ),
    "no starts": (
        lambda: mx.fit_em(MODEL, X, key=KEY, num_starts=0),
        "num_starts must be a whole number of at least 1, got 0",
    ),
    "half a start": (lambda: mx.fit_em(MODEL, X, key=KEY, num_starts=1.5), "num_starts must be a whole number"),
    "tolerance": (lambda: mx.fit_em(MODEL, X, key=KEY, atol=-1.0), "atol must be positive and finite, got -1.0"),
    "text": (lambda: mx.fit_em(MODEL, np.array(["a", "b"]), key=KEY), "x must be an array of numbers"),
    "complex": (lambda: mx.fit_em(MODEL, X + 1j, key=KEY), "x must hold real numbers, got dtype complex"),
    "cube": (
        lambda: mx.fit_em(MODEL, np.ones((2, 2, 2)), key=KEY),
        r"x must have shape \(N,\) or \(N, D\).*got shape \(2, 2, 2\)",
    ),
    "empty": (lambda: mx.fit_em(MODEL, np.ones((0, 2)), key=KEY), "at least one row, got shape"),
    "one row": (lambda: mx.fit_em(MODEL, [1.0], key=KEY), "x must have at least two rows"),
    "missing": (
        lambda: mx.fit_em(MODEL, [1.0, np.nan, np.inf, 2.0], key=KEY),
        "x must be finite; 1 values are infinite, first in rows 2",
    ),
    "constant": (
        lambda: mx.fit_em(MODEL, np.c_[X, np.ones(10)], key=KEY),
        "x must vary in every column; columns 1 do not",
    ),
    "too few": (
        lambda: mx.fit_em(mx.Mixture(mx.Gaussian(), 3), [1.0, 1.0, 2.0], key=KEY),
        "number of distinct rows, 2; got 3",
    ),
    "components": (lambda: mx.Mixture(mx.Gaussian(), 0), "num_components must be a whole number of at least 1, got 0"),
    "components text": (
        lambda: mx.Mixture(mx.Gaussian(), "3"),
        "num_components must be a whole number of at least 1, got '3'",
    ),
    "components true": (lambda: mx.Mixture(mx.Gaussian(), True), "num_components must be a whole number"),
    "family": (lambda: mx.Mixture("gaussian", 2), "family must be a component family"),
    "prior": (lambda: mx.Mixture(mx.Gaussian(), 2, prior=NORMAL), "prior must be one of mx.priors, got"),
    "covariance": (
        lambda: mx.Gaussian("round"),
        "covariance must be one of full, tied, .*, or a code from EII to VVV; got 'round'",
    ),
    "guide": (
        lambda: mx.fit_vi(MODEL, X, key=KEY, guide="vine"),
        "guide must be one of 'full_rank', 'mean_field', 'laplace', 'flow', 'pathfinder'; got 'vine'",
    ),
    "draws": (
        lambda: mx.fit_nuts(MODEL, X, key=KEY, num_samples=-5),
        "num_samples must be a whole number of at least 1, got -5",
    ),
    "shrinkage": (lambda: mx.priors.Conjugate(0.0, [[1.0]], 3.0, shrinkage=0.0), "shrinkage must be positive, got 0.0"),
    "dof": (lambda: mx.priors.Conjugate([0.0, 0.0], jnp.eye(2), 1.0), "dof must exceed D − 1"),
    "not a number": (
        lambda: mx.priors.Conjugate("zero", [[1.0]], 3.0),
        "mean must be an array of numbers, got 'zero'",
    ),
    "not a distribution": (lambda: independent(mean=0.0), "mean must be a numpyro Distribution, got float"),
    "both": (lambda: independent(covariance=HALF), "exactly one of scale"),
    "neither": (lambda: independent(scale=None), "exactly one of scale"),
    "correlation": (
        lambda: independent(scale=None, covariance=HALF, correlation=dist.LKJ(2)),
        "correlation goes with scale",
    ),
    "weights": (lambda: independent(weights=dist.Dirichlet(jnp.ones(3))), r"over 2 weights, got event shape \(3,\)"),
    "own feature": (
        lambda: spherical(covariance=dist.InverseGamma(2.0, jnp.ones(2))),
        r"covariance must be one distribution for all components, of shape \(\) or \(1,\); got batch shape \(2,\)",
    ),
    "favoured": (
        lambda: independent(weights=dist.Dirichlet(jnp.array([1.0, 2.0]))),
        "weights must have one concentration for all components",
    ),
    "scale matrix": (
        lambda: mx.priors.Conjugate([0.0, 0.0], -jnp.eye(2), dof=4.0),
        "scale must be a positive definite matrix",
    ),
    "scale": (lambda: mx.priors.Conjugate([0.0], -1.0, dof=4.0), "scale must be positive"),
    "per component": (lambda: independent(mean=dist.Normal(jnp.zeros(2), 1.0)), "Components must be exchangeable"),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_argument(name):
    call, message = CASES[name]
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


WRONG_VALUES = {
    "text": "abc",
    "nothing": None,
    "negative": -1,
    "nought": 0,
    "half": 1.5,
    "nan": float("nan"),
    "infinite": float("inf"),
    "dictionary": {},
    "truth": True,
    "cube": np.zeros((2, 2, 2)),
    "empty": np.zeros((0, 2)),
    "complex": np.ones((5, 2)) * 1j,
    "object": object(),
    "words": np.array(["a", "b"]),
}
# What each kind of argument may be, of the values above.
RIGHT = {
    "model": set(),
    "fit": set(),
    "posterior": set(),
    "functions": {"nothing"},
    "key or none": {"nothing"},
    "x": set(),
    "key": set(),
    "choice": set(),
    "count": set(),
    "tolerance": {"half"},
    "share": set(),
    "rows": {"nothing"},
    "flag": {"truth"},
    "callback": {"nothing"},
    "start": set(),
    "family": {"text"},  # a name is answered by the covariance models
    "number or none": {"nothing"},
    "fit or none": {"nothing"},
    "path": {"nothing", "text"},
}


@cache
def a_fit():
    return mx.fit_em(MODEL, X, key=KEY, num_starts=1)


@cache
def a_posterior():
    return mx.fit_gibbs(MODEL, X, key=KEY, num_warmup=10, num_samples=10)


def call(function, **arguments):
    """Call a public function, or a method of what it returns, with arguments that are right but for those given."""
    right = {"model": MODEL, "x": X, "key": KEY}
    if function == "bootstrap_lrt":
        right["num_components"] = 1
    if function in ("standard_errors", "bootstrap", "criteria", "spurious", "interval", "sample"):
        right["fit"] = a_fit()
    if function == "interval":
        return mx.standard_errors(MODEL, a_fit(), X).interval(lambda p: p.weights, **arguments)
    if function == "sample":
        return MODEL.sample(**({"params": a_fit().params, "key": KEY} | arguments))
    if function == "simulation_based_calibration":
        right |= {"num_rows": 5, "fit": mx.fit_nuts}
    if function.endswith("predictive"):
        right["num_rows"] = 5
    if "posterior" in inspect.signature(getattr(mx, function)).parameters:
        right["posterior"] = a_posterior()
    taken = inspect.signature(getattr(mx, function)).parameters
    return getattr(mx, function)(**({name: v for name, v in right.items() if name in taken} | arguments))


EM = {"objective": "choice", "start": "start", "num_starts": "count", "num_finalists": "number or none"}
EM |= {"max_steps": "count", "atol": "tolerance", "weights": "rows", "labels": "rows", "throw": "flag"}
VI = {"guide": "choice", "num_starts": "count", "num_steps": "count", "num_samples": "count"}
VI |= {"batch_size": "number or none", "reference": "fit or none"}
NUTS = {"num_warmup": "count", "num_samples": "count", "num_chains": "count", "target_accept_prob": "share"}
NUTS |= {"start": "start", "checkpoint": "path", "reference": "fit or none"}
ENGINE = {"model": "model", "x": "x", "key": "key", "on_progress": "callback"}
DRAWS = {"posterior": "posterior", "x": "x"}
AFTER = {"model": "model", "fit": "fit", "x": "x"}
PUBLIC = {
    "fit_em": ENGINE | EM,
    "fit_vi": ENGINE | VI,
    "fit_nuts": ENGINE | NUTS,
    "fit_smc": ENGINE | {"num_particles": "count", "num_runs": "count", "num_moves": "count", "target_ess": "share"},
    "fit_gibbs": ENGINE | {"num_warmup": "count", "num_samples": "count", "num_chains": "count", "start": "start"},
    "fit_telescope": ENGINE
    | {"concentration": "tolerance", "num_warmup": "count", "num_samples": "count", "num_chains": "count"},
    "bridge_evidence": DRAWS | {"key": "key"},
    "loo": DRAWS | {"key": "key or none"},
    "stack_chains": DRAWS,
    "similarity": DRAWS,
    "draw_partitions": DRAWS | {"key": "key", "num_partitions": "count"},
    "point_partition": DRAWS | {"key": "key", "loss": "choice", "num_partitions": "count", "level": "share"},
    "posterior_predictive": {"posterior": "posterior", "key": "key", "num_rows": "count", "num_draws": "count"},
    "prior_predictive": {"model": "model", "key": "key", "num_rows": "count", "num_draws": "count"}
    | {"num_features": "count"},
    "check_posterior": DRAWS | {"key": "key", "statistics": "functions", "num_draws": "count"},
    "check_prior": {"model": "model", "x": "x", "key": "key", "statistics": "functions", "num_draws": "count"},
    "prior_sensitivity": {"posterior": "posterior"},
    "importance_correct": {"vi": "posterior"},
    "simulation_based_calibration": {"model": "model", "key": "key", "num_rows": "count", "num_features": "count"}
    | {"fit": "fit", "num_simulations": "count", "num_draws": "count", "on_progress": "callback"},
    "standard_errors": AFTER | {"kind": "choice", "weights": "rows", "labels": "rows"},
    "bootstrap": AFTER
    | {"key": "key", "kind": "choice", "num_replicates": "count", "atol": "tolerance", "max_steps": "count"}
    | {"weights": "rows", "labels": "rows"},
    "criteria": AFTER | {"weights": "rows", "labels": "rows"},
    "spurious": AFTER | {"weights": "rows", "labels": "rows"},
    "cross_validate": {"model": "model", "x": "x", "key": "key", "num_folds": "count", "objective": "choice"}
    | {"fit": "fit or none", "num_starts": "count", "max_steps": "count", "atol": "tolerance", "weights": "rows"},
    "bootstrap_lrt": {"x": "x", "key": "key", "family": "family", "num_components": "count", "num_replicates": "count"}
    | {"num_starts": "count", "max_steps": "count", "atol": "tolerance"},
    "select": {"x": "x", "key": "key", "criterion": "choice", "num_starts": "count", "on_progress": "callback"}
    | {"num_folds": "count", "noise": "flag", "weights": "rows"},
    "floor_profile": {"model": "model", "x": "x", "key": "key", "num_starts": "count", "floors": "number or none"}
    | {"weights": "rows", "labels": "rows"},
    "fold_duplicates": {"x": "x", "weights": "rows"},
    "sample": {"num_rows": "count"},
    "interval": {"level": "share"},
}
SWEEP = [
    (function, name, value)
    for function, kinds in PUBLIC.items()
    for name, kind in kinds.items()
    for value in WRONG_VALUES
    if value not in RIGHT[kind]
]


@pytest.mark.parametrize(("function", "name", "value"), SWEEP)
def test_every_argument_refuses_what_it_cannot_be(function, name, value):
    """One sentence on one line that names the argument, before any work is done."""
    with pytest.raises(ValueError, match=rf"(?s).*\b{name}\b") as error:
        call(function, **{name: WRONG_VALUES[value]})
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300
