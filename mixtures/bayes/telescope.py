"""`fit_telescope`: the posterior of the number of components, by Gibbs sampling with a prior on that number."""

from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, Real

from mixtures._cards import Card, Shown
from mixtures._checks import as_tolerance, check_count, check_flag, check_type, is_traced
from mixtures._drivers import OnProgress
from mixtures._kernel import Rows
from mixtures._numbers import percent, plus_minus
from mixtures._status import Status
from mixtures.bayes.boundary import admit
from mixtures.bayes.chains import in_chunks
from mixtures.bayes.conditionals import Conditionals, conditionals
from mixtures.bayes.diagnostics import Diagnostics, Summary, judge_chains, summarise
from mixtures.bayes.gibbs import allocate, moments_of
from mixtures.families import GaussianParams, data_covariance
from mixtures.model import Mixture

_MOST_AT_BOUND = 0.001  # share of draws; more would be cut off from numbers of components that they need


class Telescope(eqx.Module, Shown):
    """Draws of the number of components K, of how many of them have rows, and of the log-likelihood.

    K counts what the population has; `occupied` what the data show. A cell of a distribution is a share of draws.
    """

    num_components: Int[Array, "C S"]
    occupied: Int[Array, "C S"]
    log_likelihood: Float[Array, "C S"]
    most: int = eqx.field(static=True)

    @property
    def distribution(self) -> dict[int, tuple[float, float]]:
        """Posterior probability of each K with its Monte Carlo standard error, where any draw has it."""
        return _shares(self.num_components)

    @property
    def occupied_distribution(self) -> dict[int, tuple[float, float]]:
        """The same for the number of components that have rows."""
        return _shares(self.occupied)

    @property
    def summaries(self) -> dict[str, Summary]:
        """R-hat and ESS of K, of the occupied components and of the log-likelihood."""
        names = ("num_components", "occupied", "log_likelihood")
        return {name: summarise(np.asarray(getattr(self, name), float)) for name in names}

    @property
    def status(self) -> Status:
        """Converged when chains agree on all three quantities and K all but never meets its bound."""
        return self._judge(self.summaries)[0]

    @property
    def reason(self) -> str:
        """The outcome in words, with the numbers that decided it."""
        return self._judge(self.summaries)[1]

    def card(self) -> Card:
        """Probability of each number of components, or diagnostics alone where nothing is to be concluded."""
        summaries = self.summaries
        status, reason = self._judge(summaries)
        title = f"Number of components, by telescoping: {status.words}"
        if not status.is_estimate:
            rows = [(name, *one.chains) for name, one in summaries.items()]
            return Card(title, [reason], ("quantity", "R-hat", "ESS"), rows)
        of_all, of_occupied = self.distribution, self.occupied_distribution
        nothing = (0.0, 0.0)
        rows = [
            (count, plus_minus(*of_all.get(count, nothing)), plus_minus(*of_occupied.get(count, nothing)))
            for count in sorted(of_all | of_occupied)
        ]
        return Card(title, [reason], ("components", "probability", "probability of so many with rows"), rows)

    def _batch_shape(self) -> tuple[int, ...]:
        return self.log_likelihood.shape[:-2]

    def _judge(self, summaries: dict[str, Summary]) -> tuple[Status, str]:
        status, words = judge_chains(Diagnostics({}, summaries, 0), self.num_components.shape[0])
        at_bound = float(np.mean(np.asarray(self.num_components) == self.most))
        if status is Status.CONVERGED and at_bound > _MOST_AT_BOUND:
            return (
                Status.NOT_CONVERGED,
                f"{words} {percent(at_bound, 1)} of draws have the most components allowed, {self.most}: raise "
                "model.num_components.",
            )
        return status, words


class _Chain(eqx.Module):
    """Where one chain stands."""

    key: Key[Array, ""]
    params: GaussianParams  # of as many components as there may be; absent ones have weight nought


def fit_telescope(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    prior_on_components: dist.Distribution | None = None,
    concentration: float = 1.0,
    shared: bool = False,
    num_warmup: int = 2000,
    num_samples: int = 10_000,
    num_chains: int = 4,
    on_progress: OnProgress | None = None,
) -> Telescope:
    """Sample the number of components with all else, by telescoping (Frühwirth-Schnatter, Malsiner-Walli, Grün 2021).

    Rows are allocated given the parameters; parameters are drawn given the allocation; then K is drawn given the
    partition alone, with empty components following the prior.

    Parameters
    ----------
    model
        A mixture as for `fit_gibbs`; its `num_components` is the most there may be, and only the component part of its
        prior is used.
    x
        Data, (N,) or (N, D), complete.
    key
        Random key; the same key gives the same draws.
    prior_on_components
        Distribution of K over 1, 2, …, cut off at the most there may be; uniform if not given (Richardson and Green
        1997). Frühwirth-Schnatter and others recommend K − 1 ~ beta-negative-binomial(1, 4, 3).
    concentration
        Of the weights' Dirichlet: for each component (a static mixture), or, with `shared`, in all (a dynamic one).
    shared
        Whether a component's concentration is `concentration` / K.
    num_warmup, num_samples, num_chains
        As for `fit_gibbs`.
    on_progress
        Called with (iterations done, iterations in all) between compiled chunks; not inside a transformation.

    Returns
    -------
    Telescope
        Draws of K and of the number of components that have rows.

    Raises
    ------
    ValueError
        If an argument is wrong, or the full conditionals have no closed form.
    """
    data = admit(model, x, key, on_progress, least_rows=1)
    check_flag("shared", shared)
    num_warmup, num_samples = check_count("num_warmup", num_warmup), check_count("num_samples", num_samples)
    num_chains = check_count("num_chains", num_chains)
    given = conditionals(model, data.shape[1])
    total = as_tolerance("concentration", concentration, data.dtype)
    counts = jnp.arange(1, model.num_components + 1)
    log_prior = _log_prior(prior_on_components, counts)
    each = total / counts if shared else jnp.broadcast_to(total, counts.shape)
    key_start, key_chains = jax.random.split(key)
    rows = model.prepare(data, num_chains)
    chains = _begin(model, data, key_start, jax.random.split(key_chains, num_chains))

    if is_traced(model, x, key, chains):
        _, draws = _sample(given, rows, data, log_prior, each, chains, num_warmup + num_samples)
    else:

        def advance(chains, length):
            return _sample(given, rows, data, log_prior, each, chains, length)

        draws = in_chunks(advance, chains, num_warmup + num_samples, on_progress=on_progress)
    kept = (part[:, num_warmup : num_warmup + num_samples] for part in draws)
    return Telescope(*kept, most=model.num_components)


