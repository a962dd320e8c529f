"""Small public data sets, each with its source in the README beside this file."""

from dataclasses import replace
from importlib.resources import as_file, files

from mixtures._checks import check_choice
from mixtures.data import Data, read_data

__all__ = ["load", "names"]


def names() -> tuple[str, ...]:
    """Names of the data sets, in alphabetical order."""
    return tuple(sorted(file.name.removesuffix(".csv") for file in _folder().iterdir() if file.name.endswith(".csv")))


def load(name: str) -> Data:
    """Read one data set.

    Parameters
    ----------
    name
        One of `names`.

    Raises
    ------
    ValueError
        If there is no such data set.
    """
    check_choice("name", name, names())
    with as_file(_folder() / f"{name}.csv") as path:
        return replace(read_data(path), source=f"mixtures.datasets.load({name!r})")


def _folder():
    return files("mixtures.datasets")
