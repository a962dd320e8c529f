"""The command line: what it says, what it writes, and with which exit code it ends."""

import ast
import inspect
import io
import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

import jax
import numpy as np
import pytest
import typer
from rich.console import Console

import mixtures as mx
from mixtures.cli import app, display, main, runtime
from mixtures.datasets import load
from mixtures.em.fit import fit_em
from mixtures.families import Gaussian
from tests.report import fake

SERIES = Path(mx.__file__).parent / "datasets" / "timeseries.csv"


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (fake.series, 0),
        (lambda: fake.degenerate(fake.series()), 0),
        (lambda: fake.unconverged(fake.series()), runtime.NOT_COMPARABLE),
        (lambda: fake.without_map(fake.series()), runtime.FAILED),
    ],
    ids=["comparable", "no maximum likelihood", "chains disagree", "no MAP"],
)
def test_exit_code_says_what_became_of_it(run, engines, outcome, code):
    engines.outcome = outcome()
    ended, output, _ = run("compare", SERIES, "-k", "3")
    assert ended == code
    assert f"Verdict: {engines.outcome.verdict.level}" in output
    assert Path("out/timeseries/report.html").exists()


def test_standard_input_is_data(run, engines, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SERIES.read_bytes())))
    assert run("compare", "-", "-k", "3")[0] == 0
    assert engines.called["data"].source == "stdin"
    assert Path("out/stdin/report.html").exists()


def test_an_unexpected_failure_is_shown_in_full(run, engines):
    engines.outcome = ZeroDivisionError("a bug")
    code, _, errors = run("compare", SERIES)
    assert code == 1
    assert "ZeroDivisionError: a bug" in errors
    assert "please report it" in errors
    assert not Path("out").exists()


def test_interruption(run, engines):
    engines.outcome = KeyboardInterrupt()
    code, _, errors = run("compare", SERIES)
    assert code == 130
    assert errors.endswith("Stopped; nothing is kept of this run, and nothing half-written is left behind.\n")
    assert not Path("out").exists()


def test_a_state_is_never_deleted_unsaid(run, engines):
    state = Path("out/timeseries.unfinished")
    state.parent.mkdir()
    state.write_text("hours of work")
    code, output, errors = run("compare", SERIES)
    assert (code, output) == (2, "")
    assert errors.count("\n") == 1
    assert f"{state} is the state of a run that was cut off; add --resume to continue it, or delete it" in errors
    assert state.read_text() == "hours of work"
    assert engines.called == {}
    engines.outcome = KeyboardInterrupt()
    code, _, errors = run("compare", SERIES, "--resume")
    assert code == 130
    assert errors.endswith(f"kept in {state}. Go on with: mixtures compare {SERIES} --resume\n")
    engines.outcome = fake.series
    assert run("compare", SERIES, "--resume")[0] == 0
    assert not state.exists()


def test_standard_input_is_to_be_piped_in_again(run, engines, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SERIES.read_bytes())))
    state = Path("out/stdin.unfinished")
    state.parent.mkdir()
    state.write_text("hours of work")
    engines.outcome = KeyboardInterrupt()
    code, _, errors = run("compare", "-", "-k", "3", "--resume")
    assert code == 130
    again = "Pipe the same data in again, to go on with: mixtures compare - -k 3 --resume\n"
    assert errors.endswith(f"kept in {state}. {again}")


def test_nothing_to_resume_is_said(run, engines):
    code, _, errors = run("compare", SERIES, "--resume")
    assert code == 0
    assert errors.startswith("There is no out/timeseries.unfinished to continue, so the run begins anew.\n")


