"""Cards in notebooks: every result has one, none is wrong HTML, and none shows a number that means nothing."""

import pickle
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mixtures as mx
from mixtures import Status
from mixtures._cards import Card, by_entry
from mixtures._trees import flatten_draws
from mixtures.compare.sweep import Case
from mixtures.compare.verdict import NOT_COMPARABLE, NOT_CONVERGED, Finding, Verdict
from mixtures.report.content import content
from tests.report import fake

NO_RESULTS = {"Data", "Finding", "Gaussian", "GaussianParams", "GaussianWithNoise", "Mixture", "Status"}
RESULTS = {name for name in mx.__all__ if isinstance(getattr(mx, name), type)} - NO_RESULTS
HOSTILE = '<script>alert("1 & 2")</script>'
NAN = float("nan")

# What the card of each result must say; keys that are no class names are further cases of one.
OUTCOMES = {
    "EMFit": "EM, MAP: converged",
    "EMFit, maximum likelihood": "EM, maximum likelihood: interior",
    "EMFit, two features": "component",
    "EMFit, degenerate": "EM, MAP: degenerate",
    "StandardErrors": "Standard errors, observed: available",
    "StandardErrors, refused": "saddle",
    "Bootstrap": "Bootstrap, weighted, 1600 replicates: sound",
    "Bootstrap, refused": "no fair sample",
    "LikelihoodRatioTest": "2 against 3 components: p = 0.1",
    "LikelihoodRatioTest, refused": "refused",
    "CrossValidation": "nats per row",
    "Audit": "Audit: No findings in the fit.",
    "CrossValidation, failed": "no average",
    "Candidate": "full covariance, 3 components: interior",
    "Selection": "Selection by BIC: Gaussian mixture, full covariance, 3 components",
    "Selection, nothing found": "Selection by BIC: no estimate",
    "FloorProfile": "the interior maximum is the largest from",
    "Posterior": "NUTS: converged",
    "Posterior, not converged": "NUTS: not converged",
    "Posterior, variational": "Variational inference: converged",
    "Corrected": "Correction by importance sampling: available",
    "Corrected, refused": "Correction by importance sampling: refused",
    "Loo": "Leave-one-out prediction: sound",
    "Loo, doubtful": "Leave-one-out prediction: not to be relied on",
    "ChainStacking": "Stacking of 2 chains: the largest weight is 0.75",
    "PredictiveCheck": "Predictive check: ",
    "PredictiveCheck, of a posterior not to be used": "Predictive check: not to be relied on",
    "SBCRanks": "ranks are uniform",
    "Sensitivity": "Prior sensitivity: ",
    "Sensitivity, of a posterior not to be used": "Prior sensitivity: not to be relied on",
    "Evidence": "Log evidence: −12.30 ± 0.10 nats",
    "Evidence, refused": "Log evidence: refused",
    "PointPartition": "Point partition: 2 clusters",
    "PointPartition, of a posterior not to be used": "Point partition: not to be relied on",
    "Telescope": "Number of components, by telescoping: converged",
    "Telescope, not converged": "Number of components, by telescoping: not converged",
    "Calibration": "VI: no interval for any of 10 data sets.",
    "Comparison": "EM, VI and NUTS: agree",
    "Comparison, not converged": "EM, VI and NUTS: not comparable",
    "EMIntervals": "observed: available",
    "Prediction": "EM minus posterior",
    "Prediction, not measured": "Prediction of rows left out: not measured",
    "SavedComparison": "EM, VI and NUTS, saved: agree",
    "Sweep": "Sweep: 2 comparisons of EM, VI and NUTS",
    "Verdict": "Verdict: agree",
}


