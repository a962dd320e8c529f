"""A run that can be continued: its state in one file, replaced whole after every chunk of work."""

import hashlib
import os
import re
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mixtures._checks import shown
from mixtures._version import __version__

_IDENTITY, _DONE = "identity", "done"


class CheckpointError(ValueError):
    """A checkpoint that cannot be continued; the message is one sentence: what is wrong with it and what to do."""


class Checkpoint:
    """A file that holds how much of a run is done, and its state as a tree of arrays.

    Parameters
    ----------
    path
        Where to keep it. The file need not exist; its folder must.
    run
        Everything the run's results depend on, by name: trees of arrays and plain values.

    Raises
    ------
    CheckpointError
        If the file is damaged, or is of another run: before any of the work is done.
    """

    def __init__(self, path: str | Path, run: Mapping[str, Any]):
        if not isinstance(path, str | Path):
            raise CheckpointError(f"checkpoint must be the name of a file, got {shown(path)}.")
        self.path = Path(path)
        packages = {name: version(name) for name in ("jax", "numpyro")}
        self._run = {name: _digest(value) for name, value in run.items()}
        self._run["versions"] = _digest({"mixtures": __version__, **packages})
        if not self.path.parent.is_dir():
            raise CheckpointError(f"checkpoint must lie in a folder that exists, got {self.path}.")
        if self.path.exists():
            self._read()

    def load(self, like: Any) -> tuple[int, Any] | None:
        """How much is done, and the state in the form of `like`; None if there was no file."""
        if self.path.is_dir():
            raise CheckpointError(f"The checkpoint {self.path} is a folder; give the path of a file.")
        if not self.path.exists():
            return None
        done, leaves = self._read()
        return done, _from_leaves(like, leaves)

    def _read(self) -> tuple[int, list[np.ndarray]]:
        try:
            with np.load(self.path, allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
            identity = dict(line.split(" ") for line in found.pop(_IDENTITY).tolist())
            done = int(found.pop(_DONE))
            leaves = [found[f"leaf{i}"] for i in range(len(found))]
        except PermissionError as error:
            raise CheckpointError(f"The checkpoint {self.path} cannot be read: permission denied.") from error
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise CheckpointError(f"The checkpoint {self.path} is damaged; delete it to start anew.") from error
        differing = sorted(name for name in self._run | identity if self._run.get(name) != identity.get(name))
        if differing:
            raise CheckpointError(
                f"The checkpoint {self.path} is of another run: {', '.join(differing)} differ; run as before to "
                "continue it, or delete it to start anew."
            )
        return done, leaves

    def save(self, done: int, state: Any) -> None:
        """Replace the file: either the old one is there, or the new one, whatever happens in between."""
        arrays: dict[str, Any] = {f"leaf{i}": leaf for i, leaf in enumerate(_leaves(state))}
        arrays |= {_IDENTITY: [f"{name} {digest}" for name, digest in self._run.items()], _DONE: done}
        fresh = self.path.with_name(f"{self.path.name}.part")
        try:
            with fresh.open("wb") as file:
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)


def _leaves(tree: Any) -> list[np.ndarray]:
    """The arrays of a tree as NumPy has them; random keys as their data."""
    return [np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf) for leaf in jax.tree.leaves(tree)]


def _from_leaves(like: Any, leaves: list[np.ndarray]) -> Any:
    old, structure = jax.tree.flatten(like)
    new = [
        jax.random.wrap_key_data(jnp.asarray(b)) if _is_key(a) else jnp.asarray(b)
        for a, b in zip(old, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, new)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _digest(tree: Any) -> str:
    """A checksum of a tree's plain values and numbers, with their places in it.

    NumPyro's distributions are flattened in the order of a set and shown with their addresses, both of which change
    from process to process: their numbers are therefore sorted, and the addresses left out.
    """
    parts = [re.sub(r" at 0x[0-9a-f]+", "", eqx.tree_pformat(tree))]
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        place = re.sub(r"\[<flat index \d+>\]", "", jax.tree_util.keystr(path))
        (array,) = _leaves(leaf)
        parts.append(f"{place} {array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}")
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()
