"""`mixtures doctor`: what it shows, and which problems it finds."""

import json
import platform
from importlib.metadata import PackageNotFoundError

import jax
import pytest

from mixtures.cli import doctor
from tests.report.schemas import complaints


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache folder of the test's own, and JAX left as it was."""
    monkeypatch.setattr(doctor, "prepare_jax", lambda: None)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


def test_all_is_well(run, tmp_path):
    code, output, _ = run("doctor")
    assert code == 0
    for words in (platform.python_version(), jax.__version__, "float64", "converged", str(tmp_path / "cache")):
        assert words in output
    assert output.endswith("Nothing is wrong.\n")
    assert run("doctor", "--quiet")[1] == "Nothing is wrong.\n"


def test_json(run, tmp_path):
    code, output, _ = run("doctor", "--json", "-q")
    found = json.loads(output)
    assert code == 0
    assert complaints("doctor", found) == []
    assert found["problems"] == []
    assert found["versions"]["jax"] == jax.__version__
    assert found["cache"] == {
        "folder": str(tmp_path / "cache/compiled"),
        "writable": True,
        "programs": 0,
        "megabytes": 0,
    }
    assert found["fit"]["log_likelihood"] == pytest.approx(-184.6447, abs=1e-4)


def no_device(*_):
    raise RuntimeError("Unable to initialize\nbackend 'cuda'")


def test_problems_are_sentences_that_say_what_to_do(run, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "file"))
    monkeypatch.setattr(doctor, "_FITTED", -100.0)
    monkeypatch.setattr(doctor, "requires", lambda _: ["jax>=0.9", "a-package-that-nobody-has>=1"])
    code, output, _ = run("doctor", "--quiet")
    said = " ".join(output.split())
    assert code == 1
    assert "Not installed: a-package-that-nobody-has; install mixtures again" in said
    assert "Compiled programs cannot be kept in" in said
    assert "set JAX_COMPILATION_CACHE_DIR" in said
    assert "reaches a log-likelihood of -184.6447, not -100.0" in said
    assert said.count("•") == 3


def test_sources_that_are_not_installed_are_a_problem(run, monkeypatch):
    def requires(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "requires", requires)
    code, output, _ = run("doctor", "--json", "-q")
    found = json.loads(output)
    assert code == 1
    assert complaints("doctor", found) == []
    assert [sentence.startswith("mixtures runs from its sources") for sentence in found["problems"]] == [True]


def test_without_a_device_nothing_is_fitted(run, monkeypatch):
    monkeypatch.setattr(jax, "devices", no_device)
    code, output, _ = run("doctor", "-q")
    assert code == 1
    assert "JAX finds no device (Unable to initialize backend 'cuda'); unset JAX_PLATFORMS" in " ".join(output.split())


def test_a_gpu_that_is_not_used_is_no_problem_but_named(run, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    code, output, _ = run("doctor")
    assert code == 0
    assert "There is an NVIDIA GPU that JAX does not use" in output
