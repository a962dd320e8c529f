"""The report as one self-contained page."""

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mixtures._numbers import fixed, nominal, number, numbers, percent, plus_minus
from mixtures.bayes.diagnostics import MAX_RHAT, MIN_ESS_PER_CHAIN
from mixtures.bayes.vi import MAX_KHAT
from mixtures.compare import verdict
from mixtures.report import tables
from mixtures.report.coverage import coverage_rows
from mixtures.report.distances import distances, grouped, paste_distances, vi_from_nuts
from mixtures.report.explorer import explorer
from mixtures.report.headline import headline, three_numbers
from mixtures.report.intervals import intervals, paste_intervals
from mixtures.report.methods import methods
from mixtures.report.pasting import Paste
from mixtures.report.plots import pictures
from mixtures.report.scripts import script
from mixtures.report.trust import engines, khat_tone
from mixtures.report.words import GOOD_KHAT, trust_khat

_ONE_MODE = " It covers one mode at most, and says nothing of others."
_GUIDES = {
    "full_rank": "The posterior is approximated by a normal distribution with a full covariance, "
    "in unconstrained coordinates." + _ONE_MODE,
    "mean_field": "The posterior is approximated by independent normal distributions, in unconstrained coordinates."
    + _ONE_MODE,
    "laplace": "The posterior is approximated by the normal distribution that its curvature at the mode suggests, "
    "in unconstrained coordinates." + _ONE_MODE,
    "flow": "The posterior is approximated by a normal distribution sent through two autoregressive transforms, in "
    "unconstrained coordinates." + _ONE_MODE,
    "pathfinder": "The posterior is approximated by normal distributions along several optimisations, resampled "
    "together by importance (Pathfinder).",
}


def page(value: dict) -> str:
    """Render the page from the content of a comparison."""
    return render("template.html.j2", **value, **_view(value), pictures=pictures(value))


def render(template: str, **view: Any) -> str:
    """A page from its template, with the one stylesheet, and numbers as a person reads them."""
    loader = PackageLoader("mixtures", "report")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    filters = (number, numbers, fixed, plus_minus, percent, nominal)
    pages.filters.update({function.__name__: function for function in filters})
    style, _, _ = loader.get_source(pages, "style.css")
    text = pages.get_template(template).render(**view, style=Markup(style))
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)


def _view(value: dict) -> dict:
    """What the template shows besides the content itself: words, and tables in the order they are read."""
    fits, model, look = value["fits"], value["model"], explorer(value)
    far, lines = distances(value), intervals(value)
    elbos = [e for e in fits["vi"]["start_elbos"] if e is not None]
    return {
        "headline": headline(value),
        "three_numbers": three_numbers(value),
        "ml_box": _ml_box(fits["ml"]),
        "starts_words": _starts_words(value),
        "family_words": ("normal distributions" if model["family"] == "gaussian" else f"{model['family']} components")
        + (" and uniform noise" if model["noise"] else ""),
        "guide_words": _GUIDES.get(fits["vi"]["guide"], f"Guide: {fits['vi']['guide']}."),
        "start_elbos": {"min": min(elbos, default=None), "max": max(elbos, default=None)},
        "khat": {"tone": khat_tone(fits["vi"]["khat"]), "words": trust_khat(fits["vi"]["khat"])},
        "engines": engines(value),
        "table": tables.parameter_table(value),
        "intervals": lines,
        "distances": grouped(far),
        "vi_from_nuts": vi_from_nuts(value),
        "pastes": {
            "parameters": Paste(tables.as_csv(value), tables.as_latex(value)),
            "intervals": paste_intervals(lines),
            "distances": paste_distances(far),
        },
        "coverage_rows": coverage_rows(value["calibration"]) if value["calibration"] else [],
        "invariants": tables.invariants(fits["nuts"]),
        "doubtful": tables.doubtful(value),
        "methods": methods(value),
        "explorer": look,
        "scripts": [script("copy.js"), *([script("explore.js")] if look else [])],
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


def _starts_words(value: dict) -> str:
    """How many starts each fit had, which were random if they are ours."""
    ml, best = (value["fits"][name]["starts"]["count"] for name in ("ml", "map"))
    starts = "random starts" if "num_starts" in value["settings"] else "starts"
    return f"{ml} {starts} for each objective" if ml == best else f"{ml} {starts} for ML and {best} for the MAP"


def _ml_box(ml: dict) -> dict[str, str]:
    if ml["estimates"] is None:
        return {"tone": "bad", "title": "Maximum likelihood gives no estimate"}
    if ml["unbounded"]:
        return {"tone": "fair", "title": "Maximum likelihood: no global maximum exists"}
    if ml["status"] != "converged":
        return {"tone": "fair", "title": f"Maximum likelihood: {ml['status'].replace('_', ' ')}"}
    return {"tone": "good", "title": "Maximum likelihood: a maximum was found"}


_SETTINGS = {"num_warmup": "Warm-up iterations of each chain", "key": "Random key"}


def _run_facts(value: dict) -> dict[str, str]:
    nuts, versions = value["fits"]["nuts"], value["run"]["versions"]
    chains = ", from over-dispersed starts" if "num_warmup" in value["settings"] else ""
    return {
        "EM": _starts_words(value),
        "VI": f"{len(value['fits']['vi']['start_elbos'])} starts, {value['fits']['vi']['num_draws']} draws",
        "NUTS": f"{nuts['num_chains']} chains of {nuts['num_samples']} kept draws{chains}",
        **{name: str(value["settings"][key]) for key, name in _SETTINGS.items() if key in value["settings"]},
        "Arithmetic": value["run"]["precision"],
        "Versions": ", ".join(f"{name} {release}" for name, release in versions.items()),
        "Time": f"{fixed(sum(value['timings'].values()), 1)} s",
    }
