"""The report as one self-contained page."""

from typing import NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mixtures._status import Status
from mixtures.bayes.diagnostics import MAX_RHAT, MIN_ESS_PER_CHAIN
from mixtures.bayes.vi import MAX_KHAT
from mixtures.compare import verdict
from mixtures.compare.comparison import Comparison
from mixtures.report.further import sentences
from mixtures.report.model_words import covariance_words, fixed_words
from mixtures.report.plots import pictures
from mixtures.report.words import (
    GOOD_KHAT,
    by_group,
    doubts,
    fixed,
    number,
    numbers,
    parameters,
    percent,
    plus_minus,
    trust_khat,
)

_MOST_DOUBTFUL = 10
_DOUBTFUL_SD = 0.05  # posterior sd of a responsibility from which a row is called doubtful


class _Headline(NamedTuple):
    tone: str
    title: str
    advice: str


_HEADLINES = {
    verdict.AGREE: _Headline(
        "good",
        "The engines agree",
        "The estimate, its standard errors and the posterior tell the same story. Either may be used.",
    ),
    verdict.LOCATION_ONLY: _Headline(
        "fair",
        "The engines agree in location, not in width",
        "EM’s MAP estimate is sound as a point estimate. Take uncertainties from NUTS, not from the standard errors.",
    ),
    verdict.DISAGREE: _Headline(
        "bad",
        "The engines disagree",
        "The MAP estimate does not stand for the posterior. Report the posterior from NUTS, and read why below.",
    ),
    verdict.NOT_COMPARABLE: _Headline(
        "bad", "Nothing can be concluded", "Conclude nothing yet: mend what is listed first, and run again."
    ),
}
_GUIDES = {
    "full_rank": "The posterior is approximated by a normal distribution with a full covariance, "
    "in unconstrained coordinates.",
    "mean_field": "The posterior is approximated by independent normal distributions, in unconstrained coordinates.",
    "laplace": "The posterior is approximated by the normal distribution that its curvature at the mode suggests, "
    "in unconstrained coordinates.",
    "flow": "The posterior is approximated by a normal distribution sent through two autoregressive transforms, in "
    "unconstrained coordinates.",
    "pathfinder": "The posterior is approximated by normal distributions along several optimisations, resampled "
    "together by importance (Pathfinder).",
}


def page(value: dict, comparison: Comparison) -> str:
    """Render the page from the content `value` of `comparison`."""
    pages = environment()
    return pages.get_template("template.html.j2").render(
        **value, **_view(value, comparison), pictures=pictures(value, comparison), style=stylesheet(pages)
    )


