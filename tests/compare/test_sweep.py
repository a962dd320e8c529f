"""Many comparisons in one call: what each is, and what the table says of them."""

import csv
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import numpyro.distributions as dist
import pytest

import mixtures as mx
from mixtures.compare import prediction
from mixtures.compare.sweep import Case, Sweep
from mixtures.compare.verdict import Finding, Verdict
from tests.report import fake

KEY = jax.random.key(0)
SETTINGS = {"num_starts": 4, "num_warmup": 300, "num_samples": 900, "num_chains": 2}


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(3).normal(size=40)


@pytest.fixture(scope="module")
def found(rows):
    told = []
    priors = {"default": None, "wide": mx.priors.Conjugate([0.0], [[4.0]], dof=4.0, shrinkage=0.05)}
    result = mx.sweep(
        {"a": rows, "b": rows + 5.0},
        key=KEY,
        num_components=[1],
        priors=priors,
        on_cell=lambda *case: told.append(case),
        **SETTINGS,
    )
    return result, told


@pytest.mark.slow
def test_every_combination_is_compared_in_order(found):
    result, told = found
    cases = [Case(name, 1, "full", prior) for name in "ab" for prior in ("default", "wide")]
    assert list(result.comparisons) == cases
    assert told == [(case, i + 1, 4) for i, case in enumerate(cases)]
    assert [(row.data, row.prior) for row in result.rows] == [(case.data, case.prior) for case in cases]


@pytest.mark.slow
def test_a_case_is_the_comparison_of_its_own_model_data_and_key(found, rows):
    result, _ = found
    case = Case("b", 1, "full", "default")
    alone = mx.compare(mx.Mixture.for_data(rows + 5.0, 1), rows + 5.0, key=jax.random.fold_in(KEY, 2), **SETTINGS)
    np.testing.assert_array_equal(alone.nuts.log_joint, result.comparisons[case].nuts.log_joint)
    assert alone.verdict == result.comparisons[case].verdict


@pytest.mark.slow
def test_gaps_in_prediction_are_to_the_best_of_the_same_data(found):
    for name in "ab":
        rows = [row for row in found[0].rows if row.data == name and np.isfinite(row.elpd)]
        best = max(row.elpd for row in rows)
        assert [row.elpd_gap for row in rows] == pytest.approx([best - row.elpd for row in rows])
        # The two posteriors are nearly the same, so their difference is far surer than either.
        assert all(row.elpd_gap_error < 1.0 for row in rows)


@pytest.mark.slow
def test_the_standard_error_of_a_gap_is_that_of_paired_differences(found):
    result, _ = found
    pair = [result.comparisons[Case("a", 1, "full", prior)].prediction.posterior for prior in ("default", "wide")]
    gaps = pair[0].pointwise - pair[1].pointwise
    expected = np.sqrt(len(gaps) * np.var(gaps, ddof=1))
    assert max(row.elpd_gap_error for row in result.rows if row.data == "a") == pytest.approx(expected)


@pytest.mark.slow
def test_cases_of_many_rows_are_compared_on_the_same_sample_of_them(found, monkeypatch):
    """Each case has a key of its own, and scores of unpaired rows would differ by their spread."""
    monkeypatch.setattr(prediction, "_FEWEST_ROWS", 25)
    monkeypatch.setattr(prediction, "_DENSITIES", 1)
    cases = [Case("a", 1, "full", prior) for prior in ("default", "wide")]
    comparisons = {case: again(found[0].comparisons[case], jax.random.fold_in(KEY, i)) for i, case in enumerate(cases)}
    scores = [c.prediction.posterior for c in comparisons.values()]
    assert [len(np.unique(one.rows)) for one in scores] == [25, 25]
    gaps = scores[0].pointwise - scores[1].pointwise
    error = max(row.elpd_gap_error for row in Sweep(comparisons).rows)
    assert error == pytest.approx(40 * np.std(gaps, ddof=1) / 5)
    assert error < scores[0].standard_error / 5


def again(c, key):
    """The comparison with its prediction made anew."""
    return replace(c, prediction=prediction.predict_fairly(c.model, c.data.values, c.map, c.nuts, key=key))


