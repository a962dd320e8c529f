"""Calls on threads are those their caller would have made."""

import threading

import jax
import jax.numpy as jnp
import pytest

from mixtures._threads import together


@pytest.mark.parametrize("double", [False, True])
def test_a_thread_has_its_callers_precision_and_device(double):
    def made():
        x = jnp.zeros(3)
        return threading.current_thread(), x.dtype, x.devices()

    other = jax.devices()[1]
    with jax.enable_x64(double), jax.default_device(other), together() as begin:
        calls = [begin(made) for _ in range(2)]
    for thread, dtype, devices in [call.result() for call in calls]:
        assert thread is not threading.main_thread()
        assert dtype == (jnp.float64 if double else jnp.float32)
        assert devices == {other}


def test_leaving_waits_and_a_failure_comes_with_the_result():
    with together() as begin:
        wrong, right = begin(lambda: 1 / 0), begin(pow, 2, 3)
    assert right.result() == 8
    with pytest.raises(ZeroDivisionError):
        wrong.result()


def test_what_has_not_begun_is_dropped_where_the_block_fails(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    go, done = threading.Event(), []

    def wait():
        go.wait(timeout=60)
        done.append("first")

    def stop(begin):
        begin(wait)
        calls.append(begin(done.append, "second"))
        threading.Timer(0.1, go.set).start()
        raise KeyboardInterrupt

    calls = []
    with pytest.raises(KeyboardInterrupt), together() as begin:
        stop(begin)
    assert done == ["first"], "what runs is waited for"
    assert calls[0].cancelled()
