"""Data simulated from a posterior or a prior, and what real data have that simulated ones do not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, Real

from mixtures._cards import Card, Shown, by_entry
from mixtures._checks import as_rows, check_count, check_data, check_key, check_type
from mixtures._numbers import number, percent
from mixtures._trees import evenly, map_draws
from mixtures.bayes.boundary import admit_draws, admit_model, check_draws
from mixtures.bayes.posterior import Posterior
from mixtures.families import AbstractParams
from mixtures.model import Mixture

type Statistic = Callable[[Float[Array, "N D"]], Float[Array, "..."]]

_UNUSUAL = 0.01  # two-sided tail probability below which a statistic is said to be out of the model's reach
_FEWEST = 200  # simulations: with fewer no tail probability could be that small


def _standard(x: Float[Array, "N D"]) -> Float[Array, "N D"]:
    return (x - jnp.mean(x, axis=0)) / jnp.std(x, axis=0)


def _correlations(x: Float[Array, "N D"]) -> Float[Array, " P"]:
    rows, columns = np.triu_indices(x.shape[1], 1)
    z = _standard(x)
    return (z.T @ z / len(x))[rows, columns]


STATISTICS: dict[str, Statistic] = {
    "mean": lambda x: jnp.mean(x, axis=0),
    "sd": lambda x: jnp.std(x, axis=0),
    "skewness": lambda x: jnp.mean(_standard(x) ** 3, axis=0),
    "excess kurtosis": lambda x: jnp.mean(_standard(x) ** 4, axis=0) - 3,
    "minimum": lambda x: jnp.min(x, axis=0),
    "maximum": lambda x: jnp.max(x, axis=0),
    "largest gap": lambda x: jnp.max(jnp.diff(jnp.sort(x, axis=0), axis=0), axis=0),
    "correlation": _correlations,
}


@dataclass(frozen=True)
class PredictiveCheck(Shown):
    """Statistics of the data, and of data sets of the same size simulated under draws of the parameters.

    `observed[name]` has the statistic's own shape, and `simulated[name]` one more axis, of draws, before it. They are
    of `num_used` rows: all `num_rows`, or a random sample of them. `columns` are the features' names, if they have any.
    """

    observed: dict[str, Float[np.ndarray, "..."]]
    simulated: dict[str, Float[np.ndarray, "S ..."]]
    num_used: int
    num_rows: int
    columns: tuple[str, ...] = ()
    caution: str = ""  # where the draws are not to be used

    @property
    def tails(self) -> dict[str, Float[np.ndarray, "..."]]:
        """Two-sided tail probability of each statistic: twice the smaller share of data sets on one side of it.

        The data count as one of them (Davison and Hinkley 1997, section 4.2), and simulations without a number, such as
        the skewness of equal rows, on both sides. Under the posterior these are conservative, as the data were used to
        fit (Gelman, Meng and Stern 1996).
        """
        found = {}
        for name, value in self.observed.items():
            simulated = self.simulated[name]
            beyond = [(~(side * simulated < side * value)).sum(axis=0) for side in (1, -1)]
            tail = np.minimum(1.0, 2 * (np.minimum(*beyond) + 1) / (len(simulated) + 1))
            found[name] = np.where(np.isnan(value), np.nan, tail)
        return found

    @property
    def passed(self) -> bool:
        """Whether every statistic of the data is a number, and as in data simulated from the model."""
        return all(bool((tail >= _UNUSUAL).all()) for tail in self.tails.values())

    @property
    def reason(self) -> str:
        """Which statistics of the data the model does not reproduce, in words."""
        if self.caution:
            return self.caution
        told = [
            f"{self._called(name, place)} {number(float(self.observed[name][place]))}, simulated "
            f"{self._range(name, place)}"
            for name, tail in self.tails.items()
            for place in np.ndindex(tail.shape)
            if tail[place] < _UNUSUAL
        ]
        total = sum(tail.size for tail in self.tails.values())
        without = [name for name, tail in self.tails.items() if np.isnan(tail).any()]
        if without:
            told.append(f"{', '.join(without)} of the data, which is no number")
        sample = f" From {self.num_used} of {self.num_rows} rows." if self.num_used < self.num_rows else ""
        if not told:
            return f"All {total} statistics of the data are as in data simulated from the model.{sample}"
        outside = f"statistics lie outside the central {percent(1 - _UNUSUAL)}"
        chance = f", where chance alone would put {total * _UNUSUAL:.2g}"
        return f"{len(told)} of {total} {outside}{chance}: {'; '.join(told)}.{sample}"

    def _range(self, name: str, place: tuple[int, ...]) -> str:
        """Where all but the most unusual simulations put a statistic."""
        simulated = self.simulated[name][(slice(None), *place)]
        low, high = (number(float(np.quantile(simulated, share))) for share in (_UNUSUAL / 2, 1 - _UNUSUAL / 2))
        return f"{low} to {high}"

    def _called(self, name: str, place: tuple[int, ...]) -> str:
        """A statistic by name, with the features that one of ours is of."""
        if name not in STATISTICS or not self.columns:
            return f"{name}{[i + 1 for i in place] if place else ''}"
        features = self.columns if name != "correlation" else [" and ".join(p) for p in combinations(self.columns, 2)]
        return f"{name} of {features[place[0]]}"

    def card(self) -> Card:
        """Every statistic of the data beside those of simulated data."""
        tails = self.tails
        missed = sum(int((tail < _UNUSUAL).sum()) for tail in tails.values())
        low, high = ({name: np.quantile(v, q, axis=0) for name, v in self.simulated.items()} for q in (0.05, 0.95))
        columns = ("statistic", "data", "simulated, 5 %", "simulated, 95 %", "tail probability")
        found = f"{f'{missed} statistics' if missed else 'nothing'} out of the model's reach"
        title = f"Predictive check: {'not to be relied on' if self.caution else found}"
        return Card(title, [self.reason], columns, list(by_entry(self.observed, low, high, tails)))


def posterior_predictive(
    posterior: Posterior, *, key: Key[Array, ""], num_rows: int, num_draws: int = 1000
) -> Float[Array, "S N D"]:
    """Data sets of `num_rows` rows, each simulated under one of `num_draws` draws chosen evenly.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    check_key(key)
    check_draws(posterior, exact=False)
    draws = evenly(posterior.params, check_count("num_draws", num_draws))
    return _simulate(posterior.model, draws, key, check_count("num_rows", num_rows), _itself)