@pytest.mark.slow
def test_a_score_that_cannot_be_relied_on_is_not_the_best(found):
    first, second = (Case("a", 1, "full", prior) for prior in ("default", "wide"))
    c, other = (found[0].comparisons[case] for case in (first, second))
    score = c.prediction.posterior
    high = replace(score, pointwise=score.pointwise + 1.0, khat=np.where(score.rows == 3, 0.8, 0.1))
    result = Sweep({first: replace(c, prediction=replace(c.prediction, posterior=high)), second: other})
    doubtful, best = result.rows
    assert doubtful.elpd > best.elpd
    assert np.isnan([doubtful.elpd_gap, doubtful.elpd_gap_error]).all()
    assert (best.elpd_gap, best.elpd_gap_error) == (0.0, 0.0)
    assert "In 1 the leave-one-out score cannot be relied on (Pareto k-hat above 0.7)." in result.sentences[0]
    alone = Sweep({first: result.comparisons[first]})
    assert np.isnan(alone.rows[0].elpd_gap)


def test_a_row_withholds_what_the_report_of_its_case_withholds():
    """Where labels are ambiguous, whatever needs them; where EM ended at no maximum, every distance from it."""
    case, plain = Case("a", 3, "full", "default"), fake.series()
    (whole,) = Sweep({case: plain}).rows
    assert np.isfinite([whole.worst_z, whole.worst_width, whole.hellinger, whole.adjusted_rand]).all()
    (ambiguous,) = Sweep({case: fake.ambiguous(plain)}).rows
    assert np.isnan([ambiguous.worst_z, ambiguous.worst_width, ambiguous.adjusted_rand]).all()
    assert ambiguous.hellinger == whole.hellinger
    unbounded = fake.unbounded(plain)
    (endless,) = Sweep({case: unbounded}).rows
    assert np.isnan([endless.elpd, endless.worst_row_khat, endless.em_elpd, endless.elpd_gap, endless.hellinger]).all()
    assert "predicts best" not in Sweep({case: unbounded, Case("a", 3, "full", "b"): plain}).sentences[0]
    nowhere = replace(plain, verdict=Verdict("not comparable", (Finding("em-not-at-a-maximum", ""),)))
    (row,) = Sweep({case: nowhere}).rows
    assert np.isnan([row.worst_z, row.worst_width, row.hellinger, row.adjusted_rand]).all()


def test_a_prior_without_a_mode_is_refused_before_any_case_is_fitted(rows):
    told, hollow = [], mx.priors.Conjugate([0.0], [[4.0]], dof=4.0, shrinkage=0.05, concentration=0.5)
    for call in (
        lambda: mx.sweep(rows, key=KEY, num_components=[2], priors={"default": None, "hollow": hollow}, on_cell=told),
        lambda: mx.compare(mx.Mixture(mx.Gaussian(), 2, hollow), rows, key=KEY, on_stage=told.append),
        lambda: mx.calibrate(mx.Mixture(mx.Gaussian(), 2, hollow), 20, KEY, methods=("MAP, opg",)),
    ):
        with pytest.raises(ValueError, match=r"needs a prior concentration of at least 1, got 0\.5"):
            call()
    assert told == []


@pytest.mark.slow
def test_a_sweep_is_written_whole(found, tmp_path):
    folder = found[0].save(tmp_path / "out")
    names = {path.name for path in folder.iterdir()}
    assert {"sweep.html", "sweep.json", "sweep.csv"} < names
    value = json.loads((folder / "sweep.json").read_text())
    page = (folder / "sweep.html").read_text()
    for row in value["rows"]:
        assert {f"{row['file']}.{end}" for end in ("html", "json", "nc")} < names
        assert f'href="{row["file"]}.html"' in page
        assert json.loads((folder / f"{row['file']}.json").read_text())["verdict"]["level"] == row["verdict"]
    assert len(list(csv.DictReader((folder / "sweep.csv").open()))) == 4
    assert page.count("<svg") == 4
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert all(Path(name).name == name for name in names)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_components": []}, "num_components must have at least one entry"),
        ({"num_components": [0]}, "num_components must be a whole number of at least 1"),
        ({"covariances": ["round"]}, "round"),
        ({"priors": {}}, "priors must have at least one entry"),
        ({"priors": {"mine": lambda x, model: dist.Normal(0, 1)}}, "priors must be"),
        ({"key": 3}, "key"),
        ({"num_components": [1, 50]}, "50"),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(rows, monkeypatch, change, words):
    monkeypatch.setattr(sys.modules["mixtures.compare.sweep"], "compare", lambda *a, **b: pytest.fail("work was done"))
    with pytest.raises(ValueError, match=re.escape(words)):
        mx.sweep(rows, **({"key": KEY} | change))
