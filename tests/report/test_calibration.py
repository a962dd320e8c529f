"""The page, JSON and CSV of a calibration."""

import csv
import json

import jax
import numpy as np
import pytest

import mixtures as mx
from mixtures.compare.coverage import Calibration
from mixtures.data import Data
from mixtures.report.calibration import CalibrationRun, calibration_content, calibration_page, save_calibration
from mixtures.report.saved import redraw
from tests.report.schemas import complaints
from tests.report.test_html import Page


@pytest.fixture(scope="module")
def run():
    """Two methods on forty data sets: one interval always holds the truth, the other never or does not exist."""
    x = np.random.default_rng(0).normal(size=20)[:, None]
    data = Data(x, ("<speed>",), "cars.csv")
    model = mx.Mixture.for_data(x, 1)
    fit = mx.fit_em(model, x, key=jax.random.key(0), num_starts=1)
    ones = np.ones((40, 2))
    missing = np.where(np.arange(40)[:, None] < 10, np.nan, 2.0) * ones
    found = Calibration(
        ("centre_1", "means[1, <speed>]"),
        1,
        ones,
        {"MAP, observed": 1.5 * ones, "NUTS": ones},
        {"MAP, observed": missing, "NUTS": 0 * ones},
        {"MAP, observed": missing + 1, "NUTS": 2 * ones},
        {"MAP, observed": np.arange(40) >= 10, "NUTS": np.arange(40) < 30},
        0.9,
        20,
        False,
    )
    return CalibrationRun(data, model, fit, found, {"num_simulations": 40})


def test_content_and_page(run):
    value = calibration_content(run)
    assert value["methods"][0] == {"name": "MAP, observed", "failed": 0.25, "trusted": 0.75}
    assert [row["coverage"] for row in value["rows"]] == [0.0, 0.0, 1.0, 1.0]
    assert value["rows"][0]["intervals"] == 30
    text = calibration_page(value)
    page = Page(text)
    assert "40 data sets of 20 rows, simulated from the MAP fit" in page.words
    assert "MAP, observed: intervals called 90 % cover 0.0 % on average" in page.words
    assert "means[1, <speed>]" in page.words
    assert "NUTS 100 % to 100 %" in text.replace("\u202f", " ").replace("\u00a0", " ").replace("100%", "100 %")
    assert not any("http" in str(attrs.get("src", "")) for _, attrs in page.elements), "nothing is loaded"


def test_files(run, tmp_path):
    folder = save_calibration(tmp_path / "out", run)
    assert {p.name for p in folder.iterdir()} >= {"calibration.html", "calibration.json", "calibration.csv"}
    value = json.loads((folder / "calibration.json").read_text())
    assert value["level"] == 0.9
    assert complaints("calibration", value) == []
    assert complaints("calibration", value | {"opinion": 1})
    text = (folder / "calibration.md").read_text()
    # Wilson's interval of 40 of 40 begins at 40 / (40 + 1.96²)
    assert "| NUTS: means[1, &lt;speed>] | 100 % (91 % to 100 %) | 100 % of 30 | 2 | 0 |" in text
    with (folder / "calibration.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["MAP, observed"] * 2 + ["NUTS"] * 2
    assert rows[0]["intervals"] == "30"
    written = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert {p.name: p.read_bytes() for p in redraw(folder).iterdir()} == written
