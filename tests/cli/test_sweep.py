"""`mixtures sweep`: its options, its files, and how it goes on after an interruption; engines only pretend."""

import json
from importlib import import_module
from pathlib import Path

import pytest

import mixtures as mx
from tests.cli.test_bad_input import FILES, everything
from tests.report import fake

DATASETS = Path(mx.__file__).parent / "datasets"
SERIES, FAITHFUL = DATASETS / "timeseries.csv", DATASETS / "faithful.csv"
HOLLOW = "mean=Normal(0, 10); scale=LogNormal(1, 0.5); weights=Dirichlet(0.5)"


@pytest.fixture
def cases(monkeypatch):
    """Replace `compare` by one that keeps a state, returns a made-up comparison, and stops where it is told to."""

    class Cases:
        def __init__(self):
            self.called, self.stop_at = [], None

        def __call__(self, model, data, *, on_stage, checkpoint, **settings):
            on_stage("NUTS")
            self.called.append({"model": model, "again": checkpoint.exists(), **settings})
            checkpoint.write_text("a state")
            if len(self.called) == self.stop_at:
                raise KeyboardInterrupt
            return fake.series()

    stand_in = Cases()
    monkeypatch.setattr(import_module("mixtures.compare.sweep"), "compare", stand_in)
    return stand_in


@pytest.mark.slow
def test_sweep(run, cases):
    code, output, errors = run("sweep", SERIES, "-k", "2,3", "--covariance", "E", "--quick", "-o", "here")
    assert code == 0
    assert "Quick look" in output
    assert [(c["model"].num_components, c["model"].family.covariance) for c in cases.called] == [
        (2, "tied"),
        (3, "tied"),
    ]
    assert all(c["num_starts"] < 64 for c in cases.called)
    assert "2 of 2: timeseries, K = 3, tied: NUTS …" in errors
    rows = json.loads(Path("here/sweep.json").read_text())["rows"]
    assert [row["num_components"] for row in rows] == [2, 3]
    assert {"sweep.html", "sweep.csv", f"{rows[0]['file']}.html"} < {p.name for p in Path("here").iterdir()}
    assert not Path("here.unfinished").exists()


@pytest.mark.slow
def test_json_and_quiet(run, cases):
    _, output, errors = run("sweep", SERIES, "-k", "3", "-o", "here", "--json", "--quiet")
    assert output == Path("here/sweep.json").read_text()
    assert errors == ""
    _, output, _ = run("sweep", SERIES, "-k", "3", "-o", "here", "--quiet")
    assert "Verdict" not in output
    assert output.startswith(" • ")


@pytest.mark.slow
def test_an_interrupted_sweep_says_how_to_go_on_and_does(run, cases):
    cases.stop_at = 2
    command = ("sweep", SERIES, "-k", "2,3", "-o", "my sweep")
    code, output, errors = run(*command)
    assert (code, output) == (130, "")
    again = f"Go on with: mixtures sweep {SERIES} -k 2,3 -o 'my sweep' --resume\n"
    assert errors.endswith(f"what NUTS has done is kept in my sweep.unfinished. {again}")
    code, _, errors = run(*command)
    assert code == 2
    assert "my sweep.unfinished is the state of a run that was cut off; add --resume" in errors
    cases.called.clear()
    cases.stop_at = None
    assert run(*command, "--resume")[0] == 0
    assert [case["again"] for case in cases.called] == [True, True]
    assert not Path("my sweep.unfinished").exists()


def test_an_interruption_before_anything_is_kept_leaves_nothing(run, cases, monkeypatch, tmp_path):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("mixtures.compare.sweep"), "compare", stop)
    code, _, errors = run("sweep", SERIES, "-o", "deep/out")
    assert code == 130
    assert "nothing is kept of this run" in errors
    assert everything(tmp_path) == []


BAD = {
    "missing file": (["nowhere.csv"], "There is no file nowhere.csv"),
    "same name": (["good.csv", "folder/good.csv"], "two files have the same name"),
    "K too large": (["good.csv", "-k", "1:4"], "4 components need at least 4 distinct rows, but good.csv has 3"),
    "columns": ([SERIES, FAITHFUL, "-k", "1", "--covariance", "full,diagonal"], "there is no model diagonal; sweep it"),
    "mode": (["good.csv", "-k", "2", "--prior", HOLLOW], "needs a prior concentration of at least 1, got 0.5"),
    "covariance": (["good.csv", "--covariance", "full,round"], "covariance must be one of"),
    "prior": (["good.csv", "--prior", "mean=Norml(0, 1); scale=HalfNormal(1)", "-k", "1"], "did you mean Normal?"),
    "out": (["good.csv", "-k", "1", "--out", "theirs"], "the file notes.txt, which this program did not write"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(run, cases, tmp_path, name):
    arguments, words = BAD[name]
    for file, content in FILES.items():
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = everything(tmp_path)
    code, output, errors = run("sweep", *arguments)
    assert (code, output) == (2, "")
    assert words in errors
    assert everything(tmp_path) == before
    assert not cases.called
