"""The first screen: a title of EM and NUTS, advice that every limiting finding qualifies, numbers that may be given."""

import pytest

from mixtures.compare import verdict
from mixtures.report.headline import headline, three_numbers

LEVELS = {
    verdict.AGREE: "EM and NUTS agree",
    verdict.LOCATION_ONLY: "EM and NUTS agree in location, not in width",
    verdict.WIDTHS_OPEN: "EM and NUTS agree in location",
    verdict.DISAGREE: "EM and NUTS disagree",
    verdict.NOT_COMPARABLE: "Nothing can be concluded",
}
LIMITS = {
    verdict.MISFIT: "Some statistics of the data are unlike those of data simulated",
    verdict.PREDICTION: "NUTS’s posterior predicts rows left out better, by 10.6 ± 5.1 nats.",
    verdict.ROWS_UNCLEAR: "Groups of rows are not clear: 39 of 80 rows",
    verdict.PRIOR_DOMINATED: "The prior alone decides some parameters",
    verdict.PRIOR_CONFLICT: "The prior has a say in some parameters",
    verdict.CHAINS_DISAGREE: "Some parameters were not compared",
    verdict.VI_FAILED: "VI failed, and is not to be used.",
    verdict.VI_POOR: "VI’s approximation is poor.",
    verdict.VI_OTHER_MODE: "VI describes another density than NUTS.",
    verdict.VI_NARROW: "VI is too narrow",
}


def value(level, *codes):
    row = {"spoken": "the mean of x in component 1", "z": 0.5, "width_ratio": 0.6}
    return {
        "verdict": {"level": level, "findings": [{"code": code, "text": ""} for code in codes]},
        "fits": {
            "nuts": {"max_rhat": 1.001, "min_ess": 900.0, "num_chains": 4},
            "map": {"starts": {"count": 64, "statuses": {"converged": 60}}, "unbounded": False, "collapsed_starts": 4},
        },
        "agreement": [row],
        "data": {"rows": 80},
        "density": {"hellinger": {"nuts": 0.078}},
        "clustering": {"unclear": {"limit": 0.8, "nuts": 39}},
        "further": {
            "prediction": {"difference": -10.55, "standard_error": 5.07, "khat_max": 0.4},
            "place": {"expected_vi": 0.61, "least_vi": 0.5, "inside": True},
        },
    }


@pytest.mark.parametrize("level", LEVELS)
def test_titles_speak_of_em_and_nuts(level):
    assert headline(value(level, verdict.VI_FAILED)).title == LEVELS[level]


def test_only_agreement_that_nothing_limits_is_green():
    found = headline(value(verdict.AGREE, verdict.IN_AGREEMENT, verdict.VI_USABLE))
    assert found.tone == "good"
    assert found.advice.endswith("Either may be used.")


@pytest.mark.parametrize("level", [verdict.AGREE, verdict.LOCATION_ONLY, verdict.WIDTHS_OPEN, verdict.DISAGREE])
@pytest.mark.parametrize("code", LIMITS)
def test_every_limiting_finding_qualifies_the_advice(level, code):
    found = headline(value(level, verdict.IN_AGREEMENT, code))
    assert LIMITS[code] in found.advice
    assert found.tone != "good"
    assert "Either may be used" not in found.advice
    assert LIMITS[code] not in headline(value(level, verdict.IN_AGREEMENT)).advice


def test_where_nothing_can_be_concluded_no_more_is_advised():
    found = headline(value(verdict.NOT_COMPARABLE, verdict.EM_NOT_AT_MAXIMUM, verdict.VI_POOR))
    assert found.advice == "Conclude nothing yet: mend what is listed first, and run again."


def test_densities_that_agree_are_something():
    found = headline(value(verdict.NOT_COMPARABLE, verdict.IN_AGREEMENT, verdict.LABELS_AMBIGUOUS))
    assert (found.tone, found.title) == ("fair", "EM and NUTS agree on the density, not on more")
    assert found.advice.endswith("it is not known which is which.")
    found = headline(value(verdict.NOT_COMPARABLE, verdict.IN_AGREEMENT, verdict.CHAINS_DISAGREE))
    assert "chains disagree about every one" in found.advice


def test_numbers_are_named_as_a_person_would():
    first, second, third = three_numbers(value(verdict.LOCATION_ONLY, verdict.WIDTHS))
    assert (first.tone, first.number) == ("good", "0.50")
    assert "the MAP of the mean of x in component 1 lies" in first.words
    assert (second.tone, second.number) == ("fair", "0.6")
    assert (third.tone, third.number) == ("fair", "39")


def test_with_ambiguous_labels_no_number_needs_them():
    first, second, third = three_numbers(value(verdict.NOT_COMPARABLE, verdict.LABELS_AMBIGUOUS))
    assert (first.number, second.number, third.number) == ("0.078", "0.61", "−10.55")
    assert "component 1" not in first.words + second.words + third.words


def test_a_prediction_that_cannot_be_relied_on_is_no_number():
    doubtful = value(verdict.NOT_COMPARABLE, verdict.LABELS_AMBIGUOUS)
    doubtful["further"]["prediction"]["khat_max"] = 0.71
    *_, last = three_numbers(doubtful)
    assert (last.tone, last.number) == ("fair", "–")
    assert "cannot be relied on" in last.words


def test_every_finding_decides_the_level_or_limits_the_advice_or_does_neither_on_purpose():
    named = {text for name, text in vars(verdict).items() if name.isupper() and isinstance(text, str)}
    deciding = {
        *(verdict.EM_DEGENERATE, verdict.EM_NOT_AT_MAXIMUM, verdict.NOT_CONVERGED, verdict.DIFFERENT_MODES),
        *(verdict.LOCATIONS, verdict.WIDTHS, verdict.WIDTHS_UNKNOWN, verdict.LABELS_AMBIGUOUS, verdict.IN_AGREEMENT),
    }
    neither = {verdict.ML_DEGENERATE, verdict.VI_USABLE}
    assert named == {*LEVELS, *LIMITS, *deciding, *neither}


def test_a_point_that_is_no_maximum_is_measured_by_nothing():
    *_, last = three_numbers(value(verdict.NOT_COMPARABLE, verdict.EM_NOT_AT_MAXIMUM))
    assert (last.tone, last.number) == ("bad", "–")
    assert "no MAP mode" in last.words
    *_, last = three_numbers(value(verdict.NOT_COMPARABLE, verdict.NOT_CONVERGED))
    assert (last.tone, last.number) == ("good", "60")


def test_an_unbounded_posterior_is_measured_by_nothing():
    unbounded = value(verdict.NOT_COMPARABLE, verdict.EM_DEGENERATE)
    unbounded["fits"]["map"]["unbounded"] = True
    *_, last = three_numbers(unbounded)
    assert (last.tone, last.number) == ("bad", "4")
    assert "climbed without end" in last.words
