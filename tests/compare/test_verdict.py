"""Every rule of the verdict: a case that triggers it and one that does not."""

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest

from mixtures import Status
from mixtures.compare.agreement import AgreementRow
from mixtures.compare.verdict import AGREE, DISAGREE, LOCATION_ONLY, LOCATIONS, NOT_COMPARABLE, WIDTHS_OPEN, judge
from mixtures.em.uncertainty import Refusal

SPOKEN = {"means[1, x]": "the mean of x in component 1", "weights[1]": "the weight of component 1"}


def row(**changes):
    nan, name = float("nan"), changes.get("parameter", "means[1, x]")
    values = {field.name: (nan, nan) if "interval" in field.name else nan for field in fields(AgreementRow)}
    values |= {"parameter": "means[1, x]", "z": 0.1, "width_ratio": 0.95, "vi_width_ratio": 0.9, "rhat": 1.001}
    values |= {"spoken": SPOKEN.get(name, f"the {name}"), "caution": ""}
    return AgreementRow(**(values | changes))


def rows(unclear, of=2000, surest=0.799):
    """Responsibilities of 2,000 rows, of which some have a component no surer than this."""
    surest = np.where(np.arange(of) < unclear, surest, 0.99)
    return np.stack([surest, 1 - surest], axis=1)


def refused(reason):
    return {"errors__refused": True, "errors__refusal_code": reason, "errors__reason": "of some kind"}


def case(**changes):
    """A comparison in which everything agrees, with changes by dotted name."""
    parts = {
        "ml": SimpleNamespace(unbounded=False, status=Status.CONVERGED, summary="fine"),
        "map_fit": SimpleNamespace(unbounded=False, status=Status.CONVERGED, summary="fine"),
        "errors": SimpleNamespace(refused=False, refusal_code=Refusal.NONE, reason=""),
        "vi": SimpleNamespace(
            status=Status.CONVERGED,
            reason="fine",
            info=SimpleNamespace(khat=0.3),
            relabelling=SimpleNamespace(ambiguity=0.0),
        ),
        "nuts": SimpleNamespace(status=Status.CONVERGED, reason="fine", relabelling=SimpleNamespace(ambiguity=0.0)),
        "agreement": (row(), row(parameter="weights[1]")),
        "clustering": SimpleNamespace(ari={"nuts": 0.95}, nuts_responsibilities=rows(unclear=0)),
        "density": SimpleNamespace(hellinger={"nuts": 0.05, "vi_nuts": 0.03}),
        "sensitivity": SimpleNamespace(dominated=[], conflicting=[]),
        "prediction": SimpleNamespace(difference=1.0, standard_error=1.0, posterior=SimpleNamespace(doubt="")),
        "check": SimpleNamespace(passed=True, reason="all as simulated"),
    }
    for name, value in changes.items():
        head, _, rest = name.partition("__")
        target = parts
        while rest:
            target = target[head] if isinstance(target, dict) else getattr(target, head)
            head, _, rest = rest.partition("__")
        if isinstance(target, dict):
            target[head] = value
        else:
            setattr(target, head, value)
    return judge(**parts)


def test_all_agree():
    verdict = case()
    assert verdict.level == AGREE
    assert "agree in location" in verdict.reasons[0]


