"""`fit_nuts`: NumPyro's NUTS kernel in one compiled program, chain after chain."""

from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key, Real
from numpyro.infer.hmc import HMCState, hmc

from mixtures._checks import as_rows, check_callback, check_count, check_data, check_key, check_share, is_traced
from mixtures._drivers import OnProgress
from mixtures._kernel import Rows
from mixtures._status import Status
from mixtures.bayes.diagnostics import Diagnostics
from mixtures.bayes.numpyro_model import potential, refuse_flat
from mixtures.bayes.posterior import AbstractInfo, Posterior, assemble
from mixtures.coordinates import Coordinates
from mixtures.families import AbstractParams
from mixtures.model import Mixture, check_model

MAX_RHAT = 1.01  # Vehtari et al. 2021, section 4
MIN_ESS_PER_CHAIN = 100  # Vehtari et al. 2021, section 4: 400 for four chains
MAX_DIVERGENT = 0.01  # share of transitions; a few are noted, more mean that regions were missed
_START_RADIUS = 2.0  # starts are uniform on [−2, 2] in every standardised unconstrained coordinate, as in Stan
_CHUNK = 250  # iterations of one compiled chunk


class NUTSInfo(AbstractInfo):
    """Sampler statistics of the kept draws, per chain and draw, and the adapted step sizes."""

    diverging: Bool[Array, "C S"]
    num_leapfrog: Int[Array, "C S"]
    accept_prob: Float[Array, "C S"]
    energy: Float[Array, "C S"]
    step_size: Float[Array, " C"]

    def num_divergences(self) -> int:
        """Divergent transitions among kept draws."""
        return int(self.diverging.sum())

    def judge(self, diagnostics: Diagnostics) -> tuple[Status, str]:
        """Converged when label-free R-hat and ESS pass; they are sound whatever the labels do."""
        rhat, ess = diagnostics.max_rhat, diagnostics.min_ess
        needed = MIN_ESS_PER_CHAIN * self.diverging.shape[0]
        numbers = f"Largest R-hat of a label-free quantity {rhat:.4f}, smallest ESS {ess:.0f}"
        if not np.isfinite(rhat):
            return Status.NON_FINITE, "Some draws have no finite density; conclude nothing from them."
        if not rhat <= MAX_RHAT:
            return (
                Status.NOT_CONVERGED,
                f"{numbers}: chains disagree (R-hat above {MAX_RHAT}); conclude nothing from them.",
            )
        if not ess >= needed:
            return Status.NOT_CONVERGED, f"{numbers}, fewer than {needed}: too few effective draws; run longer."
        share = diagnostics.divergences / self.diverging.size
        if share > MAX_DIVERGENT:
            return (
                Status.NOT_CONVERGED,
                f"{share:.1%} of transitions diverged (limit {MAX_DIVERGENT:.0%}): parts of the posterior were missed.",
            )
        return Status.CONVERGED, f"{numbers}; {diagnostics.divergences} divergent transitions."

    def sample_stats(self) -> dict[str, Float[Array, "C S"]]:
        """ArviZ's names for them."""
        return {
            "diverging": self.diverging,
            "n_steps": self.num_leapfrog,
            "acceptance_rate": self.accept_prob,
            "energy": self.energy,
        }


