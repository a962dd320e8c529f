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
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

import mixtures as mx
from mixtures.cli import app, display, main, runtime
from mixtures.cli.prior_text import PriorError, build_prior, parse_prior
from mixtures.datasets import load
from mixtures.em.fit import fit_em
from mixtures.families import Gaussian
from tests.report import fake

SERIES = Path(mx.__file__).parent / "datasets" / "timeseries.csv"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every test runs in an empty folder, and leaves JAX as it found it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mixtures.cli.app.prepare_jax", lambda: None)


@pytest.fixture
def run(capsys):
    """Run a command; returns its exit code, standard output and standard error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def engines(monkeypatch):
    """Replace `compare` by one that records how it was called and returns (or raises) what it is told to."""

    class Engines:
        def __init__(self):
            self.outcome, self.called = fake.series, {}

        def __call__(self, model, data, *, on_stage, **settings):
            self.called = {"model": model, "data": data, **settings}
            for stage in ("EM, maximum likelihood", "NUTS"):
                on_stage(stage)(1, 2)
            if isinstance(self.outcome, BaseException):
                raise self.outcome
            return self.outcome() if callable(self.outcome) else self.outcome

    def save(result, folder):
        folder.mkdir(parents=True)
        (folder / "report.html").write_text("a report")
        return folder

    stand_in = Engines()
    monkeypatch.setattr(import_module("mixtures.compare"), "compare", stand_in)
    monkeypatch.setattr(import_module("mixtures.report"), "save", save)
    return stand_in


def everything(folder):
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*"))


# --- bad input -------------------------------------------------------------------------------------------------------

FILES = {
    "good.csv": "y,z,name\n1,2,a\n2,3.5,b\n4,1,c\n2,3.5,d\n",
    "text.csv": "name\na\nb\n",
    "empty.csv": "",
    "header.csv": "y\n",
    "one.csv": "y\n1\n",
    "nan.csv": "y\n1\nNA\n3\ninf\n",
    "constant.csv": "y,z\n1,5\n2,5\n",
    "stray.csv": "y\n1\nx\n3\n4\n",
    "latin.csv": b"\xe4\n1\n2\n",
    "a.parquet": "no",
    "a.npy": "no",
    "a.xlsx": "no",
    "file": "no",
    "theirs/notes.txt": "mine",
    "folder.csv/a": "",
}
BAD = {
    "missing file": (["nowhere.csv"], "There is no file nowhere.csv"),
    "a folder": (["folder.csv"], "folder.csv is a folder"),
    "unknown kind": (["a.xlsx"], "unknown kind (.xlsx)"),
    "not UTF-8": (["latin.csv"], "not UTF-8"),
    "damaged Parquet": (["a.parquet"], "cannot be read as Parquet"),
    "damaged npy": (["a.npy"], "damaged"),
    "no numeric column": (["text.csv"], "no numeric column, only name (text)"),
    "unknown column": (["good.csv", "--columns", "y,zz"], "no column 'zz' (did you mean 'z'?); it has y, z and name"),
    "text column": (["good.csv", "--columns", "name"], "'a' in data row 1 (line 2) and 3 more cells"),
    "no column": (["good.csv", "--columns", ","], "one or more names"),
    "column twice": (["good.csv", "--columns", "y,y"], "'y' more than once"),
    "stray text": (["stray.csv"], "'x' in data row 2 (line 3)"),
    "empty": (["empty.csv"], "empty.csv is empty"),
    "no rows": (["header.csv"], "no rows"),
    "one row": (["one.csv"], "only one row"),
    "missing values": (["nan.csv"], "1 missing and 1 infinite values: column y in data rows 2 and 4 (lines 3 and 5)"),
    "offers --drop-missing": (["nan.csv"], "--drop-missing"),
    "constant": (["constant.csv"], "Column z of constant.csv is constant"),
    "K = 0": (["good.csv", "-k", "0"], "at least 1, got 0"),
    "K < 0": (["good.csv", "--components", "-2"], "at least 1, got -2"),
    "K too large": (["good.csv", "-k", "4"], "4 components need at least 4 distinct rows, but good.csv has 3"),
    "out is a file": (["good.csv", "--out", "file"], "file is a file"),
    "out below a file": (["good.csv", "--out", "file/deep/out"], "file/deep/out cannot be made"),
    "out holds other files": (["good.csv", "--out", "theirs"], "the file notes.txt, which this program did not write"),
    "out is here": (["good.csv", "--out", "."], "current folder"),
    "prior syntax": (["good.csv", "--prior", "mean=Normal(0, 1"], "cannot be read; write it like"),
    "prior distribution": (["good.csv", "--prior", "mean=Norml(0,1); scale=HalfNormal(1)"], "did you mean Normal?"),
    "prior numbers": (
        ["good.csv", "--prior", "mean=Normal(0,-1); scale=HalfNormal(1)"],
        "does not accept Normal(0, -1)",
    ),
    "prior support": (
        ["good.csv", "--prior", "mean=Normal(0,1); scale=Normal(0,1)"],
        "scale must be a distribution of a positive number",
    ),
}


@pytest.mark.parametrize("command", ["compare", "fit"])
@pytest.mark.parametrize(("arguments", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_and_nothing_is_written(run, engines, tmp_path, command, arguments, words):
    for name, content in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = everything(tmp_path)
    code, output, errors = run(command, *arguments)
    assert code == runtime.BAD_INPUT
    assert output == ""
    assert words in errors
    assert errors.startswith("Error: ")
    assert errors.count("\n") == 1
    assert errors.endswith(".\n") or errors.endswith("?\n")
    assert everything(tmp_path) == before
    assert engines.called == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing command"),
        (["compare"], "Missing argument 'DATA'"),
        (["compare", "a.csv", "--colour"], "No such option: --colour"),
        (["compare", "a.csv", "-k", "three"], "--components"),
        (["compare", "a.csv", "--covariance", "round"], "--covariance"),
        (["compare", "a.csv", "--family", "cauchy"], "--family"),
        (["compare", "a.csv", "--guide", "none"], "--guide"),
        (["compare", "a.csv", "--seed", "-1"], "--seed"),
        (["compare", "a.csv", "--chains", "0"], "--chains"),
        (["fit", "a.csv", "--starts", "0"], "--starts"),
        (["fit", "a.csv", "--quick"], "No such option"),
        (["compair"], "No such command"),
    ],
)
def test_bad_usage(run, arguments, words):
    code, output, errors = run(*arguments)
    assert code == 2
    assert output == ""
    assert words in errors
    assert "--help" in errors


# --- exit codes and output -------------------------------------------------------------------------------------------


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
    assert errors.endswith("Stopped; nothing half-written is left behind.\n")
    assert not Path("out").exists()


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


def test_nothing_heavy_is_imported_with_the_commands():
    heavy = {"jax", "numpyro", "pandas", "scipy", "arviz", "matplotlib", "equinox"}
    for module in (app, runtime, display):
        imported = {
            name
            for node in ast.parse(inspect.getsource(module)).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        }
        assert not {name.split(".")[0] for name in imported} & heavy, module
        assert all(name.startswith("mixtures.cli") for name in imported if name.startswith("mixtures")), module


# --- JAX's settings --------------------------------------------------------------------------------------------------


@pytest.fixture
def jax_settings():
    names = [
        "jax_enable_x64",
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    ]
    before = {name: getattr(jax.config, name) for name in names}
    yield lambda: {name: getattr(jax.config, name) for name in names}
    for name, value in before.items():
        jax.config.update(name, value)


def test_float64_and_a_cache_in_the_users_folder(tmp_path, monkeypatch, jax_settings):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache" / "mixtures"))
    jax.config.update("jax_enable_x64", False)
    runtime.prepare_jax()
    settings = jax_settings()
    assert settings["jax_enable_x64"]
    assert Path(settings["jax_compilation_cache_dir"]).is_relative_to(tmp_path / "cache" / "mixtures")
    assert settings["jax_persistent_cache_min_compile_time_secs"] == 0


def test_a_cache_that_cannot_be_written_is_only_left_out(tmp_path, monkeypatch, jax_settings):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "file" / "mixtures"))
    runtime.prepare_jax()
    settings = jax_settings()
    assert settings["jax_enable_x64"]
    assert settings["jax_compilation_cache_dir"] is None


def test_a_cache_chosen_by_the_user_is_kept(tmp_path, monkeypatch, jax_settings):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "ours"))
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "theirs"))
    runtime.prepare_jax()
    assert jax_settings()["jax_compilation_cache_dir"] == str(tmp_path / "theirs")
    assert not (tmp_path / "ours").exists()


# --- priors as text --------------------------------------------------------------------------------------------------

GOOD_PRIORS = {
    "mean=Normal(0, 10); scale=HalfNormal(5); weights=Dirichlet(1)": ("full", 1),
    "mean = Normal(-1.5, scale=2)\nscale = LogNormal(0, 1)": ("diagonal", 2),
    "mean=Normal([0, 1], [1, 2]); scale=HalfNormal([1, 2]); correlation=LKJ(2, 3.0)": ("full", 2),
    "mean=MultivariateNormal([0, 1], [[1, 0], [0, 1]]); covariance=InverseWishart(4, [[1, 0], [0, 1]])": ("tied", 2),
    "mean=Uniform(-5, 5); covariance=InverseGamma(2, 1); weights=Dirichlet(concentration=[1, 2, 3])": ("spherical", 2),
}


@pytest.mark.parametrize(("text", "setting"), GOOD_PRIORS.items())
def test_priors_that_can_be_used(text, setting):
    covariance, num_features = setting
    family = Gaussian(covariance)
    prior = build_prior(parse_prior(text), family, 3, num_features)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(30, num_features)))
    params = family.start_at(x[:3], jnp.ones(3), x)
    model = mx.Mixture(family, 3, prior)
    assert np.isfinite(model.log_prior(params))


BAD_PRIORS = {
    "": "needs a mean",
    "mean=Normal(0,1)": "needs a mean and either a scale or a covariance",
    "mean=Normal(0,1); scale=HalfNormal(1); covariance=Gamma(1,1)": "either a scale or a covariance",
    "default prior": "cannot be read",
    "prior.txt": "write it like",
    "x=Normal(0,1)": "'x', which is no parameter",
    "mean=Normal(0,1); mean=Normal(0,1); scale=HalfNormal(1)": "mean twice",
    "mean=Normal(0,1), scale=HalfNormal(1)": "cannot be read",
    "mean=__import__('os').system('touch owned'); scale=HalfNormal(1)": "write it like",
    "mean=Normal(open('owned', 'w')); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Normal(True, 1); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Normal('0', 1); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Normal(*[0, 1]); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Normal(**{'loc': 1}); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Normal(1e999, 1); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Normal(0, 2**9); scale=HalfNormal(1)": "numbers or lists of numbers only",
    "mean=Gauss(0, 1); scale=HalfNormal(1)": "no distribution 'Gauss'",
    "mean=Gamma(); scale=HalfNormal(1)": "does not accept Gamma()",
    "mean=Poisson(3); scale=HalfNormal(1)": "mean must be a distribution of a continuous number",
    "mean=Normal(0, 1); scale=Uniform(-1, 1)": "scale must be a distribution of a positive number",
    "mean=Normal(0, 1); scale=HalfNormal(1); weights=Dirichlet([1, 1])": "over 3 weights",
    "mean=Normal(0, 1); scale=HalfNormal(1); correlation=LKJ(3)": "correlation goes with full and tied covariances",
    "mean=Normal([0, 1, 2], 1); scale=HalfNormal(1)": "one distribution for all components",
}


@pytest.mark.parametrize(("text", "words"), BAD_PRIORS.items())
def test_priors_that_cannot_be_used(text, words, tmp_path):
    with pytest.raises(PriorError) as caught:
        build_prior(parse_prior(text), Gaussian("full"), 3, 2)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


# --- for real --------------------------------------------------------------------------------------------------------


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
    assert everything("out/a") == [".mixtures-report", "posterior.nc", "report.html", "report.json"]
    assert written["data"]["columns"] == list(load("timeseries").columns)
    assert os.listdir("out") == ["a"]