@pytest.fixture(scope="module")
def results():
    c = fake.series()
    rng = np.random.default_rng(0)
    params = fake.gaussian(jnp.array([0.5, 0.5]), jnp.eye(2), jnp.stack([jnp.eye(2)] * 2), "full")
    plane = mx.Data(rng.normal(size=(20, 2)), ("a", "b"), "plane.csv")
    in_plane = fake.em_fit(mx.Mixture.for_data(plane.values, 2), plane, params)
    nothing = jax.tree.map(lambda leaf: leaf * jnp.nan, c.map.params)
    degenerate = eqx.tree_at(
        lambda f: (f.params, f.log_likelihood, f.log_joint, f.status_code, f.starts.status),
        c.map,
        (nothing, jnp.array(NAN), jnp.array(NAN), jnp.int32(Status.DEGENERATE), jnp.full(64, int(Status.COLLAPSED))),
    )
    given = mx.Bootstrap(flatten_draws(c.nuts.params), jnp.full(1600, int(Status.CONVERGED)), c.model, "weighted")
    test = mx.LikelihoodRatioTest(jnp.array(9.0), jnp.arange(9.0), jnp.ones(2, int), jnp.ones((9, 2), int), 2)
    candidate = mx.criteria(c.model, c.ml, c.data.values)
    lost = replace(candidate, fit=degenerate, bic=NAN)
    other = eqx.tree_at(lambda p: p.log_joint, c.nuts, c.nuts.log_joint.at[0].add(-40.0))
    loo, em = c.prediction.posterior, c.prediction.em
    failed = eqx.tree_at(lambda e: e.status, em, em.status.at[0].set(int(Status.MAX_STEPS)))
    corrected = mx.importance_correct(c.vi)
    counts = jnp.asarray(rng.integers(2, 5, (4, 500)))
    telescope = mx.Telescope(counts, counts, jnp.asarray(rng.normal(size=(4, 500))), 9)
    apart = eqx.tree_at(lambda t: t.num_components, telescope, counts.at[0].set(7))
    verdict = Verdict(NOT_COMPARABLE, (Finding(NOT_CONVERGED, "NUTS did not converge."),))
    nobody = {name: np.full_like(v, NAN) for name, v in corrected.mean.items()}
    apart_whole = replace(c, nuts=other, verdict=verdict)
    cases = {Case(HOSTILE, 3, "full", "default"): c, Case(HOSTILE, 3, "full", "wide"): apart_whole}
    caution = "NUTS did not converge: largest R-hat 3.2."
    partition = mx.PointPartition(np.array([0, 0, 1]), 0.2, "vi", 0.95, 0.4, np.array([0, 1, 1]))
    return {
        "Audit": mx.Audit((), "the fit"),
        "EMFit": c.map,
        "EMFit, maximum likelihood": c.ml,
        "EMFit, two features": in_plane,
        "EMFit, degenerate": degenerate,
        "StandardErrors": c.standard_errors,
        "StandardErrors, refused": eqx.tree_at(lambda e: e.refusal_code, c.standard_errors, jnp.int32(3)),
        "Bootstrap": given,
        "Bootstrap, refused": eqx.tree_at(lambda b: b.status, given, jnp.full(1600, int(Status.EMPTY))),
        "LikelihoodRatioTest": test,
        "LikelihoodRatioTest, refused": eqx.tree_at(lambda t: t.status, test, jnp.full(2, int(Status.DEGENERATE))),
        "CrossValidation": em,
        "CrossValidation, failed": failed,
        "Candidate": candidate,
        "Selection": mx.Selection((candidate,) * 30 + (lost,), "bic"),
        "Selection, nothing found": mx.Selection((lost,), "bic"),
        "FloorProfile": c.floor_profile,
        "Posterior": c.nuts,
        "Posterior, not converged": other,
        "Posterior, variational": c.vi,
        "Corrected": corrected,
        "Corrected, refused": replace(corrected, mean=nobody, sd=nobody, mcse=nobody, khat=0.9),
        "Loo": loo,
        "Loo, doubtful": replace(loo, khat=np.full(len(loo.rows), 0.9)),
        "ChainStacking": mx.ChainStacking(np.array([0.75, 0.25]), (loo, loo)),
        "PredictiveCheck": c.check,
        "PredictiveCheck, of a posterior not to be used": replace(c.check, caution=caution),
        "SBCRanks": mx.SBCRanks({"weight_min": np.arange(100), HOSTILE: np.arange(100)}, 99),
        "Sensitivity": c.sensitivity,
        "Sensitivity, of a posterior not to be used": replace(c.sensitivity, caution=caution),
        "Evidence": mx.Evidence(-12.3, 0.1, ""),
        "Evidence, refused": mx.Evidence(NAN, NAN, "The posterior did not converge."),
        "PointPartition": partition,
        "PointPartition, of a posterior not to be used": replace(partition, caution=caution),
        "Telescope": telescope,
        "Telescope, not converged": apart,
        "Calibration": fake.calibration(),
        "Comparison": c,
        "Comparison, not converged": apart_whole,
        "EMIntervals": c.intervals[0],
        "Prediction": c.prediction,
        "Prediction, not measured": replace(c.prediction, em=failed),
        "SavedComparison": mx.SavedComparison(Path("fit"), content(c)),
        "Sweep": mx.Sweep(cases),
        "Verdict": c.verdict,
    }


