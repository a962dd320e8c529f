"""The methods paragraph, ready to paste: what was actually run, with the references it owes."""

from typing import NamedTuple

from mixtures._files import listed
from mixtures._numbers import fixed, nominal, number, numbers, percent
from mixtures.compare import verdict
from mixtures.report.references import WORKS

_GUIDES = {
    "full_rank": "a normal distribution with a full covariance matrix (Kucukelbir et al. 2017)",
    "mean_field": "independent normal distributions (Kucukelbir et al. 2017)",
    "laplace": "the normal distribution given by its curvature at the mode (Tierney and Kadane 1986)",
    "flow": "a normalising flow of inverse autoregressive transforms (Kingma et al. 2016)",
    "pathfinder": "multi-path Pathfinder (Zhang et al. 2022)",
}
_KINDS = {
    "observed": "the observed information",
    "sandwich": "the sandwich (White 1982)",
    "bootstrap": "the nonparametric bootstrap of {num_replicates} replicates (Efron 1979)",
}


class Methods(NamedTuple):
    """A paragraph of plain text, and the full references of the works it cites, by author."""

    paragraph: str
    references: tuple[str, ...]


def methods(value: dict) -> Methods:
    """Describe what was run, from the content of a comparison."""
    fits, further = value["fits"], value["further"]
    sentences = [
        _model(value),
        _em(fits, value["settings"]),
        _intervals(further["intervals"]),
        _floors(fits["ml"]["floor_profile"]),
        _prior(value["model"]),
        _vi(fits["vi"]),
        _nuts(fits["nuts"], value["settings"]),
        _densities(value["density"]),
        _place(further["place"]),
        _location(further["location"]),
        _agreement(value["clustering"]) if further["place"] is not None else "",
        _prediction(further["prediction"], value["data"]["rows"]),
        _sensitivity(further["sensitivity"]),
        _check(further["check"]),
        _calibration(value["calibration"]),
        _software(value),
    ]
    paragraph = " ".join(filter(None, sentences))
    return Methods(paragraph, tuple(full for cited, full in WORKS.items() if cited in paragraph))


def _model(value: dict) -> str:
    data, model = value["data"], value["model"]
    noise = " beside a uniform noise component" if model["noise"] else ""
    words = f"{model['covariance_words']} {model['fixed_words']}".strip()
    return (
        f"A mixture of {model['num_components']} normal distributions{noise} ({model['num_parameters']} free "
        f"parameters) was fitted to {data['rows']} rows of {', '.join(data['columns'])}. {words}"
    )


def _em(fits: dict, settings: dict) -> str:
    counts = [str(fits[name]["starts"]["count"]) for name in ("ml", "map")]
    starts = f"{counts[0]} starts each" if counts[0] == counts[1] else f"{listed(counts)} starts"
    if "num_starts" in settings:  # else the fits were made by somebody else's call
        starts = starts.replace("starts", "random starts")
    text = (
        "Maximum-likelihood and maximum a posteriori (MAP) estimates were found by expectation–maximisation (Dempster "
        "et al. 1977), accelerated by SQUAREM (Varadhan and Roland 2008) and, where that crept, ended by Newton’s "
        f"method, from {starts}"
    )
    if fits["ml"]["unbounded"]:
        text += (
            "; the likelihood is unbounded (Kiefer and Wolfowitz 1956), so starts that collapsed "
            f"({fits['ml']['collapsed_starts']}) were set aside"
        )
    if fits["map"]["standard_errors"] is not None:
        return text + ". Standard errors are from the observed information at the MAP."
    return text + ". No standard errors are given for the MAP, because the usual ones do not hold there."


def _prior(model: dict) -> str:
    prior = model["prior"]
    if prior["name"] == "conjugate":
        scaled = ", scaled to the data" if model["prior_is_default"] else ""
        numbers_of = {
            "Dirichlet concentration": prior["concentration"],
            "degrees of freedom": prior["dof"],
            "shrinkage": prior["shrinkage"],
        }
        if not model["prior_is_default"]:
            numbers_of |= {"scale": prior["scale"], "mean": prior["mean"]}
        told = ", ".join(f"{name} {numbers(v)}" for name, v in numbers_of.items())
        return f"The prior is the conjugate one of Fraley and Raftery 2007{scaled} ({told})."
    told = "; ".join(f"{site}: {numbers(v)}" for site, v in prior.items() if site != "name")
    return f"The prior is {prior['name']} ({told})."


def _vi(vi: dict) -> str:
    khat = "" if vi["khat"] is None else f"; its Pareto k-hat is {fixed(vi['khat'], 2)} (Yao et al. 2018)"
    guide = _GUIDES.get(vi["guide"], vi["guide"])
    lost = "" if vi["status"] == "converged" else "; it did not converge"
    starts = "its paths resampled by importance" if vi["guide"] == "pathfinder" else "the best of several starts"
    words = f"by {guide}, {starts}{khat}{lost}."
    return f"The posterior was approximated in unconstrained coordinates {words}"


