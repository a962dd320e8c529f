"""What a selection says, in sentences: the best candidate, how close the next one is, and what was passed over."""

from mixtures._files import listed
from mixtures._numbers import fixed
from mixtures.em.select import Candidate, Selection

NAMES = {
    "aic": "AIC",
    "aicc": "AICc",
    "bic": "BIC",
    "sabic": "SABIC",
    "icl": "ICL",
    "cv": "cross-validated log density",
}
# Kass and Raftery 1995, section 3.2, for twice the log Bayes factor, which a difference of BIC approximates.
_BIC_SCALE = ((2, "not worth more than a bare mention"), (6, "positive"), (10, "strong"), (float("inf"), "very strong"))
# Burnham and Anderson 2002, section 2.6: support for the lesser model.
_AIC_SCALE = (
    (2, "both have substantial support"),
    (10, "the runner-up has less support"),
    (float("inf"), "the runner-up has essentially none"),
)


def say_selection(selection: Selection) -> list[str]:
    """The choice and all that limits it, most important first."""
    if not selection.ranked:
        return [_nothing_to_rank(selection)]
    best = selection.best
    return [
        f"Best: {name_of(best)}. It has the largest {NAMES[selection.criterion]}, {_value(selection, best)}"
        + (", of those that do not look spurious." if selection.set_aside else "."),
        *_runner_up(selection),
        *_doubts(best),
        *_set_aside(selection),
        *_at_the_edge(selection),
    ]


def _nothing_to_rank(selection: Selection) -> str:
    estimates = sum(c.fit.status.is_estimate for c in selection.candidates)
    if not estimates:
        return "No candidate is an estimate: every start of every candidate failed."
    which = "the one estimate" if estimates == 1 else f"any of the {estimates} estimates"
    return f"{NAMES[selection.criterion]} is not defined for {which}: there are too few rows, or folds failed."


def name_of(candidate: Candidate) -> str:
    """The candidate as a person calls it."""
    count = candidate.num_components
    return f"{count} component{'s' if count > 1 else ''} with covariance model {candidate.code}"


def _value(selection: Selection, candidate: Candidate) -> str:
    return fixed(selection.value(candidate), 4 if selection.criterion == "cv" else 2)


def _runner_up(selection: Selection) -> list[str]:
    sound = [c for c in selection.ranked[1:] if not c.spurious]
    different = [c for c in sound if _is_other(c, selection.best)]
    if not different:
        return []
    return [f"Next comes {name_of(different[0])}, {_distance(selection, different[0])}."]


def _is_other(candidate: Candidate, best: Candidate) -> bool:
    """Whether it is another model: with one component, models that differ in what components share are the same."""
    same = candidate.num_components == best.num_components == 1
    return not (same and candidate.num_parameters == best.num_parameters)


def _distance(selection: Selection, other: Candidate) -> str:
    best, criterion = selection.best, selection.criterion
    if criterion == "cv":
        assert best.cross_validation is not None
        assert other.cross_validation is not None
        gap, error = best.cross_validation.minus(other.cross_validation)
        close = ": the data do not tell them apart" if gap < 2 * error else ""
        return f"{fixed(gap, 4)} ± {fixed(error, 4)} nats per row lower{close}"
    gap = selection.value(best) - selection.value(other)
    if criterion == "bic":
        return f"{fixed(gap, 2)} lower: evidence {_on(_BIC_SCALE, gap)} for the first (Kass and Raftery 1995)"
    if criterion in ("aic", "aicc"):
        return f"{fixed(gap, 2)} lower: {_on(_AIC_SCALE, gap)} (Burnham and Anderson 2002)"
    return f"{fixed(gap, 2)} lower"


def _on(scale: tuple[tuple[float, str], ...], gap: float) -> str:
    return next(words for limit, words in scale if gap < limit)


def _doubts(best: Candidate) -> list[str]:
    found = []
    if best.spurious:
        found.append(f"Every estimate looks spurious, this one too: {' '.join(best.spurious)}")
    if bool(best.fit.unbounded):
        lost, total = int(best.fit.collapsed_starts), best.fit.num_run
        found.append(
            f"Its likelihood is unbounded ({lost} of {total} starts collapsed), so its criterion is that of the "
            "largest interior maximum found; compare with a fit under a prior."
        )
    return found


def _set_aside(selection: Selection) -> list[str]:
    aside = selection.set_aside
    if not aside:
        return []
    named = listed([f"{c.code} with {c.num_components} ({_value(selection, c)})" for c in aside])
    return [
        f"Passed over, with a larger criterion but a fit that looks spurious: {named}. In the largest of them: "
        + " ".join(aside[0].spurious)
    ]


def _at_the_edge(selection: Selection) -> list[str]:
    counts = {c.num_components for c in selection.candidates}
    if selection.best.num_components < max(counts) or len(counts) == 1:
        return []
    return ["This is the largest number of components that was tried: try more."]
