"""The first screen: the verdict in one line of advice, and the three numbers that matter most."""

from typing import NamedTuple

from mixtures._numbers import fixed, number, percent, plus_minus, signed
from mixtures.bayes.diagnostics import MAX_KHAT, MAX_RHAT, MIN_ESS_PER_CHAIN
from mixtures.compare import verdict
from mixtures.compare.prediction import MIN_ERRORS


class Headline(NamedTuple):
    """A verdict as it is said first."""

    tone: str  # good, fair or bad
    title: str
    advice: str


class Figure(NamedTuple):
    """One of the three numbers: its tone, the number with its unit, and what it counts."""

    tone: str
    number: str
    words: str


_HEADLINES = {
    verdict.AGREE: Headline(
        "good",
        "EM and NUTS agree",
        "The estimate, its standard errors and the posterior tell the same story.",
    ),
    verdict.LOCATION_ONLY: Headline(
        "fair",
        "EM and NUTS agree in location, not in width",
        "EM’s MAP estimate is sound as a point estimate. Take uncertainties from NUTS, not from the standard errors.",
    ),
    verdict.WIDTHS_OPEN: Headline(
        "fair",
        "EM and NUTS agree in location",
        "EM’s MAP estimate is sound as a point estimate. It has no standard errors to compare: take uncertainties from "
        "NUTS.",
    ),
    verdict.DISAGREE: Headline(
        "bad",
        "EM and NUTS disagree",
        "The MAP estimate does not stand for the posterior. Report the posterior from NUTS, and read why below.",
    ),
    verdict.NOT_COMPARABLE: Headline(
        "bad", "Nothing can be concluded", "Conclude nothing yet: mend what is listed first, and run again."
    ),
}
_DENSITY_ONLY = Headline(
    "fair",
    "EM and NUTS agree on the density, not on more",
    "Report the density of the data. Report no single component’s parameters, which could not be compared: {why}.",
)
# What limits the advice, and what VI is good for: by the name of the finding.
_LIMITS = {
    verdict.MISFIT: "Some statistics of the data are unlike those of data simulated from the model.",
    verdict.PREDICTION: "{better} predicts rows left out better, by {gap} nats.",
    verdict.ROWS_UNCLEAR: "Groups of rows are not clear: {unclear} of {rows} rows could be of another component.",
    verdict.PRIOR_DOMINATED: "The prior alone decides some parameters, about which agreement says little.",
    verdict.PRIOR_CONFLICT: "The prior has a say in some parameters, and may not be in accord with the data.",
    verdict.CHAINS_DISAGREE: "Some parameters were not compared, because chains disagree about them.",
    verdict.VI_FAILED: "VI failed, and is not to be used.",
    verdict.VI_POOR: "VI’s approximation is poor.",
    verdict.VI_OTHER_MODE: "VI describes another density than NUTS.",
    verdict.VI_NARROW: "VI is too narrow: take no uncertainties from it.",
}


def headline(value: dict) -> Headline:
    """What the verdict comes to: green only where nothing limits what may be done with it."""
    level, codes = value["verdict"]["level"], _codes(value)
    if level == verdict.NOT_COMPARABLE and verdict.IN_AGREEMENT not in codes:
        return _HEADLINES[level]
    first = _density_only(codes) if level == verdict.NOT_COMPARABLE else _HEADLINES[level]
    limits = _limits(value, codes)
    if level == verdict.AGREE:
        limits, told = limits or ["Either may be used."], "fair" if limits else "good"
        first = first._replace(tone=told)
    return first._replace(advice=" ".join([first.advice, *limits]))


def _density_only(codes: set[str]) -> Headline:
    ambiguous = verdict.LABELS_AMBIGUOUS in codes
    why = "it is not known which is which" if ambiguous else "chains disagree about every one"
    return _DENSITY_ONLY._replace(advice=_DENSITY_ONLY.advice.format(why=why))


def _codes(value: dict) -> set[str]:
    return {finding["code"] for finding in value["verdict"]["findings"]}


def _limits(value: dict, codes: set[str]) -> list[str]:
    numbers = {"unclear": value["clustering"]["unclear"]["nuts"], "rows": value["data"]["rows"]}
    if verdict.PREDICTION in codes:
        found = value["further"]["prediction"]
        numbers["better"] = "EM" if found["difference"] > 0 else "NUTS’s posterior"
        numbers["gap"] = plus_minus(abs(found["difference"]), found["standard_error"])
    return [words.format(**numbers) for code, words in _LIMITS.items() if code in codes]


