"""`fit_vi`: approximations in unconstrained coordinates, by NumPyro's SVI or Pathfinder, several starts in parallel."""

from functools import partial
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, Real

from mixtures._checks import check_choice, check_count, is_traced
from mixtures._choices import GUIDES
from mixtures._drivers import OnProgress
from mixtures._numbers import fixed, number
from mixtures._status import Status
from mixtures.bayes.boundary import admit
from mixtures.bayes.diagnostics import MAX_KHAT, Diagnostics
from mixtures.bayes.numpyro_model import potential
from mixtures.bayes.pathfinder import multipath
from mixtures.bayes.posterior import AbstractInfo, Posterior, assemble
from mixtures.bayes.svi import (
    NUM_PARTICLES,
    NUM_WEIGHED,
    OPTIMISED,
    Energy,
    Steps,
    batches,
    everything,
    optimise,
    weigh,
)
from mixtures.coordinates import Coordinates
from mixtures.families import AbstractParams
from mixtures.model import Mixture
from mixtures.starts import cautious_starts

_MAX_DRIFT = 0.1  # nats
_MOST_DRIFT = 1.0  # nats, however uncertain: noise is no evidence that a guide has settled
_NEAR = 5.0  # nats below the best ELBO: what another mode of that height holds is no longer worth a word
_APART = 0.5  # nats between ELBOs of different modes


class VIInfo(AbstractInfo):
    """How good the approximation is.

    `elbo` in nats with its Monte Carlo error; `log_weights` are log joint − log q of every draw, or by Pathfinder of
    the draws of all paths, before they were resampled; `start_elbos` the ELBO that each start ended with; `drift` the
    ELBO gained in the last tenth of the optimisation over the tenth before, in nats, with its own Monte Carlo error.
    """

    engine: ClassVar[str] = "Variational inference"
    approximate: ClassVar[bool] = True

    guide: str = eqx.field(static=True)
    elbo: Float[Array, "*batch"]
    elbo_mcse: Float[Array, "*batch"]
    log_weights: Float[Array, "*batch W"]
    start_elbos: Float[Array, "*batch R"]
    drift: Float[Array, "*batch"]
    drift_mcse: Float[Array, "*batch"]

    @property
    def khat(self) -> float:
        """Pareto k-hat of the importance weights (Yao et al. 2018): how far the approximation is from the posterior."""
        return self.smoothed()[1]

    def smoothed(self) -> tuple[Float[np.ndarray, " W"], float]:
        """Pareto-smoothed importance weights, which sum to one, and k-hat; NaN where a weight is not a number."""
        from arviz_stats.base import array_stats

        log_weights = np.asarray(self.log_weights, np.float64)
        finite = np.isfinite(log_weights)
        if not finite.any() or not (finite | np.isneginf(log_weights)).all():
            return np.full_like(log_weights, np.nan), float("nan")
        # A draw without density weighs as little as the lightest: k-hat is of the upper tail.
        log_weights = np.where(finite, log_weights, log_weights[finite].min())
        if np.ptp(log_weights) == 0:  # an exact approximation, whose weights have no tail to fit
            return np.full_like(log_weights, 1 / len(log_weights)), 0.0
        smoothed, khat = array_stats.psislw(-log_weights)  # it takes minus the log weights
        weights = np.exp(smoothed - smoothed.max())
        return weights / weights.sum(), float(khat)

    def num_divergences(self) -> int:
        """None: optimisation has no trajectories."""
        return 0

    def judge(self, diagnostics: Diagnostics) -> tuple[Status, str]:
        """Converged when the ELBO is finite and no longer drifts; k-hat then says how good the approximation is."""
        if not np.isfinite(self.elbo):
            return Status.NON_FINITE, "The ELBO is not finite: this guide found no approximation."
        if not abs(self.drift) < min(_MAX_DRIFT + 3 * self.drift_mcse, _MOST_DRIFT):
            return (
                Status.NOT_CONVERGED,
                f"The ELBO still moved by {number(float(self.drift), 2)} nats in the last tenth; raise num_steps.",
            )
        quality = "usable" if self.khat <= MAX_KHAT else "a poor approximation: do not trust its widths"
        elbo = f"ELBO {fixed(float(self.elbo), 2)} ± {fixed(float(self.elbo_mcse), 2)}"
        words = f"{elbo}; Pareto k-hat {self.khat:.2f} ({quality})."
        return Status.CONVERGED, " ".join([words, *self._other_modes()])

    def _other_modes(self) -> list[str]:
        """Whether other starts ended in approximations of another mode that is not negligible."""
        elbos = np.asarray(self.start_elbos, np.float64)
        below = np.nanmax(elbos) - elbos
        noise = float(self.elbo_mcse) * np.sqrt(self.log_weights.shape[-1] / NUM_WEIGHED)
        others = below[(below > max(_APART, 6 * noise)) & (below < _NEAR)]
        if self.guide == "pathfinder" or not len(others):
            return []
        return [
            f"{len(others)} of {len(below)} starts ended in another approximation, at best {others.min():.1f} nats "
            "lower: the posterior seems to have another mode, which this one leaves out."
        ]

    def sample_stats(self) -> dict[str, Float[Array, "C S"]]:
        """Log importance weights, where draws were not resampled by them."""
        return {} if self.guide == "pathfinder" else {"log_weight": self.log_weights[None]}


