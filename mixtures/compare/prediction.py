"""Fair prediction: EM's cross-validated density of every row against the posterior's leave-one-out density."""

from dataclasses import dataclass

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, Real

from mixtures._cards import Card, Shown
from mixtures._checks import as_rows
from mixtures._numbers import fixed, plus_minus, signed
from mixtures.bayes.loo import Loo, loo
from mixtures.bayes.posterior import Posterior
from mixtures.em.cross_validation import CrossValidation, cross_validate
from mixtures.em.fit import EMFit
from mixtures.model import Mixture

# Predictions differ by so many standard errors: a normal interval of 95 % that leaves out nought.
MIN_ERRORS = 2.0
_DENSITIES = 16_000_000  # draws × rows at which the posterior's densities are evaluated; beyond, rows are sampled,
_FEWEST_ROWS = 1000  # but no fewer than these
_STARTS = 8  # random starts of each fold, beside the fit to all rows
_STARTED = 100_000  # rows × random starts of each fold, at most; each fold has one
_FOLDS, _MANY_ROWS, _FEWER_FOLDS = 10, 50_000, 5  # fewer where a fit takes long, what they cost being corrected


@dataclass(frozen=True)
class Prediction(Shown):
    """Log density of rows that were not fitted, in nats: `em` by cross-validation, `posterior` by PSIS-LOO.

    In-sample likelihoods are never compared. A posterior does without a row at a time, and EM without a tenth of them,
    which costs it about 5 % of the number of parameters, in nats: EM's scores here are `em.corrected`, free of that.
    """

    em: CrossValidation
    posterior: Loo

    @property
    def pointwise(self) -> Float[np.ndarray, " M"]:
        """EM's score minus the posterior's, for each row that has both."""
        return np.asarray(self.em.corrected.log_density)[self.posterior.rows] - self.posterior.pointwise

    @property
    def difference(self) -> float:
        """EM's score minus the posterior's, summed over all rows, in nats; NaN where EM has none."""
        return float("nan") if self.em.failed else self.posterior.num_rows * float(self.pointwise.mean())

    @property
    def standard_error(self) -> float:
        """Of `difference`, from the rows' own differences."""
        if self.em.failed:
            return float("nan")
        return self.posterior.num_rows * float(self.pointwise.std(ddof=1)) / np.sqrt(len(self.pointwise))

    @property
    def reason(self) -> str:
        """Which predicts better, in words, and what speaks against relying on it."""
        if not np.isfinite(self.difference):
            return f"EM's prediction could not be measured: {self.em.reason or 'there is no fit to all rows.'}"
        gap, error = self.difference, self.standard_error
        if self.posterior.caution:
            return self.posterior.caution
        better = "EM" if gap > 0 else "the posterior"
        clear = abs(gap) > MIN_ERRORS * error
        verdict = f"{better} predicts new rows better" if clear else "neither predicts new rows clearly better"
        told = f"On rows left out {verdict}: EM minus posterior {signed(gap, 2)} ± {fixed(error, 2)} nats."
        used = len(self.posterior.rows)
        sample = f"Estimated from {used} of {self.posterior.num_rows} rows." if used < self.posterior.num_rows else ""
        doubts = [words for words in (sample, self.em.reason, self.posterior.doubt) if words]
        return " ".join([told, *doubts])

    def card(self) -> Card:
        """Who predicts rows left out better."""
        title = "Prediction of rows left out"
        if self.posterior.caution:
            return Card(f"{title}: not to be relied on", [self.reason])
        if not np.isfinite(self.difference):
            return Card(f"{title}: not measured", [self.reason])
        return Card(
            f"{title}: EM minus posterior {plus_minus(self.difference, self.standard_error)} nats", [self.reason]
        )


def predict_fairly(
    model: Mixture, x: Real[ArrayLike, "N *D"], fit: EMFit, posterior: Posterior, *, key: Key[Array, ""]
) -> Prediction:
    """Compare how EM and a posterior predict rows they have not seen.

    Parameters
    ----------
    model
        The mixture that was fitted.
    x
        The data that were fitted, (N,) or (N, D).
    fit
        The fit, from `fit_em`; repeated without each of ten folds (five of more than 50,000 rows), by its objective.
    posterior
        Draws from `fit_nuts`, `fit_gibbs` or `fit_smc`.
    key
        Random key of the folds. Where there are many rows the posterior is scored on a sample of them, which is
        the same for all keys, so that predictions of the same data can be compared row by row.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    rows = as_rows(x)
    folds = min(len(rows), _FEWER_FOLDS if len(rows) > _MANY_ROWS else _FOLDS)
    starts = max(1, min(_STARTS, _STARTED // len(rows)))
    em = cross_validate(model, rows, key=key, num_folds=folds, objective=fit.objective, fit=fit, num_starts=starts)
    most = max(_FEWEST_ROWS, _DENSITIES // posterior.log_joint.size)
    return Prediction(em, loo(posterior, rows, max_rows=most))
