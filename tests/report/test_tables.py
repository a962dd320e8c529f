"""Tables to paste, the paragraph on methods, Markdown, and the lines of a sweep."""

import csv
import io
import re

import numpy as np
import pytest

from mixtures.compare.sweep import Case, Sweep
from mixtures.report.content import content
from mixtures.report.distances import distances, vi_from_nuts
from mixtures.report.intervals import intervals, paste_intervals
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


def test_intervals_of_every_source_stand_side_by_side(value):
    """EM's by the observed information are those of the agreement table; a refused kind says why, and has dashes."""
    found = intervals(value)
    assert found.sources == ("EM, observed", "EM, sandwich", "EM, bootstrap", "VI", "NUTS")
    for line, row in zip(found.lines, value["agreement"], strict=True):
        ends = [[cell.low, cell.high] for cell in line.cells]
        assert ends[0] == row["map_interval"]
        assert ends[3:] == [row["vi_interval"] or [None, None], row["nuts_interval"] or [None, None]]
        assert (line.cells[3].spread, line.cells[4].spread) == (row["vi_sd"], row["nuts_sd"])
    refused = [kind["reason"] for kind in value["further"]["intervals"] if kind["reason"]]
    assert len(found.refusals) == len(refused)
    rows = list(csv.DictReader(io.StringIO(paste_intervals(found).csv)))
    assert [row["parameter"] for row in rows] == [row["parameter"] for row in value["agreement"]]
    assert len(rows[0]) == 1 + 3 * 5


def test_distances_say_which_need_labels_and_have_their_errors(value):
    found = {one.name: one for one in distances(value)}
    labelled = {one.name for one in found.values() if "by labels" in one.group}
    assert labelled == {"Adjusted Rand index", "Variation of information", "Total variation of responsibilities"}
    density, place = value["density"], value["further"]["place"]
    moved = found["Largest Wasserstein distance of a marginal"].nuts
    if density["wasserstein"]["nuts"] is None:
        assert moved == (None, None)
    else:
        assert moved in list(zip(density["wasserstein"]["nuts"], density["wasserstein_mcse"]["nuts"], strict=True))
        assert "±" in found["Largest Wasserstein distance of a marginal"].cells[1]
    assert ("Expected Binder loss" in found) == (place is not None)
    if place is not None:
        binder, ball = found["Expected Binder loss"], found["Distance from the best partition"]
        assert binder.nuts == (place["expected_binder"], place["expected_binder_mcse"])
        assert ("inside" in ball.reads) == (place["distance"] <= place["radius"])
        assert f"{place['radius']:.3f}" in ball.reads
        assert found["Responsibilities against similarities"].nuts[0] == place["similarity_gap"]


def test_vi_from_nuts_is_told_where_both_are_there(value):
    told = " ".join(vi_from_nuts(value))
    both = all(value["fits"][engine]["status"] == "converged" for engine in ("vi", "nuts"))
    assert ("Hellinger distance" in told) == both
    if both:
        known = [row["vi_wasserstein"] for row in value["agreement"] if row["vi_wasserstein"] is not None]
        assert f"at most {max(known):.2f} posterior sds" in told if known else "by parameter" not in told


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
    cited = set(re.findall(r"[A-Z]\w+(?: and [A-Z]\w+| et al\.)? (?:19|20)\d{2}", told.paragraph))
    first = {(re.match(r"(\w+)", one)[1], re.search(r"\((\d{4})\)", one)[1]) for one in told.references}
    assert {(re.match(r"(\w+)", one)[1], one[-4:]) for one in cited} == first


def _has_kind(kind):
    return lambda value: any(one["kind"] == kind and not one["reason"] for one in value["further"]["intervals"])


def _further(name):
    return lambda value: value["further"][name] is not None


def _from_map(value):
    return [value["density"]["hellinger"][engine] for engine in ("nuts", "vi")]


def _predicted(value):
    return value["further"]["prediction"] is not None and value["further"]["prediction"]["difference"] is not None


@pytest.mark.parametrize(
    ("words", "present"),
    [
        ("the sandwich (White 1982)", _has_kind("sandwich")),
        ("the nonparametric bootstrap of 25 replicates (Efron 1979)", _has_kind("bootstrap")),
        ("profiled under floors", lambda value: value["fits"]["ml"]["floor_profile"] is not None),
        ("Kullback and Leibler 1951", lambda value: _from_map(value) != [None, None]),
        ("draws by NUTS", lambda value: value["density"]["hellinger"]["nuts"] is not None),
        ("(Meilă 2007) and Binder loss (Binder 1978)", _further("place")),
        ("Wade and Ghahramani 2018", _further("place")),
        ("Mahalanobis", _further("location")),
        ("10-fold cross-validation", _predicted),
        ("Burman 1989", _predicted),
        ("Vehtari et al. 2017", _predicted),
        ("Kallioinen et al. 2024", _further("sensitivity")),
        ("Gelman et al. 1996", _further("check")),
        ("measured on 10 data sets of 50 rows", lambda value: value["calibration"] is not None),
        ("Wilson 1927", lambda value: value["calibration"] is not None),
        ("Fits were said to agree", _further("place")),
    ],
)
def test_a_method_is_described_where_it_was_run_and_only_there(value, words, present):
    assert (words in methods(value).paragraph) == present(value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("series", ["50 rows of y", "so starts that collapsed (17) were set aside", "4 chains", "400 draws each"]),
        ("series", ["means over 500 draws by NUTS and 400 draws by VI", "50 rows was compared with 500 drawn"]),
        ("series", ["responsibilities, means over 400 draws", "checked by 1000 data sets of 50 rows"]),
        ("plane", ["No standard errors are given for the MAP", "95 rows of length, width"]),
        ("unconverged", ["the chains did not converge, and nothing is concluded from them"]),
    ],
)
def test_methods_say_what_was_run(name, said):
    paragraph = methods(content(CASES[name]())).paragraph
    assert [words for words in said if words not in paragraph] == []


def test_methods_do_not_say_of_pathfinder_that_it_kept_the_best_start():
    value = content(fake.series())
    value["fits"]["vi"]["guide"] = "pathfinder"
    assert "its paths resampled by importance" in methods(value).paragraph
    assert "best of several starts" not in methods(value).paragraph


def test_markdown_says_the_verdict_first_and_the_reasons(value):
    text = markdown(value)
    assert text.index(value["verdict"]["reasons"][0][:20]) > text.index("**") > text.index("# ")
    assert not re.search(r"\b(None|nan)\b", text)


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
        "series: EM’s MAP agrees with the posterior in location in 1 of 2 cases. In 1 the chains did not converge or "
        "the density is unbounded, so nothing is said of them.",
    )


def test_a_refused_standard_error_has_no_width():
    row = Sweep({Case("plane", 3, "full", "default"): fake.plane()}).rows[0]
    assert np.isnan(row.worst_width)
    assert np.isnan(row.bic) == (not fake.plane().ml.status.is_estimate)
