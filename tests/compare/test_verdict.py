"""Every rule of the verdict: a case that triggers it and one that does not."""

from dataclasses import fields
from types import SimpleNamespace

import pytest

from mixtures import Status
from mixtures.compare.agreement import AgreementRow
from mixtures.compare.verdict import AGREE, DISAGREE, LOCATION_ONLY, NOT_COMPARABLE, judge


def row(**changes):
    nan = float("nan")
    values = {field.name: (nan, nan) if "interval" in field.name else nan for field in fields(AgreementRow)}
    values |= {"parameter": "means[1, x]", "z": 0.1, "width_ratio": 0.95, "vi_width_ratio": 0.9, "rhat": 1.001}
    return AgreementRow(**(values | changes))


def case(**changes):
    """A comparison in which everything agrees, with changes by dotted name."""
    parts = {
        "ml": SimpleNamespace(unbounded=False, status=Status.CONVERGED, summary="fine"),
        "map_fit": SimpleNamespace(unbounded=False, status=Status.CONVERGED, summary="fine"),
        "errors": SimpleNamespace(refused=False, reason=""),
        "vi": SimpleNamespace(status=Status.CONVERGED, reason="fine", info=SimpleNamespace(khat=0.3)),
        "nuts": SimpleNamespace(status=Status.CONVERGED, reason="fine", relabelling=SimpleNamespace(ambiguity=0.0)),
        "agreement": (row(), row(parameter="weights[1]")),
        "clustering": SimpleNamespace(ari={"nuts": 0.95}),
        "density": SimpleNamespace(hellinger={"nuts": 0.05, "vi_nuts": 0.03}),
        "sensitivity": SimpleNamespace(dominated=[], conflicting=[]),
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
    "densities differ": ({"density__hellinger__nuts": 0.3}, DISAGREE, "Hellinger distance of 0.30"),
    "partitions differ": ({"clustering__ari__nuts": 0.5}, DISAGREE, "adjusted Rand index 0.50"),
    "locations differ": ({"agreement": (row(z=-1.4),)}, DISAGREE, "means[1, x] is -1.40 posterior sds"),
    "widths differ": ({"agreement": (row(width_ratio=0.4),)}, LOCATION_ONLY, "0.40 of its posterior sd"),
    "too wide": ({"agreement": (row(width_ratio=2.0),)}, LOCATION_ONLY, "2.00 of its posterior sd"),
    "no standard errors": ({"errors__refused": True, "errors__reason": "a saddle"}, LOCATION_ONLY, "no standard errors"),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    changes, level, reason = RULES[name]
    verdict = case(**changes)
    assert verdict.level == level
    assert reason in verdict.reasons[0]


NOTES = {
    "unbounded": ({"ml__unbounded": True, "ml__summary": "13 tied rows"}, "Maximum likelihood: 13 tied rows"),
    "ML degenerate": ({"ml__status": Status.DEGENERATE, "ml__summary": "all collapsed"}, "Maximum likelihood: all collapsed"),
    "VI failed": ({"vi__status": Status.NON_FINITE, "vi__reason": "no ELBO"}, "Variational inference is not to be used: no ELBO"),
    "VI poor": ({"vi__info__khat": 0.9}, "approximation is poor (Pareto k-hat 0.90"),
    "VI usable": ({}, "approximation is usable"),
    "VI too narrow": ({"agreement": (row(vi_width_ratio=0.5), row(parameter="weights[1]"))}, "VI is too narrow: its sd of means[1, x] is 0.50 of NUTS's"),
    "VI elsewhere": ({"density__hellinger__vi_nuts": 0.4}, "VI's predictive is a Hellinger distance of 0.40 from NUTS's"),
    "prior decides": ({"sensitivity__dominated": ["means[1, 1]"]}, "The prior decides means[1, 1]: power scaling moves it"),
    "prior has a say": ({"sensitivity__conflicting": ["means[1, 1]"]}, "The prior has a say in means[1, 1]: power scaling moves it with"),
    "one chain astray": ({"agreement": (row(), row(parameter="weights[2]", rhat=1.2, z=9.0))}, "Chains disagree about weights[2]"),
}  # fmt: skip


def test_no_sentence_names_more_than_five_parameters():
    names = [f"means[{i}]" for i in range(1, 9)]
    (told,) = (f.text for f in case(sensitivity__conflicting=names).findings if f.code == "prior-data-conflict")
    assert "means[5] and 3 more: power" in told
    assert "means[6]" not in told


CODES = {
    "posterior-not-converged": {"nuts__status": Status.NOT_CONVERGED},
    "em-degenerate": {"ml__unbounded": True},
    "different-modes": {"density__hellinger__nuts": 0.3},
    "locations-differ": {"agreement": (row(z=1.2),)},
    "widths-differ": {"agreement": (row(width_ratio=0.5),)},
    "vi-failed": {"vi__status": Status.NON_FINITE},
    "vi-poor": {"vi__info__khat": 0.8},
    "vi-too-narrow": {"agreement": (row(vi_width_ratio=0.6),)},
    "vi-other-mode": {"density__hellinger__vi_nuts": 0.25},
    "prior-dominated": {"sensitivity__dominated": ["weights[1]", "weights[2]"]},
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
    assert "labels are ambiguous (30%)" in verdict.reasons[1]
    assert case(**ambiguous, density__hellinger__nuts=0.4).level == DISAGREE


def test_a_number_that_is_none_is_no_agreement():
    """NaN passes no threshold."""
    nan = float("nan")
    assert case(density__hellinger__nuts=nan).level == DISAGREE
    assert case(clustering__ari__nuts=nan).level == DISAGREE
    assert case(agreement=(row(z=nan),)).level == DISAGREE
    assert "vi-poor" in case(vi__info__khat=nan).codes


def test_vi_is_not_measured_by_chains_that_disagree():
    """A row about which chains disagree, or any row where labels are ambiguous, says nothing of VI's widths."""
    narrow = row(vi_width_ratio=0.1)
    assert "vi-too-narrow" in case(agreement=(narrow, row())).codes
    assert "vi-too-narrow" not in case(agreement=(row(vi_width_ratio=0.1, rhat=1.2), row())).codes
    assert "vi-too-narrow" not in case(agreement=(narrow, row()), nuts__relabelling__ambiguity=0.3).codes
