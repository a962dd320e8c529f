import json
from dataclasses import replace

import numpy as np
import pytest

from mixtures.report.content import content
from mixtures.report.headline import three_numbers
from mixtures.report.methods import methods
from mixtures.report.plain import to_json
from mixtures.report.trust import engines
from tests.report import fake
from tests.report.schemas import complaints

CASES = {
    "series": fake.series,
    "plane": fake.plane,
    "unconverged": lambda: fake.unconverged(fake.series()),
    "ambiguous": lambda: fake.ambiguous(fake.series()),
    "degenerate": lambda: fake.degenerate(fake.series()),
    "without a MAP": lambda: fake.without_map(fake.series()),
    "without VI": lambda: fake.without_vi(fake.plane()),
    "unbounded": lambda: fake.unbounded(fake.series()),
    "labels of VI ambiguous": lambda: fake.ambiguous(fake.series(), "vi"),
    "raced": lambda: fake.raced(fake.series()),
    "without a profile": lambda: replace(fake.series(), floor_profile=None),
    "poor VI": lambda: fake.poor_vi(fake.series()),
    "calibrated": lambda: replace(fake.series(), calibration=fake.calibration()),
}


@pytest.fixture(scope="module", params=CASES)
def value(request):
    return content(CASES[request.param]())


