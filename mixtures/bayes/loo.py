"""Leave-one-out prediction from posterior draws, and weights for chains by how well they predict."""

import math
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, Real

from mixtures._cards import Card, Shown
from mixtures._checks import check_count, check_key
from mixtures._numbers import number, plus_minus
from mixtures._trees import flatten_draws
from mixtures.bayes.boundary import admit_draws, check_draws
from mixtures.bayes.diagnostics import MAX_KHAT, summarise
from mixtures.bayes.posterior import Posterior
from mixtures.families import AbstractParams
from mixtures.model import Mixture

_BLOCK_ELEMENTS = 2**22  # draws × rows whose log densities are held at once (32 MB)
_MOST_ROUNDS = 10_000


@dataclass(frozen=True)
class Loo(Shown):
    """Expected log predictive density of rows that were left out, by Pareto-smoothed importance sampling (PSIS-LOO).

    `pointwise` is in nats for each of `rows`, all of them or a random sample; `khat` says how far each can be relied
    on: above 0.7 (`MAX_KHAT`) leaving that row out changes the posterior too much for its draws to tell.
    """

    pointwise: Float[np.ndarray, " M"]
    khat: Float[np.ndarray, " M"]
    rows: Int[np.ndarray, " M"]
    num_rows: int
    caution: str = ""  # where the draws are not to be used

    @property
    def elpd(self) -> float:
        """Sum over all rows; where these are a sample, N times its mean."""
        return self.num_rows * float(self.pointwise.mean())

    @property
    def standard_error(self) -> float:
        """Of `elpd`, as an estimate for new rows like these."""
        return self.num_rows * float(self.pointwise.std(ddof=1)) / math.sqrt(len(self.pointwise))

    @property
    def doubt(self) -> str:
        """Why it cannot be relied on, in words, or an empty string."""
        if self.caution:
            return self.caution
        bad = int((~(self.khat <= MAX_KHAT)).sum())
        if not bad:
            return ""
        worst = self.rows[np.argsort(-np.nan_to_num(self.khat, nan=np.inf))[: min(bad, 5)]]
        return (
            f"Pareto k-hat exceeds {MAX_KHAT} for {bad} rows, worst {', '.join(map(str, worst))}: their terms, and the "
            "sum, cannot be relied on; cross-validate instead."
        )

    @property
    def reason(self) -> str:
        """How far it can be relied on, in words."""
        told = [self.doubt or f"Pareto k-hat is at most {self.khat.max():.2f}."]
        if len(self.rows) < self.num_rows:
            told.append(f"From {len(self.rows)} of {self.num_rows} rows.")
        return " ".join(told)

    def card(self) -> Card:
        """The expected log predictive density, and how far to rely on it."""
        outcome = "not to be relied on" if self.doubt else "sound"
        words = [f"Expected log predictive density {self._score()} nats.", self.reason]
        return Card(f"Leave-one-out prediction: {outcome}", words)

    def _score(self) -> str:
        return plus_minus(self.elpd, self.standard_error)


@dataclass(frozen=True)
class ChainStacking(Shown):
    """Weights of chains, as if each were a model of its own (Yao, Vehtari and Gelman 2022).

    `weights` maximise the leave-one-out score of the chains' mixture; `loos` are the chains' own. Where chains have
    settled in different modes this is a predictive compromise, and no posterior.
    """

    weights: Float[np.ndarray, " C"]
    loos: tuple[Loo, ...]

    def card(self) -> Card:
        """Every chain's weight and its own score."""
        rows = [
            (f"chain {i + 1}", number(float(weight)), one._score(), number(float(one.khat.max()), 2))
            for i, (weight, one) in enumerate(zip(self.weights, self.loos, strict=True))
        ]
        doubtful = sum(bool(one.doubt) for one in self.loos)
        words = ["Where chains have settled in different modes this is a predictive compromise, and no posterior."]
        if doubtful:
            words.append(f"Pareto k-hat exceeds {MAX_KHAT} in {doubtful} of them, whose scores cannot be relied on.")
        title = f"Stacking of {len(rows)} chains: the largest weight is {number(float(self.weights.max()))}"
        return Card(title, words, ("chain", "weight", "leave-one-out score, nats", "largest k-hat"), rows)

    def resample(self, posterior: Posterior, key: Key[Array, ""], num_draws: int) -> AbstractParams:
        """Draws of the parameters, each chain's in proportion to its weight."""
        check_key(key)
        check_draws(posterior, exact=False)
        num_draws = check_count("num_draws", num_draws)
        num_chains, length = posterior.log_joint.shape
        key_chain, key_draw = jax.random.split(key)
        chain = jax.random.choice(key_chain, num_chains, (num_draws,), p=jnp.asarray(self.weights))
        draw = jax.random.randint(key_draw, (num_draws,), 0, length)
        return jax.tree.map(lambda leaf: leaf[chain, draw], posterior.params)


