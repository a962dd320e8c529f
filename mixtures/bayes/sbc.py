"""Simulation-based calibration: whether an engine samples the posterior that it says it samples."""

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from mixtures._cards import Card, Shown
from mixtures._checks import check_count
from mixtures._drivers import OnProgress
from mixtures._numbers import number
from mixtures._trees import evenly
from mixtures.bayes.boundary import admit_model, refuse_fixed
from mixtures.bayes.posterior import Posterior
from mixtures.families import AbstractParams
from mixtures.invariants import invariants
from mixtures.model import Mixture

type Engine = Callable[..., Posterior]

_CHUNK = 25  # simulations of one compiled call, between two steps of a progress bar
_BINS = 20  # bins of the test of uniformity
_LEAST_P = 0.01  # corrected p-value below which ranks are called not uniform


@dataclass(frozen=True)
class SBCRanks(Shown):
    """Ranks of the true parameters' label-free quantities among posterior draws, one for each simulated data set.

    Where an engine is right every rank from 0 to `num_draws` is equally likely (Talts et al. 2018, theorem 1), whatever
    the prior and the number of rows.
    """

    ranks: dict[str, Int[np.ndarray, " M"]]
    num_draws: int

    @property
    def p_values(self) -> dict[str, float]:
        """Of Pearson's test that the ranks of a quantity are uniform, in 20 bins."""
        return {name: self._p_value(ranks) for name, ranks in self.ranks.items()}

    @property
    def p_value(self) -> float:
        """That all are uniform: the smallest p-value times how many there are (Bonferroni)."""
        return min(1.0, len(self.ranks) * min(self.p_values.values()))

    @property
    def reason(self) -> str:
        """Whether ranks are uniform, and which are not, in words."""
        worst = min(self.p_values, key=self.p_values.__getitem__)
        count = len(self.ranks[worst])
        if self.p_value >= _LEAST_P:
            return f"Ranks are uniform in {count} simulations (smallest p-value, corrected, {self.p_value:.2g})."
        return (
            f"Ranks are not uniform in {count} simulations: p = {self.p_value:.1g}, corrected, for {worst}; this "
            "engine's draws are not from the posterior."
        )

    def card(self) -> Card:
        """Whether ranks are uniform, by quantity."""
        outcome = "uniform" if self.p_value >= _LEAST_P else "not uniform"
        rows = [(name, number(p, 2)) for name, p in self.p_values.items()]
        return Card(f"Simulation-based calibration: ranks are {outcome}", [self.reason], ("quantity", "p-value"), rows)

    def _p_value(self, ranks: Int[np.ndarray, " M"]) -> float:
        from scipy.stats import chisquare

        bins = min(_BINS, self.num_draws + 1)
        edges = np.linspace(0, self.num_draws + 1, bins + 1).round()
        observed, _ = np.histogram(ranks, edges)
        expected = len(ranks) * np.diff(edges) / (self.num_draws + 1)
        return float(chisquare(observed, expected).pvalue)


def simulation_based_calibration(
    model: Mixture,
    fit: Engine,
    *,
    key: Key[Array, ""],
    num_rows: int,
    num_features: int = 1,
    num_simulations: int = 1000,
    num_draws: int = 99,
    on_progress: OnProgress | None = None,
) -> SBCRanks:
    """Rank prior draws among the posteriors of data simulated from them (Talts, Betancourt, Simpson et al. 2018).

    Beside the quantities of `invariants`, the log-likelihood and the log joint of the simulated data are ranked: ranks
    of quantities that depend on data see errors that others miss (Modrák et al. 2023).

    Parameters
    ----------
    model
        A mixture whose prior does not come from data: `Mixture.for_data` has another prior for every data set, and a
        prior that knows the data is calibrated for nothing.
    fit
        An engine, called as ``fit(model, x, key=key)`` inside a compiled program: such as `fit_nuts`, or
        ``functools.partial(mx.fit_nuts, num_samples=300)``.
    key
        Random key; the same key gives the same ranks.
    num_rows, num_features
        N and D of the data simulated.
    num_simulations
        M, data sets.
    num_draws
        L, to which the draws of each posterior are thinned, so that they are nearly independent.
    on_progress
        Called with (simulations done, simulations in all).

    Raises
    ------
    ValueError
        If an argument is wrong, or the model has no prior.
    """
    admit_model(model, key, on_progress)
    refuse_fixed(model, "simulation-based calibration")
    if not callable(fit):
        raise ValueError("fit must be an engine such as mx.fit_nuts.")
    counts = (check_count("num_rows", num_rows), check_count("num_features", num_features))
    total, num_draws = check_count("num_simulations", num_simulations), check_count("num_draws", num_draws)
    keys = jax.random.split(key, -(-total // _CHUNK) * _CHUNK).reshape(-1, _CHUNK)
    found = []
    for done, chunk in enumerate(keys, start=1):
        found.append(jax.tree.map(np.asarray, _ranks(model, fit, chunk, *counts, num_draws)))
        if on_progress is not None:
            on_progress(min(done * _CHUNK, total), total)
    return SBCRanks({name: np.concatenate([one[name] for one in found])[:total] for name in found[0]}, num_draws)


@eqx.filter_jit
def _ranks(model: Mixture, fit: Engine, keys: Key[Array, " M"], num_rows: int, num_features: int, num_draws: int):
    """The rank of every quantity in each simulation."""

    def one(key):
        key_params, key_rows, key_fit, key_ties = jax.random.split(key, 4)
        truth = model.sample_prior(key_params, num_features)
        x, _ = model.sample(truth, key_rows, num_rows)
        posterior = fit(model, x, key=key_fit)
        if posterior.log_joint.size < num_draws:
            raise ValueError(
                f"num_draws must be at most the draws of fit, {posterior.log_joint.size}; got {num_draws}."
            )
        draws = evenly(posterior.params, num_draws)
        values, of_draws = _quantities(model, x, truth), jax.vmap(lambda draw: _quantities(model, x, draw))(draws)
        own = dict(zip(values, jax.random.split(key_ties, len(values)), strict=True))
        return {name: _rank(own[name], value, of_draws[name]) for name, value in values.items()}

    return jax.lax.map(one, keys)


def _rank(key: Key[Array, ""], value: Float[Array, ""], draws: Float[Array, " L"]) -> Int[Array, ""]:
    """How many draws lie below a value; among equal ones its place is drawn, so that constants are uniform too."""
    ties = jnp.sum(draws == value)
    return jnp.sum(draws < value) + jax.random.randint(key, (), 0, ties + 1)


def _quantities(model: Mixture, x: Float[Array, "N D"], params: AbstractParams) -> dict[str, Float[Array, ""]]:
    rows = model.prepare(x)
    log_likelihood = model.log_likelihood(params, rows)
    log_joint = log_likelihood + model.log_prior(params)
    return invariants(model, params) | {"log_likelihood": log_likelihood, "log_joint": log_joint}
