"""The tables of distances: the MAP fit from each posterior, and VI from NUTS."""

from typing import NamedTuple

from mixtures._numbers import fixed, nominal, plus_minus
from mixtures.compare import verdict
from mixtures.report.pasting import Paste, csv_text, latex_text, markdown_text
from mixtures.report.words import by_group

_DENSITIES = "Densities, without labels"
_DRAWN = "EM’s partition among those drawn from the posterior, without labels"
_LABELLED = "Partitions and responsibilities averaged over relabelled draws, so by labels"


class Distance(NamedTuple):
    """One distance of the MAP fit from VI and from NUTS, each with its Monte Carlo error; None where there is none."""

    group: str
    name: str
    vi: tuple[float | None, float | None]
    nuts: tuple[float | None, float | None]
    reads: str

    @property
    def cells(self) -> tuple[str, str]:
        """Both as a person reads them."""
        vi, nuts = (plus_minus(*pair) if pair[1] else fixed(pair[0], 3) for pair in (self.vi, self.nuts))
        return vi, nuts


def distances(value: dict) -> list[Distance]:
    """Every distance of the MAP from VI and from NUTS, those without labels first."""
    clustering, density = value["clustering"], value["density"]

    def with_error(name: str, words: str, reads: str) -> Distance:
        vi, nuts = ((density[name][engine], density[f"{name}_mcse"][engine]) for engine in ("vi", "nuts"))
        return Distance(_DENSITIES, words, vi, nuts, reads)

    def labelled(name: str, words: str, reads: str) -> Distance:
        return Distance(_LABELLED, words, (clustering[name]["vi"], None), (clustering[name]["nuts"], None), reads)

    vi, nuts = (_farthest(density, engine) for engine in ("vi", "nuts"))
    return [
        with_error("hellinger", "Hellinger distance", "0 equal, 1 no overlap"),
        with_error("kl", "Kullback–Leibler divergence", "nats that a row costs under the MAP"),
        Distance(_DENSITIES, "Largest Wasserstein distance of a marginal", vi, nuts, "in sds of the data"),
        *_place(value["further"]["place"]),
        labelled("ari", "Adjusted Rand index", "1 identical, 0 chance"),
        labelled("variation_of_information", "Variation of information", "0 identical, in nats"),
        labelled("total_variation", "Total variation of responsibilities", "0 equal, 1 nothing in common"),
    ]


def _farthest(density: dict, engine: str) -> tuple[float | None, float | None]:
    """The largest Wasserstein distance of all features, with its own error."""
    found, errors = density["wasserstein"][engine], density["wasserstein_mcse"][engine]
    return (None, None) if found is None else max(zip(found, errors, strict=True))


def _place(place: dict | None) -> list[Distance]:
    """Where EM's partition lies among the posterior's (Wade and Ghahramani 2018); only NUTS draws partitions."""
    if place is None:
        return []
    none, where = (None, None), "inside" if place["inside"] else "outside"
    best = f"in nats; the best partition found has {fixed(place['least_vi'], 3)}"
    ball = f"the {nominal(place['level'])} ball has radius {fixed(place['radius'], 3)}, so EM’s lies {where} it"
    told = [
        ("Expected variation of information", (place["expected_vi"], place["expected_vi_mcse"]), best),
        (
            "Expected Binder loss",
            (place["expected_binder"], place["expected_binder_mcse"]),
            "share of pairs of rows that are together in one and apart in the other",
        ),
        ("Distance from the best partition", (place["distance"], None), ball),
        (
            "Responsibilities against similarities",
            (place["similarity_gap"], None),
            "mean difference, over pairs of rows, of the probability of being together",
        ),
    ]
    return [Distance(_DRAWN, name, none, nuts, reads) for name, nuts, reads in told]


def grouped(found: list[Distance]) -> dict[str, list[Distance]]:
    """By what they need."""
    return by_group(found, lambda one: one.group)


def paste_distances(found: list[Distance]) -> Paste:
    """The table as CSV and LaTeX."""
    header = ("distance from the MAP", "vi", "vi_error", "nuts", "nuts_error", "group")
    return Paste(
        csv_text(header, [(one.name, *one.vi, *one.nuts, one.group) for one in found]),
        latex_text(
            ("Distance from the MAP", "VI", "NUTS"),
            {group: [(one.name, *one.cells) for one in own] for group, own in grouped(found).items()},
        ),
    )


def distances_as_markdown(found: list[Distance]) -> str:
    """The same for Markdown."""
    return markdown_text(
        ("Distance from the MAP", "VI", "NUTS", "Reads"), [(one.name, *one.cells, one.reads) for one in found]
    )


def vi_from_nuts(value: dict) -> list[str]:
    """How far VI is from NUTS as a whole, in sentences; none where one of them gave nothing to compare."""
    density, place, told = value["density"], value["further"]["location"], []
    apart, error = density["hellinger"]["vi_nuts"], density["hellinger_mcse"]["vi_nuts"]
    if apart is not None:
        told.append(
            f"VI’s predictive density is a Hellinger distance of {plus_minus(apart, error)} from NUTS’s (Monte Carlo "
            f"error; above {verdict.MAX_HELLINGER} they count as different)."
        )
    if place is not None and place["vi"] is not None and apart is not None:
        told.append(
            f"All parameters at once, VI’s mean lies {fixed(place['vi'], 1)} posterior sds from NUTS’s in "
            f"{place['dimension']} dimensions (Mahalanobis distance)."
        )
    if rows := [row for row in value["agreement"] if row["vi_wasserstein"] is not None]:
        worst = max(rows, key=lambda row: row["vi_wasserstein"])
        told.append(
            f"Parameter by parameter, VI’s draws lie a Wasserstein distance of at most "
            f"{fixed(worst['vi_wasserstein'], 2)} posterior sds from NUTS’s ({worst['parameter']})."
        )
    return told
