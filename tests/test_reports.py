"""Case studies: what the README of each needs, and one of them made again."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reports"))

import rebuild

import mixtures as mx


@pytest.mark.parametrize("name", rebuild.studies())
def test_a_study_has_its_question_command_result_and_lesson(name):
    text = (rebuild.HERE / name / "README.md").read_text()
    for part in ("**Question.**", "**Result.**", "**What to learn.**", "--out out/" + name):
        assert part in text
    assert rebuild.result(rebuild.HERE / name) in text
    assert f"]({name}/README.md)" in (rebuild.HERE / "README.md").read_text()


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


def test_the_audit_page_is_what_the_tool_says_now_and_names_the_six_faults():
    page = (rebuild.HERE / "timeseries" / "audit.md").read_text()
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == [line for line in rebuild.audit_page().splitlines() if line.startswith("## ")]
    codes = {
        *("variance-scale", "responsibilities-wrong-axis", "weights-not-normalised"),
        *("identical-components", "underflow", "likelihood-decreases", "not-stationary"),
    }
    assert all(any(f"`{code}`" in line for line in headings) for code in codes)
