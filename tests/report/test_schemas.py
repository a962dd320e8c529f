"""Every JSON file is of its published schema, and the schemas would see it if it were not."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mixtures.audit.findings import CODES
from mixtures.cli.fit_json import fits_text
from mixtures.compare.sweep import Case, Sweep
from mixtures.report.plain import plain
from mixtures.report.sweep import sweep_content
from tests.report import fake
from tests.report.schemas import NAMES, complaints, read


@pytest.mark.parametrize("name", [*NAMES, "shared"])
def test_schemas_are_schemas(name):
    Draft202012Validator.check_schema(read(name))


def test_every_code_of_an_audit_is_in_its_schema():
    finding = read("audit")["properties"]["findings"]["items"]
    assert finding["properties"]["code"]["enum"] == list(CODES)


REPORTS = sorted((Path(__file__).parents[2] / "reports").glob("*/*.json"))


@pytest.mark.parametrize("path", [p for p in REPORTS if "schema" in json.loads(p.read_text())], ids=lambda p: p.stem)
def test_committed_reports_are_of_their_schemas(path):
    value = json.loads(path.read_text())
    kind = path.stem if path.stem in NAMES else "report"
    assert complaints(kind, value) == []


def fit_value():
    found = fake.series()
    fits = {"ml": (found.ml, found.standard_errors), "map": (found.map, found.standard_errors)}
    return json.loads(fits_text(found.model, found.data, fits, {"seed": 0}))


def sweep_value():
    case, other = Case("series", 3, "full", "default"), Case("series", 3, "full", "other")
    return sweep_content(Sweep({case: fake.series(), other: fake.unconverged(fake.series())}), ["01-a", "02-b"])


@pytest.mark.parametrize(("name", "make"), [("fit", fit_value), ("sweep", sweep_value)])
def test_values_are_of_their_schemas(name, make):
    value = plain(make())
    assert complaints(name, value) == []
    assert complaints(name, value | {"opinion": 1}), "something new is seen"
    for key in value:
        assert complaints(name, {k: v for k, v in value.items() if k != key}), f"{key} is missed"


def test_what_an_em_fit_lacks_or_has_too_many_of_is_seen():
    value = fit_value()
    best = value["fits"]["map"]
    for wrong in (best | {"opinion": 1}, {k: v for k, v in best.items() if k != "starts"}):
        assert complaints("fit", value | {"fits": value["fits"] | {"map": wrong}})