def fit_vi(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    guide: str = "full_rank",
    num_starts: int = 8,
    num_steps: int = 2000,
    num_samples: int = 4000,
    batch_size: int | None = None,
    reference: AbstractParams | None = None,
    on_progress: OnProgress | None = None,
) -> Posterior[VIInfo]:
    """Approximate the posterior of a mixture by a distribution of its unconstrained coordinates.

    Parameters
    ----------
    model
        A mixture with a proper prior.
    x
        Data, (N,) or (N, D).
    key
        Random key; the same key gives the same approximation.
    guide
        ``"mean_field"`` (independent coordinates) or ``"full_rank"`` (Kucukelbir et al. 2017); ``"laplace"`` (the
        curvature at the mode of the unconstrained density); ``"flow"`` (two inverse autoregressive transforms, Kingma
        et al. 2016); ``"pathfinder"`` (normal approximations along R optimisations, resampled together by importance,
        Zhang et al. 2022: fast, and where paths end in several modes it keeps them all).
    num_starts
        R, optimisations run in parallel from random starts; the one of highest ELBO is kept.
    num_steps
        Adam steps of each, with a learning rate that decays to a hundredth over the first seven tenths.
        Pathfinder needs none.
    num_samples
        S, draws of the approximation.
    batch_size
        Rows, drawn anew for each step, whose log-likelihood stands for that of all (Hoffman et al. 2013); all rows if
        not given. The draws are weighed against all rows in any case. Not for Pathfinder.
    reference
        Parameters whose labels the draws should follow; the draw of highest density by default.
    on_progress
        Called with (steps done, steps in all) at the end.

    Returns
    -------
    Posterior
        One chain of S relabelled draws; `.info` holds the ELBO and Pareto k-hat, and `.reason` says if other starts
        ended in another mode. All but Pathfinder cover one mode at most.

    Raises
    ------
    ValueError
        If an argument is wrong, or the model has no prior.
    """
    data = admit(model, x, key, on_progress, reference)
    check_choice("guide", guide, GUIDES)
    num_starts, num_steps = check_count("num_starts", num_starts), check_count("num_steps", num_steps, least=10)
    num_samples = check_count("num_samples", num_samples, least=100)
    if batch_size is not None:
        batch_size = _check_batch(batch_size, guide, len(data))
    fit = _fit(model, data, key, reference, guide, num_starts, num_steps, num_samples, batch_size)
    if on_progress is not None and not is_traced(fit):
        jax.block_until_ready(fit)
        on_progress(num_steps, num_steps)
    return fit


def _check_batch(batch_size: int, guide: str, num_rows: int) -> int:
    count = check_count("batch_size", batch_size)
    if guide == "pathfinder":
        raise ValueError("batch_size must be None for guide='pathfinder', whose paths need all rows.")
    if count > num_rows:
        raise ValueError(f"batch_size must be at most the number of rows, {num_rows}; got {count}.")
    return count


@eqx.filter_jit
def _fit(
    model, x, key, reference, guide: str, num_starts: int, num_steps: int, num_samples: int, batch_size: int | None
) -> Posterior[VIInfo]:
    num_lanes = num_starts * NUM_PARTICLES
    rows = model.prepare(x, num_lanes)
    coordinates = Coordinates.of(model, rows.frame)
    key_starts, key_fit, key_batches = jax.random.split(key, 3)
    starts = jax.vmap(lambda p: coordinates.vector(coordinates.into_support(p)))(
        cautious_starts(model, x, key_starts, num_starts)
    )
    energy = partial(potential, model, rows, coordinates)
    if guide == "pathfinder":
        info, draws = _along_paths(energy, key_fit, starts, num_samples)
    else:
        seen = everything(rows, num_steps)
        steps = seen if batch_size is None else batches(model, x, key_batches, num_steps, batch_size, num_lanes)
        info, draws = _by_steps(energy, coordinates, guide, model, key_fit, starts, steps, num_samples)
    return assemble(model, rows, coordinates.of_draws(draws[None]), info, reference)


def _along_paths(energy: Energy, key, starts: Float[Array, "R d"], num_samples: int):
    """Pathfinder from all starts."""
    found = multipath(energy, key, starts, num_samples)
    elbos = jnp.mean(found.log_ratios, axis=1)  # −∞ for a path that left the support
    best = jnp.argmax(elbos)
    mcse = jnp.std(found.log_ratios[best]) / jnp.sqrt(found.log_ratios.shape[1])
    settled = jnp.zeros_like(mcse)
    return VIInfo("pathfinder", elbos[best], mcse, found.log_ratios.ravel(), elbos, settled, settled), found.draws


def _by_steps(
    energy: Energy, coordinates, guide: str, model, key, starts: Float[Array, "R d"], steps: Steps, num_samples: int
):
    """Draws from the best of the approximations optimised from each start."""
    chosen = OPTIMISED[guide]
    key_starts, key_draws = jax.random.split(key)
    ended = jax.vmap(lambda own, u: optimise(energy, coordinates, chosen, model, own, u, steps))(
        jax.random.split(key_starts, len(starts)), starts
    )
    best = jnp.argmax(jnp.where(jnp.isfinite(ended.elbo), ended.elbo, -jnp.inf))
    own = jax.tree.map(lambda leaf: leaf[best], ended)
    draws, log_weights = weigh(
        energy, chosen, own.params, key_draws, starts[best], num_samples, len(starts) * NUM_PARTICLES
    )
    mcse = jnp.std(log_weights) / jnp.sqrt(num_samples)
    return VIInfo(guide, jnp.mean(log_weights), mcse, log_weights, ended.elbo, own.drift, own.drift_mcse), draws
