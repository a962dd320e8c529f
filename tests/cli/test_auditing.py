"""`mixtures audit`: programs and solutions from files, and what is said of files that are none."""

import json
from pathlib import Path

import numpy as np
import pytest

import mixtures
from mixtures.cli.runtime import BAD_INPUT, FAILED
from tests.report.schemas import complaints

SERIES = Path(mixtures.__file__).parent / "datasets" / "timeseries.csv"
RIGHT = """
import numpy as np
from scipy.special import logsumexp

def start(x, k):
    return np.full(k, 1 / k), np.quantile(x, np.linspace(0.2, 0.8, k)), np.full(k, x.var() / k**2)

def e_step(x, params):
    w, m, v = params
    joint = np.log(w) - 0.5 * ((x[:, None] - m) ** 2 / v + np.log(2 * np.pi * v))
    return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

def m_step(x, r):
    n = r.sum(axis=0)
    m = x @ r / n
    return n / len(x), m, (r * (x[:, None] - m) ** 2).sum(axis=0) / n
"""


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    np.savetxt("rows.csv", np.concatenate([rng.normal(0, 1, 150), rng.normal(9, 2, 150)]), header="x", comments="")
    return "rows.csv"


def test_a_right_program_ends_well(run, rows):
    Path("right.py").write_text(RIGHT)
    code, output, _ = run("audit", "right.py", rows)
    assert (code, output) == (0, "No findings in the E- and M-step.\n")


def test_a_wrong_program_is_a_failure_and_json_is_alone_on_standard_output(run, rows):
    Path("wrong.py").write_text(
        RIGHT.replace("logsumexp(joint, axis=1", "logsumexp(joint, axis=0").replace("def e_step", "def expect")
    )
    code, output, _ = run("audit", "wrong.py", rows, "--e-step", "expect", "--json")
    assert code == FAILED
    value = json.loads(output)
    assert complaints("audit", value) == []
    assert "responsibilities-wrong-axis" in {finding["code"] for finding in value["findings"]}
    code, output, _ = run("audit", "wrong.py", rows, "--e-step", "expect")
    assert code == FAILED
    for word in ("responsibilities-wrong-axis", "Evidence:", "Cause:", "Fix:"):
        assert word in output


def test_the_program_of_the_guide_is_audited_as_the_guide_says(run, rows):
    page = (Path(mixtures.__file__).parent / "guide" / "audit.md").read_text()
    Path("my_em.py").write_text(page.split("```python\n")[1].split("```")[0])
    (command,) = (line for line in page.splitlines() if line.startswith("mixtures audit"))
    code, output, _ = run(*command.replace("data.csv", rows).split()[1:])
    assert code == FAILED
    assert "m-step-not-maximiser" in output
    assert "n_k − 1" in output


def test_facts_alone_are_told_and_are_no_failure(run):
    Path("right.py").write_text(RIGHT)
    code, output, _ = run("audit", "right.py", SERIES, "-k", "3")
    assert "unbounded-likelihood (no fault)" in output
    assert "none of them a fault" in output
    assert code == 0


def test_a_fit_is_looked_at_where_it_ends(run, rows):
    whole = "def fit(x, k):\n    params = _start(x, k)\n    for _ in range(STEPS):\n"
    whole += "        params = _m_step(x, _e_step(x, params))\n    return params\n"
    for steps, expected in ((500, 0), (1, FAILED)):
        own = RIGHT.replace("def ", "def _") + whole.replace("STEPS", str(steps))
        Path("fit.py").write_text(own)
        code, output, _ = run("audit", "fit.py", rows, "-k", "2")
        assert code == expected
        assert ("not-stationary" in output) == bool(expected)


def test_a_solution_from_json(run, rows):
    Path("far.json").write_text(json.dumps({"weights": [0.5, 0.5], "means": [2.0, 9.0], "variances": [1.0, 4.0]}))
    code, output, _ = run("audit", "far.json", rows)
    assert code == FAILED
    assert "not-stationary" in output


@pytest.mark.parametrize(
    ("name", "text", "options", "words"),
    [
        ("none.py", None, (), "There is no file none.py"),
        ("a.txt", "x", (), "is no Python file"),
        ("a.json", "{", (), "cannot be read as JSON"),
        ("a.json", "[1]", (), "must hold an object"),
        ("a.json", '{"weights": [1.0]}', (), "no means"),
        ("a.py", "1 / 0", (), "a.py cannot be run: division by zero (ZeroDivisionError in a.py, line 1)"),
        ("a.py", "def e_stepp(x): pass", ("--e-step", "e_stepp"), "has no function m_step"),
        ("a.py", "def fitt(x, k): pass", (), "did you mean 'fitt'?"),
        ("a.py", RIGHT.replace("def start", "def begin"), (), "has no start"),
        ("a.py", "import sys; sys.exit(3)", (), "a.py cannot be run: it calls sys.exit(3)"),
        ("a.py", RIGHT.replace("w, m, v = params", "import sys; sys.exit(3)"), (), "it calls sys.exit(3)"),
        ("a.py", RIGHT.replace("w, m, v = params", "raise KeyError('oh')"), (), "KeyError in a.py"),
    ],
)
def test_what_cannot_be_audited(run, rows, name, text, options, words):
    if text is not None:
        Path(name).write_text(text)
    code, output, errors = run("audit", name, rows, *options)
    assert (code, output) == (BAD_INPUT, "")
    assert words in errors
    assert errors.count("\n") == 1


def test_a_program_finds_its_neighbours_and_its_words_do_not_disturb_the_json(run, rows, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "neighbour_of_mine.py").write_text(RIGHT)
    (folder / "mine.py").write_text("from neighbour_of_mine import *\nprint('begins')")
    code, output, errors = run("audit", str(folder / "mine.py"), rows, "--json")
    assert (code, json.loads(output)["findings"]) == (0, [])
    assert "begins" in errors


def test_other_words_in_a_solution_are_passed_over(run, rows):
    value = {"weights": [0.5, 0.5], "means": [2.0, 9.0], "variances": [1.0, 4.0], "made by": "hand"}
    Path("named.json").write_text(json.dumps(value))
    assert run("audit", "named.json", rows)[0] == FAILED
