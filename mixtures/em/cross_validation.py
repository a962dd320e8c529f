"""Cross-validation: how well a mixture fitted to some rows describes the others."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, Real

from mixtures._cards import Card, Shown
from mixtures._checks import as_rows, as_tolerance, as_weights, check_choice, check_count, check_data, check_key
from mixtures._kernel import Rows
from mixtures._numbers import plus_minus
from mixtures._status import Status
from mixtures._trees import map_in_blocks
from mixtures.em.fit import EMFit, check_fit, fit_em, refuse_unbounded_weights
from mixtures.em.refit import refit, refits_at_once
from mixtures.families import AbstractParams
from mixtures.model import Mixture, check_model
from mixtures.starts import random_starts


class CrossValidation(eqx.Module, Shown):
    """Log density of every row under the mixture fitted without its fold, in nats; NaN where that fit failed.

    `fold` is the fold of each row and `status` how the fit without it ended. A fit that ended INTERIOR counts as one,
    with a remark in `reason`; any worse outcome leaves `total`, `mean` and `standard_error` NaN. `bias` is what each
    row's score differs by because folds are fitted to fewer rows than there are, about −d/2(F − 1) nats in all for d
    parameters and F folds; NaN where there is no fit to all rows. `corrected` is free of it.
    """

    log_density: Float[Array, " N"]
    bias: Float[Array, " N"]
    weights: Float[Array, " N"]
    fold: Int[Array, " N"]
    status: Int[Array, " F"]

    @property
    def failed(self) -> int:
        """How many folds have no interior maximum, or did not converge."""
        return sum(not Status(code).is_estimate for code in self.status.tolist())

    @property
    def total(self) -> float:
        """Sum over rows, weighted: to compare with a log-likelihood; NaN where a fold failed."""
        return float(jnp.sum(self.weights)) * self.mean

    @property
    def mean(self) -> float:
        """Nats per row; NaN where a fold failed."""
        return self._mean_and_error(self.log_density)[0] if not self.failed else np.nan

    @property
    def standard_error(self) -> float:
        """Standard error of `mean`, as if the folds' fits were independent of their rows and of each other."""
        return self._mean_and_error(self.log_density)[1] if not self.failed else np.nan

    @property
    def reason(self) -> str:
        """What became of the folds, where anything did; else an empty string."""
        num_folds = self.status.shape[0]
        if self.failed:
            first = next(Status(code) for code in self.status.tolist() if not Status(code).is_estimate)
            return f"{self.failed} of {num_folds} folds gave no estimate, so there is no average. {first.message}"
        unbounded = int((self.status == Status.INTERIOR).sum())
        if unbounded:
            return (
                f"In {unbounded} of {num_folds} folds a start collapsed, because the objective is unbounded; their "
                "largest interior maxima stand for them."
            )
        return ""

    @property
    def corrected(self) -> "CrossValidation":
        """The same without `bias`: an estimate for the mixture fitted to all rows, not to those of a fold.

        log p₋f(x) + log p(x) − Σ_g (n_g/N) log p₋g(x) for a row x of fold f, p being the fit to all rows, p₋g that
        without the n_g rows of fold g (Burman 1989, section 2; Davison and Hinkley 1997, eq. 6.48).
        """
        return eqx.tree_at(lambda c: (c.log_density, c.bias), self, (self.log_density - self.bias, 0 * self.bias))

    def card(self) -> Card:
        """The mean log density of rows left out, or why there is none."""
        told = f"{plus_minus(self.mean, self.standard_error)} nats per row"
        title = f"Cross-validation, {len(self.status)} folds: {'no average' if self.failed else told}"
        return Card(title, [self.reason])

    def _batch_shape(self) -> tuple[int, ...]:
        return self.status.shape[:-1]

    def minus(self, other: "CrossValidation") -> tuple[float, float]:
        """Difference of two means in nats per row, and its standard error from the rows' own differences.

        Raises
        ------
        ValueError
            If the two were not made on the same folds: give both the same key and number of folds.
        """
        if self.fold.shape != other.fold.shape or bool(jnp.any(self.fold != other.fold)):
            raise ValueError("Only results on the same folds can be compared; give both the same key and num_folds.")
        if self.failed or other.failed:
            return np.nan, np.nan
        return self._mean_and_error(self.log_density - other.log_density)

    def _mean_and_error(self, values: Float[Array, " N"]) -> tuple[float, float]:
        total = jnp.sum(self.weights)
        mean = jnp.sum(self.weights * values) / total
        return float(mean), float(jnp.sqrt(jnp.sum(self.weights * (values - mean) ** 2) / (total - 1) / total))


