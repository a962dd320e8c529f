"""The eager driver of iterative algorithms: compiled chunks, with a word between them."""

import time
from collections.abc import Callable, Iterator

OnProgress = Callable[[int, int], None]

_CHUNK_SECONDS = 0.5


def chunk_limits(total: int, on_progress: OnProgress | None, first: int = 64) -> Iterator[int]:
    """Yield growing step limits up to `total`, sized so that a chunk takes about half a second.

    The caller runs its compiled loop to each limit in turn and may stop early; `on_progress` hears (done, total).
    """
    done, chunk = 0, first
    while done < total:
        limit = min(total, done + chunk)
        begin = time.perf_counter()
        yield limit
        elapsed = time.perf_counter() - begin
        done = limit
        if on_progress is not None:
            on_progress(done, total)
        chunk = max(1, int(chunk * min(4.0, max(0.25, _CHUNK_SECONDS / max(elapsed, 1e-6)))))