def loo(
    posterior: Posterior, x: Real[ArrayLike, "N *D"], *, key: Key[Array, ""] | None = None, max_rows: int = 100_000
) -> Loo:
    """Leave-one-out log predictive density by PSIS (Vehtari, Gelman and Gabry 2017), a block of rows at a time.

    Parameters
    ----------
    posterior
        Draws from `fit_nuts`, `fit_gibbs` or `fit_smc`.
    x
        The data that were fitted, (N,) or (N, D).
    key
        Random key of the sample of rows; ``jax.random.key(0)`` if not given.
    max_rows
        Where there are more rows, a random sample of so many stands for all.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    key = jax.random.key(0) if key is None else key
    check_key(key)
    max_rows = check_count("max_rows", max_rows, least=2)
    data = admit_draws(posterior, x)
    chosen = np.arange(len(data))
    if len(data) > max_rows:
        chosen = np.sort(np.asarray(jax.random.choice(key, len(data), (max_rows,), replace=False)))
    ess = summarise(np.asarray(posterior.log_likelihood)).ess_bulk
    share = float(ess) / posterior.log_joint.size
    # To a power of two: the length of the smoothed tail depends on it, and is part of the compiled program.
    efficiency = 2.0 ** min(0, round(math.log2(share))) if share > 0 else 1.0
    found = _smoothed(posterior.model, data[chosen], posterior.params, efficiency)
    return Loo(*map(np.asarray, found), rows=chosen, num_rows=len(data), caution=posterior.caution)


def stack_chains(posterior: Posterior, x: Real[ArrayLike, "N *D"]) -> ChainStacking:
    """Weights of chains that maximise their mixture's leave-one-out score, for chains that never mixed.

    Parameters
    ----------
    posterior
        Draws from `fit_nuts` or `fit_gibbs`, whose chains may disagree.
    x
        The data that were fitted, (N,) or (N, D).

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    check_draws(posterior)
    parts = [
        eqx.tree_at(
            lambda p: (p.params, p.log_likelihood, p.log_joint),
            posterior,
            jax.tree.map(
                lambda leaf, c=c: leaf[c : c + 1], (posterior.params, posterior.log_likelihood, posterior.log_joint)
            ),
        )
        for c in range(posterior.log_joint.shape[0])
    ]
    loos = tuple(loo(part, x) for part in parts)
    return ChainStacking(_stacking_weights(np.stack([one.pointwise for one in loos])), loos)


def _stacking_weights(scores: Float[np.ndarray, "C N"]) -> Float[np.ndarray, " C"]:
    """Maximise Σ_n log Σ_c w_c exp(score_cn) over the simplex: EM for the weights of a mixture, which is concave."""
    shares = np.exp(scores - scores.max(axis=0))
    weights = np.full(len(scores), 1 / len(scores))
    for _ in range(_MOST_ROUNDS):
        claims = weights[:, None] * shares
        last, weights = weights, (claims / claims.sum(axis=0)).mean(axis=1)
        if np.abs(weights - last).max() < 1e-10:
            break
    return weights


def _smoothed(
    model: Mixture, x: Float[Array, "N D"], params: AbstractParams, efficiency: float
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Leave-one-out log density and k-hat of every row."""
    num_rows, num_draws = len(x), params.weights.shape[0] * params.weights.shape[1]
    size = max(1, min(num_rows, _BLOCK_ELEMENTS // num_draws))
    blocks = jnp.pad(x, ((0, -num_rows % size), (0, 0)), mode="edge").reshape(-1, size, x.shape[1])
    found = []
    for block in blocks:
        log_prob = np.sort(np.asarray(_log_densities(model, block, params)).T)  # quicker than XLA sorts
        found.append(_smooth(jnp.asarray(log_prob), efficiency))
    elpd, khat = (np.concatenate(values)[:num_rows] for values in zip(*found, strict=True))
    return elpd, khat


@eqx.filter_jit
def _log_densities(model: Mixture, x: Float[Array, "B D"], params: AbstractParams) -> Float[Array, "S B"]:
    return jax.lax.map(lambda draw: model.log_prob(draw, x), flatten_draws(params))


@eqx.filter_jit
def _smooth(log_prob: Float[Array, "B S"], efficiency: float) -> tuple[Float[Array, " B"], Float[Array, " B"]]:
    """Leave-one-out log density and k-hat from the densities of rows under every draw, in whichever order."""
    from blackjax.diagnostics import psis_weights

    def one_row(values):
        log_weights, khat = psis_weights(-values, efficiency)
        return jax.nn.logsumexp(log_weights + values), khat

    return jax.vmap(one_row)(log_prob)
