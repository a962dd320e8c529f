"""What an eager driver of iterative algorithms tells its caller."""

from collections.abc import Callable

OnProgress = Callable[[int, int], None]  # done, in all
