"""What goes where: `--json`, `--quiet`, `--verbose`, and completion by the shell."""

import json
from pathlib import Path

import jax
import pytest

import mixtures as mx
from mixtures.cli import runtime
from mixtures.cli.clock import Clock
from mixtures.cli.options import completing
from tests.report import fake

SERIES = Path(mx.__file__).parent / "datasets" / "timeseries.csv"
SELECT = ("select", SERIES, "-k", "1:2", "--covariance", "E", "--starts", "4")


def test_json_is_the_written_document_and_words_go_elsewhere(run, engines):
    code, output, errors = run("compare", SERIES, "-k", "3", "--json")
    assert code == 0
    assert output == Path("out/timeseries/report.json").read_text()
    assert "Verdict: " in errors
    assert "MAP ± SE" in errors
    assert run("compare", SERIES, "-k", "3", "-o", "else", "--json", "--quiet")[1:] == (output, "")


def test_json_comes_with_a_verdict_of_not_comparable_too(run, engines):
    engines.outcome = fake.unconverged(fake.series())
    code, output, _ = run("compare", SERIES, "-k", "3", "--json", "-q")
    assert code == runtime.NOT_COMPARABLE
    json.loads(output)


def test_errors_under_json_are_sentences_on_standard_error(run, engines):
    code, output, errors = run("compare", "nowhere.csv", "--json")
    assert (code, output) == (2, "")
    assert errors == "Error: There is no file nowhere.csv; check the path.\n"


@pytest.mark.slow
def test_json_of_fit_is_what_it_writes(run):
    _, output, errors = run("fit", SERIES, "--starts", "8", "--out", "fits", "--json")
    assert output == Path("fits/fit.json").read_text()
    assert "Maximum likelihood ± SE" in errors
    assert json.loads(run("fit", SERIES, "--starts", "8", "--json")[1]).keys() == json.loads(output).keys()


@pytest.mark.slow
def test_json_of_select_and_calibrate_are_what_they_write(run):
    _, output, _ = run(*SELECT, "--out", "here", "--json")
    assert output == Path("here/select.json").read_text()
    few = ("--rows", "40", "--simulations", "4", "--methods", "MAP, observed")
    _, output, errors = run("calibrate", SERIES, *few, "--out", "there", "--json")
    assert output == Path("there/calibration.json").read_text()
    assert "MAP, observed: intervals called 90 % cover" in " ".join(errors.split())


def test_quiet_leaves_the_conclusion(run, engines):
    code, output, errors = run("compare", SERIES, "-k", "3", "-q")
    assert (code, output, errors) == (0, f"Verdict: {fake.series().verdict.level}\n", "")
    _, output, errors = run(*SELECT, "--quiet")
    assert output.startswith("Best: ")
    assert "•" not in output
    assert errors == ""


def test_verbose_says_settings_and_how_long_stages_took(run, engines):
    _, _, errors = run("compare", SERIES, "-k", "3", "--quick", "-v")
    assert f"mixtures {mx.__version__}, JAX " in errors
    assert "seed = 0, num_starts = 16" in errors
    assert "\nNUTS: 0." in errors


def test_compiling_is_told_apart():
    clock = Clock()
    jax.jit(lambda x: x * 12345.678)(1.0)
    assert clock.lap().partition("compiling ")[2].startswith("(programs: 1, from the cache: ")
    assert clock.lap() == "0.0 s"


def test_quiet_and_verbose_exclude_each_other(run, engines):
    code, _, errors = run("compare", SERIES, "-q", "-v")
    assert code == 2
    assert "give --quiet or --verbose, not both" in errors


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("mixtures comp", ["compare"]),
        ("mixtures compare a.csv --covariance tied_", ["tied_diagonal", "tied_spherical"]),
        ("mixtures fit a.csv --covariance VV", ["VVI", "VVE", "VVV"]),
        ("mixtures select a.csv --covariance tied,VV", ["tied,VVI", "tied,VVE", "tied,VVV"]),
        ("mixtures select a.csv --covariance al", ["all"]),
        ("mixtures select a.csv --criterion ai", ["aic", "aicc"]),
        ("mixtures compare a.csv --guide l", ["laplace"]),
        ("mixtures compare a.csv --prior d", ["default"]),
        ("mixtures compare a.csv --qui", ["--quick", "--quiet"]),
        ("mixtures calibrate a.csv --from p", ["prior"]),
    ],
)
def test_completion(run, monkeypatch, words, completed):
    monkeypatch.setenv("_MIXTURES_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    code, output, _ = run()
    assert code == 0
    assert sorted(output.split()) == sorted(completed)


def test_completing_by_words():
    assert completing("ab", "ac", "b")("a") == ["ab", "ac"]