class Page(HTMLParser):
    """The cells and the text of a piece of HTML whose tags must balance."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1], data))

    def column(self, name: str) -> list[str]:
        heads = [text for tag, text in self.texts if tag == "th"]
        width = heads.index(name)
        cells = [text for tag, text in self.texts if tag == "td"]
        columns = self.tags[: self.tags.index("tbody")].count("th") - 1
        return cells[width - 1 :: columns]


def page(result) -> Page:
    return Page(result._repr_html_())


def test_every_result_has_a_card():
    assert {name for name in RESULTS if not hasattr(getattr(mx, name), "_repr_html_")} == set()


def test_every_result_is_tried(results):
    assert {type(result).__name__ for result in results.values()} >= RESULTS
    assert results.keys() == OUTCOMES.keys()


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_card_says_the_outcome_in_balanced_html(results, name):
    html = results[name]._repr_html_()
    found = Page(html)
    assert OUTCOMES[name] in "".join(text for _, text in found.texts)
    assert set(found.tags) <= {"div", "strong", "p", "table", "thead", "tbody", "tr", "th", "td"}
    assert found.tags.count("tr") <= 21
    assert "nan" not in html.lower().replace("nans", "")
    assert "http" not in html


def test_a_degenerate_fit_has_no_components(results):
    assert "table" not in page(results["EMFit, degenerate"]).tags
    assert "objective='map'" in results["EMFit, degenerate"].reason


def test_components_have_a_variance_only_where_it_is_one_number(results):
    assert page(results["EMFit"]).column("variance") == ["0.9064", "11.32", "0.3278"]
    assert page(results["EMFit, two features"]).column("mean") == ["1, 0", "0, 1"]


@pytest.mark.parametrize("name", ["Posterior, not converged", "Telescope, not converged"])
def test_nothing_is_averaged_over_chains_that_disagree(results, name):
    found = page(results[name])
    assert not any("±" in text or "mean ±" in text for _, text in found.texts)
    assert max(float(value) for value in found.column("R-hat") if value != "–") > 1.01


def test_a_comparison_averages_no_chains_that_disagree(results):
    found = page(results["Comparison, not converged"])
    assert set(found.column("NUTS ± sd")) == {"–"}
    assert all("±" in cell for cell in found.column("MAP ± SE"))
    assert all("±" in cell for cell in page(results["Comparison"]).column("NUTS ± sd"))
    assert page(results["Sweep"]).column("behind the best, nats") == ["0", "–"]


def test_what_comes_of_draws_not_to_be_used_says_so_and_no_more():
    c = fake.unconverged(fake.series())
    for part in (c.place, c.location, c.density, c.clustering, c.prediction):
        card = part.card()
        assert card.title.endswith(": not to be relied on")
        assert "failed" in card.words[0]
        assert not card.rows
        assert c.nuts.caution in part._repr_html_().replace("&#x27;", "'")
    assert {part.reason for part in (c.place, c.location, c.prediction)} == {c.nuts.caution}
    assert not any(row.trusted for row in c.agreement)
    assert {row.caution for row in c.agreement} == {c.nuts.caution}


def test_what_comes_of_draws_to_be_used_is_a_card_with_its_numbers(results):
    c = results["Comparison"]
    for part in (c.place, c.location, c.density, c.clustering):
        assert "±" in part._repr_html_() or "posterior" in part._repr_html_()
        assert not part.caution
    assert page(c.clustering).column("NUTS")[0] == "1"
    assert "inside the 95 % credible ball" in page(c.place).texts[0][1]
    assert re.search(r"the MAP lies 0\.[0-3] posterior sds", page(c.location).texts[0][1])  # draws are about the MAP


def test_only_what_needs_labels_has_a_caution_where_these_are_ambiguous():
    c = fake.ambiguous(fake.series())
    assert "labels are ambiguous (30 %)" in c.location.reason
    assert "labels are ambiguous (30 %)" in c.clustering.card().words[0]
    assert not c.place.caution
    assert not c.density.caution
    assert {row[3] for row in c.card().rows} == {"–"}


def test_a_parameter_that_chains_disagree_about_has_no_mean(results):
    moved = results["Posterior"].params.means.at[0, :, 0].add(50.0)
    found = page(eqx.tree_at(lambda p: p.params.means, results["Posterior"], moved))
    # The mean's own label-free quantities then disagree as well.
    assert not any("±" in text for _, text in found.texts)


def test_chains_that_disagree_about_labels_alone_leave_one_mean_out(results):
    posterior = results["Posterior"]
    swapped = jax.tree.map(lambda leaf: leaf.at[0].set(leaf[0][:, ::-1]), posterior.params)
    found = page(eqx.tree_at(lambda p: p.params, posterior, swapped))
    assert "–" in found.column("mean ± sd")
    assert any("Chains disagree about" in text for _, text in found.texts)


def test_a_selection_shows_a_dozen(results):
    found = page(results["Selection"])
    assert found.tags.count("tr") == 13
    assert ("p", "… and 18 more.") in found.texts


def test_names_from_outside_are_escaped(results):
    c = results["Comparison"]
    named = replace(c, agreement=tuple(replace(row, parameter=HOSTILE) for row in c.agreement))
    said = replace(c.verdict, findings=(Finding("agreement", HOSTILE),))
    calibration = replace(results["Calibration"], quantities=(HOSTILE, HOSTILE))
    evidence = mx.Evidence(NAN, NAN, HOSTILE)
    candidate = replace(results["Candidate"], covariance=HOSTILE)
    chosen = mx.Selection((candidate,), "bic")
    for result in (named, said, calibration, evidence, candidate, chosen, results["SBCRanks"], results["Sweep"]):
        assert "script" not in page(result).tags
        assert any("<script>" in text for _, text in page(result).texts)


MODULES = [name for name in sorted(RESULTS) if issubclass(getattr(mx, name), eqx.Module)]


@pytest.mark.parametrize("name", MODULES)
def test_a_batch_asks_to_be_indexed(results, name):
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), results[name])
    assert f"{name}: a batch of shape (2,)" in batch._repr_html_()
    assert jax.tree.map(lambda leaf: leaf[0], batch)._repr_html_() == results[name]._repr_html_()


@pytest.mark.parametrize("name", MODULES)
def test_results_still_pass_through_transformations_and_files(results, name):
    inside = []

    @jax.jit
    def same(result):
        inside.append(result._repr_html_())
        return result

    assert same(results[name])._repr_html_() == results[name]._repr_html_()
    assert f"{name} inside a transformation" in inside[0]
    assert f"{name} inside a transformation" in jax.eval_shape(lambda r: r, results[name])._repr_html_()
    assert pickle.loads(pickle.dumps(results[name]))._repr_html_() == results[name]._repr_html_()


@pytest.mark.slow
def test_fits_of_many_data_sets_are_a_batch(series):
    model = mx.Mixture.for_data(series, 2)
    x = jnp.stack([series, series + 1.0])
    fits = jax.jit(jax.vmap(lambda rows: mx.fit_em(model, rows, key=jax.random.key(0), num_starts=4)))(x)
    assert "EMFit: a batch of shape (2,)" in fits._repr_html_()
    assert "EM, MAP: converged" in jax.tree.map(lambda leaf: leaf[1], fits)._repr_html_()


def test_entries_come_once_and_are_counted_from_one():
    matrices = np.array([[[1.0, 2.0, 0.0], [2.0, NAN, 3.0], [0.0, 3.0, 4.0]]])
    names = [name for name, _ in by_entry({"covariances": matrices})]
    assert names == [f"covariances[1, {place}]" for place in ("1, 1", "1, 2", "2, 2", "2, 3", "3, 3")]
    assert list(by_entry({"s": np.array(2.0)}, {"s": np.array(0.0)})) == [("s", 2.0, 0.0)]


def test_cells_are_numbers_as_a_person_reads_them():
    html = Card("T", [""], ("a", "b", "c", "d"), [("x", -0.00012345, 123456, NAN)]).html()
    assert [text for tag, text in Page(html).texts if tag == "td"] == ["−0.0001234", "123456", "–"]
    assert "<p>" not in html
