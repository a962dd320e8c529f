"""The house rule on imports: a layer may import itself and what stands left of it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mixtures"
LAYERS = [
    {"_files"},
    {"_frames"},
    {
        "_kernel",
        "_status",
        "_checks",
        "_choices",
        "_drivers",
        "_distributions",
        "_rotations",
        "_threads",
        "_trees",
        "_version",
        "_numbers",
    },
    {"_cards"},
    {"priors"},
    {"families"},
    {"model"},
    {"coordinates", "invariants", "labels", "starts", "data", "folding"},
    {"datasets"},
    {"em", "bayes"},
    {"audit", "compare"},
    {"report"},
    {"cli", "sklearn"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
ALLOWED = {("compare", "report")}  # a comparison saves itself, importing the report when asked to


def imports_of(path: Path):
    """Yield the part of the package that each import in a file names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import, which this test cannot place"
        if isinstance(node, ast.ImportFrom) and node.module and is_ours(node.module):
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from ([*a.name.split("."), "the whole package"][1] for a in node.names if is_ours(a.name))


def is_ours(module: str) -> bool:
    return module.split(".")[0] == "mixtures"


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py" and "guide" not in p.parts)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_leftwards(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for other in imports_of(path):
        if other == own or (own, other) in ALLOWED:
            continue
        assert RANK[other] < RANK[own], f"{own} imports {other}"


def test_engines_do_not_know_each_other():
    for path in FILES:
        own = path.relative_to(PACKAGE).parts[0]
        if own in ("em", "bayes"):
            assert not ({"em", "bayes"} - {own}) & set(imports_of(path)), path


def test_numpyro_is_told_of_sites_in_one_file():
    callers = {
        path.name
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in ("sample", "factor", "param")
        and isinstance(node.value, ast.Name)
        and node.value.id == "numpyro"
    }
    assert callers == {"numpyro_model.py"}


def test_no_file_passes_400_lines():
    assert [str(p) for p in FILES if len(p.read_text().splitlines()) > 400] == []
