"""The command line, `mixtures`: its commands are in app.py."""

from mixtures.cli.process import main

__all__ = ["main"]