RULES = {
    "NUTS not converged": ({"nuts__status": Status.NOT_CONVERGED, "nuts__reason": "R-hat 1.3"}, NOT_COMPARABLE, "NUTS did not converge: R-hat 1.3"),
    "no MAP": ({"map_fit__status": Status.DEGENERATE}, NOT_COMPARABLE, "EM gave no MAP estimate"),
    "posterior unbounded": ({"map_fit__unbounded": True}, NOT_COMPARABLE, "posterior density itself is unbounded"),
    "MAP cut short": ({"map_fit__status": Status.MAX_STEPS}, NOT_COMPARABLE, "EM gave no MAP estimate"),
    "EM on a saddle": (refused(Refusal.INDEFINITE), NOT_COMPARABLE, "EM did not end at a maximum of the posterior density"),
    "EM on a slope": (refused(Refusal.NOT_STATIONARY), NOT_COMPARABLE, "so it gave no MAP estimate: of some kind"),
    "densities differ": ({"density__hellinger__nuts": 0.3}, DISAGREE, "Hellinger distance of 0.30"),
    "partitions differ": ({"clustering__ari__nuts": 0.5}, DISAGREE, "adjusted Rand index 0.50"),
    "locations differ": ({"agreement": (row(z=-1.4),)}, DISAGREE, "The MAP of the mean of x in component 1 is −1.40 posterior sds"),
    "widths differ": ({"agreement": (row(width_ratio=0.4),)}, LOCATION_ONLY, "0.40 of its posterior sd"),
    "too wide": ({"agreement": (row(width_ratio=2.0),)}, LOCATION_ONLY, "2.00 of its posterior sd"),
    "no standard errors": (refused(Refusal.BOUNDARY), WIDTHS_OPEN, "Widths could not be compared, which does not say that they differ: of some kind"),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    changes, level, reason = RULES[name]
    verdict = case(**changes)
    assert verdict.level == level
    assert reason in verdict.reasons[0]


def test_more_than_three_far_parameters_are_all_named():
    far = [row(parameter=f"means[{k}, x]", z=1.0 + k) for k in range(1, 6)]
    *each, others = case(agreement=tuple(far)).findings[:4]
    assert [finding.code for finding in each] == [LOCATIONS] * 3
    assert others.text.startswith("More than 1 posterior sd away are also those of the means[2, x]")
    assert others.text.endswith("the mean of x in component 1.")


NOTES = {
    "unbounded": ({"ml__unbounded": True, "ml__summary": "13 tied rows"}, "Maximum likelihood: 13 tied rows"),
    "ML degenerate": ({"ml__status": Status.DEGENERATE, "ml__summary": "all collapsed"}, "Maximum likelihood: all collapsed"),
    "VI failed": ({"vi__status": Status.NON_FINITE, "vi__reason": "no ELBO"}, "Variational inference is not to be used: no ELBO"),
    "VI poor": ({"vi__info__khat": 0.9}, "approximation is poor (Pareto k-hat 0.90"),
    "VI usable": ({}, "approximation is usable"),
    "VI too narrow": ({"agreement": (row(vi_width_ratio=0.5), row(parameter="weights[1]"))}, "VI is too narrow: its sd of the mean of x in component 1 is 0.50 of NUTS's"),
    "VI elsewhere": ({"density__hellinger__vi_nuts": 0.4}, "VI's predictive is a Hellinger distance of 0.40 from NUTS's"),
    "prior decides": ({"sensitivity__dominated": ["means[1, x]"]}, "The prior decides the mean of x in component 1: power scaling moves it"),
    "prior has a say": ({"sensitivity__conflicting": ["means[1, x]"]}, "The prior has a say in the mean of x in component 1: power scaling moves it with"),
    "one chain astray": ({"agreement": (row(), row(parameter="weights[2]", rhat=1.2, z=9.0))}, "Chains disagree about the weights[2], not compared."),
    "data lack a likeness": ({"check__passed": False, "check__reason": "skewness 3"}, "Statistics of the data are unlike those of data simulated from the model: skewness 3"),
    "EM predicts better": ({"prediction__difference": 3.0}, "EM predicts rows left out better: EM minus posterior +3.00 ± 1.00 nats."),
    "NUTS predicts better": ({"prediction__difference": -3.0}, "The posterior predicts rows left out better: EM minus posterior −3.00 ± 1.00 nats."),
    "rows unclear": ({"clustering__nuts_responsibilities": rows(975)}, "Groups of rows are not clear: 975 of 2000 rows have no component with a posterior probability of 80 %"),
}  # fmt: skip


def test_no_sentence_names_more_than_five_parameters():
    names = [f"weights[{i}]" for i in range(2, 10)]
    table = tuple(row(parameter=name) for name in names)
    told = case(sensitivity__conflicting=names, agreement=table).say("prior-data-conflict")
    assert "the weights[6] and 3 more: power" in told
    assert "weights[7]" not in told
    astray = tuple(row(parameter=name, rhat=1.2) for name in names)
    assert "the weights[6] and 3 more, not compared" in case(agreement=astray).say("chains-disagree")


CODES = {
    "posterior-not-converged": {"nuts__status": Status.NOT_CONVERGED},
    "em-degenerate": {"map_fit__status": Status.DEGENERATE},
    "ml-degenerate": {"ml__unbounded": True},
    "different-modes": {"density__hellinger__nuts": 0.3},
    "locations-differ": {"agreement": (row(z=1.2),)},
    "widths-differ": {"agreement": (row(width_ratio=0.5),)},
    "em-not-at-a-maximum": refused(Refusal.NOT_STATIONARY),
    "widths-not-compared": refused(Refusal.BOUNDARY),
    "model-misfit": {"check__passed": False},
    "prediction-differs": {"prediction__difference": -2.1},
    "rows-unclear": {"clustering__nuts_responsibilities": rows(120)},
    "vi-failed": {"vi__status": Status.NON_FINITE},
    "vi-poor": {"vi__info__khat": 0.8},
    "vi-too-narrow": {"agreement": (row(vi_width_ratio=0.6),)},
    "vi-other-mode": {"density__hellinger__vi_nuts": 0.25},
    "prior-dominated": {"sensitivity__dominated": ["weights[1]", "means[1, x]"]},
    "prior-data-conflict": {"sensitivity__conflicting": ["weights[1]"]},
    "labels-ambiguous": {"nuts__relabelling__ambiguity": 0.06},
    "chains-disagree": {"agreement": (row(), row(rhat=1.02))},
}


@pytest.mark.parametrize("code", CODES)
def test_each_finding_has_a_case_and_is_absent_where_all_agree(code):
    assert code in case(**CODES[code]).codes
    assert case().codes == ("agreement", "vi-usable")


def test_no_engine_is_measured_by_chains_that_disagree():
    """VI's widths and its distance from NUTS, and the prior's say, come from NUTS's draws."""
    changes = {"agreement": (row(vi_width_ratio=0.1),), "density__hellinger__vi_nuts": 0.9}
    verdict = case(**changes, sensitivity__dominated=["weights[1]"], nuts__status=Status.NOT_CONVERGED)
    assert verdict.codes == ("posterior-not-converged", "vi-usable")


@pytest.mark.parametrize("name", NOTES)
def test_note_does_not_change_the_level(name):
    changes, note = NOTES[name]
    verdict = case(**changes)
    assert verdict.level == AGREE
    assert any(note in reason for reason in verdict.reasons)


def test_an_unconverged_posterior_is_never_a_truth():
    """Whatever else differs, nothing is concluded from chains that disagree."""
    verdict = case(nuts__status=Status.NOT_CONVERGED, density__hellinger__nuts=0.9, clustering__ari__nuts=0.0)
    assert verdict.level == NOT_COMPARABLE
    assert not any("Hellinger" in reason for reason in verdict.reasons)


def test_with_ambiguous_labels_only_densities_are_compared():
    """Partitions and parameters need labels: neither may decide, and agreement is not claimed for them."""
    ambiguous = {"nuts__relabelling__ambiguity": 0.3, "agreement": (row(z=9.0),), "clustering__ari__nuts": 0.1}
    verdict = case(**ambiguous)
    assert verdict.level == NOT_COMPARABLE
    assert "no parameter could be compared" in verdict.reasons[0]
    assert "labels are ambiguous (30 %)" in verdict.reasons[1]
    assert case(**ambiguous, density__hellinger__nuts=0.4).level == DISAGREE


def test_a_number_that_is_none_is_no_agreement():
    """NaN passes no threshold."""
    nan = float("nan")
    assert case(density__hellinger__nuts=nan).level == DISAGREE
    assert case(clustering__ari__nuts=nan).level == DISAGREE
    assert case(agreement=(row(z=nan),)).level == DISAGREE
    assert "vi-poor" in case(vi__info__khat=nan).codes


def test_the_width_of_vi_is_not_measured_where_its_labels_are_ambiguous():
    narrow = {"agreement": (row(vi_width_ratio=0.3),)}
    assert "vi-too-narrow" in case(**narrow).codes
    assert "vi-too-narrow" not in case(**narrow, vi__relabelling__ambiguity=0.3).codes


def test_vi_is_not_measured_by_chains_that_disagree():
    """A row about which chains disagree, or any row where labels are ambiguous, says nothing of VI's widths."""
    narrow = row(vi_width_ratio=0.1)
    assert "vi-too-narrow" in case(agreement=(narrow, row())).codes
    assert "vi-too-narrow" not in case(agreement=(row(vi_width_ratio=0.1, rhat=1.2), row())).codes
    assert "vi-too-narrow" not in case(agreement=(narrow, row()), nuts__relabelling__ambiguity=0.3).codes


WITHIN = 1e-3
LIMITS = {
    "Hellinger distance": (0.2, DISAGREE, "different-modes", lambda v: {"density__hellinger__nuts": v}),
    "adjusted Rand index": (-0.8, DISAGREE, "different-modes", lambda v: {"clustering__ari__nuts": -v}),
    "z": (1.0, DISAGREE, "locations-differ", lambda v: {"agreement": (row(z=v),)}),
    "negative z": (1.0, DISAGREE, "locations-differ", lambda v: {"agreement": (row(z=-v),)}),
    "narrow": (-2 / 3, LOCATION_ONLY, "widths-differ", lambda v: {"agreement": (row(width_ratio=-v),)}),
    "wide": (1.5, LOCATION_ONLY, "widths-differ", lambda v: {"agreement": (row(width_ratio=v),)}),
    "ambiguity": (0.05, NOT_COMPARABLE, "labels-ambiguous", lambda v: {"nuts__relabelling__ambiguity": v}),
    "R-hat of a parameter": (1.01, AGREE, "chains-disagree", lambda v: {"agreement": (row(), row(rhat=v))}),
    "k-hat": (0.7, AGREE, "vi-poor", lambda v: {"vi__info__khat": v}),
    "VI's density": (0.2, AGREE, "vi-other-mode", lambda v: {"density__hellinger__vi_nuts": v}),
    "VI's width": (-2 / 3, AGREE, "vi-too-narrow", lambda v: {"agreement": (row(vi_width_ratio=-v),)}),
    "EM's prediction": (2.0, AGREE, "prediction-differs", lambda v: {"prediction__difference": v}),
    "NUTS's prediction": (2.0, AGREE, "prediction-differs", lambda v: {"prediction__difference": -v}),
    "unclear rows": (0.05, AGREE, "rows-unclear", lambda v: {"clustering__nuts_responsibilities": rows(round(2000 * v))}),
    "clear rows": (-0.8, AGREE, "rows-unclear", lambda v: {"clustering__nuts_responsibilities": rows(2000, surest=-v)}),
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_from_both_sides(name):
    """By a thousandth; a limit from below is that of the negative value from above."""
    limit, level, code, changes = LIMITS[name]
    below, above = case(**changes(limit - WITHIN)), case(**changes(limit + WITHIN))
    assert below.level == AGREE
    assert code not in below.codes
    assert above.level == level
    assert code in above.codes


def test_a_score_that_cannot_be_relied_on_says_nothing():
    changes = {"prediction__difference": -9.0, "prediction__posterior__doubt": "Pareto k-hat exceeds 0.7"}
    assert "prediction-differs" not in case(**changes).codes
    assert "prediction-differs" not in case(prediction__difference=float("nan")).codes


def test_a_fit_that_is_no_maximum_is_compared_in_nothing():
    changes = {"density__hellinger__nuts": 0.9, "agreement": (row(z=9.0),), "prediction__difference": -9.0}
    found = case(**changes, **refused(Refusal.NOT_STATIONARY))
    assert found.codes == ("em-not-at-a-maximum", "vi-usable")


def test_what_was_left_out_is_said_where_nothing_can_be_concluded_too():
    found = case(nuts__relabelling__ambiguity=0.3, map_fit__status=Status.DEGENERATE)
    assert found.codes[:2] == ("em-degenerate", "labels-ambiguous")
