"""Calls on several threads: programs that keep a single core busy, and what compiles them, share out the cores."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

import jax


class Begin(Protocol):
    """Begins a call on a thread, with its caller's precision and default device, and gives its result's future."""

    def __call__[**P, R](self, function: Callable[P, R], /, *arguments: P.args, **options: P.kwargs) -> Future[R]: ...


@contextmanager
def together() -> Iterator[Begin]:
    """As many calls at once as there are cores. Leaving waits for them; if the block fails, the rest is dropped."""
    double, device = jax.config.jax_enable_x64, jax.config.jax_default_device

    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def begin[**P, R](function: Callable[P, R], /, *arguments: P.args, **options: P.kwargs) -> Future[R]:
            def call() -> R:
                with jax.enable_x64(double), jax.default_device(device):
                    return function(*arguments, **options)

            return pool.submit(call)

        try:
            yield begin
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