def _nuts(nuts: dict, settings: dict) -> str:
    warmup = f" after {settings['num_warmup']} of warm-up" if "num_warmup" in settings else ""
    chains = "chains from over-dispersed starts" if "num_warmup" in settings else "chains"
    text = (
        f"It was sampled by the No-U-Turn sampler (Hoffman and Gelman 2014) in NumPyro (Phan et al. 2019): "
        f"{nuts['num_chains']} {chains}, {nuts['num_samples']} draws each{warmup}; draws were "
        "relabelled to agree on the allocation of rows (Stephens 2000). "
    )
    found = (
        f"The largest rank-normalised split R-hat of label-free quantities was {fixed(nuts['max_rhat'], 3)}, the "
        f"smallest effective sample size {fixed(nuts['min_ess'], 0)} (Vehtari et al. 2021), with "
        f"{nuts['divergences'] or 'no'} divergent transitions"
    )
    return (
        text
        + found
        + (
            "."
            if nuts["status"] == "converged"
            else "; the chains did not converge, and nothing is concluded from them."
        )
    )


def _intervals(kinds: list[dict]) -> str:
    found = [_KINDS[kind["kind"]].format(**kind) for kind in kinds if not kind["reason"]]
    return f"Intervals of the MAP are by {listed(found)}." if found else ""


def _floors(profile: dict | None) -> str:
    if profile is None:
        return ""
    low, high = number(min(profile["floors"]), 2), number(max(profile["floors"]), 2)
    return f"The likelihood was profiled under floors on every variance, from {low} to {high} of the data’s variance."


def _densities(density: dict) -> str:
    names = {"nuts": "NUTS", "vi": "VI"}
    shown = [engine for engine in names if density["hellinger"][engine] is not None]
    if not shown:
        return ""
    means = " and ".join(f"{density['num_draws'][engine]} draws by {names[engine]}" for engine in shown)
    return (
        f"The MAP density was compared with posterior predictive densities, means over {means}, by Hellinger distance "
        f"and Kullback–Leibler divergence (Kullback and Leibler 1951), at {density['num_points']} points from each "
        "density, and by the Wasserstein distances of marginals."
    )


def _place(place: dict | None) -> str:
    if place is None:
        return ""
    return (
        f"EM’s partition of {place['num_rows']} rows was compared with {place['num_draws']} drawn from the posterior "
        "by expected variation of information (Meilă 2007) and Binder loss (Binder 1978), and by the "
        f"{nominal(place['level'])} credible ball around the best partition (Wade and Ghahramani 2018)."
    )


def _location(location: dict | None) -> str:
    if location is None or location["map"] is None:
        return ""
    return "All parameters at once were compared by Mahalanobis distance in unconstrained coordinates."


def _agreement(clustering: dict) -> str:
    low, high = verdict.WIDTH_RATIOS
    return (
        f"Fits were said to agree if the Hellinger distance of the MAP density from the posterior predictive was at "
        f"most {verdict.MAX_HELLINGER}, the adjusted Rand index (Hubert and Arabie 1985) of partitions by "
        f"responsibilities, means over {clustering['num_draws']} draws, at least {verdict.MIN_ARI}, "
        f"every MAP within {number(verdict.MAX_Z)} posterior standard deviation of the posterior mean, "
        f"and every standard error between {fixed(low, 2)} and {fixed(high, 2)} of the posterior standard "
        f"deviation; components were compared only where labels were ambiguous by at most "
        f"{percent(verdict.MAX_AMBIGUITY)}."
    )


def _prediction(prediction: dict | None, num_rows: int) -> str:
    if prediction is None or prediction["difference"] is None:
        return ""
    used = prediction["num_used"]
    sample = f", on a random sample of {used} rows" if used < num_rows else ""
    return (
        f"Prediction of rows left out was compared by {prediction['num_folds']}-fold cross-validation of the MAP fit, "
        "corrected for the rows that each fold lacks (Burman 1989), and for the posterior by Pareto-smoothed "
        f"importance sampling (Vehtari et al. 2017){sample}."
    )


def _sensitivity(sensitivity: dict | None) -> str:
    if sensitivity is None:
        return ""
    return "What the prior decides was measured by power scaling (Kallioinen et al. 2024)."


def _check(check: dict | None) -> str:
    if check is None:
        return ""
    return (
        f"The model was checked by {check['num_simulations']} data sets of {check['num_used']} rows, simulated from "
        f"the posterior, on each feature’s {listed(list(check['tails']), most=20)} (Gelman et al. 1996)."
    )


def _calibration(found: dict | None) -> str:
    if found is None:
        return ""
    return (
        f"What {nominal(found['level'])} intervals cover was measured on {found['num_simulations']} data sets of "
        f"{found['num_rows']} rows simulated from the MAP fit, each fitted by {len(found['methods'])} methods, with "
        "95 % intervals of the coverage (Wilson 1927)."
    )


def _software(value: dict) -> str:
    versions = value["run"]["versions"]
    return (
        f"Computed with mixtures {versions['mixtures']}, JAX {versions['jax']} (Bradbury et al. 2018) and NumPyro "
        f"{versions['numpyro']}, in {value['run']['precision']}."
    )
