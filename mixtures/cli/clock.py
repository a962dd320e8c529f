"""How long the stages of a run take, and how much of that is compiling."""

import time


class Clock:
    """Measures laps; JAX tells it of every program that it compiles, or finds compiled."""

    def __init__(self) -> None:
        from jax import monitoring

        self._begin, self._compiling, self._compiled, self._found = time.perf_counter(), 0.0, 0, 0
        monitoring.register_event_duration_secs_listener(self._on_duration)
        monitoring.register_event_listener(self._on_event)

    def lap(self) -> str:
        """Say what has passed since the last call, and begin again."""
        now = time.perf_counter()
        said = f"{now - self._begin:.1f} s"
        if self._compiled:
            said += (
                f", {self._compiling:.1f} s of it compiling (programs: {self._compiled}, from the cache: {self._found})"
            )
        self._begin, self._compiling, self._compiled, self._found = now, 0.0, 0, 0
        return said

    def _on_duration(self, event: str, duration_secs: float, **_: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            self._compiling += duration_secs
            self._compiled += 1

    def _on_event(self, event: str, **_: object) -> None:
        self._found += event == "/jax/compilation_cache/cache_hits"
