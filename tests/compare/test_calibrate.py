"""Calibration: coverage known in closed form for one component, nominal for posteriors under the prior they assume."""

from importlib import import_module

import equinox as eqx
import jax
import numpy as np
import pytest
from scipy import stats

import mixtures as mx
from mixtures.compare.calibrate import _trusted as trusted
from mixtures.compare.coverage import Calibration, wilson
from mixtures.compare.densities import BAND
from tests.report import fake

KEY = jax.random.key(6)
SURPRISE = 0.001  # false-alarm rate of each assertion


def explicit(num_components):
    prior = mx.priors.Conjugate([0.0], [[2.0]], dof=5.0, shrinkage=0.3)
    return mx.Mixture(mx.Gaussian(), num_components, prior)


def row(found, method, quantity):
    (one,) = [r for r in found.rows() if (r.method, r.quantity) == (method, quantity)]
    return one


@pytest.mark.slow
def test_a_mean_by_maximum_likelihood_covers_what_student_says():
    """x̄ ± z σ̂/√n with σ̂² of divisor n covers P(|t| < z √((n − 1)/n)) with n − 1 degrees of freedom."""
    num_rows, level = 8, 0.9
    found = mx.calibrate(explicit(1), num_rows, KEY, methods=("ML, observed",), level=level, num_simulations=600)
    z = stats.norm.ppf((1 + level) / 2)
    expected = 2 * stats.t.cdf(z * np.sqrt((num_rows - 1) / num_rows), num_rows - 1) - 1
    one = row(found, "ML, observed", "means[1, x1]")
    assert one.intervals == 600
    assert stats.binomtest(round(one.coverage * 600), 600, expected).pvalue > SURPRISE
    assert one.low < one.coverage < one.high
    assert found.quantities[:2] == ("centre_1", "widest")


@pytest.mark.parametrize(("held", "total"), [(20, 20), (0, 20), (270, 300), (1, 3)])
def test_an_interval_of_coverage_has_width_even_where_nothing_was_missed(held, total):
    """Its ends are where (share − p)² = z² p (1 − p) / n (Wilson 1927); 20 of 20 gives z² / (20 + z²) as its width."""
    z = stats.norm.ppf(0.975)
    for end in wilson(held, total):
        assert (held / total - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / total, abs=1e-12)
    if held == total:
        assert wilson(held, total) == pytest.approx((total / (total + z**2), 1.0))
    assert np.isnan(wilson(0, 0)).all()


@pytest.mark.slow
def test_posterior_intervals_are_nominal_under_their_prior():
    seen = []
    found = mx.calibrate(
        explicit(2),
        30,
        KEY,
        methods=("NUTS",),
        num_simulations=100,
        num_warmup=200,
        num_samples=300,
        num_chains=2,
        on_progress=lambda *done: seen.append(done),
    )
    assert seen[-1] == (100, 100)
    for name in found.quantities[: found.num_label_free]:
        one = row(found, "NUTS", name)
        assert stats.binomtest(round(one.coverage * 100), 100, 0.9).pvalue > SURPRISE, name
    told = dict(sentence.split(":", 1) for sentence in found.sentences)
    assert "none is clearly off nominal" in told["NUTS"]
    assert told["Each data set"] == " NUTS with 2 chains of 200 + 300 iterations. A fit to the data may do more."
    assert set(found.to_frame()["method"]) == {"NUTS"}


@pytest.mark.slow
def test_at_fixed_parameters_every_data_set_has_the_same_truth(series):
    model = mx.Mixture.for_data(series, 2)
    fit = mx.fit_em(model, series, key=KEY, num_starts=4)
    found = mx.calibrate(
        model, 50, KEY, truth=fit.params, columns=("speed",), methods=("MAP, opg", "MAP, bootstrap"), num_simulations=20
    )
    assert not found.from_prior
    assert list(found.estimates) == list(found.trusted) == ["MAP, opg", "MAP, bootstrap"], "in the order asked for"
    place = found.quantities.index("means[2, speed]")
    np.testing.assert_allclose(found.truth[:, place], float(fit.params.means[1, 0]))
    assert abs(np.median(found.estimates["MAP, opg"][:, place]) - found.truth[0, place]) < 0.5
    assert not np.isnan(found.lows["MAP, bootstrap"]).all()
    assert found.effort.startswith("Each data set: EM from 16 starts; 200 bootstrap replicates.")


def batch(*fits):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *fits)


def test_nuts_is_trusted_by_every_label_free_quantity():
    """A chain whose means lie ten standard deviations off is seen in them, though its log joint density is the same."""
    sound = fake.series().nuts
    means = sound.params.means.at[0].add(10 * sound.params.means.std())
    astray = eqx.tree_at(lambda p: p.params.means, sound, means)
    assert trusted({}, None, batch(sound, astray))["NUTS"].tolist() == [True, False]


@pytest.mark.slow
def test_vi_is_trusted_where_it_converged_with_weights_of_light_tails():
    sound, heavy = fake.series().vi.info, fake.poor_vi(fake.series()).vi.info
    drifting = eqx.tree_at(lambda info: info.drift, sound, sound.drift + 10.0)
    assert trusted({}, batch(sound, drifting, heavy), None)["VI"].tolist() == [True, False, False]


@pytest.mark.slow
def test_a_report_calibrates_intervals_of_its_own_level(monkeypatch):
    asked = {}
    monkeypatch.setattr(
        import_module("mixtures.compare.comparison"), "calibrate", lambda *_, **given: asked.update(given)
    )
    x = np.random.default_rng(0).normal(size=30)
    mx.compare(mx.Mixture.for_data(x, 1), x, key=KEY, num_starts=2, num_warmup=50, num_samples=50, num_simulations=7)
    assert (asked["level"], asked["num_simulations"]) == (0.89, 7)
    assert np.diff(BAND) == pytest.approx(0.89)


def test_counts_by_hand():
    low, high = np.array([[0.0], [2.0], [np.nan], [0.0]]), np.array([[1.5], [3.0], [np.nan], [np.inf]])
    trusted = np.array([True, True, False, False])
    found = Calibration(
        ("a",), 1, np.ones((4, 1)), {"m": np.full((4, 1), 1.25)}, {"m": low}, {"m": high}, {"m": trusted}, 0.9, 10, True
    )
    one = found.rows()[0]
    assert (one.coverage, one.intervals, one.trusted, one.trusted_intervals) == (2 / 3, 3, 0.5, 2)
    assert (one.width, one.bias) == (1.25, 0.25)
    assert found.failed("m") == 0.25
    assert found.sentences == [
        "m: intervals called 90 % cover 66.7 % on average, at worst 66.7 % (a; 95 % interval 20.8 % to 93.9 %); "
        "none is clearly off nominal (p < 0.001); it doubts itself for 50 % of data sets, and covers 50.0 % at "
        "worst (a) of the other 2."
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ("EM",)}, "methods must be one of"),
        ({"methods": ()}, "methods must name at least one"),
        ({"level": 90}, "level must lie between 0 and 1"),
        ({"truth": 3}, "truth must be parameters"),
        ({"num_rows": 1}, "num_rows must be a whole number of at least 2"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        mx.calibrate(**({"model": explicit(1), "num_rows": 20, "key": KEY} | change))
