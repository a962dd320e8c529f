"""The bootstrap: the fit repeated on resampled data, every replicate in one compiled call."""

from collections import Counter
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Integer, Key, Real

from mixtures._cards import Card, Shown
from mixtures._checks import (
    as_rows,
    as_tolerance,
    check_choice,
    check_count,
    check_data,
    check_key,
    check_share,
    has_missing,
)
from mixtures._kernel import Rows
from mixtures._status import Status
from mixtures._trees import choose
from mixtures.em import race
from mixtures.em.fit import EMFit, check_fit
from mixtures.families import AbstractParams
from mixtures.labels import relabel
from mixtures.model import Mixture

KINDS = ("nonparametric", "weighted", "parametric")
MOST_FAILED = 0.05  # share of replicates without an interior maximum, above which the rest is a biased sample


class Bootstrap(eqx.Module, Shown):
    """Parameters of B replicates, with labels aligned to those of the fit; NaN for those that gave no estimate.

    `status` says of each replicate how it ended; only converged ones enter standard errors and intervals.
    """

    params: AbstractParams
    status: Int[Array, " B"]
    model: Mixture
    kind: str = eqx.field(static=True)

    @property
    def failed(self) -> int:
        """How many replicates found no interior maximum, or did not converge."""
        return int((self.status != Status.CONVERGED).sum())

    @property
    def refused(self) -> bool:
        """Whether too many replicates failed for the others to stand for all."""
        return self.failed > MOST_FAILED * self.status.shape[0]

    @property
    def reason(self) -> str:
        """Why the bootstrap is refused, or an empty string."""
        if not self.refused:
            return ""
        ends = Counter(Status(code) for code in self.status.tolist() if code != Status.CONVERGED)
        told = ", ".join(f"{hits} {status.label.replace('_', ' ')}" for status, hits in ends.most_common())
        total = self.status.shape[0]
        return f"{self.failed} of {total} replicates gave no estimate ({told}): the others are no fair sample."

    @property
    def values(self) -> dict[str, np.ndarray]:
        """Standard errors, with the names and shapes of ``model.family.estimates``; NaN where refused."""
        estimates = self.model.family.estimates(self.params)
        return {name: self._over(value, lambda v: v.std(axis=0, ddof=1)) for name, value in estimates.items()}

    def interval(
        self, function: Callable[[AbstractParams], Array], level: float = 0.89
    ) -> tuple[np.ndarray, np.ndarray]:
        """Central percentile interval of any function of the parameters; NaN where refused (Efron 1979).

        Raises
        ------
        ValueError
            If `level` does not lie between 0 and 1.
        """
        check_share("level", level)
        draws = jax.vmap(function)(self.params)
        tails = (1 - level) / 2, (1 + level) / 2
        low, high = self._over(draws, lambda v: np.quantile(v, tails, axis=0))
        return low, high

    def card(self) -> Card:
        """Every free parameter's standard error and interval, or why there are none."""
        title = f"Bootstrap, {self.kind}, {len(self.status)} replicates: {'refused' if self.refused else 'sound'}"
        if self.refused:
            return Card(title, [self.reason])
        family, errors = self.model.family, self.values
        free = self.model.numbered_estimates(family.locations(self.params).shape[-1])
        low, high = self.interval(lambda p: jnp.stack([family.estimates(p)[one.key][one.entry] for one in free]))
        rows = [(one.name, errors[one.key][one.entry], low[i], high[i]) for i, one in enumerate(free)]
        words = [f"{self.failed} replicates gave no estimate and were left out."] * (self.failed > 0)
        return Card(title, words, ("parameter", "standard error", "5.5 %", "94.5 %"), rows)

    def _batch_shape(self) -> tuple[int, ...]:
        return self.status.shape[:-1]

    def _over(self, draws: Array, summary):
        converged = np.asarray(self.status) == Status.CONVERGED
        values = np.asarray(draws)
        if self.refused:  # perhaps none converged: all are asked for the shape alone
            return np.full_like(summary(values), np.nan)
        return summary(values[converged])


