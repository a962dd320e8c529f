"""The report of a sweep: one page with a table and small multiples, its numbers, and the report of every case."""

import re
from dataclasses import asdict
from pathlib import Path

from markupsafe import Markup

from mixtures.compare.sweep import Case, Sweep
from mixtures.report.content import SCHEMA, content
from mixtures.report.folder import replace_folder, write_texts
from mixtures.report.headline import headline
from mixtures.report.html import environment, stylesheet
from mixtures.report.plain import plain
from mixtures.report.plots_data import small_multiple
from mixtures.report.svg import drawing_style, to_svg

_WIDTH = 240  # CSS pixels of one small multiple


def save_sweep(sweep: Sweep, folder: str | Path) -> Path:
    """Write sweep.html, sweep.json, sweep.csv, and a page, JSON and draws for every case; as `replace_folder`."""
    from mixtures.report.drawn import sweep_files

    cases = {file_name(i, case): content(found) for i, (case, found) in enumerate(sweep.comparisons.items())}
    texts = sweep_files(sweep_content(sweep, list(cases)), cases)

    def write(into: Path) -> None:
        write_texts(into, texts)
        sweep.to_frame().to_csv(into / "sweep.csv", index=False)
        for name, found in zip(cases, sweep.comparisons.values(), strict=True):
            found.nuts.to_datatree(found.data.values).to_netcdf(into / f"{name}.nc", engine="h5netcdf")

    return replace_folder(folder, write)


def sweep_content(sweep: Sweep, names: list[str]) -> dict:
    """Everything the page says but the small multiples, as plain values; `names` are those of the cases' files."""
    rows = [asdict(row) | {"file": name} for row, name in zip(sweep.rows, names, strict=True)]
    return plain({"schema": SCHEMA, "sentences": sweep.sentences, "rows": rows})


def sweep_page(value: dict, cases: dict[str, dict]) -> str:
    """Render the page from the content of a sweep and of its cases, by file name."""
    with drawing_style():
        multiples = {name: _multiple(name, own) for name, own in cases.items()}
    pages = environment()
    return pages.get_template("sweep.html.j2").render(
        **value,
        multiples=multiples,
        tones={name: headline(own).tone for name, own in cases.items()},
        groups=list(dict.fromkeys(row["data"] for row in value["rows"])),
        priors=len({row["prior"] for row in value["rows"]}),
        style=stylesheet(pages),
    )


def file_name(place: int, case: Case) -> str:
    """The name of a case's files: its place, and what of its own name any file system takes."""
    words = f"{case.data}-{case.num_components}-{case.covariance}-{case.prior}"
    return f"{place + 1:02d}-{re.sub(r'[^A-Za-z0-9]+', '-', words).strip('-')[:60]}"


def _multiple(name: str, value: dict) -> Markup:
    drawing = small_multiple(value)
    return Markup(to_svg(drawing.draw(_WIDTH), f"s{name}", drawing.alt))
