"""The first screen: the verdict in one line of advice, and the three numbers that matter most."""

from typing import NamedTuple

from mixtures._numbers import fixed, number, percent
from mixtures.bayes.diagnostics import MAX_RHAT, MIN_ESS_PER_CHAIN
from mixtures.compare import verdict


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
        "The engines agree",
        "The estimate, its standard errors and the posterior tell the same story. Either may be used.",
    ),
    verdict.LOCATION_ONLY: Headline(
        "fair",
        "The engines agree in location, not in width",
        "EM’s MAP estimate is sound as a point estimate. Take uncertainties from NUTS, not from the standard errors.",
    ),
    verdict.DISAGREE: Headline(
        "bad",
        "The engines disagree",
        "The MAP estimate does not stand for the posterior. Report the posterior from NUTS, and read why below.",
    ),
    verdict.NOT_COMPARABLE: Headline(
        "bad", "Nothing can be concluded", "Conclude nothing yet: mend what is listed first, and run again."
    ),
}


def headline(value: dict) -> Headline:
    """What the verdict comes to."""
    return _HEADLINES[value["verdict"]["level"]]


def three_numbers(value: dict) -> list[Figure]:
    """How far EM lies from the posterior, how wide it is, and how sure clusters are; or what stands in the way."""
    fits = value["fits"]
    no_map = value["density"]["map"] is None  # withheld where EM gave no estimate
    if fits["nuts"]["estimates"] is None or no_map:
        return _obstacles(fits)
    return [_location(value), _width(value), _clusters(value)]


def _location(value: dict) -> Figure:
    row = max((r for r in value["agreement"] if r["z"] is not None), key=lambda r: abs(r["z"]), default=None)
    if row is None:
        return Figure("bad", "–", "no MAP could be set beside a posterior mean")
    tone = "good" if abs(row["z"]) <= verdict.MAX_Z else "bad"
    words = f"posterior sd: how far the MAP of {row['parameter']} lies from its posterior mean, the farthest of all"
    return Figure(tone, fixed(abs(row["z"]), 2), words)


def _width(value: dict) -> Figure:
    rows = [r for r in value["agreement"] if r["width_ratio"]]
    if not rows:
        return Figure("bad", "–", "EM has no standard errors to compare with the posterior’s widths")
    low, high = verdict.WIDTH_RATIOS
    row = max(rows, key=lambda r: max(r["width_ratio"], 1 / r["width_ratio"]))
    tone = "good" if low <= row["width_ratio"] <= high else "fair"
    words = f"times its posterior sd: EM’s standard error of {row['parameter']}, the farthest from 1"
    return Figure(tone, number(row["width_ratio"], 2), words)


def _clusters(value: dict) -> Figure:
    unclear, rows = value["clustering"]["unclear"], value["data"]["rows"]
    share = unclear["nuts"] / rows
    words = f"of {rows} rows have no component with a posterior probability of {percent(unclear['limit'])} or more"
    return Figure("good" if share < 0.05 else "fair", str(unclear["nuts"]), words)


def _obstacles(fits: dict) -> list[Figure]:
    nuts, starts = fits["nuts"], fits["map"]["starts"]
    rhat, least, wanted = nuts["max_rhat"], nuts["min_ess"], MIN_ESS_PER_CHAIN * nuts["num_chains"]
    found = starts["statuses"].get("converged", 0)
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
        Figure("good" if found else "bad", str(found), f"of {starts['count']} EM starts found an interior MAP mode"),
    ]