def three_numbers(value: dict) -> list[Figure]:
    """How far EM lies from the posterior, how wide it is, and how sure clusters are; or what stands in the way.

    Where labels are ambiguous, none of the numbers needs them.
    """
    fits, codes = value["fits"], _codes(value)
    if {verdict.NOT_CONVERGED, verdict.EM_DEGENERATE, verdict.EM_NOT_AT_MAXIMUM} & codes:
        return _obstacles(fits, codes)
    if verdict.LABELS_AMBIGUOUS in codes:
        return [_density(value), _partition(value), _prediction(value)]
    return [_location(value), _width(value), _clusters(value)]


def _density(value: dict) -> Figure:
    distance = value["density"]["hellinger"]["nuts"]
    tone = "good" if distance <= verdict.MAX_HELLINGER else "bad"
    words = f"Hellinger distance of the MAP density from the posterior predictive (limit {verdict.MAX_HELLINGER})"
    return Figure(tone, fixed(distance, 3), words)


def _partition(value: dict) -> Figure:
    place = value["further"]["place"]
    words = (
        "nats: expected variation of information of EM’s partition from the posterior’s, where that of the best "
        f"partition found is {fixed(place['least_vi'], 2)}"
    )
    return Figure("good" if place["inside"] else "fair", fixed(place["expected_vi"], 2), words)


def _prediction(value: dict) -> Figure:
    found = value["further"]["prediction"]
    gap, error = found["difference"], found["standard_error"]
    if gap is None or error is None:
        return Figure("fair", "–", "EM’s prediction of rows left out could not be measured")
    if found["khat_max"] is None or found["khat_max"] > MAX_KHAT:
        return Figure("fair", "–", "prediction of rows left out: scores of the posterior cannot be relied on")
    tone = "good" if abs(gap) <= MIN_ERRORS * error else "fair"
    words = f"± {number(error, 2)} nats: how much better EM predicts rows left out than the posterior"
    return Figure(tone, signed(gap, 2), words)


def _location(value: dict) -> Figure:
    row = max((r for r in value["agreement"] if r["z"] is not None), key=lambda r: abs(r["z"]), default=None)
    if row is None:
        return Figure("bad", "–", "no MAP could be set beside a posterior mean")
    tone = "good" if abs(row["z"]) <= verdict.MAX_Z else "bad"
    words = f"posterior sd: how far the MAP of {row['spoken']} lies from its posterior mean, the farthest of all"
    return Figure(tone, fixed(abs(row["z"]), 2), words)


def _width(value: dict) -> Figure:
    rows = [r for r in value["agreement"] if r["width_ratio"]]
    if not rows:
        return Figure("bad", "–", "EM has no standard errors to compare with the posterior’s widths")
    low, high = verdict.WIDTH_RATIOS
    row = max(rows, key=lambda r: max(r["width_ratio"], 1 / r["width_ratio"]))
    tone = "good" if low <= row["width_ratio"] <= high else "fair"
    words = f"times its posterior sd: EM’s standard error of {row['spoken']}, the farthest from 1"
    return Figure(tone, number(row["width_ratio"], 2), words)


def _clusters(value: dict) -> Figure:
    unclear, rows = value["clustering"]["unclear"], value["data"]["rows"]
    share = unclear["nuts"] / rows
    words = f"of {rows} rows have no component with a posterior probability of {percent(unclear['limit'])} or more"
    return Figure("good" if share <= verdict.MAX_UNCLEAR else "fair", str(unclear["nuts"]), words)


def _obstacles(fits: dict, codes: set[str]) -> list[Figure]:
    nuts, fit, starts = fits["nuts"], fits["map"], fits["map"]["starts"]
    rhat, least, wanted = nuts["max_rhat"], nuts["min_ess"], MIN_ESS_PER_CHAIN * nuts["num_chains"]
    found = starts["statuses"].get("converged", 0)
    reached = Figure(
        "good" if found else "bad", str(found), f"of {starts['count']} EM starts found an interior MAP mode"
    )
    if verdict.EM_NOT_AT_MAXIMUM in codes:
        reached = Figure("bad", "–", f"where the best of {starts['count']} EM starts ended, there is no MAP mode")
    elif fit["unbounded"]:
        words = f"of {starts['count']} EM starts climbed without end: the posterior density is unbounded"
        reached = Figure("bad", str(fit["collapsed_starts"]), words)
    return [
        Figure(
            "good" if rhat is not None and rhat <= MAX_RHAT else "bad",
            fixed(rhat, 3),
            f"R-hat of the chains (at most {MAX_RHAT} is wanted)",
        ),
        Figure(
            "good" if least is not None and least >= wanted else "bad",
            fixed(least, 0),
            f"effective draws (at least {wanted} are wanted)",
        ),
        reached,
    ]
