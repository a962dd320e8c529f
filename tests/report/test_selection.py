"""The page and the JSON of a selection: what they say, and that they hold together."""

import json
import re
from dataclasses import replace

import equinox as eqx
import jax
import numpy as np
import pytest

import mixtures as mx
from mixtures import Status
from mixtures.datasets import load
from mixtures.report.selection import save_selection, selection_content, selection_page
from mixtures.report.selection_words import say_selection
from tests.report.schemas import complaints
from tests.report.test_html import Page

SETTINGS = {"num_components": [1, 2], "num_starts": 8, "seed": 0}


@pytest.fixture(scope="module")
def found():
    """Acidity, E: two components win, as published."""
    x = load("acidity").values
    return mx.select(x, key=jax.random.key(0), num_components=(1, 2), covariances=["tied"], num_starts=8)


@pytest.fixture(scope="module")
def flagged(found):
    one, two = found.candidates
    return replace(found, candidates=(one, replace(two, spurious=("Component 2 claims <2> of 155 rows.",))))


def test_words_of_a_plain_choice(found):
    first, second, edge = say_selection(found)
    assert "2 components with covariance model E" in first
    assert "−392.07" in first
    gap = found.candidates[1].bic - found.candidates[0].bic
    assert gap > 10
    assert f"{gap:.2f} lower: evidence very strong" in second
    assert "try more" in edge


@pytest.mark.parametrize(
    ("gap", "words"), [(1.0, "bare mention"), (4.0, "positive"), (8.0, "strong"), (12.0, "very strong")]
)
def test_kass_and_raftery(found, gap, words):
    one, two = found.candidates
    assert words in say_selection(replace(found, candidates=(replace(one, bic=two.bic - gap), two)))[1]


def test_words_of_what_was_passed_over(found, flagged):
    said = " ".join(say_selection(flagged))
    assert "Best: 1 component with" in said
    assert "of those that do not look spurious" in said
    assert "Passed over" in said
    assert "Component 2 claims" in said
    alone = replace(flagged, candidates=flagged.candidates[1:])
    assert "Every estimate looks spurious, this one too" in " ".join(say_selection(alone))
    nothing = replace(found, candidates=tuple(replace(c, bic=np.nan) for c in found.candidates))
    assert say_selection(nothing) == [
        "BIC is not defined for any of the 2 estimates: there are too few rows, or folds failed."
    ]
    lost = [
        replace(c, fit=eqx.tree_at(lambda f: f.status_code, c.fit, np.int32(Status.DEGENERATE)))
        for c in nothing.candidates
    ]
    assert say_selection(replace(nothing, candidates=tuple(lost))) == [
        "No candidate is an estimate: every start of every candidate failed."
    ]


@pytest.mark.parametrize("which", ["found", "flagged"])
def test_page(which, request):
    selection = request.getfixturevalue(which)
    text = selection_page(selection_content(load("acidity"), selection, SETTINGS))
    parsed = Page(text)
    ids = [attrs["id"] for _, attrs in parsed.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert all(len(d["aria-label"]) > 40 for d in parsed.all("svg"))
    assert not re.search(r"#[0-9a-f]{6}", "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL)))
    for sentence in say_selection(selection):
        assert sentence in parsed.words
    assert ("Looks spurious." in parsed.words) == (which == "flagged")


def test_nothing_to_choose_has_a_page(found):
    nothing = replace(found, candidates=tuple(replace(c, bic=np.nan) for c in found.candidates))
    assert "Nothing to choose" in Page(selection_page(selection_content(load("acidity"), nothing, SETTINGS))).words


def test_one_candidate_has_a_page(found):
    alone = replace(found, candidates=found.candidates[1:])
    assert "2 components, E" in Page(selection_page(selection_content(load("acidity"), alone, SETTINGS))).words


def test_files(found, tmp_path):
    folder = save_selection(tmp_path / "here", load("acidity"), found, SETTINGS)
    assert {f.name for f in folder.iterdir()} == {"select.html", "select.md", "select.json", ".mixtures-report"}
    value = json.loads((folder / "select.json").read_text())
    assert complaints("select", value) == []
    assert complaints("select", value | {"best": value["best"] | {"opinion": 1}})
    text = (folder / "select.md").read_text()
    assert text.splitlines()[0].endswith(": E with K = 2")
    assert [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| E ")] == ["2", "1"], "best first"
    assert value["best"]["bic"] == pytest.approx(-392.0722, abs=2e-3)
    assert [c["num_components"] for c in value["candidates"]] == [2, 1]
    assert value["candidates"][0]["cv"] is None
