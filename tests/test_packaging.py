"""What the wheel and the source distribution hold, and that what they say of themselves agrees."""

import importlib.util
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import mixtures as mx

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="hatchling builds the wheel")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the source distribution, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, check=True)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def package_files():
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / "mixtures").rglob("*")
        if path.is_file() and not {"__pycache__", "gallery_built"} & set(path.parts)
    }


def test_the_wheel_has_the_package_and_nothing_else(built):
    names = set(zipfile.ZipFile(built[0]).namelist())
    described = {name for name in names if ".dist-info/" in name}
    assert names - described == {name for name in package_files() if not name.startswith("mixtures/guide/")}
    assert any(name.endswith("licenses/LICENSE") for name in described)
    kinds = {"mixtures/py.typed", "mixtures/report/template.html.j2", "mixtures/report/explore.js"}
    assert kinds | {"mixtures/report/schemas/shared.schema.json", "mixtures/datasets/acidity.csv"} <= names


def test_the_source_distribution_is_enough_to_run_the_tests(built):
    with tarfile.open(built[1]) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert package_files() <= names
    needed = {"tests/conftest.py", "reports/rebuild.py", "pyproject.toml", "README.md", "LICENSE", "CITATION.cff"}
    assert needed <= names
    assert not [name for name in names if name.startswith(("out/", ".venv/")) or "__pycache__" in name]


def test_metadata(built):
    with zipfile.ZipFile(built[0]) as file:
        read = {Path(name).name: file.read(name).decode() for name in file.namelist() if ".dist-info/" in name}
    said = Parser().parsestr(read["METADATA"])
    assert said["Version"] == mx.__version__
    assert said["License-Expression"] == "Apache-2.0"
    extras = set(said.get_all("Provides-Extra", []))
    assert extras == {"sklearn", "parquet", "zarr", "notebook", "gpu"}
    assert extras <= set(re.findall(r"\[(\w+)\]", (ROOT / "README.md").read_text())), "each is named in the README"
    assert "mixtures = mixtures.cli:main" in read["entry_points.txt"]


def test_the_citation_is_of_this_version():
    citation = dict(re.findall(r"^([a-z-]+): (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == mx.__version__
    assert citation["license"] == "Apache-2.0"
