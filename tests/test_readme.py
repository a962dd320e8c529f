"""The README's own code, run as a reader would run it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_python_blocks(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 4
    (tmp_path / "mixtures").symlink_to(ROOT / "mixtures")
    monkeypatch.chdir(tmp_path)
    namespace: dict = {}
    for block in blocks:
        exec(block, namespace)  # the blocks build on each other
    assert namespace["ml"].unbounded
    assert {p.name for p in (tmp_path / "out" / "mine").iterdir()} >= {"report.html", "report.json", "posterior.nc"}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "mixtures/README.md"])
def test_links_lead_somewhere(name):
    page = ROOT / name
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
