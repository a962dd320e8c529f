"""The report of a sweep: one page with a table and small multiples, its numbers, and the report of every case."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from mixtures._numbers import fixed, plus_minus
from mixtures.bayes.diagnostics import MAX_KHAT
from mixtures.compare.sweep import Case, Sweep
from mixtures.report.content import SCHEMA, content
from mixtures.report.folder import replace_folder, write_texts
from mixtures.report.headline import headline
from mixtures.report.html import render
from mixtures.report.pasting import Paste, csv_text, latex_text
from mixtures.report.plain import plain
from mixtures.report.plots_data import small_multiple
from mixtures.report.scripts import script
from mixtures.report.svg import drawing_style, to_svg
from mixtures.report.words import by_group

_WIDTH = 240  # CSS pixels of one small multiple
COLUMNS = (
    *("Case", "Verdict", "Log-likelihood", "BIC", "EM, cross-validated", "Posterior, LOO", "Behind the best"),
    *("Largest |z|", "Width ratio", "Hellinger", "Rand", "VI k-hat", "R-hat", "ESS"),
)


class Line(NamedTuple):
    """One case: its data, its file, and its cells as a person reads them, by `COLUMNS`."""

    group: str
    file: str
    cells: tuple[str, ...]


def save_sweep(sweep: Sweep, folder: str | Path) -> Path:
    """Write sweep.html, .md, .json and .csv, and a page, JSON and draws for every case; as `replace_folder`."""
    from mixtures.report.drawn import sweep_files

    cases = {file_name(i, case): content(found) for i, (case, found) in enumerate(sweep.comparisons.items())}
    texts = sweep_files(sweep_content(sweep, list(cases)), cases)

    def write(into: Path) -> None:
        write_texts(into, texts)
        sweep.to_frame().to_csv(into / "sweep.csv", index=False)
        for name, found in zip(cases, sweep.comparisons.values(), strict=True):
            found.nuts.to_datatree(found.data).to_netcdf(into / f"{name}.nc", engine="h5netcdf")

    return replace_folder(folder, write)


def sweep_content(sweep: Sweep, names: list[str]) -> dict:
    """Everything the page says but the small multiples, as plain values; `names` are those of the cases' files."""
    rows = [asdict(row) | {"file": name} for row, name in zip(sweep.rows, names, strict=True)]
    return plain({"schema": SCHEMA, "sentences": sweep.sentences, "rows": rows})


def sweep_page(value: dict, cases: dict[str, dict]) -> str:
    """Render the page from the content of a sweep and of its cases, by file name."""
    with drawing_style():
        multiples = {name: _multiple(name, own) for name, own in cases.items()}
    table = sweep_table(value)
    return render(
        "sweep.html.j2",
        **value,
        multiples=multiples,
        tones={name: headline(own).tone for name, own in cases.items()},
        groups=list(table),
        columns=COLUMNS,
        table=table,
        pastes={"sweep": _paste(value, table)},
        scripts=[script("copy.js")],
        max_khat=MAX_KHAT,
    )


def sweep_table(value: dict) -> dict[str, list[Line]]:
    """A line for every case, by data set."""
    priors = len({row["prior"] for row in value["rows"]})
    return by_group([_line(row, priors > 1) for row in value["rows"]], lambda line: line.group)


def _line(row: dict, name_prior: bool) -> Line:
    case = f"K = {row['num_components']}, {row['covariance']}" + (f", {row['prior']}" if name_prior else "")
    doubt = "*" if row["worst_row_khat"] is not None and row["worst_row_khat"] > MAX_KHAT else ""
    gap = "the best" if row["elpd_gap"] == 0 else plus_minus(row["elpd_gap"], row["elpd_gap_error"])
    cells = (
        *(case, row["verdict"], fixed(row["log_likelihood"], 2), fixed(row["bic"], 2), fixed(row["em_elpd"], 2)),
        *(fixed(row["elpd"], 2) + doubt, gap, fixed(row["worst_z"], 2), fixed(row["worst_width"], 2)),
        *(fixed(row["hellinger"], 3), fixed(row["adjusted_rand"], 2), fixed(row["vi_khat"], 2)),
        *(fixed(row["max_rhat"], 3), fixed(row["min_ess"], 0)),
    )
    return Line(row["data"], row["file"], cells)


def _paste(value: dict, table: dict[str, list[Line]]) -> Paste:
    header = [name for name in value["rows"][0] if name != "file"]
    return Paste(
        csv_text(header, [[row[name] for name in header] for row in value["rows"]]),
        latex_text(COLUMNS, {group: [line.cells for line in lines] for group, lines in table.items()}),
    )


def file_name(place: int, case: Case) -> str:
    """The name of a case's files: its place, and what of its own name any file system takes."""
    words = f"{case.data}-{case.num_components}-{case.covariance}-{case.prior}"
    return f"{place + 1:02d}-{re.sub(r'[^A-Za-z0-9]+', '-', words).strip('-')[:60]}"


def _multiple(name: str, value: dict) -> Markup:
    drawing = small_multiple(value)
    return Markup(to_svg(drawing.draw(_WIDTH), f"s{name}", drawing.alt))
