"""Fixtures of the command line's tests: an empty folder, a way to run a command, and engines that only pretend."""

from importlib import import_module

import pytest

from mixtures.cli import main
from tests.report import fake


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every test runs in an empty folder, and leaves JAX as it found it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mixtures.cli.prepare.prepare_jax", lambda: None)


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
        (folder / "report.json").write_text('{"a": "report"}\n')
        return folder

    stand_in = Engines()
    monkeypatch.setattr(import_module("mixtures.compare"), "compare", stand_in)
    monkeypatch.setattr(import_module("mixtures.report"), "save", save)
    return stand_in
