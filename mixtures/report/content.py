"""The report as one plain value: what report.json holds, and all that the page's words and tables are made from."""

import platform
from collections import Counter
from dataclasses import asdict
from importlib.metadata import version
from pathlib import PurePath
from typing import cast

import numpy as np

from mixtures._status import Status
from mixtures._version import __version__
from mixtures.bayes.diagnostics import MAX_RHAT, Summary
from mixtures.bayes.nuts import NUTSInfo
from mixtures.bayes.posterior import Posterior
from mixtures.bayes.vi import VIInfo
from mixtures.compare.comparison import Comparison
from mixtures.compare.densities import Density
from mixtures.compare.verdict import CLEAR, LABELS_AMBIGUOUS, num_unclear
from mixtures.data import Data
from mixtures.em.account import explain_ends
from mixtures.em.fit import EMFit
from mixtures.em.ridge import refusal
from mixtures.em.uncertainty import StandardErrors
from mixtures.model import Mixture
from mixtures.report.coverage import coverage_content
from mixtures.report.further import further_content
from mixtures.report.model_words import covariance_words, fixed_words, has_default_prior, has_noise
from mixtures.report.plain import plain
from mixtures.report.sketches import shortened, sketches
from mixtures.report.words import parameters, short

SCHEMA = 5
_MOST_TIES = 100
_MOST_MODES = 100
_MOST_ROWS = 400  # rows whose responsibilities are written out
LONGEST_COLUMN = 10  # of a column's name, in figures
# What a row of the agreement table may still say when chains disagree.
_WITHOUT_NUTS = {"parameter", "map", "se", "vi_mean", "vi_sd", "map_interval", "vi_interval", "rhat", "ess"}
_WITHOUT_NUTS |= {"spoken", "group", "label", "title", "key", "entry", "support"}
_DENSITY_DISTANCES = ("hellinger", "hellinger_mcse", "kl", "kl_mcse", "wasserstein", "wasserstein_mcse")
_PARTITION_DISTANCES = ("ari", "variation_of_information", "total_variation")
_PACKAGES = ("jax", "numpyro", "arviz", "numpy", "scipy")


def content(comparison: Comparison) -> dict:
    """Everything a report says, as plain values: NaN and infinity are None, arrays nested lists.

    Components are in canonical order. Where NUTS did not converge nothing averaged over its chains appears: those
    entries are None, and ``fits.nuts.reason`` says why; its diagnostics stay. The same goes for VI.
    """
    c = comparison
    agreement = _agreement(c)
    value = {
        "schema": SCHEMA,
        "data": data_content(c.data),
        "model": model_content(c.model, c.data),
        "fits": {
            "ml": em_content(c.model, c.ml) | _floor_profile(c),
            "map": em_content(c.model, c.map) | errors_content(c.standard_errors),
            "vi": _vi(c.vi),
            "nuts": _nuts(c.nuts),
        },
        "agreement": agreement,
        "clustering": _clustering(c),
        "density": _density(c.density),
        "further": further_content(c),
        "sketches": sketches(c, agreement),
        "calibration": None if c.calibration is None else coverage_content(c.calibration),
        "verdict": {
            "level": c.verdict.level,
            "reasons": c.verdict.reasons,
            "findings": [finding._asdict() for finding in c.verdict.findings],
        },
        "timings": c.timings,
        "settings": c.settings,
        "run": run_content(c.map),
    }
    for engine in ("vi", "nuts"):
        if value["fits"][engine]["status"] != Status.CONVERGED.label:
            _withhold(value, engine)
    for row in value["agreement"]:
        if not row["rhat"] <= MAX_RHAT:
            _withhold_of(row, "nuts")
    if LABELS_AMBIGUOUS in c.verdict.codes:
        _withhold_labelled(value, "nuts")
    if not c.has_vi_labels:
        _withhold_labelled(value, "vi")
    if not c.map.status.is_estimate:
        _withhold_map(value)
    if not c.has_map:
        _withhold_distances(value)
    return plain(value)


def _agreement(c: Comparison) -> list[dict]:
    """The agreement table, with what each parameter is called in tables and figures and where its estimate stands."""
    in_figures = parameters(c.model, [short(name, LONGEST_COLUMN) for name in c.data.columns])
    described = zip(c.agreement, parameters(c.model, c.data.columns), in_figures, strict=True)
    return [
        {name: v for name, v in asdict(row).items() if name != "caution"}  # which is that of the whole posterior
        | {"group": p.group, "label": p.label, "title": brief.title}
        | {"key": p.free.key, "entry": list(p.free.entry), "support": p.free.support}
        for row, p, brief in described
    ]


def data_content(data: Data) -> dict:
    """The data: names, ties, what was left out, and a summary of each column."""
    ties = data.ties()
    return {
        "source": PurePath(data.source).name,  # the folder is nobody else's business
        "rows": len(data.values),
        "columns": list(data.columns),
        "distinct_rows": len(data.values) - sum(len(t.rows) - 1 for t in ties),
        "ties": [{"value": t.value, "count": len(t.rows), "rows": t.rows} for t in ties[:_MOST_TIES]],
        "ties_omitted": max(0, len(ties) - _MOST_TIES),
        "notes": data.notes,
        "summary": [
            {"mean": v.mean(), "sd": v.std(ddof=1), "min": v.min(), "max": v.max()} for v in np.asarray(data.values).T
        ],
    }


