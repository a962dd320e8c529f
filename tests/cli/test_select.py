"""`mixtures select`: its lists, its table, its files and its exit codes."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer

import mixtures as mx
from mixtures.cli.selecting import parse_components
from mixtures.datasets import load
from tests.cli.test_bad_input import FILES, everything

ACIDITY = Path(mx.__file__).parent / "datasets" / "acidity.csv"


@pytest.mark.parametrize(
    ("text", "counts"), [("1:4", [1, 2, 3, 4]), ("1,3,5", [1, 3, 5]), ("4", [4]), ("3, 1:2,3", [1, 2, 3])]
)
def test_lists_of_components(text, counts):
    assert parse_components(text) == counts


@pytest.mark.parametrize("text", ["", "a", "1:", ":3", "0:2", "3:1", "1.5", "-1", "1:10000", "1,,2"])
def test_bad_lists_of_components(text):
    with pytest.raises(typer.BadParameter):
        parse_components(text)


def test_select(run):
    code, output, errors = run("select", ACIDITY, "-k", "1:2", "--covariance", "tied", "--starts", "8", "-o", "here")
    assert code == 0
    for words in (
        "155 rows",
        "1 covariance model × 2 numbers",
        "Best: 2 components",
        "−392.07",
        "−398.54",
        "select.html",
        "select.md",
    ):
        assert words in output
    assert output.index("−392.07") < output.index("Best:")
    assert "EM" in errors
    assert json.loads(Path("here/select.json").read_text())["settings"]["num_components"] == [1, 2]


BAD = {
    "missing file": (["nowhere.csv"], "There is no file nowhere.csv"),
    "K too large": (["good.csv", "-k", "1:4"], "4 components need at least 4 distinct rows, but good.csv has 3"),
    "K": (["good.csv", "-k", "one"], "'one' is not a list of whole numbers"),
    "covariance": (["good.csv", "--covariance", "full,round"], "covariance must be one of"),
    "cross-validation": (["good.csv", "-k", "1", "--criterion", "cv"], "good.csv has only 4 rows; choose another"),
    "criterion": (["good.csv", "--criterion", "dic"], "'dic' is not one of aic, aicc, bic, sabic, icl, cv"),
    "out": (["good.csv", "-k", "1", "--out", "theirs"], "the file notes.txt, which this program did not write"),
    "one feature": (
        ["good.csv", "-k", "1", "--columns", "y", "--covariance", "VII"],
        "'VII' names no model of one feature",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(run, tmp_path, name):
    arguments, words = BAD[name]
    for file, content in FILES.items():
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = everything(tmp_path)
    code, output, errors = run("select", *arguments)
    assert code == 2
    assert output == ""
    assert words in errors
    assert everything(tmp_path) == before


@pytest.mark.slow
def test_noise_is_offered(run, tmp_path):
    """Each candidate has one parameter more, and the task says why."""
    source = tmp_path / "noisy.csv"
    anywhere = np.random.default_rng(0).uniform([0.6, 33.0], [6.1, 106.0], size=(60, 2))
    values = np.concatenate([np.asarray(load("faithful").values), anywhere])
    np.savetxt(source, values, delimiter=",", header="a,b", comments="")
    chosen = ("-k", "2", "--covariance", "VVV", "--noise", "--starts", "8", "--out", tmp_path / "out")
    code, output, errors = run("select", source, *chosen)
    assert code == 0, errors
    assert "beside uniform noise" in output
    numbers = json.loads((tmp_path / "out" / "select.json").read_text())
    assert numbers["candidates"][0]["num_parameters"] == 12
    assert numbers["candidates"][0]["log_likelihood"] == pytest.approx(-1598.82227, abs=1e-4)