def cross_validate(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    num_folds: int = 10,
    objective: str = "map",
    fit: EMFit | None = None,
    num_starts: int = 8,
    max_steps: int = 2000,
    atol: float = 1e-6,
    weights: Real[ArrayLike, " N"] | None = None,
) -> CrossValidation:
    """Cross-validated log-likelihood (Smyth 2000): each fold's rows under the mixture fitted to all other rows.

    Parameters
    ----------
    model
        What to fit. Its prior stays as it is: one scaled to the data has seen every row's part in their scale.
    x
        Data, (N,) or (N, D). NaN is a value missing at random.
    key
        Random key of the folds and starts. The folds depend on nothing but it, N and `num_folds`.
    num_folds
        How many folds of equal size, or of sizes that differ by one; N of them leave out one row at a time.
    objective
        As for `fit_em`. The default, ``"map"``, keeps variances from zero where the model has a proper prior (without
        any prior it is maximum likelihood); with ``"ml"`` a fold's likelihood may be unbounded.
    fit
        The fit of the same model, by the same objective, to all rows, which is a start of every fold; made anew if not
        given.
    num_starts
        Random starts of each fold, beside that.
    max_steps, atol
        As for `fit_em`, of each fold.
    weights
        Positive weight of each row, (N,); a weight of 2 is the row twice.

    Returns
    -------
    CrossValidation
        `mean` with its `standard_error` in nats per row, both NaN, with a `reason`, if any fold's fit failed. They are
        of mixtures fitted to the rows of all other folds, as is usual; `corrected` holds those of one fitted to all.

    Raises
    ------
    ValueError
        If an argument is wrong, or N is smaller than the number of folds.
    """
    check_model(model)
    check_key(key)
    check_choice("objective", objective, ("map", "ml"))
    num_folds, num_starts = check_count("num_folds", num_folds, least=2), check_count("num_starts", num_starts)
    data = as_rows(x)
    check_data(data, model.num_components, missing_allowed=True)
    if num_folds > len(data):
        raise ValueError(f"num_folds must be at most the number of rows, {len(data)}; got {num_folds}.")
    if objective == "map":
        refuse_unbounded_weights(model, data.shape[1])
    settings = as_tolerance("atol", atol, data.dtype), jnp.int32(check_count("max_steps", max_steps))
    weights = as_weights(weights, len(data))

    key_folds, key_fit, key_starts = jax.random.split(key, 3)
    fold = jax.random.permutation(key_folds, jnp.arange(len(data)) % num_folds)
    if fit is None:
        fit = fit_em(model, data, key=key_fit, objective=objective, num_starts=2 * num_starts, weights=weights)
    check_fit(model, fit, data, objective)
    target = model.for_objective(objective)
    rows = target.prepare(data, num_starts, weights)
    filled = rows.frame.fill(data)
    found = _folds(target, rows, filled, fold, fit.params, key_starts, num_folds, num_starts, *settings)
    log_density, average, whole, status = found
    return CrossValidation(log_density, average - whole, rows.row_weights(), fold, status)


@eqx.filter_jit
def _folds(
    model: Mixture,
    rows: Rows,
    x: Float[Array, "N D"],
    fold: Int[Array, " N"],
    whole: AbstractParams,
    key: Key[Array, ""],
    num_folds: int,
    num_starts: int,
    atol,
    limit,
) -> tuple[Float[Array, " N"], Float[Array, " N"], Float[Array, " N"], Int[Array, " F"]]:
    """Log density of rows left out, on average over the folds' fits, and under the fit to all; and how fits ended."""
    weights = rows.row_weights()
    starts = random_starts(model, x, key, num_folds * num_starts)
    starts = jax.tree.map(lambda leaf: leaf.reshape(num_folds, num_starts, *leaf.shape[1:]), starts)
    found = jnp.all(jnp.isfinite(whole.weights))

    def fit_others(case):
        number, random = case
        first = jax.tree.map(lambda a, b: jnp.where(found, a, b[0]), whole, random)
        given = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, random)
        return refit(model, rows.reweighted(jnp.where(fold == number, 0.0, weights)), given, atol, limit)

    together = refits_at_once(rows.num_rows, model.num_components, num_starts + 1)
    fits = map_in_blocks(fit_others, (jnp.arange(num_folds), starts), together)

    def look_up(so_far, case):
        (log_density, average), (number, params) = so_far, case
        left_out, everywhere = fold == number, model.log_prob(params, rows)
        share = jnp.sum(jnp.where(left_out, weights, 0.0)) / jnp.sum(weights)
        return (jnp.where(left_out, everywhere, log_density), average + share * everywhere), None

    unknown, nothing = jnp.full(rows.num_rows, jnp.nan, x.dtype), jnp.zeros(rows.num_rows, x.dtype)
    (log_density, average), _ = jax.lax.scan(look_up, (unknown, nothing), (jnp.arange(num_folds), fits.params))
    return log_density, average, model.log_prob(whole, rows), fits.status