def _log_prior(prior: dist.Distribution | None, counts: Int[Array, " M"]) -> Float[Array, " M"]:
    if prior is None:
        return jnp.zeros(len(counts))
    check_type("prior_on_components", prior, dist.Distribution, "a numpyro Distribution over 1, 2, …")
    found = jnp.asarray(prior.log_prob(counts))
    if found.shape != counts.shape or (not is_traced(found) and not bool(jnp.any(jnp.isfinite(found)))):
        raise ValueError(
            "prior_on_components must give each of 1, 2, … a probability; it gives "
            f"{np.asarray(jnp.exp(found)).ravel()[:5].tolist()} to the first of them."
        )
    return found


@eqx.filter_jit
def _begin(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], keys: Key[Array, " C"]) -> _Chain:
    """Chains from equal components at rows chosen at random, narrower than the data."""
    count = model.num_components
    weights, covariances = (
        jnp.full(count, 1 / count),
        jnp.broadcast_to(data_covariance(x) / 9, (count, *x.shape[1:] * 2)),
    )

    def one(key):
        return model.family.start(weights, x[jax.random.randint(key, (count,), 0, len(x))], covariances)

    return _Chain(keys, cast(GaussianParams, jax.vmap(one)(jax.random.split(key, len(keys)))))


def log_partition(counts: Float[Array, " M"], each: Float[Array, " M"]) -> Float[Array, " M"]:
    """Log probability of a partition into clusters of these sizes under K = 1, 2, … components, up to a constant.

    log K!/(K − K₊)! + log Γ(K e) − log Γ(K e + N) + Σ_k log Γ(N_k + e)/Γ(e) over the K₊ clusters, for a concentration e
    of each component (Frühwirth-Schnatter, Malsiner-Walli and Grün 2021, eq. 3.4).
    """
    number, filled = jnp.arange(1, len(counts) + 1), counts > 0
    occupied = jnp.sum(filled)
    labellings = gammaln(number + 1.0) - gammaln(jnp.maximum(number - occupied, 0) + 1.0)
    weights = gammaln(number * each) - gammaln(number * each + jnp.sum(counts))
    sizes = jnp.where(filled, gammaln(counts + each[:, None]) - gammaln(each)[:, None], 0.0)
    return jnp.where(number >= occupied, labellings + weights + jnp.sum(sizes, axis=1), -jnp.inf)


def _shares(counts: Int[Array, "C S"]) -> dict[int, tuple[float, float]]:
    """Share of draws of each number, with a standard error that allows for their autocorrelation."""
    found = np.asarray(counts)
    cells = {}
    for number in np.unique(found).tolist():
        one = summarise((found == number).astype(float))
        cells[number] = float(one.mean), float(one.mcse)
    return cells


@eqx.filter_jit
def _sample(given: Conditionals, rows: Rows, x: Float[Array, "N D"], log_prior, each, chains: _Chain, length: int):
    """Advance every chain by `length` iterations."""
    model = given.model

    def one(chain: _Chain, _):
        key, key_rows, key_draw, key_count, key_weights = jax.random.split(chain.key, 5)
        shares = allocate(model, rows, chain.params, key_rows)
        # Components that have rows come first: those beyond K must be empty.
        order = jnp.argsort(-jnp.sum(shares, axis=1), stable=True)
        moments = moments_of(given, x, shares[order])
        ordered = cast(GaussianParams, model.family.permute(chain.params, order))
        components = given.draw(key_draw, ordered, moments)
        count = jax.random.categorical(key_count, log_prior + log_partition(moments.counts, each)) + 1
        present = jnp.arange(model.num_components) < count
        drawn = jax.random.gamma(key_weights, jnp.where(present, each[count - 1] + moments.counts, 1.0))
        drawn = jnp.where(present, drawn, 0.0)
        params = eqx.tree_at(lambda p: p.weights, components, drawn / jnp.sum(drawn))
        kept = count, jnp.sum(moments.counts > 0), model.log_likelihood(params, rows)
        return _Chain(key, params), kept

    return jax.vmap(lambda chain: jax.lax.scan(one, chain, None, length=length))(chains)
