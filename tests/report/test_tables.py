"""Tables to paste, the paragraph on methods, Markdown, and the lines of a sweep."""

import csv
import io
import re

import numpy as np
import pytest

from mixtures.compare.sweep import Case, Sweep
from mixtures.report.content import content
from mixtures.report.markdown import markdown
from mixtures.report.methods import methods
from mixtures.report.tables import as_csv, as_latex
from tests.report import fake
from tests.report.test_content import CASES


@pytest.fixture(scope="module", params=CASES)
def value(request):
    return content(CASES[request.param]())


def test_csv_has_every_number_unrounded(value):
    rows = list(csv.DictReader(io.StringIO(as_csv(value))))
    assert [row["parameter"] for row in rows] == [row["parameter"] for row in value["agreement"]]
    for found, row in zip(rows, value["agreement"], strict=True):
        for name in ("map", "se", "nuts_mean", "z"):
            assert found[name] == ("" if row[name] is None else repr(row[name]))
        low, high = row["nuts_interval"] or (None, None)
        assert (found["nuts_interval_low"], found["nuts_interval_high"]) == tuple(
            "" if end is None else repr(end) for end in (low, high)
        )


def test_latex_has_six_cells_a_row_and_no_bare_special_sign(value):
    lines = as_latex(value).splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrrr}"
    assert lines[-1] == r"\end{tabular}"
    rows = [line for line in lines if " & " in line]
    assert len(rows) == 1 + len(value["agreement"])
    assert all(len(re.split(r"(?<!\\)&", line)) == 6 and line.endswith(r" \\") for line in rows)


def test_names_from_outside_break_neither_latex_nor_markdown():
    value = content(fake.renamed(fake.plane(), "a|b_c", "50% & $x_1$ {\\}"))
    latex = as_latex(value)
    assert r"50\% \& \$x\_1\$ \{\textbackslash{}\}" in latex
    assert r"means[1, a\|b_c]" in markdown(value)
    table = [line for line in markdown(value).splitlines() if line.startswith("| means")]
    assert all(len(re.split(r"(?<!\\)\|", line)) == 8 for line in table)


def test_what_is_cited_is_listed_and_what_is_listed_is_cited(value):
    told = methods(value)
    cited = set(re.findall(r"[A-Z]\w+(?: and [A-Z]\w+| et al\.)? \d{4}", told.paragraph))
    first = {(re.match(r"(\w+)", one)[1], re.search(r"\((\d{4})\)", one)[1]) for one in told.references}
    assert {(re.match(r"(\w+)", one)[1], one[-4:]) for one in cited} == first


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("series", ["50 rows of y", "so starts that collapsed (17) were set aside", "4 chains", "400 draws each"]),
        ("plane", ["No standard errors are given for the MAP", "95 rows of length, width"]),
        ("unconverged", ["the chains did not converge, and nothing is concluded from them"]),
    ],
)
def test_methods_say_what_was_run(name, said):
    paragraph = methods(content(CASES[name]())).paragraph
    assert [words for words in said if words not in paragraph] == []


def test_markdown_says_the_verdict_first_and_the_reasons(value):
    text = markdown(value)
    assert text.index(value["verdict"]["reasons"][0][:20]) > text.index("**") > text.index("# ")
    assert "None" not in text
    assert "nan" not in text


def test_chains_that_disagree_are_compared_with_nothing():
    case, other = Case("series", 3, "full", "default"), Case("series", 3, "full", "other")
    result = Sweep({case: fake.unconverged(fake.series()), other: fake.series()})
    lost, kept = result.rows
    assert lost.verdict == "not comparable"
    assert np.isnan(
        [lost.elpd, lost.elpd_gap, lost.worst_z, lost.worst_width, lost.hellinger, lost.adjusted_rand]
    ).all()
    assert lost.max_rhat > 1.01
    assert kept.elpd_gap == 0
    assert result.sentences == (
        "series: EM’s MAP agrees with the posterior in location in 1 of 2 cases. In 1 the chains did not converge, so "
        "nothing is said of them.",
    )


def test_a_refused_standard_error_has_no_width():
    row = Sweep({Case("plane", 3, "full", "default"): fake.plane()}).rows[0]
    assert np.isnan(row.worst_width)
    assert np.isnan(row.bic) == (not fake.plane().ml.status.is_estimate)