def test_termination_unwinds_and_handlers_are_restored(run, engines, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(import_module("mixtures.report"), "save", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert run("compare", SERIES)[0] == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_a_comparison_prints(run, engines):
    code, output, errors = run("compare", SERIES, "--components", "3", "--out", "here")
    assert code == 0
    assert output.startswith(f"{SERIES}: 50 rows, column y\nModel: Gaussian mixture of 3 components, full covariance")
    for row in fake.series().agreement:
        assert row.parameter in output
    for words in ("MAP ± SE", "R-hat", "ESS", "44.32 ± ", "13 identical rows", "report.html", "here:", "Took "):
        assert words in output
    for reason in fake.series().verdict.reasons:
        assert reason[:40] in output
    assert max(map(len, output.splitlines()[2:])) <= 100
    assert errors.splitlines() == ["EM, maximum likelihood …", "NUTS …", "report …"]


def test_numbers_of_chains_that_disagree_are_withheld(run, engines):
    engines.outcome = fake.unconverged(fake.series())
    _, output, _ = run("compare", SERIES, "-k", "3")
    row = engines.outcome.agreement[0]
    line = next(line for line in output.splitlines() if row.parameter in line)
    assert line.split()[-4:-2] == ["–", "–"], "no mean and no z, but R-hat and ESS"


def test_long_names_never_cost_a_number(run, engines):
    column = "a_column_whose_name_somebody_made_very_long_indeed"
    engines.outcome = fake.renamed(fake.series(), column)
    _, output, _ = run("compare", SERIES, "-k", "3")
    assert "…" not in output
    line = next(line for line in output.splitlines() if line.startswith(f"covariances[1, {column}, {column}]"))
    assert line.count("±") == 3


def test_options_reach_the_engines(run, engines):
    run("compare", SERIES, "--covariance", "spherical", "--seed", "7", "--guide", "laplace", "--chains", "2")
    called = engines.called
    assert (called["model"].num_components, called["model"].family) == (2, Gaussian("spherical"))
    assert (called["guide"], called["num_chains"]) == ("laplace", 2)
    assert called["key"] == jax.random.key(7)
    assert not {"num_starts", "num_warmup", "num_samples"} & set(called), "the library's defaults hold"
    assert called["data"].columns == ("y",)


def test_quick_is_fewer_and_says_so(run, engines):
    _, output, _ = run("compare", SERIES, "--quick", "--samples", "77")
    assert engines.called["num_samples"] == 77
    assert engines.called["num_starts"] < 64
    assert engines.called["num_warmup"] < 1000
    assert "Quick look" in output


def test_prior_reaches_the_model(run, engines):
    _, output, _ = run("compare", SERIES, "-k", "3", "--prior", "mean=Normal(40, 10); scale=HalfNormal(5)")
    described = engines.called["model"].prior.describe()
    assert described["mean"] == "Normal(loc=40, scale=10)"
    assert described["weights"] == "Dirichlet(concentration=[1.0, 1.0, 1.0])"
    assert "mean ~ Normal(loc=40, scale=10)" in " ".join(output.split())


def test_the_default_prior_is_called_so(run, engines):
    _, output, _ = run("compare", SERIES, "-k", "3")
    assert "default conjugate prior scaled to the data" in " ".join(output.split())
    Path("plane.csv").write_text("a,b\n" + "\n".join(f"{i},{i * i % 7}" for i in range(20)))
    _, output, _ = run("compare", "plane.csv", "--covariance", "VEV")
    assert "default prior on volumes, shapes and orientations, scaled to the data" in " ".join(output.split())


def test_notes_on_the_data_are_printed(run, engines):
    Path("a.csv").write_text("name,y\na,1\nb,2\nc,\nd,5\n")
    _, output, _ = run("compare", "a.csv", "--drop-missing")
    assert "a.csv: 3 rows, column y" in output
    assert "Note: Not numeric, so left out: name (text)." in output
    assert "Note: Left out for missing or infinite values: data row 3 (line 4)." in output


def test_help_has_examples_exit_codes_and_true_defaults(run):
    compare = import_module("mixtures.compare").compare
    defaults = {name: p.default for name, p in inspect.signature(compare).parameters.items()}
    code, output, _ = run("compare", "--help")
    assert code == 0
    said = " ".join(output.split())
    for words in ("Examples:", "Exit codes:", f"EM starts ({defaults['num_starts']} if", "not comparable"):
        assert words in said
    assert f"NUTS chains ({defaults['num_chains']} if" in said
    assert f"a chain ({defaults['num_warmup']} if" in said
    assert f"a chain ({defaults['num_samples']} if" in said
    assert f"default: {defaults['guide']}" in said
    assert inspect.signature(fit_em).parameters["num_starts"].default == defaults["num_starts"] == 64
    assert "\n    mixtures compare heights.tsv --covariance tied --quick\n" in output, "examples are not run together"
    assert "\n    mixtures fit timeseries.csv --components 3\n" in run("fit", "--help")[1]
    assert run("--version")[1] == f"mixtures {mx.__version__}\n"


def test_output_survives_a_terminal_without_its_letters(engines, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(SERIES), "-k", "3"])
    stream.flush()
    assert ended.value.code == 0
    assert b"MAP ? SE" in stream.buffer.getvalue()


def test_stages_are_bars_on_a_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(
        display,
        "make_console",
        lambda stderr=False: Console(file=stream, force_terminal=True, width=80, color_system=None),
    )
    with display.Stages() as stages:
        stages("EM")(3, 10)
        stages("NUTS")
    shown = stream.getvalue()
    assert "EM" in shown
    assert "NUTS" in shown
    assert "━" in shown


@pytest.mark.parametrize("name", sorted(typer.main.get_group(app.app).commands))
def test_every_command_has_examples_and_the_options_that_the_guide_says(run, name):
    code, output, _ = run(name, "--help")
    assert code == 0
    assert "\n  Examples:\n    mixtures " in output
    assert "\n  Exit codes:\n" in output
    assert "--quiet" in output
    assert ("--json" in output.partition("Examples:")[0]) == (name != "report")
    assert ("--verbose" in output) == (name in ("compare", "fit", "select", "sweep", "calibrate"))


def test_commands_import_nothing_heavy_of_their_own():
    heavy = {"jax", "numpyro", "pandas", "scipy", "arviz", "matplotlib", "equinox"}
    for module in (app, runtime, display):
        imported = {
            name
            for node in ast.parse(inspect.getsource(module)).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        }
        assert not {name.split(".")[0] for name in imported} & heavy, module
        light = ("mixtures.cli", "mixtures._files", "mixtures._numbers", "mixtures._choices")  # nor do these
        assert all(name.startswith(light) for name in imported if name.startswith("mixtures")), module


def test_fit_for_real(run):
    code, output, errors = run("fit", SERIES, "--components", "3", "--out", "fits")
    assert code == 0
    assert errors.splitlines() == ["EM, maximum likelihood …", "EM, MAP …"]
    for words in ("Maximum likelihood ± SE", "means[2, y]", "likelihood is unbounded", "fit.json", "Took"):
        assert words in output
    written = json.loads(Path("fits/fit.json").read_text())
    ml, best = written["fits"]["ml"], written["fits"]["map"]
    assert ml["unbounded"]
    assert ml["status"] == "interior"
    assert best["log_likelihood"] == pytest.approx(-112.018, abs=1e-3)
    assert np.shape(best["standard_errors"]["covariances"]) == (3, 1, 1)
    again = run("fit", SERIES, "--components", "3", "--out", "fits")
    assert again[0] == 0, "what the program wrote it may replace"
    assert again[1].splitlines()[:-1] == output.splitlines()[:-1], "the same seed, the same output"


@pytest.mark.slow
def test_compare_for_real(run):
    code, output, _ = run(
        "compare",
        SERIES,
        "-k",
        "3",
        "--quick",
        "--starts",
        "8",
        "--warmup",
        "200",
        "--samples",
        "300",
        "--out",
        "out/a",
    )
    written = json.loads(Path("out/a/report.json").read_text())
    level = written["verdict"]["level"]
    assert code == (runtime.NOT_COMPARABLE if level == "not comparable" else 0)
    assert f"Verdict: {level}" in output
    files = sorted(os.listdir("out/a"))
    assert files == [
        *(".mixtures-report", "parameters.csv", "parameters.tex", "posterior.nc"),
        *("report.html", "report.json", "report.md"),
    ]
    code, output, _ = run("report", "out/a")
    assert code == 0
    assert "parameters.tex" in output
    assert sorted(os.listdir("out/a")) == files
    assert written["data"]["columns"] == list(load("timeseries").columns)
    assert os.listdir("out") == ["a"]
