"""The guide's own code, run as a reader would run it, with what it says is printed held against what is."""

import contextlib
import importlib.util
import io
import re
import runpy
import shlex
import textwrap
from pathlib import Path

import numpy as np
import pytest
import typer

import mixtures as mx
import mixtures.priors
from mixtures.cli.app import app

GUIDE = Path(__file__).parent.parent / "mixtures" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))
GALLERY = sorted(GUIDE.glob("gallery/*.py"))
LONG = {"checking", "comparing", "components", "engines", "first-fit", "from-mclust", "from-pymc", "models", "rows"}
LONG |= {"compiled", "from-scikit-learn", "from-stan", "unbounded", "uncertainty"}
LONG |= {"plot_density", "plot_groups", "plot_how_many", "plot_study", "plot_together", "plot_unbounded"}
FENCE = re.compile(r"(?:<!-- needs (?P<needs>\w+) -->\n)? *```(?P<kind>python|text)\n(?P<code>.*?)\n *```", re.DOTALL)
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")


def blocks(page: Path):
    """Python to run and the text that the block before it prints, in the page's order."""
    for found in FENCE.finditer(page.read_text()):
        needs = found["needs"]
        if needs is None or importlib.util.find_spec(needs):
            yield found["kind"], textwrap.dedent(found["code"])


def assert_printed(said: str, printed: str):
    """Words are the same, and numbers to one in ten thousand."""
    assert NUMBER.sub("#", said).split() == NUMBER.sub("#", printed).split(), printed
    for a, b in zip(said.strip().splitlines(), printed.strip().splitlines(), strict=True):
        told, found = (np.array([float(n) for n in NUMBER.findall(line)]) for line in (a, b))
        np.testing.assert_allclose(told, found, rtol=1e-4)


def _cases(paths):
    """Those that take long are marked."""
    return [pytest.param(p, id=p.stem, marks=[pytest.mark.slow] * (p.stem in LONG)) for p in paths]


@pytest.mark.parametrize("page", _cases(p for p in PAGES if "```python" in p.read_text()))
def test_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace, printed = {"__name__": "guide"}, ""
    for kind, code in blocks(page):
        if kind == "text":
            assert_printed(code, printed)
            continue
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(code, page.name, "exec"), namespace)
        printed = out.getvalue()


@pytest.mark.parametrize("script", _cases(GALLERY))
def test_a_picture_of_the_gallery_is_drawn(script, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(plt, "show", lambda: None)
    plt.close("all")
    runpy.run_path(str(script), run_name="__main__")
    assert plt.get_fignums()
    plt.close("all")


def commands():
    """Every command line of `mixtures` in the guide and the README."""
    for page in [*PAGES, GUIDE.parents[1] / "README.md"]:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
            yield from (found.strip() for found in re.findall(r"(?<![\w/])mixtures [a-z]+ [^|&\n]+", block))


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_a_command_line_has_options_that_exist(line):
    _, name, *arguments = shlex.split(line)
    typer.main.get_group(app).commands[name].make_context(name, arguments)


def test_the_reference_has_every_public_name():
    text = (GUIDE / "reference.md").read_text()
    named = set(re.findall(r"^\.\. auto(?:function|class|module):: (\S+)", text, re.MULTILINE))
    assert {name for name in mx.__all__ if name not in ("__version__", "priors")} <= named
    assert set(mixtures.priors.__all__) <= named


def test_every_page_is_in_the_table_of_contents():
    contents = (GUIDE / "index.md").read_text().split()
    assert [page.stem for page in PAGES if page.stem not in contents and page.stem != "index"] == []
