"""How results look in a notebook: a name, the outcome in words, and a small table."""

import abc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from mixtures._numbers import number

_STYLE = "border-left:4px solid #8886;padding:.2em 1em;max-width:60em;overflow-x:auto"


@dataclass(frozen=True)
class Card:
    """A result in short. A table's first column holds names, the others numbers or text; NaN is shown as a dash."""

    title: str
    words: Sequence[str]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    most: int = 20  # rows shown

    def html(self) -> str:
        """A self-contained piece of HTML that takes font and colours from the notebook."""
        said = "".join(f"<p>{escape(words)}</p>" for words in self.words if words)
        return f'<div style="{_STYLE}"><strong>{escape(self.title)}</strong>{said}{self._table()}</div>'

    def _table(self) -> str:
        if not self.rows:
            return ""
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.columns)
        body = "".join(
            f'<tr><th scope="row">{escape(str(name))}</th>{"".join(f"<td>{_cell(v)}</td>" for v in values)}</tr>'
            for name, *values in self.rows[: self.most]
        )
        left_out = len(self.rows) - self.most
        note = f"<p>… and {left_out} more.</p>" if left_out > 0 else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


class Shown:
    """A result that notebooks show as a card."""

    __slots__ = ()

    @abc.abstractmethod
    def card(self) -> Card:
        """The result in short; for one concrete result, not a batch of them."""

    def _batch_shape(self) -> tuple[int, ...]:
        """Leading axes from `jax.vmap`; to be given by results that can have them."""
        return ()

    def _repr_html_(self) -> str:
        """For notebooks, which ask for it by this name."""
        name, shape = type(self).__name__, self._batch_shape()
        if any(isinstance(leaf, Tracer | jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(self)):
            return Card(f"{name} inside a transformation", ["Its values are known only outside."]).html()
        if shape:
            how = "Index it to see one: jax.tree.map(lambda leaf: leaf[0], batch)."
            return Card(f"{name}: a batch of shape {shape}", [how]).html()
        return self.card().html()


def by_entry(*columns: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """Rows of a table from arrays by name: every entry's name, counted from 1, and its value in each of `columns`.

    Each entry of a symmetric matrix comes once. Entries that are nought in every column are left out: they are what a
    diagonal matrix has off its diagonal.
    """
    for name, first in columns[0].items():
        for index in np.ndindex(np.shape(first)):
            values = [np.asarray(column[name])[index] for column in columns]
            if any(value != 0 for value in values) and not (len(index) == 3 and index[1] > index[2]):
                yield f"{name}[{', '.join(str(i + 1) for i in index)}]" if index else name, *values


def _cell(value: object) -> str:
    return escape(number(float(value)) if isinstance(value, float | np.floating) else str(value))
