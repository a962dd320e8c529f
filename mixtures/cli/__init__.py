"""The command line, `mixtures`: its commands are in app.py."""

from mixtures.cli.app import main

__all__ = ["main"]
