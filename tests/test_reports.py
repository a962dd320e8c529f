"""Case studies: what the README of each needs, one of them made again, and EM's part of another."""

import json
import os
import runpy
import shutil
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).parents[1] / "reports"))

import rebuild

import mixtures as mx
from mixtures.report.saved import redraw


@pytest.mark.parametrize("name", rebuild.studies())
def test_a_study_has_its_question_command_result_and_lesson(name):
    text = (rebuild.HERE / name / "README.md").read_text()
    for part in ("**Question.**", "**Result.**", "**What to learn.**", "--out out/" + name):
        assert part in text
    assert rebuild.result(rebuild.HERE / name) in text
    assert f"]({name}/README.md)" in (rebuild.HERE / "README.md").read_text()


@pytest.mark.slow_but("faithful")
@pytest.mark.parametrize("name", rebuild.studies())
def test_a_study_is_drawn_again_from_its_numbers_with_the_same_words(name, tmp_path):
    folder = tmp_path / name
    shutil.copytree(rebuild.HERE / name, folder)
    redraw(folder)
    for page in folder.glob("*.md"):
        assert page.read_text() == (rebuild.HERE / name / page.name).read_text()


@pytest.mark.slow
def test_a_study_made_again_has_the_same_numbers(tmp_path, monkeypatch):
    """Other releases of the libraries give other draws, so posterior means agree within five Monte Carlo errors."""
    monkeypatch.setenv("XLA_FLAGS", os.environ["XLA_FLAGS"])
    rebuild.run("overlapping", tmp_path / "out")
    found, kept = mx.load(tmp_path / "out").content, mx.load(rebuild.HERE / "overlapping").content
    assert found["verdict"]["level"] == kept["verdict"]["level"]
    assert found["fits"]["ml"]["log_likelihood"] == pytest.approx(kept["fits"]["ml"]["log_likelihood"], abs=1e-5)
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(*(f["fits"]["map"]["estimates"][name] for f in (found, kept)), rtol=1e-3)
    for a, b in zip(found["agreement"], kept["agreement"], strict=True):
        error = np.hypot(a["nuts_mcse"], b["nuts_mcse"])
        assert abs(a["nuts_mean"] - b["nuts_mean"]) < 5 * error, json.dumps([a, b])


@pytest.mark.slow_but("map")
@pytest.mark.parametrize("objective", ["ml", "map"])
def test_em_of_a_study_made_again_from_other_starts_has_the_same_maximum(objective):
    kept = mx.load(rebuild.HERE / "faithful").content["fits"][objective]
    x = mx.read_data(rebuild.HERE.parent / "mixtures" / "datasets" / "faithful.csv").values
    fit = mx.fit_em(mx.Mixture.for_data(x, 2), x, key=jax.random.key(5), objective=objective)
    for name in ("log_likelihood", "log_joint"):
        assert float(getattr(fit, name)) == pytest.approx(kept[name], abs=1e-5)


def test_the_tables_of_coverage_are_those_of_its_numbers():
    study = runpy.run_path(str(rebuild.PROGRAMS["coverage"]))
    designs = json.loads(rebuild.PROGRAMS["coverage"].with_suffix(".json").read_text())["designs"]
    assert list(designs) == list(study["DESIGNS"])
    assert study["tables"](designs) in (rebuild.HERE / "calibration" / "README.md").read_text()


@pytest.mark.parametrize(("variances", "bayes", "bootstrap"), [((1, 1), 80, 75), ((1, 4), 89, 88)])
def test_intervals_of_the_smaller_of_two_variances_cover_what_the_study_says(variances, bayes, bootstrap):
    """Known groups of 70 and 130 rows: inverse-gamma posteriors, and a normal bootstrap of log variances."""
    rng, sizes, sims, draws = np.random.default_rng(0), np.array([70, 130]), 4000, 1000
    found = np.array(variances) * rng.chisquare(sizes - 1, (sims, 2)) / (sizes - 1)
    posterior = found[:, None] * (sizes - 1) / rng.chisquare(sizes - 1, (sims, draws, 2))
    resampled = found[:, None] * np.exp(rng.normal(size=(sims, draws, 2)) * np.sqrt(2 / (sizes - 1)))
    for drawn, said in ((posterior, bayes), (resampled, bootstrap)):
        low, high = np.quantile(drawn.min(-1), [0.05, 0.95], axis=1)
        covered = 100 * np.mean((low < 1) & (high > 1))  # one is the smaller of the true variances
        assert covered == pytest.approx(said, abs=0.5 + 4 * 100 * np.sqrt(0.8 * 0.2 / sims))
    assert all(f"{said} %" in (rebuild.HERE / "calibration" / "README.md").read_text() for said in (bayes, bootstrap))


def test_the_study_of_coverage_has_posterior_intervals_that_are_nominal_under_their_prior():
    """Exactly so by Cook, Gelman and Rubin (2006); with twelve quantities, one in a thousand such tests fails."""
    value = json.loads(rebuild.PROGRAMS["coverage"].with_suffix(".json").read_text())
    rows = [row for row in value["designs"]["parameters from the prior, N = 100"]["rows"] if row["method"] == "NUTS"]
    for row in rows:
        held = round(row["coverage"] * row["intervals"])
        assert binomtest(held, row["intervals"], value["level"]).pvalue > 0.001 / len(rows), row


def test_the_audit_page_is_what_the_tool_says_now_and_names_the_six_faults():
    page = (rebuild.HERE / "timeseries" / "audit.md").read_text()
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == [line for line in rebuild.audit_page().splitlines() if line.startswith("## ")]
    codes = {
        *("variance-scale", "responsibilities-wrong-axis", "weights-not-normalised"),
        *("identical-components", "underflow", "likelihood-decreases", "not-stationary"),
    }
    assert all(any(f"`{code}`" in line for line in headings) for code in codes)
    assert "Components 2 and 3 start identical and stay so." in page
