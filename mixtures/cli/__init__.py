"""The command line: `mixtures compare` and `mixtures fit`."""

from mixtures.cli.app import main

__all__ = ["main"]
