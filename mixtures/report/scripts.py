"""The pages' scripts, each with the hash by which a page's policy allows it and no other."""

import base64
import hashlib
from importlib.resources import files
from typing import NamedTuple

from markupsafe import Markup


class Script(NamedTuple):
    """A script to be put into a page, and its hash as the policy names it."""

    text: Markup
    hash: Markup


def script(name: str) -> Script:
    """Read one of the scripts beside this file."""
    text = files("mixtures.report").joinpath(name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Script(Markup(text), Markup(f"'sha256-{digest}'"))
