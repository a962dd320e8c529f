"""What both estimators share: everything that follows from draws of the parameters, of which a fit is a single one."""

import abc
from typing import Any, Self, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.special import logsumexp, softmax
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from mixtures._checks import check_count
from mixtures._kernel import Rows
from mixtures._trees import map_in_blocks
from mixtures.families import Gaussian, GaussianParams
from mixtures.model import Mixture
from mixtures.sklearn.covariance_types import precisions, precisions_cholesky
from mixtures.sklearn.precision import in_double, seed_of
from mixtures.sklearn.rows import check_weights, padded_size
from mixtures.sklearn.wording import ReadOnly


class MixtureEstimator(DensityMixin, BaseEstimator, abc.ABC):
    """Prediction, scores and samples of a fitted mixture, in double precision."""

    _missing_allowed = False
    random_state: Any
    n_features_in_: int
    model_: Mixture

    @property
    @abc.abstractmethod
    def covariances_(self) -> Float[np.ndarray, "..."]:
        """Covariances, in scikit-learn's shapes."""

    @abc.abstractmethod
    def fit(self, X, y=None) -> Self:
        """Fit the mixture to rows."""

    @abc.abstractmethod
    def _draws(self) -> GaussianParams:
        """Parameters with a leading axis, over which densities are averaged."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._missing_allowed
        return tags

    def _rows(self, X, reset: bool = False) -> Float[np.ndarray, "N D"]:
        finite = "allow-nan" if self._missing_allowed else True
        least = 2 if reset else 1
        x = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite=finite, ensure_min_samples=least)
        return np.asarray(x)

    @property
    def _covariance(self) -> str:
        return cast(Gaussian, self.model_.family).covariance

    @ReadOnly
    def precisions_cholesky_(self) -> Float[np.ndarray, "..."]:
        """Factors of the inverses of `covariances_`: upper triangular, or inverse square roots of variances."""
        return precisions_cholesky(self._covariance, self.covariances_)

    @ReadOnly
    def precisions_(self) -> Float[np.ndarray, "..."]:
        """Inverses of `covariances_`, in the same shape."""
        return precisions(self._covariance, self.precisions_cholesky_)

    @in_double
    def _log_joint(self, X) -> Float[np.ndarray, "N K"]:
        """Log of the average over draws of w_k p(x_n | θ_k)."""
        check_is_fitted(self)
        x = self._rows(X)
        complete = not np.isnan(x).any()
        # Few sizes, few programs.
        padded = x[np.arange(padded_size(len(x))) % len(x)] if complete else x
        rows = self.model_.prepare(padded, accurate=True)
        return np.asarray(_average(self.model_.without_prior(), self._draws(), rows)).T[: len(x)]

    def score_samples(self, X) -> Float[np.ndarray, " N"]:
        """Log density of each row, in nats; of what is observed of it where values are missing.

        Parameters
        ----------
        X
            Rows, (N, D).
        """
        return np.asarray(logsumexp(self._log_joint(X), axis=1))

    def score(self, X, y=None, sample_weight=None) -> float:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Mean log density of a row, in nats; weighted by `sample_weight`, (N,), where that is given.

        Raises
        ------
        ValueError
            If the weights do not suit the rows.
        """
        each = self.score_samples(X)
        return float(np.average(each, weights=check_weights(sample_weight, len(each))))

    def predict_proba(self, X) -> Float[np.ndarray, "N K"]:
        """Probability that each row came from each component."""
        return softmax(self._log_joint(X), axis=1)

    def predict(self, X) -> Int[np.ndarray, " N"]:
        """The most probable component of each row."""
        return self._log_joint(X).argmax(axis=1)

    @in_double
    def sample(self, n_samples: int = 1) -> tuple[Float[np.ndarray, "N D"], Int[np.ndarray, " N"]]:
        """Draw rows and the component each came from, sorted by component.

        Parameters
        ----------
        n_samples
            How many rows.

        Raises
        ------
        ValueError
            If that is no positive whole number.
        """
        check_is_fitted(self)
        count = check_count("n_samples", n_samples)
        key_draw, key_rows = jax.random.split(jax.random.key(seed_of(self.random_state)))
        draws = self._draws()
        chosen = jax.random.randint(key_draw, (count,), 0, len(draws.weights))
        x, y = map(np.asarray, _sample_each(self.model_.without_prior(), draws, chosen, key_rows))
        order = np.argsort(y, kind="stable")
        return x[order], y[order]


@eqx.filter_jit
def _average(model: Mixture, draws: GaussianParams, rows: Rows) -> Float[Array, "K N"]:
    """Log of the mean over draws, one after another, so that nothing larger than K × N is held."""

    def add(total, draw):
        return jnp.logaddexp(total, model.family.log_densities(draw, rows)), None

    nothing = jnp.full((model.num_components, rows.num_rows), -jnp.inf)
    total, _ = jax.lax.scan(add, nothing, draws)
    return total - jnp.log(draws.weights.shape[0])


@eqx.filter_jit
def _sample_each(model: Mixture, draws: GaussianParams, chosen: Int[Array, " N"], key):
    """A row from each chosen draw."""

    def one(case):
        draw, own = case
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf)[draw], draws)
        x, y = model.family.sample(params, own, 1)
        return x[0], y[0]

    return map_in_blocks(one, (chosen, jax.random.split(key, len(chosen))), 256)
