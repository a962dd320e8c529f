"""`GaussianMixture`: maximum likelihood or posterior mode by EM."""

import warnings
from dataclasses import replace
from typing import Self, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from sklearn.exceptions import ConvergenceWarning

from mixtures._checks import as_tolerance, check_count, check_flag, shown
from mixtures._files import listed
from mixtures._status import Status
from mixtures.em.fit import EMFit, fit_em
from mixtures.families import GaussianParams
from mixtures.model import Mixture
from mixtures.priors import AbstractPrior, Flat
from mixtures.priors.floor import Floor
from mixtures.sklearn.base import MixtureEstimator
from mixtures.sklearn.covariance_types import covariances_of, family_of
from mixtures.sklearn.precision import in_double, on_host, seed_of
from mixtures.sklearn.rows import check_weights, condense, count_in, of_same_moments, refuse_flat_rows
from mixtures.sklearn.starting import start_name, starts_with
from mixtures.sklearn.wording import ReadOnly, UnboundedLikelihoodWarning, in_their_words, speaking_theirs

_AT_FLOOR = 1 + 1e-6  # times the floor: a variance that rounding alone keeps from it


class GaussianMixture(MixtureEstimator):
    """Gaussian mixture fitted by EM from many starts, which says when the likelihood has no maximum.

    Parameters
    ----------
    n_components
        K, at least 1.
    covariance_type
        ``"full"``, ``"tied"``, ``"diag"`` or ``"spherical"``, or any of the fourteen models of `mixtures.Gaussian`, by
        name or by mclust's code.
    tol
        Stop when the predicted remaining gain in the log-likelihood of all rows is below this many nats. (scikit-learn
        compares steps of the mean log-likelihood with its `tol`, which says little about what is still to gain.)
    reg_covar
        None, or 0: no floor; starts whose component collapses are set aside and reported. A number: the likelihood is
        maximised among mixtures without a principal variance below it, in squared data units. (scikit-learn adds its
        `reg_covar` to every variance in every M-step, which maximises nothing that could be written down.) Not
        together with a prior, nor for models that share volumes, shapes or orientations.
    max_iter
        E-steps allowed to each start.
    n_init
        Starts; the best interior maximum is kept. Ignored where all three `*_init` are given.
    init_params
        ``"mixed"``, ``"k-means++"``, ``"random_from_data"`` (rows, with random widths), ``"random"`` (random
        partitions) or ``"hierarchical"``: see `mixtures.fit_em`. ``"kmeans"``, scikit-learn's default, begins as
        ``"k-means++"`` does, since EM itself goes on from there.
    weights_init, means_init, precisions_init
        Values that every start begins with: (K,), (K, D), and the shape of `precisions_`.
    prior
        None for maximum likelihood, ``"default"`` for the posterior mode under the data-scaled default prior, or one of
        `mixtures.priors`.
    random_state
        None, a number or a NumPy `RandomState`, of the starts and of `sample`.
    warm_start
        Whether to start from the last fit, if there is one, and only there.
    verbose
        Print the outcome in words if positive.
    verbose_interval
        Taken for scikit-learn's sake, without effect: nothing is printed between steps.

    Attributes
    ----------
    weights_, means_, covariances_, precisions_, precisions_cholesky_
        Estimates, which cannot be set. Components are sorted by the first coordinate of their means, unless any
        `*_init` or a warm start gives them an order, which they keep. Covariances and precisions are (K, D, D) for
        full, (D, D) for tied, (K, D) for diagonal, (K,) for spherical, (D,) for tied_diagonal, () for tied_spherical,
        and else (K, D, D), or (K, D) where features are independent.
    converged_, n_iter_
        Whether these are a local maximum, and the E-steps that led there.
    lower_bound_
        Mean log-likelihood of a row of the training data, in nats, of these very parameters. (There is no
        `lower_bounds_`: steps are compiled, and only the last is kept.)
    status_, unbounded_
        The outcome as a `mixtures.Status`, and whether a start climbed towards infinity.
    on_floor_
        Whether each component's smallest principal variance is `reg_covar`, which then decides the answer, (K,).
    fit_, model_
        What `mixtures.fit_em` returned, with NumPy arrays, and the mixture, for `mixtures.standard_errors` and others.
    n_features_in_, feature_names_in_
        As for every estimator.

    Notes
    -----
    Missing values (NaN) are allowed, in fitting and in prediction. Repeated rows and rows weighted by `sample_weight`
    are the same data and give the same fit. Everything is computed in double precision, single-precision rows too.

    What did not converge is told by scikit-learn's `ConvergenceWarning`; a maximum that is only local, of a likelihood
    without bound or held by a floor, by `mixtures.sklearn.UnboundedLikelihoodWarning`.
    """

    _missing_allowed = True

    def __init__(
        self,
        n_components=1,
        *,
        covariance_type="full",
        tol=1e-8,
        reg_covar=None,
        max_iter=10_000,
        n_init=64,
        init_params="mixed",
        weights_init=None,
        means_init=None,
        precisions_init=None,
        prior=None,
        random_state=None,
        warm_start=False,
        verbose=0,
        verbose_interval=10,
    ):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.prior = prior
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval

    @ReadOnly
    def weights_(self) -> Float[np.ndarray, " K"]:
        """Share of each component."""
        return np.asarray(cast(GaussianParams, self.fit_.params).weights)

    @ReadOnly
    def means_(self) -> Float[np.ndarray, "K D"]:
        """Mean of each component."""
        return np.asarray(cast(GaussianParams, self.fit_.params).means)

    @ReadOnly
    def covariances_(self) -> Float[np.ndarray, "..."]:
        """Covariances, in scikit-learn's shapes."""
        return covariances_of(cast(GaussianParams, self.fit_.params))

    @in_double
    @speaking_theirs
    def fit(self, X, y=None, sample_weight=None) -> Self:
        """Fit to rows.

        Parameters
        ----------
        X
            Rows, (N, D); NaN is a value missing at random.
        y
            Ignored.
        sample_weight
            Weight of each row, (N,), at least 0; 2 is the row twice and 0 not at all.

        Raises
        ------
        ValueError
            If an argument is wrong, or no start ended in an interior maximum.
        """
        x = self._rows(X, reset=True)
        weights = check_weights(sample_weight, len(x))
        model = self._model(x, None if sample_weight is None else weights)
        values, folded = condense(x, weights)
        if type(model.prior) is Flat and family_of(self.covariance_type).model.cross_products:
            refuse_flat_rows(values)
        fit = self._run(model, values, folded)
        self._keep(model, on_host(count_in(fit, values, x, weights)), weights.sum())
        return self

    def fit_predict(self, X, y=None, sample_weight=None):
        """Fit to rows and return the most probable component of each; arguments as for `fit`."""
        return self.fit(X, y, sample_weight=sample_weight).predict(X)

    def aic(self, X, sample_weight=None) -> float:
        """Akaike's information criterion, 2p − 2ℓ: the lower, the better; weights count rows."""
        return 2.0 * self._n_parameters() - 2.0 * self._log_likelihood(X, sample_weight)[0]

    def bic(self, X, sample_weight=None) -> float:
        """Schwarz's information criterion, p log N − 2ℓ: the lower, the better; N is the sum of the weights."""
        log_likelihood, count = self._log_likelihood(X, sample_weight)
        return self._n_parameters() * float(np.log(count)) - 2.0 * log_likelihood

    def _log_likelihood(self, X, sample_weight) -> tuple[float, float]:
        each = self.score_samples(X)
        weights = check_weights(sample_weight, len(each))
        return float(weights @ each), float(weights.sum())

    def _n_parameters(self) -> int:
        return self.model_.num_parameters(self.n_features_in_)

    def _draws(self) -> GaussianParams:
        return jax.tree.map(lambda leaf: leaf[None], cast(GaussianParams, self.fit_.params))

    def _model(self, x: Float[np.ndarray, "N D"], weights: Float[np.ndarray, " N"] | None) -> Mixture:
        family, count = family_of(self.covariance_type), check_count("n_components", self.n_components)
        family.layout(count, x.shape[1])
        if self.reg_covar not in (None, 0):
            if self.prior is not None:
                raise ValueError("reg_covar must be None where there is a prior: both keep variances from zero.")
            as_tolerance("reg_covar", self.reg_covar, float)
            return Mixture(family, count, Floor(self.reg_covar, np.ones(x.shape[1])))
        if isinstance(self.prior, str) and self.prior == "default":
            return Mixture.for_data(x if weights is None else of_same_moments(x, weights), count, family)
        if self.prior is not None and not isinstance(self.prior, AbstractPrior):
            raise ValueError(f"prior must be None, 'default' or one of mixtures.priors; got {shown(self.prior)}.")
        return Mixture(family, count, self.prior)

    def _run(self, model: Mixture, values: Float[np.ndarray, "M D"], weights: Float[np.ndarray, " M"]) -> EMFit:
        check_flag("warm_start", self.warm_start)
        key = jax.random.key(seed_of(self.random_state))
        start, num_starts = start_name(self.init_params), check_count("n_init", self.n_init)
        given = {name: getattr(self, name) for name in ("weights_init", "means_init", "precisions_init")}
        warm = self.warm_start and hasattr(self, "fit_")
        in_order = warm or any(value is not None for value in given.values())
        if warm:
            start = self.fit_.params
        elif in_order or isinstance(model.prior, Floor):
            start = starts_with(model, values, key, start, num_starts, given)
        fit = fit_em(
            model,
            values,
            key=key,
            objective="ml" if type(model.prior) is Flat else "map",
            start=start,
            num_starts=num_starts,
            max_steps=check_count("max_iter", self.max_iter),
            atol=self.tol,
            weights=weights,
            # With labels, though none is known, components keep the order that they begin in.
            labels=np.full(len(values), -1) if in_order else None,
        )
        # Under a floor EM climbs the likelihood, and the fit should say so.
        return replace(fit, objective="ml") if isinstance(model.prior, Floor) else fit

    def _keep(self, model: Mixture, fit: EMFit, count: float) -> None:
        """Set what a fitted estimator has, and say what is wrong with it."""
        reason = in_their_words(fit.reason)
        if fit.status in (Status.DEGENERATE, Status.NON_FINITE):
            raise ValueError(f"{reason} Or set a floor under variances, reg_covar, which then decides the answer.")
        self.fit_, self.model_ = fit, on_host(model)
        self.status_, self.unbounded_ = fit.status, bool(fit.unbounded)
        self.converged_, self.n_iter_ = fit.status.is_estimate, int(fit.num_steps)
        self.lower_bound_ = float(fit.log_likelihood) / count
        floor = float(model.prior.least) if isinstance(model.prior, Floor) else 0.0
        self.on_floor_ = _narrowest(cast(GaussianParams, fit.params)) <= floor * _AT_FLOOR
        if self.on_floor_.any():
            reason = f"{reason} {_say_floor(self.on_floor_, floor)}"
        if self.verbose:
            print(reason)
        if not self.converged_:
            warnings.warn(reason, ConvergenceWarning, stacklevel=5)
        elif self.unbounded_ or self.on_floor_.any():
            warnings.warn(reason, UnboundedLikelihoodWarning, stacklevel=5)


def _narrowest(params: GaussianParams) -> Float[np.ndarray, " K"]:
    """The smallest principal variance of each component."""
    return np.linalg.eigvalsh(np.asarray(jax.tree.map(jnp.asarray, params).covariances)).min(axis=-1)


def _say_floor(on_floor: Bool[np.ndarray, " K"], floor: float) -> str:
    """Which components lie on the floor, counted from 1."""
    where = [str(k + 1) for k in np.flatnonzero(on_floor)]
    lies = f"Components {listed(where)} lie" if len(where) > 1 else f"Component {where[0]} lies"
    return f"{lies} on the floor: reg_covar={floor:g} decides the answer, and another floor gives another one."
