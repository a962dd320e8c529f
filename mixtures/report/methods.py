"""The methods paragraph, ready to paste: what was actually run, with the references it owes."""

from typing import NamedTuple

from mixtures._numbers import fixed, number, numbers, percent
from mixtures.compare import verdict

_WORKS = {
    "Bradbury et al. 2018": "Bradbury J, Frostig R, Hawkins P, et al. (2018). JAX: composable transformations of "
    "Python+NumPy programs. https://github.com/jax-ml/jax",
    "Dempster et al. 1977": "Dempster AP, Laird NM, Rubin DB (1977). Maximum likelihood from incomplete data via the "
    "EM algorithm. J. Royal Statistical Society B 39, 1–38. doi:10.1111/j.2517-6161.1977.tb01600.x",
    "Fraley and Raftery 2007": "Fraley C, Raftery AE (2007). Bayesian regularization for normal mixture estimation and "
    "model-based clustering. J. Classification 24, 155–181. doi:10.1007/s00357-007-0004-5",
    "Hoffman and Gelman 2014": "Hoffman MD, Gelman A (2014). The No-U-Turn sampler: adaptively setting path lengths in "
    "Hamiltonian Monte Carlo. J. Machine Learning Research 15, 1593–1623. doi:10.48550/arXiv.1111.4246",
    "Hubert and Arabie 1985": "Hubert L, Arabie P (1985). Comparing partitions. J. Classification 2, 193–218. "
    "doi:10.1007/BF01908075",
    "Kiefer and Wolfowitz 1956": "Kiefer J, Wolfowitz J (1956). Consistency of the maximum likelihood estimator in the "
    "presence of infinitely many incidental parameters. Ann. Mathematical Statistics 27, 887–906. "
    "doi:10.1214/aoms/1177728066",
    "Kingma et al. 2016": "Kingma DP, Salimans T, Jozefowicz R, Chen X, Sutskever I, Welling M (2016). Improved "
    "variational inference with inverse autoregressive flow. NeurIPS 29. doi:10.48550/arXiv.1606.04934",
    "Kucukelbir et al. 2017": "Kucukelbir A, Tran D, Ranganath R, Gelman A, Blei DM (2017). Automatic differentiation "
    "variational inference. J. Machine Learning Research 18(14), 1–45. doi:10.48550/arXiv.1603.00788",
    "Phan et al. 2019": "Phan D, Pradhan N, Jankowiak M (2019). Composable effects for flexible and accelerated "
    "probabilistic programming in NumPyro. doi:10.48550/arXiv.1912.11554",
    "Stephens 2000": "Stephens M (2000). Dealing with label switching in mixture models. J. Royal Statistical Society "
    "B 62, 795–809. doi:10.1111/1467-9868.00265",
    "Tierney and Kadane 1986": "Tierney L, Kadane JB (1986). Accurate approximations for posterior moments and "
    "marginal densities. J. American Statistical Association 81, 82–86. doi:10.1080/01621459.1986.10478240",
    "Varadhan and Roland 2008": "Varadhan R, Roland C (2008). Simple and globally convergent methods for accelerating "
    "the convergence of any EM algorithm. Scandinavian J. Statistics 35, 335–353. "
    "doi:10.1111/j.1467-9469.2007.00585.x",
    "Vehtari et al. 2017": "Vehtari A, Gelman A, Gabry J (2017). Practical Bayesian model evaluation using "
    "leave-one-out cross-validation and WAIC. Statistics and Computing 27, 1413–1432. doi:10.1007/s11222-016-9696-4",
    "Vehtari et al. 2021": "Vehtari A, Gelman A, Simpson D, Carpenter B, Bürkner P-C (2021). Rank-normalization, "
    "folding, and localization: an improved R-hat for assessing convergence of MCMC. Bayesian Analysis 16, 667–718. "
    "doi:10.1214/20-BA1221",
    "Yao et al. 2018": "Yao Y, Vehtari A, Simpson D, Gelman A (2018). Yes, but did it work?: Evaluating variational "
    "inference. ICML. doi:10.48550/arXiv.1802.02538",
    "Zhang et al. 2022": "Zhang L, Carpenter B, Gelman A, Vehtari A (2022). Pathfinder: parallel quasi-Newton "
    "variational inference. J. Machine Learning Research 23(306), 1–49. doi:10.48550/arXiv.2108.03782",
}
_GUIDES = {
    "full_rank": "a normal distribution with a full covariance matrix (Kucukelbir et al. 2017)",
    "mean_field": "independent normal distributions (Kucukelbir et al. 2017)",
    "laplace": "the normal distribution given by its curvature at the mode (Tierney and Kadane 1986)",
    "flow": "a normalising flow of inverse autoregressive transforms (Kingma et al. 2016)",
    "pathfinder": "multi-path Pathfinder (Zhang et al. 2022)",
}