def fit_nuts(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    num_warmup: int = 1000,
    num_samples: int = 1000,
    num_chains: int = 4,
    target_accept_prob: float = 0.8,
    reference: AbstractParams | None = None,
    on_progress: OnProgress | None = None,
) -> Posterior[NUTSInfo]:
    """Sample the posterior of a mixture with the No-U-Turn sampler (Hoffman and Gelman 2014).

    Parameters
    ----------
    model
        A mixture with a proper prior.
    x
        Data, (N,) or (N, D).
    key
        Random key; the same key gives the same draws.
    num_warmup, num_samples
        Iterations of each chain for adaptation, and kept.
    num_chains
        C, chains started over-dispersed: uniformly on [−2, 2] in every standardised unconstrained coordinate.
    target_accept_prob
        Acceptance probability that the step size is adapted to.
    reference
        Parameters whose labels the draws should follow, such as an EM fit's; the draw of highest density by default.
    on_progress
        Called with (iterations done, iterations in all) between compiled chunks; not inside a transformation.

    Returns
    -------
    Posterior
        Relabelled draws with (chain, draw) axes; `.status` says whether to conclude anything from them.

    Raises
    ------
    ValueError
        If an argument is wrong, or the model has no prior.
    """
    check_model(model)
    check_key(key)
    check_callback("on_progress", on_progress)
    refuse_flat(model)
    num_warmup, num_samples = check_count("num_warmup", num_warmup), check_count("num_samples", num_samples)
    num_chains = check_count("num_chains", num_chains)
    check_share("target_accept_prob", target_accept_prob)
    data = as_rows(x)
    check_data(data, model.num_components)
    target = jnp.asarray(target_accept_prob, data.dtype)

    total = num_warmup + num_samples
    rows, states = _begin(model, data, key, target, num_chains, num_warmup)
    traced = is_traced(model, x, key, target)
    chunk = total if traced else _CHUNK
    outputs = []
    for done in range(0, total, chunk):
        states, output = _sample_chunk(model, rows, states, target, num_warmup, min(chunk, total - done))
        outputs.append(output)
        if on_progress is not None and not traced:
            jax.block_until_ready(output)
            on_progress(min(done + chunk, total), total)
    return _finish(model, rows, states, outputs, num_warmup, reference)


def _kernel_for(model: Mixture, rows: Rows, target: Float[Array, ""], num_warmup: int):
    """NumPyro's NUTS kernel for this posterior: a function from a key and a start to a state, and a step."""
    coordinates = Coordinates.of(model, rows.frame)
    init, sample = hmc(lambda u: potential(model, rows, coordinates, u), algo="NUTS")

    def start(key: Key[Array, ""], u: Float[Array, " d"]) -> HMCState:
        # NumPyro's annotation says float, but a traced target is what keeps a new one from recompiling.
        return init(u, num_warmup=num_warmup, target_accept_prob=cast(float, target), rng_key=key)

    return coordinates, start, sample


@eqx.filter_jit
def _begin(model, x, key, target, num_chains: int, num_warmup: int) -> tuple[Rows, HMCState]:
    rows = model.prepare(x, num_chains)
    coordinates, start, _ = _kernel_for(model, rows, target, num_warmup)
    key_start, key_chains = jax.random.split(key)
    shape = (num_chains, coordinates.size)
    u = jax.random.uniform(key_start, shape, x.dtype, -_START_RADIUS, _START_RADIUS)
    return rows, jax.vmap(start)(jax.random.split(key_chains, num_chains), u)


@eqx.filter_jit
def _sample_chunk(model, rows, states: HMCState, target, num_warmup: int, length: int):
    """Advance every chain by `length` iterations."""
    _, start, sample = _kernel_for(model, rows, target, num_warmup)
    # NumPyro's kernel keeps its adaptation schedule in a closure that only `start` fills in.
    start(jax.random.key(0), states.z[0])

    def one(state, _):
        state = sample(state)
        return state, (state.z, state.diverging, state.num_steps, state.accept_prob, state.energy)

    return jax.lax.map(lambda state: jax.lax.scan(one, state, None, length=length), states)


@eqx.filter_jit
def _finish(
    model, rows, states: HMCState, outputs, num_warmup: int, reference: AbstractParams | None
) -> Posterior[NUTSInfo]:
    kept = [jnp.concatenate(parts, axis=1)[:, num_warmup:] for parts in zip(*outputs, strict=True)]
    z, diverging, num_leapfrog, accept_prob, energy = kept
    info = NUTSInfo(diverging, num_leapfrog, accept_prob, energy, states.adapt_state.step_size)
    return assemble(model, rows, Coordinates.of(model, rows.frame), z, info, reference)
