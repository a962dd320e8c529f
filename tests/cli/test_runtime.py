"""JAX's settings and signals under the command line."""

import signal
import sys
import threading
import time
from pathlib import Path

import jax
import pytest
import typer

from mixtures.cli import runtime


@pytest.fixture
def jax_settings():
    names = [
        "jax_enable_x64",
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    ]
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    yield lambda: {name: getattr(jax.config, name) for name in names}
    for name, value in before.items():
        jax.config.update(name, value)


def test_float64_and_a_cache_in_the_users_folder(tmp_path, monkeypatch, jax_settings):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache" / "mixtures"))
    jax.config.update("jax_enable_x64", False)
    runtime.prepare_jax()
    settings = jax_settings()
    assert settings["jax_enable_x64"]
    assert Path(settings["jax_compilation_cache_dir"]).is_relative_to(tmp_path / "cache" / "mixtures")
    assert settings["jax_persistent_cache_min_compile_time_secs"] == 0


def test_a_cache_that_cannot_be_written_is_only_left_out(tmp_path, monkeypatch, jax_settings):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "file" / "mixtures"))
    runtime.prepare_jax()
    settings = jax_settings()
    assert settings["jax_enable_x64"]
    assert settings["jax_compilation_cache_dir"] is None


def test_a_cache_chosen_by_the_user_is_kept(tmp_path, monkeypatch, jax_settings):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "ours"))
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "theirs"))
    runtime.prepare_jax()
    assert jax_settings()["jax_compilation_cache_dir"] == str(tmp_path / "theirs")
    assert not (tmp_path / "ours").exists()


class Interrupting:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def sleep_through_an_interruption():
    Interrupting()  # is finalised at once, where Python ignores what is raised
    time.sleep(10)


def test_an_interruption_that_python_ignores_comes_again():
    hook = sys.unraisablehook
    with pytest.raises(typer.Exit) as stopped, runtime.exit_codes():
        sleep_through_an_interruption()
    assert stopped.value.exit_code == runtime.INTERRUPTED
    assert sys.unraisablehook is hook


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no SIGUSR1")
def test_an_interruption_on_its_way_when_the_work_ends_comes_to_nothing(monkeypatch):
    at_work, outside, interrupt = threading.Event(), [], runtime._interrupt_main

    def interrupt_late():
        at_work.set()
        time.sleep(0.1)
        interrupt()

    monkeypatch.setattr(runtime, "_interrupt_main", interrupt_late)
    before = signal.signal(signal.SIGUSR1, lambda *_: outside.append("a signal that ends the process"))
    try:
        with runtime.exit_codes():
            Interrupting()
            assert at_work.wait(10)
        time.sleep(0.2)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert outside == []


@pytest.mark.parametrize(("code", "said"), [(128 + signal.SIGTERM, "Stopped;"), (1, "")], ids=["stopped", "unread"])
def test_only_what_was_stopped_is_said_to_be(capsys, code, said):
    with pytest.raises(SystemExit), runtime.exit_codes():
        sys.exit(code)
    assert capsys.readouterr().err.partition(" ")[0] == said


def interrupt_as_a_callback_reports_it():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise RuntimeError("Exception raised in callback: KeyboardInterrupt") from None


def test_an_interruption_that_compiled_code_makes_an_error_of_is_still_one(capsys):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(typer.Exit) as stopped, runtime.exit_codes():
        interrupt_as_a_callback_reports_it()
    assert stopped.value.exit_code == runtime.INTERRUPTED
    assert capsys.readouterr().err.startswith("Stopped;")
    assert signal.getsignal(signal.SIGINT) is before
