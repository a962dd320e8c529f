"""The report of a selection: a page with its table and figure, and the same numbers as JSON."""

import math
from pathlib import Path

from mixtures.data import Data
from mixtures.em.select import CRITERIA, INFORMATION_CRITERIA, Candidate, Selection
from mixtures.report.content import SCHEMA, data_content, em_content, run_content
from mixtures.report.folder import replace_folder, write_texts
from mixtures.report.html import render
from mixtures.report.plain import plain
from mixtures.report.plots import picture
from mixtures.report.plots_selection import criterion_curves
from mixtures.report.selection_words import NAMES, say_selection
from mixtures.report.svg import drawing_style


def selection_content(data: Data, selection: Selection, settings: dict) -> dict:
    """Everything the page says, as plain values: candidates best first, those that are no estimates last."""
    lost = [c for c in selection.candidates if not math.isfinite(selection.value(c))]
    candidates = [_candidate(selection, c) for c in (*selection.ranked, *lost)]
    return plain(
        {
            "schema": SCHEMA,
            "data": data_content(data),
            "criterion": selection.criterion,
            "criterion_name": NAMES[selection.criterion],
            "settings": settings,
            "run": run_content(selection.candidates[0].fit),
            "reasons": say_selection(selection),
            "best": _best(selection) if selection.ranked else None,
            "candidates": candidates,
        }
    )


def save_selection(folder: str | Path, data: Data, selection: Selection, settings: dict) -> Path:
    """Write select.html, .md and .json to `folder`, whole or not at all; errors as for `replace_folder`."""
    from mixtures.report.drawn import selection_files

    texts = selection_files(selection_content(data, selection, settings))
    return replace_folder(folder, lambda into: write_texts(into, texts))


def selection_page(value: dict) -> str:
    """Render the page from the content of a selection."""
    has_cv = any(c["cv"] is not None for c in value["candidates"])
    with drawing_style():
        pictures = {"selection": picture(criterion_curves(value))} if value["best"] else {}
    return render(
        "selection.html.j2",
        **value,
        columns={name: NAMES[name] for name in (CRITERIA if has_cv else INFORMATION_CRITERIA)},
        tone=_tone(value["best"]),
        pictures=pictures,
    )


def _tone(best: dict | None) -> str:
    if best is None or best["spurious"]:
        return "bad"
    return "fair" if best["unbounded"] else "good"


def _candidate(selection: Selection, c: Candidate) -> dict:
    held_out = c.cross_validation
    return {
        "covariance": c.covariance,
        "code": c.code,
        "num_components": c.num_components,
        "num_parameters": c.num_parameters,
        "status": c.fit.status.label,
        "is_estimate": c.fit.status.is_estimate,
        "reason": c.fit.reason,
        "unbounded": bool(c.fit.unbounded),
        "spurious": c.spurious,
        "log_likelihood": float(c.fit.log_likelihood),
        "value": selection.value(c),
        **{name: getattr(c, name) for name in CRITERIA},
        "cv_standard_error": None if held_out is None else held_out.standard_error,
        "cv_reason": None if held_out is None else held_out.reason or None,
    }


def _best(selection: Selection) -> dict:
    best = selection.best
    return _candidate(selection, best) | {"fit": em_content(best.model, best.fit)}