def model_content(model: Mixture, data: Data) -> dict:
    """The model: family, covariance model, components, and the prior with its numbers."""
    return {
        "family": model.family.name,
        "covariance": getattr(model.family, "covariance", None),
        "num_components": model.num_components,
        "noise": has_noise(model),
        "fixed": model.fixed.describe(),
        "num_parameters": model.num_parameters(len(data.columns)),
        "prior": model.prior.describe(),
        "prior_is_default": has_default_prior(model, data),
        "covariance_words": covariance_words(getattr(model.family, "covariance", None), len(data.columns)),
        "fixed_words": fixed_words(model),
    }


def run_content(fit: EMFit) -> dict:
    """What the numbers also depend on: the precision of the arithmetic, and versions."""
    versions = {"mixtures": __version__, "python": platform.python_version()}
    return {
        "precision": str(np.asarray(fit.log_likelihood).dtype),
        "versions": versions | {name: version(name) for name in _PACKAGES},
    }


def em_content(model: Mixture, fit: EMFit) -> dict:
    """An EM fit: its outcome, objectives, estimates, and what became of its starts."""
    return {
        "status": fit.status.label,
        "is_estimate": fit.status.is_estimate,
        "unbounded": bool(fit.unbounded),
        "collapsed_starts": int(fit.collapsed_starts),
        "reason": fit.reason,
        "log_likelihood": float(fit.log_likelihood),
        "log_joint": float(fit.log_joint),
        "num_steps": int(fit.num_steps),
        "estimates": model.family.estimates(fit.params) if np.isfinite(fit.log_likelihood) else None,
        "starts": _starts(fit),
    }


def _starts(fit: EMFit) -> dict:
    """What became of the starts, and the distinct interior maxima they found, best first."""
    statuses = Counter(np.asarray(fit.starts.status).tolist())
    return {
        "count": fit.starts.status.shape[-1],
        "statuses": {Status(code).label: hits for code, hits in statuses.most_common()},
        "modes": [{"objective": mode.objective, "hits": mode.hits} for mode in fit.modes[:_MOST_MODES]],
        "words": explain_ends(fit.starts),
    }


def _floor_profile(c: Comparison) -> dict:
    """The log-likelihood against a floor under variances, where the likelihood was seen to be unbounded.

    Floors and variances are fractions of the data's variance. ``floor_profile_reason`` says why a profile that would be
    of use is missing.
    """
    profile = c.floor_profile
    if profile is None:
        why = refusal(c.model, len(c.data.columns)) if c.ml.unbounded else ""
        return {"floor_profile": None, "floor_profile_reason": why or None}
    names = ("floors", "log_likelihood", "least_variance", "held", "converged", "interior", "interior_variance")
    value = {name: np.asarray(getattr(profile, name)) for name in names}
    value |= {
        "crossing": profile.crossing,
        "plateau": None if profile.plateau is None else profile.plateau._asdict(),
        "other_plateaus": [plateau._asdict() for plateau in profile.other_plateaus],
        "nats_per_decade": profile.per_decade,
        "sentences": profile.sentences,
    }
    return {"floor_profile": value, "floor_profile_reason": None}


def errors_content(errors: StandardErrors) -> dict:
    """Standard errors, or the reason why there are none."""
    return {
        "standard_errors": None if errors.refused else errors.values,
        "standard_errors_reason": errors.reason or None,
    }


def _vi(vi: Posterior) -> dict:
    diagnostics, info = vi.diagnostics, cast(VIInfo, vi.info)
    status, reason = info.judge(diagnostics)
    return {
        "status": status.label,
        "reason": reason,
        "guide": info.guide,
        "elbo": float(info.elbo),
        "elbo_mcse": float(info.elbo_mcse),
        "khat": float(info.khat),
        "start_elbos": info.start_elbos,
        "num_draws": vi.log_joint.shape[-1],
        "estimates": {name: s.mean for name, s in diagnostics.parameters.items()},
        "sd": {name: s.sd for name, s in diagnostics.parameters.items()},
        "invariants": {name: {"mean": s.mean, "sd": s.sd} for name, s in diagnostics.invariants.items()},
        "relabelling": _relabelling(vi),
    }


def _nuts(nuts: Posterior) -> dict:
    diagnostics, info = nuts.diagnostics, cast(NUTSInfo, nuts.info)
    status, reason = info.judge(diagnostics)
    parameters = diagnostics.parameters
    return {
        "status": status.label,
        "reason": reason,
        "num_chains": nuts.log_joint.shape[0],
        "num_samples": nuts.log_joint.shape[1],
        "divergences": diagnostics.divergences,
        "max_rhat": diagnostics.max_rhat,
        "min_ess": diagnostics.min_ess,
        "max_rhat_parameters": diagnostics.max_rhat_parameters,
        "min_ess_parameters": diagnostics.min_ess_parameters,
        "estimates": {name: s.mean for name, s in parameters.items()},
        "sd": {name: s.sd for name, s in parameters.items()},
        "mcse": {name: s.mcse for name, s in parameters.items()},
        "invariants": {name: _invariant(s) for name, s in diagnostics.invariants.items()},
        "relabelling": _relabelling(nuts),
        "accept_prob": np.mean(info.accept_prob),
        "mean_leapfrog": np.mean(info.num_leapfrog),
        "step_size": info.step_size,
    }


