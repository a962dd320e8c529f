"""The table of parameters in every form, and the page's other small tables."""

from typing import TYPE_CHECKING

import numpy as np

from mixtures._numbers import fixed, plus_minus
from mixtures.compare import verdict
from mixtures.report.pasting import csv_text, latex_text, markdown_text
from mixtures.report.words import by_group, doubts

if TYPE_CHECKING:
    from pandas import DataFrame

_MOST_DOUBTFUL = 10
_DOUBTFUL_SD = 0.05  # posterior sd of a responsibility from which a row is called doubtful
_COLUMNS = (
    *("parameter", "map", "se", "vi_mean", "vi_sd", "nuts_mean", "nuts_sd", "nuts_mcse"),
    *("z", "width_ratio", "overlap", "vi_z", "vi_width_ratio", "vi_wasserstein", "rhat", "ess"),
)
_READ = ("Parameter", "MAP ± SE", "VI ± sd", "NUTS ± sd", "z", "Width ratio")
_INTERVALS = ("map_interval", "vi_interval", "nuts_interval")
_HEADER = (*_COLUMNS, *(f"{name}_{end}" for name in _INTERVALS for end in ("low", "high")))


def parameter_table(value: dict) -> dict[str, list[dict]]:
    """The agreement table by kind of parameter, with the maximum-likelihood estimates and words beside the numbers."""
    ml, chains = value["fits"]["ml"]["estimates"], value["fits"]["nuts"]["num_chains"]
    rows = []
    for row in value["agreement"]:
        from_ml = None if ml is None else np.asarray(ml[row["key"]], float)[tuple(row["entry"])]
        words = "; ".join([*doubts(row["rhat"], row["ess"], chains), *_remarks(row)])
        rows.append(row | {"ml": from_ml, "words": words})
    return by_group(rows, lambda row: row["group"])


def _remarks(row: dict) -> list[str]:
    remarks, (low, high) = [], verdict.WIDTH_RATIOS
    if row["z"] is not None and abs(row["z"]) > verdict.MAX_Z:
        remarks.append("MAP far from the posterior mean")
    for engine, ratio in (("EM", row["width_ratio"]), ("VI", row["vi_width_ratio"])):
        if ratio is not None and not low <= ratio <= high:
            remarks.append(f"{engine} too {'sure' if ratio < low else 'unsure'}")
    return remarks


def invariants(nuts: dict) -> dict[str, dict]:
    """Label-free quantities, with words beside their numbers."""
    chains = nuts["num_chains"]
    return {
        key.replace("_", " ").capitalize(): s
        | {"words": "; ".join(doubts(s["rhat"], _min_ess(s), chains)) or "no complaint"}
        for key, s in nuts["invariants"].items()
    }


def _min_ess(summary: dict) -> float | None:
    return min((e for e in (summary["ess"], summary["ess_tail"]) if e is not None), default=None)


def doubtful(value: dict) -> list[dict]:
    """The rows whose responsibilities NUTS is least sure of."""
    shares = value["clustering"]["responsibilities"]
    if shares["nuts_sd"] is None or shares["map"] is None:
        return []
    sd = np.asarray(shares["nuts_sd"], float)
    found = []
    for i in np.argsort(-sd.max(axis=1), kind="stable")[:_MOST_DOUBTFUL]:
        k = int(np.argmax(shares["map"][i]))
        if sd[i].max() > _DOUBTFUL_SD:
            found.append(
                {"row": shares["rows"][i], "values": shares["values"][i]}
                | {"component": k + 1, "map": shares["map"][i][k]}
                | {"nuts": shares["nuts"][i][k], "sd": sd[i, k]}
            )
    return found


def as_frame(value: dict) -> "DataFrame":
    """Every parameter under all engines, a row each, unrounded; NaN where there is no number."""
    import pandas as pd

    frame = pd.DataFrame(_records(value), columns=pd.Index(_HEADER))
    numbers = list(_HEADER[1:])
    frame[numbers] = frame[numbers].astype(float)
    return frame


def as_csv(value: dict) -> str:
    """Every parameter under all engines, unrounded; empty where there is no number."""
    return csv_text(_HEADER, _records(value))


def _records(value: dict) -> list[list]:
    """The table of parameters, in the order of `_HEADER`."""
    ends = [[end for name in _INTERVALS for end in (row[name] or (None, None))] for row in value["agreement"]]
    return [[row[name] for name in _COLUMNS] + own for row, own in zip(value["agreement"], ends, strict=True)]


def as_latex(value: dict) -> str:
    """Every parameter under all engines as a table for LaTeX, with the rules of the booktabs package."""
    groups = by_group(value["agreement"], lambda row: row["group"])
    rows = {group: [(row["label"], *_cells(row)) for row in own] for group, own in groups.items()}
    return latex_text(_READ, rows)


def as_markdown(value: dict) -> str:
    """Every parameter under all engines as a Markdown table."""
    return markdown_text(_READ, [(row["parameter"], *_cells(row)) for row in value["agreement"]])


def _cells(row: dict) -> list[str]:
    pairs = (("map", "se"), ("vi_mean", "vi_sd"), ("nuts_mean", "nuts_sd"))
    return [
        *(plus_minus(row[centre], row[width]) for centre, width in pairs),
        fixed(row["z"], 2),
        fixed(row["width_ratio"], 2),
    ]
