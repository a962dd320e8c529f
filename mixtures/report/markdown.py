"""Reports in Markdown, for pull requests and notebooks: what was found, its numbers and reasons."""

from collections.abc import Iterable

from mixtures._numbers import fixed, nominal, percent
from mixtures.report.coverage import coverage_rows
from mixtures.report.distances import distances, distances_as_markdown, vi_from_nuts
from mixtures.report.headline import headline, three_numbers
from mixtures.report.intervals import intervals, intervals_as_markdown
from mixtures.report.methods import methods
from mixtures.report.pasting import markdown_text
from mixtures.report.sweep import COLUMNS, sweep_table
from mixtures.report.tables import as_markdown
from mixtures.report.trust import engines


def markdown(value: dict) -> str:
    """Render the content of a comparison."""
    first, told = headline(value), methods(value)
    data, model, lines = value["data"], value["model"], intervals(value)
    parts = [
        f"# {escaped(data['source'])}: a mixture of {model['num_components']} components",
        f"**{first.title}.** {first.advice}",
        "\n".join(f"- **{figure.number}** {escaped(figure.words)}" for figure in three_numbers(value)),
        "## Why",
        _listed(value["verdict"]["reasons"]),
        "## Densities and clusters",
        distances_as_markdown(distances(value)),
        "## Further evidence" if value["further"]["sentences"] else "",
        _listed(value["further"]["sentences"]),
        "## Parameters",
        as_markdown(value),
        "## 89 % intervals by every uncertainty",
        intervals_as_markdown(lines),
        _listed(lines.refusals),
        "## VI from NUTS" if vi_from_nuts(value) else "",
        _listed(vi_from_nuts(value)),
        *(["## Coverage", *_coverage(value["calibration"])[:2]] if value["calibration"] else []),
        "## How far to trust each engine",
        "\n".join(f"- {e['name']}: {escaped(e['word'])} {escaped(e['why'])}" for e in engines(value)),
        "## Methods",
        escaped(told.paragraph),
        "\n".join(f"- {reference}" for reference in told.references),
    ]
    return _document(parts)


def calibration_markdown(value: dict) -> str:
    """Render the content of a calibration."""
    title = f"# {escaped(value['data']['source'])}: what do {nominal(value['level'])} intervals cover?"
    counts = f"{value['num_simulations']} data sets of {value['num_rows']} rows were simulated."
    return _document([title, counts, *_coverage(value)])


def _coverage(value: dict) -> list[str]:
    methods_of = [(one["name"], percent(one["failed"]), percent(one["trusted"])) for one in value["methods"]]
    return [
        _listed(value["sentences"]),
        markdown_text(("Method", "No interval", "No doubt raised"), methods_of),
        markdown_text(
            ("Method, quantity", "Coverage (95 % interval)", "Where not doubted", "Median width", "Median error"),
            [
                (f"{row['method']}: {row['quantity']}", row["coverage"], row["undoubted"], row["width"], row["bias"])
                for row in coverage_rows(value)
            ],
        ),
    ]


def selection_markdown(value: dict) -> str:
    """Render the content of a selection."""
    best = value["best"]
    choice = f"{best['code']} with K = {best['num_components']}" if best else "nothing to choose"
    header = ("Model", "K", "Parameters", "Log-likelihood", value["criterion_name"], "Remarks")
    rows = [
        (
            *(c["code"], str(c["num_components"]), str(c["num_parameters"]), fixed(c["log_likelihood"], 3)),
            fixed(c["value"], 4 if value["criterion"] == "cv" else 2),
            " ".join(
                [
                    *([] if c["is_estimate"] else [c["reason"]]),
                    *(["Unbounded."] if c["unbounded"] else []),
                    *c["spurious"],
                ]
            ),
        )
        for c in value["candidates"]
    ]
    return _document(
        [
            f"# {escaped(value['data']['source'])}: {choice}",
            _listed(value["reasons"]),
            markdown_text(header, rows),
        ]
    )


def sweep_markdown(value: dict) -> str:
    """Render the content of a sweep."""
    parts = [f"# {len(value['rows'])} comparisons of EM, variational inference and NUTS", _listed(value["sentences"])]
    for group, lines in sweep_table(value).items():
        parts += [f"## {escaped(group)}", markdown_text(COLUMNS, [line.cells for line in lines])]
    return _document(parts)


def _document(parts: list[str]) -> str:
    return "\n\n".join(filter(None, parts)) + "\n"


def _listed(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(sentence)}" for sentence in sentences)


def escaped(text: str) -> str:
    """Text that Markdown takes for nothing but text."""
    for sign in "\\`*_[]|":
        text = text.replace(sign, "\\" + sign)
    return text.replace("<", "&lt;").replace("\n", " ")