def _invariant(s: Summary) -> dict:
    return {"mean": s.mean, "sd": s.sd, "mcse": s.mcse, "rhat": s.rhat, "ess": s.ess_bulk, "ess_tail": s.ess_tail}


def _relabelling(posterior: Posterior) -> dict:
    return {"switched": posterior.relabelling.switched, "ambiguity": float(posterior.relabelling.ambiguity)}


def _clustering(c: Comparison) -> dict:
    """Agreement of partitions, and the responsibilities of every row or of the most ambiguous ones."""
    clustering = c.clustering
    sure = clustering.map_responsibilities.max(axis=1)
    if c.has_labels:
        sure = np.minimum(sure, clustering.nuts_responsibilities.max(axis=1))
    rows = np.sort(np.argsort(sure, kind="stable")[:_MOST_ROWS])
    return {
        "ari": dict(clustering.ari),
        "variation_of_information": dict(clustering.variation_of_information),
        "total_variation": dict(clustering.total_variation),
        "num_draws": clustering.num_draws,
        "sizes": np.bincount(
            clustering.map_responsibilities.argmax(axis=1), minlength=clustering.map_responsibilities.shape[1]
        ),
        "unclear": {"limit": CLEAR, "nuts": num_unclear(clustering)},
        "responsibilities": {
            "rows": rows,
            "values": np.asarray(c.data.values)[rows],
            "omitted_rows": len(sure) - len(rows),
            "map": shortened(clustering.map_responsibilities[rows]),
            "vi": shortened(clustering.vi_responsibilities[rows]),
            "nuts": shortened(clustering.nuts_responsibilities[rows]),
            "nuts_sd": shortened(clustering.nuts_responsibilities_sd[rows]),
        },
    }


def _density(density: Density) -> dict:
    pictures = {name: shortened(getattr(density, name)) for name in ("grid", "map", "vi", "nuts", "nuts_band")}
    told = {name: dict(getattr(density, name)) for name in (*_DENSITY_DISTANCES, "num_draws")}
    return told | {"num_points": density.num_points} | pictures


def _withhold(value: dict, engine: str) -> None:
    """Take out what VI or NUTS would say of the posterior: it did not converge, or its chains disagree."""
    fit, density = value["fits"][engine], value["density"]
    _blank(fit, "estimates", "sd", *({"mcse"} & set(fit)))
    for summary in fit["invariants"].values():
        _blank(summary, *({"mean", "sd", "mcse"} & set(summary)))
    for row in value["agreement"]:
        _withhold_of(row, engine)
    shares = value["clustering"]["responsibilities"]
    for pictures in (shares, density, value["clustering"]["unclear"]):
        _blank(pictures, *(key for key in pictures if key.startswith(engine)))
    for distance in _distances(value):
        _blank(distance, *(key for key in distance if engine in key.split("_")))


def _withhold_of(row: dict, engine: str) -> None:
    """Take out what VI or NUTS would say of one parameter."""
    _blank(row, *(key for key in row if key.startswith(engine) or (engine == "nuts" and key not in _WITHOUT_NUTS)))


def _withhold_labelled(value: dict, engine: str) -> None:
    """Take out what VI or NUTS would say of single components: which is which is not clear."""
    fit, clustering = value["fits"][engine], value["clustering"]
    _blank(fit, "estimates", "sd", *({"mcse"} & set(fit)))
    for row in value["agreement"]:
        _withhold_of(row, engine)
    for pictures in (clustering["responsibilities"], clustering["unclear"]):
        _blank(pictures, *(key for key in pictures if key.startswith(engine)))
    for distance in _PARTITION_DISTANCES:
        _blank(clustering[distance], engine)
    if value["further"]["location"] is not None:  # of NUTS's own it is held back whole
        _blank(value["further"]["location"], "vi")


def _withhold_map(value: dict) -> None:
    """Take out what a MAP that was not found would say."""
    _blank(value["clustering"]["responsibilities"], "map")
    _blank(value["clustering"], "sizes")
    _blank(value["density"], "map")


def _withhold_distances(value: dict) -> None:
    """Take out how far the MAP lies from anything: where EM did not end at a maximum it stands for nothing."""
    for row in value["agreement"]:
        _blank(row, "z", "width_ratio", "overlap")
    for distance in _distances(value):
        _blank(distance, "vi", "nuts")


def _distances(value: dict) -> list[dict]:
    clustering, density = value["clustering"], value["density"]
    return [*(clustering[name] for name in _PARTITION_DISTANCES), *(density[name] for name in _DENSITY_DISTANCES)]


def _blank(mapping: dict, *keys: str) -> None:
    mapping.update(dict.fromkeys(keys))