def environment() -> Environment:
    """Where pages are made: templates, escaping, and numbers as a person reads them."""
    pages = Environment(
        loader=PackageLoader("mixtures", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    filters = (number, numbers, fixed, plus_minus, percent)
    pages.filters.update({function.__name__: function for function in filters})
    return pages


def stylesheet(pages: Environment) -> Markup:
    """The one stylesheet, to be put into each page."""
    source, _, _ = PackageLoader("mixtures", "report").get_source(pages, "style.css")
    return Markup(source)


def _view(value: dict, comparison: Comparison) -> dict:
    """What the template shows besides the content itself: words, and tables in the order they are read."""
    fits, model = value["fits"], value["model"]
    elbos = [e for e in fits["vi"]["start_elbos"] if e is not None]
    return {
        "headline": _HEADLINES[value["verdict"]["level"]],
        "ml_box": _ml_box(fits["ml"]),
        "family_words": ("normal distributions" if model["family"] == "gaussian" else f"{model['family']} components")
        + (" and uniform noise" if model["noise"] else ""),
        "fixed_words": fixed_words(comparison.model),
        "covariance_words": covariance_words(model["covariance"], len(value["data"]["columns"])),
        "guide_words": _GUIDES.get(fits["vi"]["guide"], f"Guide: {fits['vi']['guide']}."),
        "start_elbos": {"min": min(elbos, default=None), "max": max(elbos, default=None)},
        "khat": {"tone": _khat_tone(fits["vi"]["khat"]), "words": trust_khat(fits["vi"]["khat"])},
        "engines": _engines(fits),
        "table": _table(value, comparison),
        "invariants": _invariants(fits["nuts"]),
        "distances": _distances(value),
        "further_sentences": sentences(comparison),
        "kinds": _kinds(value),
        "doubtful": _doubtful(value, comparison),
        "num_ties": len(value["data"]["ties"]) + value["data"]["ties_omitted"],
        "run_facts": _run_facts(value),
        "thresholds": {
            "z": verdict.MAX_Z,
            "widths": verdict.WIDTH_RATIOS,
            "ambiguity": verdict.MAX_AMBIGUITY,
            "hellinger": verdict.MAX_HELLINGER,
            "ari": verdict.MIN_ARI,
            "rhat": MAX_RHAT,
            "ess_per_chain": MIN_ESS_PER_CHAIN,
            "ess": MIN_ESS_PER_CHAIN * fits["nuts"]["num_chains"],
            "khat": MAX_KHAT,
            "good_khat": GOOD_KHAT,
        },
    }


def _ml_box(ml: dict) -> dict[str, str]:
    if ml["estimates"] is None:
        return {"tone": "bad", "title": "Maximum likelihood gives no estimate"}
    if ml["unbounded"]:
        return {"tone": "fair", "title": "Maximum likelihood: no global maximum exists"}
    if ml["status"] != "converged":
        return {"tone": "fair", "title": f"Maximum likelihood: {ml['status'].replace('_', ' ')}"}
    return {"tone": "good", "title": "Maximum likelihood: a maximum was found"}


def _engines(fits: dict) -> list[dict]:
    """One line for each engine: its numbers, and one phrase on how far to trust it."""
    ml, best, vi, nuts = (fits[name] for name in ("ml", "map", "vi", "nuts"))
    return [
        _engine("", "EM, maximum likelihood", ml, *_trust_ml(ml)),
        _engine("em", "EM, MAP", best, *_trust_map(best)),
        _engine("vi", f"VI, {vi['guide'].replace('_', ' ')}", vi["invariants"], *_trust_vi(vi)),
        _engine("nuts", "NUTS", nuts["invariants"], *_trust_nuts(nuts)),
    ]


def _engine(key: str, name: str, source: dict, tone: str, word: str, why: str) -> dict:
    log_densities = {
        k: fixed(v, 3) if not isinstance(v, dict) else plus_minus(v["mean"], v["sd"])
        for k in ("log_likelihood", "log_joint")
        for v in [source[k]]
    }
    return {"key": key, "name": name, "tone": tone, "word": word, "why": why, **log_densities}


def _trust_ml(ml: dict) -> tuple[str, str, str]:
    if ml["estimates"] is None:
        return "bad", "Not at all:", "no interior maximum was found."
    if not ml["is_estimate"]:
        return "bad", "Not yet:", ml["reason"]
    if ml["unbounded"]:
        ended = ml["starts"]["count"] - ml["starts"]["statuses"].get(Status.DROPPED.label, 0)
        share = percent(ml["collapsed_starts"] / ended)
        return (
            "fair",
            "As a local maximum:",
            f"the likelihood is unbounded, and {share} of the starts run to their end climbed to infinity.",
        )
    return "good", "As a local maximum:", "no start collapsed (with free variances no global one exists in theory)."


def _trust_map(best: dict) -> tuple[str, str, str]:
    if not best["is_estimate"]:
        return "bad", "Not at all:", best["reason"]
    if best["unbounded"]:
        return "bad", "As a local mode only:", "the posterior density is unbounded under this prior."
    dropped = best["starts"]["statuses"].get(Status.DROPPED.label, 0)
    found = f"{best['starts']['modes'][0]['hits']} of {best['starts']['count']} starts found this mode"
    found += f" ({dropped} were left behind by better ones, and never converged)" if dropped else ""
    if best["standard_errors"] is None:
        return "fair", "As a point:", f"{found}, but it has no standard errors."
    return "good", "As a mode:", f"{found}."


def _trust_vi(vi: dict) -> tuple[str, str, str]:
    if vi["status"] != "converged":
        return "bad", "Not at all:", vi["reason"]
    tone = _khat_tone(vi["khat"])
    word = {"good": "Yes:", "fair": "With care:", "bad": "Little:"}[tone]
    return tone, word, f"Pareto k-hat {fixed(vi['khat'], 2)}, {trust_khat(vi['khat'])}."


def _trust_nuts(nuts: dict) -> tuple[str, str, str]:
    if nuts["estimates"] is None:
        return "bad", "Not at all:", nuts["reason"]
    why = f"R-hat at most {fixed(nuts['max_rhat'], 4)}, at least {fixed(nuts['min_ess'], 0)} effective draws"
    if nuts["divergences"]:
        return "fair", "With care:", f"{nuts['divergences']} divergent draws; {why}."
    return "good", "Yes:", f"{why}, no divergences."


def _khat_tone(khat: float | None) -> str:
    if khat is None or khat > MAX_KHAT:
        return "bad"
    return "good" if khat < GOOD_KHAT else "fair"


def _table(value: dict, comparison: Comparison) -> dict[str, list[dict]]:
    """The agreement table by kind of parameter, with the maximum-likelihood estimates and words beside the numbers."""
    ml, chains = value["fits"]["ml"]["estimates"], value["fits"]["nuts"]["num_chains"]
    rows = []
    for p, row in zip(parameters(comparison.model, comparison.data.columns), value["agreement"], strict=True):
        from_ml = None if ml is None else np.asarray(ml[p.free.key], float)[p.free.entry]
        words = "; ".join([*doubts(row["rhat"], row["ess"], chains), *_remarks(row)])
        rows.append(row | {"group": p.group, "label": p.label, "ml": from_ml, "words": words})
    return by_group(rows, lambda row: row["group"])


def _remarks(row: dict) -> list[str]:
    remarks, (low, high) = [], verdict.WIDTH_RATIOS
    if row["z"] is not None and abs(row["z"]) > verdict.MAX_Z:
        remarks.append("MAP far from the posterior mean")
    for engine, ratio in (("EM", row["width_ratio"]), ("VI", row["vi_width_ratio"])):
        if ratio is not None and not low <= ratio <= high:
            remarks.append(f"{engine} too {'sure' if ratio < low else 'unsure'}")
    return remarks


def _invariants(nuts: dict) -> dict[str, dict]:
    names = {"log_likelihood": "Log-likelihood", "log_joint": "Log joint"}
    return {
        name: s | {"words": "; ".join(doubts(s["rhat"], _min_ess(s), nuts["num_chains"])) or "no complaint"}
        for key, name in names.items()
        for s in [nuts["invariants"][key]]
    }


def _min_ess(summary: dict) -> float | None:
    return min((e for e in (summary["ess"], summary["ess_tail"]) if e is not None), default=None)


def _distances(value: dict) -> list[dict]:
    clustering, density = value["clustering"], value["density"]

    def row(name: str, values: dict, reads: str) -> dict:
        return {"name": name, "vi": fixed(values["vi"], 3), "nuts": fixed(values["nuts"], 3), "reads": reads}

    hellinger = row("Density: Hellinger distance", density["hellinger"], "0 equal, 1 no overlap")
    for engine in ("vi", "nuts"):
        hellinger[engine] = plus_minus(density["hellinger"][engine], density["hellinger_mcse"][engine])
    kl = row("Density: Kullback–Leibler divergence", density["kl"], "nats that a row costs under the MAP")
    for engine in ("vi", "nuts"):
        kl[engine] = plus_minus(density["kl"][engine], density["kl_mcse"][engine])
    farthest = {e: None if w is None else max(w) for e, w in density["wasserstein"].items()}
    return [
        hellinger,
        kl,
        row("Marginals: largest Wasserstein distance", farthest, "in sds of the data"),
        row("Partition: adjusted Rand index", clustering["ari"], "1 identical, 0 chance"),
        row("Partition: variation of information", clustering["variation_of_information"], "0 identical, in nats"),
        row("Responsibilities: total variation", clustering["total_variation"], "0 equal, 1 nothing in common"),
    ]


def _kinds(value: dict) -> dict:
    """EM's standard errors and intervals by kind, a line for each parameter."""
    kinds = value["further"]["intervals"]

    def cell(kind: dict, i: int) -> str:
        if kind["se"][i] is None:
            return "—"
        low, high = kind["intervals"][i]
        return f"{number(kind['se'][i], 2)} ({number(low, 3)} to {number(high, 3)})"

    lines = [
        {"name": row["parameter"], "cells": [cell(kind, i) for kind in kinds]}
        for i, row in enumerate(value["agreement"])
    ]
    refusals = [f"{kind['kind'].capitalize()}: {kind['reason']}" for kind in kinds if kind["reason"]]
    return {"names": [kind["kind"] for kind in kinds], "lines": lines, "refusals": refusals}


def _doubtful(value: dict, comparison: Comparison) -> list[dict]:
    """The rows whose responsibilities NUTS is least sure of."""
    shares = value["clustering"]["responsibilities"]
    if shares["nuts_sd"] is None or shares["map"] is None:
        return []
    sd = np.asarray(shares["nuts_sd"], float)
    found = []
    for i in np.argsort(-sd.max(axis=1), kind="stable")[:_MOST_DOUBTFUL]:
        k = int(np.argmax(shares["map"][i]))
        if sd[i].max() > _DOUBTFUL_SD:
            row = shares["rows"][i]
            numbers_of = comparison.data.values[row].tolist()
            found.append(
                {"row": row, "values": numbers_of, "component": k + 1, "map": shares["map"][i][k]}
                | {"nuts": shares["nuts"][i][k], "sd": sd[i, k]}
            )
    return found


_SETTINGS = {"num_warmup": "Warm-up iterations of each chain", "key": "Random key"}


def _run_facts(value: dict) -> dict[str, str]:
    nuts, versions = value["fits"]["nuts"], value["run"]["versions"]
    return {
        "EM": f"{value['fits']['map']['starts']['count']} random starts for each objective",
        "VI": f"{len(value['fits']['vi']['start_elbos'])} starts, {value['fits']['vi']['num_draws']} draws",
        "NUTS": f"{nuts['num_chains']} chains of {nuts['num_samples']} kept draws, from over-dispersed starts",
        **{name: str(value["settings"][key]) for key, name in _SETTINGS.items() if key in value["settings"]},
        "Arithmetic": value["run"]["precision"],
        "Versions": ", ".join(f"{name} {release}" for name, release in versions.items()),
        "Time": f"{fixed(sum(value['timings'].values()), 1)} s",
    }