class Methods(NamedTuple):
    """A paragraph of plain text, and the full references of the works it cites, by author."""

    paragraph: str
    references: tuple[str, ...]


def methods(value: dict) -> Methods:
    """Describe what was run, from the content of a comparison."""
    fits = value["fits"]
    sentences = [
        _model(value),
        _em(fits),
        _prior(value["model"]),
        _vi(fits["vi"]),
        _nuts(fits["nuts"], value["settings"]),
        _agreement(),
        _software(value),
    ]
    paragraph = " ".join(sentences)
    return Methods(paragraph, tuple(full for cited, full in _WORKS.items() if cited in paragraph))


def _model(value: dict) -> str:
    data, model = value["data"], value["model"]
    noise = " beside a uniform noise component" if model["noise"] else ""
    words = f"{model['covariance_words']} {model['fixed_words']}".strip()
    return (
        f"A mixture of {model['num_components']} normal distributions{noise} ({model['num_parameters']} free "
        f"parameters) was fitted to {data['rows']} rows of {', '.join(data['columns'])}. {words}"
    )


def _em(fits: dict) -> str:
    text = (
        "Maximum-likelihood and maximum a posteriori (MAP) estimates were found by expectation–maximisation (Dempster "
        "et al. 1977), accelerated by SQUAREM (Varadhan and Roland 2008), from "
        f"{fits['ml']['starts']['count']} random starts each"
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
        told = ", ".join(f"{name} {numbers(v)}" for name, v in numbers_of.items())
        return f"The prior is the conjugate one of Fraley and Raftery 2007{scaled} ({told})."
    told = "; ".join(f"{site}: {numbers(v)}" for site, v in prior.items() if site != "name")
    return f"The prior is {prior['name']} ({told})."


def _vi(vi: dict) -> str:
    khat = "" if vi["khat"] is None else f"; its Pareto k-hat is {fixed(vi['khat'], 2)} (Yao et al. 2018)"
    guide = _GUIDES.get(vi["guide"], vi["guide"])
    return f"The posterior was approximated in unconstrained coordinates by {guide}, the best of several starts{khat}."


def _nuts(nuts: dict, settings: dict) -> str:
    warmup = f" after {settings['num_warmup']} of warm-up" if "num_warmup" in settings else ""
    text = (
        f"It was sampled by the No-U-Turn sampler (Hoffman and Gelman 2014) in NumPyro (Phan et al. 2019): "
        f"{nuts['num_chains']} chains from over-dispersed starts, {nuts['num_samples']} draws each{warmup}; draws were "
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
            if nuts["estimates"] is not None
            else "; the chains did not converge, and nothing is concluded from them."
        )
    )


def _agreement() -> str:
    low, high = verdict.WIDTH_RATIOS
    return (
        f"Fits were said to agree if the Hellinger distance of the MAP density from the posterior predictive was at "
        f"most {verdict.MAX_HELLINGER}, the adjusted Rand index (Hubert and Arabie 1985) of the partitions at least "
        f"{verdict.MIN_ARI}, every MAP within {number(verdict.MAX_Z)} posterior standard deviation of the posterior "
        f"mean, and every standard error between {fixed(low, 2)} and {fixed(high, 2)} of the posterior standard "
        f"deviation; components were compared only where labels were ambiguous by less than "
        f"{percent(verdict.MAX_AMBIGUITY)}. Prediction was compared by cross-validation and Pareto-smoothed importance "
        "sampling (Vehtari et al. 2017)."
    )


def _software(value: dict) -> str:
    versions = value["run"]["versions"]
    return (
        f"Computed with mixtures {versions['mixtures']}, JAX {versions['jax']} (Bradbury et al. 2018) and NumPyro "
        f"{versions['numpyro']}, in {value['run']['precision']}."
    )