def bootstrap(
    model: Mixture,
    fit: EMFit,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    kind: str = "nonparametric",
    num_replicates: int = 1000,
    max_steps: int = 2000,
    atol: float = 1e-6,
    weights: Real[ArrayLike, " N"] | None = None,
    labels: Integer[ArrayLike, " N"] | None = None,
) -> Bootstrap:
    """Repeat a fit on resampled data, starting each time from the fit itself.

    Parameters
    ----------
    model
        The mixture that was fitted.
    fit
        The fit, from `fit_em`; its objective is maximised again.
    x
        The data that were fitted, (N,) or (N, D). NaN is a value missing at random.
    key
        Random key of the resampling.
    kind
        ``"nonparametric"``: rows drawn with replacement (Efron 1979). ``"weighted"``: rows weighted by N times a
        uniform Dirichlet (Rubin 1981; Newton and Raftery 1994), so that none is left out. ``"parametric"``: rows drawn
        from the fitted mixture (McLachlan and Peel 2000, section 2.16), for complete data with no known rows.
    num_replicates
        B, how many.
    max_steps, atol
        As for `fit_em`, of each replicate.
    weights, labels
        What the fit was given. A weight of 2 is the row twice here too: each copy is drawn, or weighted, by itself.

    Returns
    -------
    Bootstrap
        Replicates with components matched to those of the fit by assignment on their responsibilities.

    Raises
    ------
    ValueError
        If an argument is wrong, the fit is not an estimate, or rows cannot be simulated as these were observed.
    """
    check_key(key)
    check_choice("kind", kind, KINDS)
    num_replicates = check_count("num_replicates", num_replicates, least=2)
    data = as_rows(x)
    check_fit(model, fit, data)
    if not fit.status.is_estimate:
        raise ValueError(f"fit must be an estimate to be repeated; it is not: {fit.reason}")
    check_data(data, model.num_components, missing_allowed=True)
    if kind == "parametric" and (labels is not None or has_missing(data)):
        raise ValueError(
            "kind='parametric' needs complete rows of unknown components: how values came to be missing, or rows to be "
            "known, is no part of the mixture; use 'nonparametric' or 'weighted'."
        )
    target = model.for_objective(fit.objective)
    settings = as_tolerance("atol", atol, data.dtype), jnp.int32(check_count("max_steps", max_steps))
    rows = target.prepare(data, race.lanes(len(data), model, num_replicates), weights, labels)
    num_drawn = max(1, round(float(jnp.sum(rows.weights))))
    params, status = replicates(target, fit.params, rows, key, kind, num_replicates, num_drawn, *settings)
    return Bootstrap(params, status, model, kind)


@eqx.filter_jit
def replicates(model, params, rows: Rows, key, kind: str, num_replicates: int, num_drawn: int, atol, limit):
    """Parameters (B, …) of the fit repeated from `params`, NaN where it failed, and how each ended."""
    resample = {"nonparametric": _drawn_again, "weighted": _weighted, "parametric": _simulated}[kind]
    keys = jax.random.split(key, num_replicates)

    def resampled(number):
        return resample(model, params, rows, keys[number], num_drawn)

    together = race.lanes(rows.num_rows, model, num_replicates)
    ended = race.climb_each(model, resampled, params, num_replicates, together, atol, limit)
    # A failed replicate has no labels, and its responsibilities may be NaN: the fit stands in for it.
    sound = ended.status == Status.CONVERGED
    found = choose(sound, ended.params, params)
    aligned, _ = relabel(model, rows, jax.tree.map(lambda leaf: leaf[None], found), params)
    estimates = jax.tree.map(lambda leaf: leaf[0], aligned)
    return choose(sound, estimates, jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), estimates)), ended.status


def _drawn_again(model: Mixture, params: AbstractParams, rows: Rows, key: Key[Array, ""], num_drawn: int) -> Rows:
    weights = rows.row_weights()
    shares = jnp.cumsum(weights)
    drawn = jnp.searchsorted(shares, shares[-1] * jax.random.uniform(key, (num_drawn,), weights.dtype), side="right")
    counts = jnp.zeros_like(weights).at[drawn].add(1.0)
    return rows.reweighted(counts * (shares[-1] / num_drawn))


def _weighted(model: Mixture, params: AbstractParams, rows: Rows, key: Key[Array, ""], num_drawn: int) -> Rows:
    drawn = jax.random.gamma(key, rows.row_weights())
    return rows.reweighted(drawn * (jnp.sum(rows.weights) / jnp.sum(drawn)))


def _simulated(model: Mixture, params: AbstractParams, rows: Rows, key: Key[Array, ""], num_drawn: int) -> Rows:
    drawn: Float[Array, "N D"] = model.sample(params, key, num_drawn)[0]
    return Rows.prepare(drawn, rows.form, model.num_components, 1)
