"""`BayesianGaussianMixture`: the posterior, by variational inference or NUTS."""

import warnings
from typing import Self, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning

from mixtures._checks import as_float, check_choice, check_count, shown
from mixtures._trees import evenly
from mixtures.bayes.diagnostics import MAX_KHAT
from mixtures.bayes.nuts import fit_nuts
from mixtures.bayes.posterior import Posterior
from mixtures.bayes.vi import VIInfo, fit_vi
from mixtures.families import GaussianParams
from mixtures.model import Mixture
from mixtures.priors import AbstractPrior, Conjugate, Decomposed, Hierarchical
from mixtures.sklearn.base import MixtureEstimator
from mixtures.sklearn.covariance_types import covariances_of, family_of
from mixtures.sklearn.precision import in_double, on_host, seed_of
from mixtures.sklearn.wording import ReadOnly, in_their_words, speaking_theirs

_STEPS = {"vi": 2000, "nuts": 1000}  # of each engine, where max_iter is None
_FIELDS = {  # of scikit-learn's names in our priors
    "weight_concentration_prior": "concentration",
    "mean_precision_prior": "shrinkage",
    "mean_prior": "mean",
    "degrees_of_freedom_prior": "dof",
    "covariance_prior": "scale",
}
_NUMBERED = (Conjugate, Decomposed, Hierarchical)  # priors in which such a field is what scikit-learn means by its name


def _of_prior(name: str, what: str) -> ReadOnly:
    """An attribute for one number of the fitted mixture's prior, which is absent where the prior has none."""
    field = _FIELDS[name]

    def value(estimator: "BayesianGaussianMixture") -> float | Float[np.ndarray, "..."]:
        prior = estimator.model_.prior
        if not (isinstance(prior, _NUMBERED) and hasattr(prior, field)):
            raise AttributeError(f"{name}_ is absent: the prior of this mixture, {type(prior).__name__}, has none.")
        found = np.array(getattr(prior, field))
        return found if found.ndim else float(found)

    value.__name__, value.__doc__ = f"{name}_", what
    return ReadOnly(value)