def strictly(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_content_is_of_the_published_schema(value):
    assert complaints("report", value) == []


def test_the_schema_knows_when_something_is_missing_or_new(value):
    without = value | {"verdict": {name: v for name, v in value["verdict"].items() if name != "level"}}
    assert complaints("report", without)
    assert complaints("report", value | {"opinion": 1})
    fits = value["fits"]
    assert complaints("report", value | {"fits": fits | {"ml": fits["ml"] | {"opinion": 1}}})


def test_agreement_has_every_parameter(value):
    k, d = value["model"]["num_components"], len(value["data"]["columns"])
    assert len(value["agreement"]) == k + k * d + k * d * (d + 1) // 2


def test_json_is_strict_and_reads_back_the_same(value):
    assert strictly(to_json(value)) == value
    assert len(to_json(value)) < 200_000


def test_json_keeps_lines_short_but_whole():
    value = {"rows": list(range(200)), "nested": [[1, 2], [3, "a [ 1 ] b"]], "empty": {}}
    text = to_json(value)
    assert json.loads(text) == value
    assert len(text.splitlines()) < 10


def test_estimates_have_the_shapes_of_the_model():
    for result, k, d in ((fake.series(), 3, 1), (fake.plane(), 3, 2)):
        fits = content(result)["fits"]
        for fit in fits.values():
            assert np.shape(fit["estimates"]["weights"]) == (k,)
            assert np.shape(fit["estimates"]["means"]) == (k, d)
            assert np.shape(fit["estimates"]["covariances"]) == (k, d, d)
        assert np.all(np.diff(np.array(fits["map"]["estimates"]["means"])[:, 0]) > 0)


def test_numbers_are_those_of_the_fits():
    result = fake.series()
    value = content(result)
    assert value["schema"] == 5
    assert value["fits"]["map"]["log_joint"] == float(result.map.log_joint)
    assert value["fits"]["map"]["standard_errors"]["means"] == result.standard_errors.values["means"].tolist()
    assert value["fits"]["nuts"]["invariants"]["log_joint"]["mean"] == pytest.approx(
        float(result.nuts.log_joint.mean())
    )
    assert value["fits"]["nuts"]["estimates"]["weights"] == pytest.approx(
        result.nuts.params.weights.mean((0, 1)).tolist()
    )
    assert [row["parameter"] for row in value["agreement"]] == [row.parameter for row in result.agreement]


def test_ties_and_starts_are_counted():
    value = content(fake.series())
    first, second, _ = value["data"]["ties"]
    assert (first["value"], first["count"], first["rows"]) == ([44.44571429], 13, list(range(9, 22)))
    assert (second["count"], value["data"]["distinct_rows"]) == (5, 33)
    starts = value["fits"]["ml"]["starts"]
    assert starts["statuses"] == {"converged": 47, "collapsed": 17}
    assert [mode["hits"] for mode in starts["modes"]] == [42, 5]
    assert starts["words"] == "Of 64 starts 47 converged, to 2 distinct maxima; 17 collapsed."


def test_only_converged_starts_found_a_mode():
    starts = content(fake.raced(fake.series()))["fits"]["map"]["starts"]
    assert [mode["hits"] for mode in starts["modes"]] == [3, 2]
    assert starts["modes"][0]["objective"] - starts["modes"][1]["objective"] == pytest.approx(7.0)
    assert starts["words"] == (
        "Of 64 starts 5 converged, to 2 distinct maxima; 1 stopped at the step limit; 1 stalled in rounding error; "
        "1 lost a component; 56 left behind by better ones, and never converged."
    )


def test_the_floor_profile_is_told_whole():
    ml = content(fake.series())["fits"]["ml"]
    profile = ml["floor_profile"]
    assert ml["floor_profile_reason"] is None
    assert set(profile) == {
        *("floors", "log_likelihood", "least_variance", "held", "converged", "interior", "interior_variance"),
        *("crossing", "plateau", "other_plateaus", "nats_per_decade", "sentences"),
    }
    assert len(profile["floors"]) == len(profile["log_likelihood"]) == 29
    # The two branches meet at 1e-4; 0.01 nats above is a factor exp(0.01 / 5) below.
    assert profile["crossing"] == pytest.approx(1e-4, rel=0.01)
    assert profile["plateau"] == {"low": profile["crossing"], "high": 1e-2, "log_likelihood": -100.0}
    assert profile["nats_per_decade"] == pytest.approx(5 * np.log(10))
    assert profile["other_plateaus"] == []


def test_nothing_is_averaged_over_chains_that_disagree():
    value = content(fake.unconverged(fake.series()))
    nuts = value["fits"]["nuts"]
    assert nuts["status"] == "not_converged"
    assert "conclude nothing" in nuts["reason"]
    assert nuts["estimates"] is nuts["sd"] is nuts["mcse"] is None
    assert nuts["max_rhat"] > 1.01
    assert nuts["invariants"]["log_joint"]["mean"] is None
    assert nuts["invariants"]["log_joint"]["rhat"] > 1.01
    for row in value["agreement"]:
        assert row["nuts_mean"] is row["nuts_sd"] is row["z"] is row["width_ratio"] is row["overlap"] is None
        assert row["vi_z"] is row["vi_width_ratio"] is None
        assert row["map"] is not None
        assert row["rhat"] is not None
    assert value["density"]["nuts"] is value["density"]["nuts_band"] is None
    assert value["density"]["hellinger"]["nuts"] is value["clustering"]["ari"]["nuts"] is None
    assert value["clustering"]["responsibilities"]["nuts"] is None


def test_where_labels_are_ambiguous_only_what_needs_none_is_told():
    value = content(fake.ambiguous(fake.series()))
    for row in value["agreement"]:
        assert row["nuts_mean"] is row["nuts_sd"] is row["nuts_interval"] is row["z"] is row["width_ratio"] is None
        assert row["vi_z"] is row["vi_width_ratio"] is row["overlap"] is None
        assert row["map"] is not None
    assert value["clustering"]["ari"]["nuts"] is value["clustering"]["total_variation"]["nuts"] is None
    assert value["clustering"]["responsibilities"]["nuts"] is value["further"]["location"] is None
    assert not any("All parameters at once" in sentence for sentence in value["further"]["sentences"])
    assert 0 < value["density"]["hellinger"]["nuts"] < 0.2
    assert value["further"]["place"]["expected_vi"] > 0
    assert not any("component" in figure.words for figure in three_numbers(value)[:2])
    assert not any("of component" in sentence for sentence in value["further"]["sentences"])
    assert value["further"]["sensitivity"] is value["fits"]["nuts"]["estimates"] is value["fits"]["nuts"]["sd"] is None
    assert engines(value)[-1]["tone"] != "bad", "NUTS converged all the same"


def test_labels_of_vi_may_be_ambiguous_alone():
    found = fake.ambiguous(fake.series(), "vi")
    value = content(found)
    assert {row[2] for row in found.card().rows} == {"–"}
    for row in value["agreement"]:
        assert row["vi_mean"] is row["vi_interval"] is row["vi_width_ratio"] is None
        assert row["nuts_mean"] is not None
    assert value["clustering"]["ari"]["vi"] is value["fits"]["vi"]["estimates"] is None
    assert value["clustering"]["ari"]["nuts"] is not None
    assert "vi-too-narrow" not in {finding["code"] for finding in value["verdict"]["findings"]}


def test_an_unbounded_posterior_has_no_map_to_compare():
    found = fake.unbounded(fake.series())
    value = content(found)
    assert value["verdict"]["findings"][0]["code"] == "em-degenerate"
    assert all(row["z"] is row["width_ratio"] is None and row["map"] is not None for row in value["agreement"])
    assert value["density"]["hellinger"]["nuts"] is value["clustering"]["ari"]["nuts"] is None
    assert value["further"]["place"] is value["further"]["location"] is value["further"]["prediction"] is None
    assert "no draws from it can be trusted" in found.density.caution
    (bootstrap,) = (kind for kind in value["further"]["intervals"] if kind["kind"] == "bootstrap")
    assert "unbounded" in bootstrap["reason"]


def test_prediction_from_some_rows_says_so():
    found = fake.series()
    assert content(found)["further"]["prediction"]["num_used"] == 50
    some = replace(found.prediction.posterior, rows=np.arange(20), **_first_rows(found.prediction.posterior, 20))
    value = content(replace(found, prediction=replace(found.prediction, posterior=some)))
    assert value["further"]["prediction"]["num_used"] == 20
    assert any("Estimated from 20 of 50 rows." in sentence for sentence in value["further"]["sentences"])
    assert "on a random sample of 20 rows" in methods(value).paragraph


def _first_rows(score, count):
    return {name: getattr(score, name)[:count] for name in ("pointwise", "khat")}


def test_nothing_is_compared_with_a_point_that_is_no_maximum():
    value = content(fake.plane())
    assert value["verdict"]["findings"][0]["code"] == "em-not-at-a-maximum"
    assert all(row["z"] is row["overlap"] is None and row["map"] is not None for row in value["agreement"])
    assert value["density"]["hellinger"]["nuts"] is value["clustering"]["ari"]["nuts"] is None
    assert value["further"]["place"] is value["further"]["location"] is value["further"]["prediction"] is None
    assert value["density"]["hellinger"]["vi_nuts"] is not None
    _, trust, *_ = engines(value)
    assert (trust["tone"], trust["word"]) == ("bad", "Not at all:")


def test_sentences_have_words_for_parameters_and_code_names_stay_in_the_table():
    value = content(fake.series())
    assert (value["agreement"][0]["parameter"], value["agreement"][0]["spoken"]) == (
        "weights[1]",
        "the weight of component 1",
    )
    said = [*value["verdict"]["reasons"], *value["further"]["sentences"]]
    said += [figure.words for figure in three_numbers(value)]
    assert not any("[" in sentence for sentence in said)
    assert any("the variance of component" in sentence for sentence in said)
    of_two = [row.spoken for row in fake.plane().agreement]
    assert {"the mean of width in component 2", "the variance of length in component 1"} <= set(of_two)
    assert "the covariance of length and width in component 3" in of_two


def test_a_fit_that_does_not_exist_is_null():
    ml = content(fake.degenerate(fake.series()))["fits"]["ml"]
    assert ml["estimates"] is ml["log_likelihood"] is None
    assert (ml["status"], ml["unbounded"], ml["collapsed_starts"]) == ("degenerate", True, fake.NUM_STARTS)
    value = content(fake.without_map(fake.series()))
    assert value["fits"]["map"]["estimates"] is value["density"]["map"] is value["clustering"]["sizes"] is None
    assert value["density"]["hellinger"]["vi"] is value["density"]["hellinger"]["nuts"] is None
    assert value["further"]["place"] is value["further"]["prediction"] is None


def test_a_variational_fit_that_came_to_nothing_is_null():
    value = content(fake.without_vi(fake.series()))
    assert value["fits"]["vi"]["status"] == "non_finite"
    assert value["fits"]["vi"]["estimates"] is value["density"]["vi"] is value["agreement"][0]["vi_mean"] is None
    assert value["fits"]["nuts"]["estimates"] is not None
    assert value["agreement"][0]["z"] is not None


def test_refused_standard_errors_are_null_with_their_reason():
    fit = content(fake.plane())["fits"]["map"]
    assert fit["standard_errors"] is None
    assert "not at a stationary point" in fit["standard_errors_reason"]
    assert content(fake.series())["fits"]["map"]["standard_errors_reason"] is None


def test_the_folder_of_the_data_is_not_told():
    assert "/" not in content(fake.series())["data"]["source"]


def test_coverage_that_was_asked_for_and_not_measured_is_said():
    asked = replace(fake.without_map(fake.plane()), settings={"num_simulations": 100})
    words = "Coverage was not measured as asked"
    assert any(words in sentence for sentence in content(asked)["further"]["sentences"])
    assert not any(words in s for s in content(replace(asked, settings={}))["further"]["sentences"])
