"""Tables in forms to paste: CSV with every digit, LaTeX and Markdown as they read."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

_LATEX = str.maketrans(
    {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
    | {
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "–": "--",
        "−": "$-$",
        "±": r"$\pm$",
    }
)


class Paste(NamedTuple):
    """One table in both forms that the page copies."""

    csv: str
    latex: str


def csv_text(header: Sequence[str], records: Iterable[Sequence]) -> str:
    """Records under a header, numbers unrounded; empty where there is no number."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *records])
    return text.getvalue()


def latex_text(header: Sequence[str], groups: Mapping[str, Iterable[Sequence[str]]]) -> str:
    """Rows of text under a header, by group, with the rules of the booktabs package."""

    def line(cells: Iterable[str]) -> str:
        return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"

    lines = [rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", r"\toprule", line(header)]
    for group, rows in groups.items():
        title = rf"\multicolumn{{{len(header)}}}{{l}}{{{group.translate(_LATEX)}}} \\"
        lines += [r"\midrule", title, *map(line, rows)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def markdown_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of text under a header, all but the first column to the right."""

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace('<', '&lt;') for cell in cells)} |"

    return "\n".join([line(header), f"| --- |{' ---: |' * (len(header) - 1)}", *map(line, rows)])
