"""`mixtures calibrate`: its options, its sentences and its files."""

import json
from pathlib import Path

import pytest

import mixtures as mx
from mixtures._choices import CALIBRATED
from mixtures.cli.calibrating import chosen_methods

SERIES = Path(mx.__file__).parent / "datasets" / "timeseries.csv"


def test_all_methods_are_those_of_the_package():
    assert chosen_methods("all") == CALIBRATED
    assert chosen_methods("ML, observed; NUTS") == ("ML, observed", "NUTS")


@pytest.mark.slow
def test_calibrate(run):
    code, output, errors = run(
        *("calibrate", SERIES, "-k", "2", "--rows", "40", "--simulations", "12", "--methods", "MAP, observed"),
        *("--level", "0.8", "-o", "here"),
    )
    assert code == 0
    assert "MAP, observed: intervals called 80 % cover" in " ".join(output.split())
    assert "simulations" in errors
    value = json.loads(Path("here/calibration.json").read_text())
    assert (value["num_rows"], value["num_simulations"], value["level"]) == (40, 12, 0.8)
    assert not value["from_prior"]
    assert Path("here/calibration.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--methods", "EM"), "'EM' is not one of ML, observed; ML, opg;"),
        (("--level", "90"), "90.0 does not lie between 0 and 1."),
        (("--from", "posterior"), "posterior"),
        (("--rows", "1"), "greater than or equal to 2"),
    ],
)
def test_bad_input(run, arguments, words):
    code, _, errors = run("calibrate", SERIES, *arguments)
    assert code == 2
    assert words in " ".join(errors.split())
    assert not list(Path().iterdir())
