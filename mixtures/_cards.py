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

_MOST_ROWS = 20
_STYLE = "border-left:4px solid #8886;padding:.2em 1em;max-width:60em"


@dataclass(frozen=True)
class Card:
    """A result in short. A table's first column holds names, the others numbers or text."""

    title: str
    words: Sequence[str]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()

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
            for name, *values in self.rows[:_MOST_ROWS]
        )
        left_out = len(self.rows) - _MOST_ROWS
        note = f"<p>… and {left_out} more.</p>" if left_out > 0 else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


class Shown:
    """A result that notebooks show as a card."""

    __slots__ = ()

    @abc.abstractmethod
    def card(self) -> Card:
        """The result in short."""

    def _repr_html_(self) -> str | None:
        """For notebooks; None, which makes them fall back to `repr`, inside a transformation or for a batch."""
        leaves = jax.tree.leaves(self)
        return None if any(isinstance(leaf, Tracer) for leaf in leaves) else self.card().html()


def by_entry(columns: Sequence[Mapping[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Rows of a table from arrays by name: every entry's name, counted from 1, and its value in each of `columns`."""
    for name, first in columns[0].items():
        for index in np.ndindex(np.shape(first)):
            label = f"{name}[{', '.join(str(i + 1) for i in index)}]" if index else name
            yield label, *(np.asarray(values[name])[index] for values in columns)


def _cell(value: object) -> str:
    return escape(number(float(value)) if isinstance(value, int | float | np.number | np.ndarray) else str(value))