class BayesianGaussianMixture(MixtureEstimator):
    """Posterior of a Gaussian mixture: estimates are posterior means, predictions are averaged over its draws.

    Parameters
    ----------
    n_components
        K, at least 1.
    covariance_type
        As for `GaussianMixture`.
    engine
        ``"vi"``, an approximation that covers one mode, or ``"nuts"``, draws from the posterior itself.
    guide
        The kind of approximation, as for `mixtures.fit_vi`.
    prior
        One of `mixtures.priors`; None for the data-scaled default one, with those of its numbers changed that follow.
    weight_concentration_prior_type
        ``"dirichlet_distribution"``, the only one here: of a Dirichlet process there is no finite mixture to fit.
    weight_concentration_prior
        Dirichlet concentration of the weights, one number for all components; 1 if not given.
    mean_precision_prior
        Prior observations behind `mean_prior`, κ: μ_k | Σ_k ~ N(mean_prior, Σ_k / κ); 0.01 if not given.
    mean_prior
        Prior mean of the means, (D,); the mean of the data if not given.
    degrees_of_freedom_prior
        Degrees of freedom ν of the inverse-Wishart prior of covariances, over D − 1; D + 2 if not given.
    covariance_prior
        Its scale Λ: (D, D) for full and tied, (D,) for diagonal and a number for spherical covariances, whose variances
        are inverse-gamma(ν/2, Λ/2).
    n_init
        Starts of the optimisation (8 if None), or chains (4 if None).
    max_iter
        Steps of the optimisation (2000 if None), or warm-up iterations of each chain (1000 if None).
    n_draws
        Draws that are kept, of all chains together.
    n_predictive_draws
        Draws, spread evenly over those kept, that predictions are averaged over.
    random_state
        None, a number or a NumPy `RandomState`.
    verbose
        Print the outcome in words if positive.
    verbose_interval
        Taken for scikit-learn's sake, without effect: nothing is printed between steps.

    Attributes
    ----------
    weights_, means_, covariances_
        Posterior means of the relabelled draws, in the shapes of `GaussianMixture`; NaN where the engine did not
        converge, of which nothing should be concluded.
    precisions_, precisions_cholesky_
        Of `covariances_`, so not posterior means of precisions.
    converged_, status_
        Whether the draws may be used, and the outcome as a `mixtures.Status`.
    n_iter_, lower_bound_
        The steps of each start or chain, and the evidence lower bound in nats; NaN by NUTS, which has none.
    label_ambiguity_
        Between 0 (labels are plain) and ½ (arbitrary; estimates by component then mean nothing).
    weight_concentration_prior_, mean_precision_prior_, mean_prior_, degrees_of_freedom_prior_, covariance_prior_
        The prior's numbers, given or chosen, in the shapes of the arguments; absent where the prior has no such number.
    posterior_, model_
        What the engine returned, with NumPy arrays, and the mixture with its prior.
    n_features_in_, feature_names_in_
        As for every estimator.

    Notes
    -----
    `score_samples` is the log posterior predictive density of a new row, log E[p(x | θ)], and `predict_proba` the
    probability that a new row comes from each component, E[w_k p(x | θ_k)] / E[p(x | θ)]. scikit-learn's class of this
    name reports plug-in values of a mean-field approximation instead. Everything is computed in double precision.

    Of scikit-learn's arguments `tol`, `reg_covar`, `init_params` and `warm_start` have no meaning here, and are not
    taken: leave them out. The optimisation takes `max_iter` steps and is then judged by its drift and by k-hat, the
    prior keeps variances from zero, and every fit begins at starts of its own.
    """

    def __init__(
        self,
        n_components=1,
        *,
        covariance_type="full",
        engine="vi",
        guide="full_rank",
        prior=None,
        weight_concentration_prior_type="dirichlet_distribution",
        weight_concentration_prior=None,
        mean_precision_prior=None,
        mean_prior=None,
        degrees_of_freedom_prior=None,
        covariance_prior=None,
        n_init=None,
        max_iter=None,
        n_draws=4000,
        n_predictive_draws=500,
        random_state=None,
        verbose=0,
        verbose_interval=10,
    ):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.engine = engine
        self.guide = guide
        self.prior = prior
        self.weight_concentration_prior_type = weight_concentration_prior_type
        self.weight_concentration_prior = weight_concentration_prior
        self.mean_precision_prior = mean_precision_prior
        self.mean_prior = mean_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.covariance_prior = covariance_prior
        self.n_init = n_init
        self.max_iter = max_iter
        self.n_draws = n_draws
        self.n_predictive_draws = n_predictive_draws
        self.random_state = random_state
        self.verbose = verbose
        self.verbose_interval = verbose_interval

    weight_concentration_prior_ = _of_prior(
        "weight_concentration_prior", "Dirichlet concentration of the weights of every component."
    )
    mean_precision_prior_ = _of_prior("mean_precision_prior", "Prior observations behind `mean_prior_`.")
    mean_prior_ = _of_prior("mean_prior", "Prior mean of the means, (D,).")
    degrees_of_freedom_prior_ = _of_prior("degrees_of_freedom_prior", "Degrees of freedom of the prior of covariances.")
    covariance_prior_ = _of_prior("covariance_prior", "Scale of the prior of covariances.")

    @ReadOnly
    def weights_(self) -> Float[np.ndarray, " K"]:
        """Posterior mean of the share of each component."""
        return self._average(cast(GaussianParams, self.posterior_.params).weights)

    @ReadOnly
    def means_(self) -> Float[np.ndarray, "K D"]:
        """Posterior mean of the mean of each component."""
        return self._average(cast(GaussianParams, self.posterior_.params).means)

    @ReadOnly
    def covariances_(self) -> Float[np.ndarray, "..."]:
        """Posterior mean of covariances, in scikit-learn's shapes."""
        return self._average(covariances_of(cast(GaussianParams, self.posterior_.params)))

    def _average(self, draws) -> Float[np.ndarray, "..."]:
        """Mean over chains and draws; NaN where the engine did not converge."""
        return (1.0 if self.converged_ else np.nan) * np.mean(draws, axis=(0, 1))

    @in_double
    @speaking_theirs
    def fit(self, X, y=None) -> Self:
        """Fit to rows.

        Parameters
        ----------
        X
            Rows, (N, D), without missing values.
        y
            Ignored.

        Raises
        ------
        ValueError
            If an argument is wrong.
        """
        check_choice(
            "weight_concentration_prior_type", self.weight_concentration_prior_type, ("dirichlet_distribution",)
        )
        check_choice("engine", self.engine, tuple(_STEPS))
        check_count("n_predictive_draws", self.n_predictive_draws)
        x = self._rows(X, reset=True)
        self._keep(on_host(self._run(self._model(x), x)))
        return self

    def fit_predict(self, X, y=None):
        """Fit to rows and return the most probable component of each."""
        return self.fit(X, y).predict(X)

    def _draws(self) -> GaussianParams:
        params = cast(GaussianParams, self.posterior_.params)
        return evenly(params, min(self.n_predictive_draws, self.posterior_.log_joint.size))

    def _model(self, x: Float[np.ndarray, "N D"]) -> Mixture:
        given = {name: getattr(self, name) for name in _FIELDS if getattr(self, name) is not None}
        family, count = family_of(self.covariance_type), check_count("n_components", self.n_components)
        family.layout(count, x.shape[1])
        if self.prior is None:
            model = Mixture.for_data(x, count, family)
            return eqx.tree_at(lambda m: m.prior, model, _with(model.prior, given))
        if not isinstance(self.prior, AbstractPrior):
            raise ValueError(f"prior must be None or one of mixtures.priors; got {shown(self.prior)}.")
        if given:
            raise ValueError(f"{', '.join(given)} must be None where a whole prior is given.")
        return Mixture(family, count, self.prior)

    def _run(self, model: Mixture, x: Float[np.ndarray, "N D"]) -> Posterior:
        key = jax.random.key(seed_of(self.random_state))
        draws = check_count("n_draws", self.n_draws, least=100)
        if self.engine == "vi":
            starts, steps = _count("n_init", self.n_init, 8), _count("max_iter", self.max_iter, _STEPS["vi"])
            return fit_vi(model, x, key=key, guide=self.guide, num_starts=starts, num_steps=steps, num_samples=draws)
        chains, warmup = _count("n_init", self.n_init, 4), _count("max_iter", self.max_iter, _STEPS["nuts"])
        return fit_nuts(model, x, key=key, num_chains=chains, num_warmup=warmup, num_samples=-(-draws // chains))

    def _keep(self, posterior: Posterior) -> None:
        """Set what a fitted estimator has, and say what is wrong with it."""
        status, reason = posterior.status, in_their_words(posterior.reason)
        self.posterior_, self.model_, self.status_ = posterior, posterior.model, status
        self.converged_, self.n_iter_ = status.is_estimate, _count("max_iter", self.max_iter, _STEPS[self.engine])
        self.label_ambiguity_ = float(posterior.relabelling.ambiguity)
        self.lower_bound_ = float(posterior.info.elbo) if isinstance(posterior.info, VIInfo) else np.nan
        poor = isinstance(posterior.info, VIInfo) and not posterior.info.khat <= MAX_KHAT
        if self.verbose:
            print(reason)
        if not self.converged_:
            warnings.warn(f"{reason} Estimates are NaN.", ConvergenceWarning, stacklevel=5)
        elif poor:
            warnings.warn(reason, ConvergenceWarning, stacklevel=5)


def _count(name: str, value, default: int) -> int:
    return default if value is None else check_count(name, value)


def _with(prior: AbstractPrior, given: dict[str, object]) -> AbstractPrior:
    """The same prior with some of its numbers replaced, and checked as when it was made."""
    fields = {_FIELDS[name]: value for name, value in given.items()}
    missing = [name for name in given if not hasattr(prior, _FIELDS[name])]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} must be None for a covariance_type that shares volumes, shapes or orientations: the "
            "prior of its covariances has other parameters; give the whole prior."
        )
    for name, value in given.items():
        own, new = getattr(prior, _FIELDS[name]), as_float(name, value)
        if new.shape != own.shape:
            raise ValueError(f"{name} must have shape {own.shape} for this covariance_type; got {new.shape}.")
    if not fields:
        return prior
    changed = eqx.tree_at(
        lambda p: [getattr(p, n) for n in fields], prior, [jnp.asarray(v, float) for v in fields.values()]
    )
    changed.__check_init__()
    return changed