def prior_predictive(
    model: Mixture, *, key: Key[Array, ""], num_rows: int, num_features: int = 1, num_draws: int = 1000
) -> Float[Array, "S N D"]:
    """Data sets of `num_rows` rows, each simulated under a draw from the prior.

    Raises
    ------
    ValueError
        If an argument is wrong, or the model has no prior.
    """
    admit_model(model, key)
    num_features, num_draws = check_count("num_features", num_features), check_count("num_draws", num_draws)
    num_rows = check_count("num_rows", num_rows)
    key_draws, key_rows = jax.random.split(key)
    return _simulate(model, _from_prior(model, key_draws, num_features, num_draws), key_rows, num_rows, _itself)


def check_posterior(
    posterior: Posterior,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    statistics: Mapping[str, Statistic] | None = None,
    num_draws: int = 1000,
    max_rows: int = 100_000,
) -> PredictiveCheck:
    """Posterior predictive check: whether data simulated from the fit are like the data (Rubin 1984).

    Parameters
    ----------
    posterior
        Draws from any engine.
    x
        The data that were fitted, (N,) or (N, D), complete.
    key
        Random key of the simulations.
    statistics
        Functions from rows (N, D) to a number or an array, written in `jax.numpy`, by name. If not given: mean, sd,
        skewness, excess kurtosis, extremes and largest gap of every feature, and correlations.
    num_draws
        S, data sets simulated, at least 200.
    max_rows
        Where there are more rows, a random sample of so many stands for all, beside simulated data sets of that size.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    check_key(key)
    draws, max_rows = check_count("num_draws", num_draws, _FEWEST), check_count("max_rows", max_rows, least=2)
    data = admit_draws(posterior, x, exact=False)
    total = len(data)
    if total > max_rows:
        data = data[jax.random.choice(jax.random.fold_in(key, 1), total, (max_rows,), replace=False)]
    found = _check(posterior.model, evenly(posterior.params, draws), data, key, statistics)
    return replace(found, num_rows=total, caution=posterior.caution)


def check_prior(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    statistics: Mapping[str, Statistic] | None = None,
    num_draws: int = 1000,
) -> PredictiveCheck:
    """Prior predictive check: whether the prior allows for data like these (Box 1980).

    Arguments as for `check_posterior`.

    Raises
    ------
    ValueError
        If an argument is wrong, or the model has no prior.
    """
    admit_model(model, key)
    key_draws, key_rows = jax.random.split(key)
    draws = _from_prior(model, key_draws, as_rows(x).shape[1], check_count("num_draws", num_draws, _FEWEST))
    return _check(model, draws, x, key_rows, statistics)


def _check(model: Mixture, draws: AbstractParams, x, key, statistics) -> PredictiveCheck:
    rows = as_rows(x)
    check_data(rows, 2)
    chosen = _check_statistics(_default(rows.shape[1]) if statistics is None else statistics)
    each = _Each(tuple(chosen.items()))
    both = each(rows), _simulate(model, draws, key, len(rows), each)
    observed, simulated = jax.tree.map(np.asarray, both)
    return PredictiveCheck(observed, simulated, len(rows), len(rows))


def _default(num_features: int) -> dict[str, Statistic]:
    """Those that there are in so many features."""
    return {name: function for name, function in STATISTICS.items() if num_features > 1 or name != "correlation"}


def _check_statistics(statistics: Mapping[str, Statistic]) -> dict[str, Statistic]:
    check_type("statistics", statistics, Mapping, "functions by name")
    if not statistics or not all(callable(function) for function in statistics.values()):
        raise ValueError("statistics must name at least one function, and nothing else.")
    return dict(statistics)


class _Each(eqx.Module):
    """Statistics by name as one function, which is the same to `jit` whenever its functions are."""

    statistics: tuple[tuple[str, Statistic], ...] = eqx.field(static=True)

    @eqx.filter_jit
    def __call__(self, x: Float[Array, "N D"]) -> dict[str, Float[Array, "..."]]:
        return {name: jnp.asarray(function(x)) for name, function in self.statistics}


def _itself(x: Float[Array, "N D"]) -> Float[Array, "N D"]:
    return x


@eqx.filter_jit
def _from_prior(model: Mixture, key: Key[Array, ""], num_features: int, count: int) -> AbstractParams:
    return jax.vmap(lambda own: model.sample_prior(own, num_features))(jax.random.split(key, count))


@eqx.filter_jit
def _simulate(model: Mixture, draws: AbstractParams, key: Key[Array, ""], num_rows: int, function):
    """What a function says of a data set simulated under each draw."""
    count, num_features = draws.weights.shape[0], model.family.locations(draws).shape[-1]

    def one(case):
        draw, own = case
        return function(model.sample(draw, own, num_rows)[0])

    return map_draws(one, (draws, jax.random.split(key, count)), num_rows * num_features)
