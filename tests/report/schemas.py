"""The published schemas, as a program would use them: files of one folder that refer to each other by name."""

import json
from importlib.resources import files

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

NAMES = ("report", "fit", "select", "sweep", "calibration", "audit", "doctor")


def read(name):
    return json.loads((files("mixtures.report") / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))


def validator(name):
    shared = Resource.from_contents(read("shared"))
    return Draft202012Validator(read(name), registry=Registry().with_resource("shared.schema.json", shared))


def complaints(name, value):
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(value)]
