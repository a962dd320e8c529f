"""`fit_nuts`: NumPyro's NUTS kernel, compiled with its warm-up, on a core or a device for each chain."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key, Real
from numpyro.infer.hmc import HMCState, hmc

from mixtures._checks import check_count, check_share, is_traced
from mixtures._drivers import OnProgress
from mixtures._kernel import Rows
from mixtures._numbers import percent
from mixtures._status import Status
from mixtures.bayes.boundary import admit
from mixtures.bayes.chains import device_mesh, in_chunks, on_threads, starting_points, threads_help
from mixtures.bayes.checkpoint import Checkpoint
from mixtures.bayes.diagnostics import Diagnostics, judge_chains
from mixtures.bayes.numpyro_model import potential
from mixtures.bayes.posterior import AbstractInfo, Posterior, assemble
from mixtures.coordinates import Coordinates
from mixtures.families import AbstractParams
from mixtures.model import Mixture

MAX_DIVERGENT = 0.01  # share of transitions; a few are noted, more mean that regions were missed
MIN_BFMI = 0.3  # Betancourt 2016, section 3: below it a chain explores its energies too slowly
# Dual averaging ends above its target: asked for 0.65, chains accept 0.82 (measured on five data sets), near the 0.8
# that Hoffman and Gelman 2014 aim at, and give up to twice the ESS of those asked for 0.8, which accept 0.90.
_TARGET_ACCEPT_PROB = 0.65
_MAX_DEPTH = 10  # of trajectories, in doublings


class NUTSInfo(AbstractInfo):
    """Sampler statistics of the kept draws, per chain and draw, and the adapted step sizes.

    `energy` is minus the log joint density of position and momentum at the end of each transition, in nats.
    """

    engine: ClassVar[str] = "NUTS"

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
        status, words = judge_chains(diagnostics, self.diverging.shape[0])
        if status is not Status.CONVERGED:
            return status, words
        share = diagnostics.divergences / self.diverging.size
        if share > MAX_DIVERGENT:
            return (
                Status.NOT_CONVERGED,
                f"{percent(share, 1)} of transitions diverged (limit {percent(MAX_DIVERGENT)}): parts of the posterior "
                "were missed.",
            )
        return Status.CONVERGED, " ".join([words, *self._remarks()])

    def _remarks(self) -> list[str]:
        """What is no reason to distrust the draws by itself, but should be known."""
        words, bfmi = [f"{self.num_divergences()} divergent transitions."], np.asarray(self.bfmi)
        if bfmi.min() < MIN_BFMI:
            words.append(
                f"Chain {bfmi.argmin() + 1} has an E-BFMI of {bfmi.min():.2f} (below {MIN_BFMI}): it moves slowly "
                "between levels of the density, so rely on its tails less."
            )
        cut_short = float(np.mean(np.asarray(self.num_leapfrog) >= 2**_MAX_DEPTH - 1))
        if cut_short > 0:
            words.append(f"{percent(cut_short, 1)} of trajectories were cut short at {2**_MAX_DEPTH - 1} steps.")
        return words

    @property
    def bfmi(self) -> Float[Array, " C"]:
        """Energy fraction of missing information of each chain (Betancourt 2016, eq. 21)."""
        jumps = jnp.mean(jnp.diff(self.energy, axis=1) ** 2, axis=1)
        return jumps / jnp.var(self.energy, axis=1)

    @property
    def tree_depth(self) -> Int[Array, "C S"]:
        """Doublings of each trajectory."""
        return jnp.ceil(jnp.log2(self.num_leapfrog + 1)).astype(int)

    def sample_stats(self) -> dict[str, Float[Array, "C S"]]:
        """ArviZ's names for them."""
        return {
            "diverging": self.diverging,
            "n_steps": self.num_leapfrog,
            "acceptance_rate": self.accept_prob,
            "energy": self.energy,
            "tree_depth": self.tree_depth,
            "step_size": jnp.broadcast_to(self.step_size[:, None], self.energy.shape),
        }


def fit_nuts(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    num_warmup: int = 1000,
    num_samples: int = 1000,
    num_chains: int = 4,
    target_accept_prob: float = _TARGET_ACCEPT_PROB,
    start: str | AbstractParams | Sequence[AbstractParams] = "dispersed",
    reference: AbstractParams | None = None,
    checkpoint: str | Path | None = None,
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
        C. Where JAX has several local devices, chains are shared out over as many of them as divide C.
    target_accept_prob
        Acceptance probability that the step size is adapted to; chains end up accepting more than that.
    start
        ``"dispersed"``: uniform on [−2, 2] in every standardised unconstrained coordinate. Or parameters, one set or
        several: those of an EM fit, or of its modes, ``[mode.params for mode in em.modes]``. Chains take them in turn,
        and begin near them.
    reference
        Parameters whose labels the draws should follow, such as an EM fit's; the draw of highest density by default.
    checkpoint
        A file to keep the state in after every chunk of iterations. If it is there already, from a run with the same
        arguments that was cut off, that run is continued and gives the draws it would have given. It is left in place
        at the end. Not inside a transformation.
    on_progress
        Called with (iterations done, iterations in all) between compiled chunks; not inside a transformation.

    Returns
    -------
    Posterior
        Relabelled draws with (chain, draw) axes; `.status` says whether to conclude anything from them.

    Raises
    ------
    ValueError
        If an argument is wrong, the model has no prior, or the checkpoint is damaged or of another run.
    """
    data = admit(model, x, key, on_progress, reference)
    num_warmup, num_samples = check_count("num_warmup", num_warmup), check_count("num_samples", num_samples)
    num_chains = check_count("num_chains", num_chains)
    check_share("target_accept_prob", target_accept_prob)
    target = jnp.asarray(target_accept_prob, data.dtype)
    total = num_warmup + num_samples
    key_start, key_chains = jax.random.split(key)
    points = starting_points(model, data, key_start, start, num_chains)
    rows, states = _begin(model, data, key_chains, target, points, num_warmup)
    if is_traced(model, x, key, target, points):
        if checkpoint is not None:
            raise ValueError("checkpoint is not available inside a transformation.")
        _, draws = _sample(model, rows, states, target, num_warmup, total, None)
    else:
        counts = {"num_warmup": num_warmup, "num_samples": num_samples, "num_chains": num_chains}
        kept = None
        if checkpoint is not None:
            kept = open_checkpoint(checkpoint, model, data, key, counts, target_accept_prob, start)
        mesh = device_mesh(num_chains, data)

        def advance(states, length):
            if mesh is None and threads_help(data):
                given = model, rows, states, target, num_warmup, length
                return _together(on_threads(partial(_sample_chain, *given), num_chains))
            return _sample(model, rows, states, target, num_warmup, length, mesh)

        like = states, _Draws(*[states.energy] * len(_Draws._fields))
        found = None if kept is None else kept.load(like)
        draws = in_chunks(advance, states, total, found, kept, on_progress)
    return _finish(model, rows, draws, num_warmup, num_samples, reference)


def open_checkpoint(
    path: str | Path,
    model: Mixture,
    x: Float[Array, "N D"],
    key: Key[Array, ""],
    counts: dict[str, int],
    target_accept_prob: float = _TARGET_ACCEPT_PROB,
    start: str | AbstractParams | Sequence[AbstractParams] = "dispersed",
) -> Checkpoint:
    """The file that keeps a run of `fit_nuts` with these arguments; refused if it is there and of another run."""
    settings = counts | {"target_accept_prob": float(target_accept_prob)}
    run = {"model": (model, model.prior.describe()), "data": x, "key": key, "settings": settings, "start": start}
    return Checkpoint(path, run)


def _kernel_for(model: Mixture, rows: Rows, target: Float[Array, ""], num_warmup: int):
    """NumPyro's NUTS kernel for this posterior: a function from a key and a start to a state, and a step."""
    coordinates = Coordinates.of(model, rows.frame)
    init, sample = hmc(lambda u: potential(model, rows, coordinates, u), algo="NUTS")

    def start(key: Key[Array, ""], u: Float[Array, " d"]) -> HMCState:
        # NumPyro's annotation says float, but a traced target is what keeps a new one from recompiling.
        return init(u, num_warmup=num_warmup, target_accept_prob=cast(float, target), rng_key=key)

    return coordinates, start, sample


@eqx.filter_jit
def _begin(model, x, key, target, points: Float[Array, "C d"], num_warmup: int) -> tuple[Rows, HMCState]:
    rows = model.prepare(x)
    _, start, _ = _kernel_for(model, rows, target, num_warmup)
    # One chain after another: a program for all at once takes twice as long to compile.
    return rows, jax.lax.map(lambda own: start(*own), (jax.random.split(key, len(points)), points))


class _Draws(NamedTuple):
    """What is kept of each iteration of each chain."""

    u: Float[Array, "C S d"]
    diverging: Bool[Array, "C S"]
    num_leapfrog: Int[Array, "C S"]
    accept_prob: Float[Array, "C S"]
    energy: Float[Array, "C S"]
    step_size: Float[Array, "C S"]


def _advance(model, rows, state: HMCState, target, num_warmup: int, length: int) -> tuple[HMCState, _Draws]:
    """One chain, `length` iterations on."""
    _, start, sample = _kernel_for(model, rows, target, num_warmup)
    # NumPyro's kernel keeps its adaptation schedule in a closure that only `start` fills in.
    start(jax.random.key(0), state.z)

    def one(state, _):
        state = sample(state)
        step_size = state.adapt_state.step_size
        kept = state.z, state.diverging, state.num_steps, state.accept_prob, state.energy, step_size
        return state, _Draws(*kept)

    return jax.lax.scan(one, state, None, length=length)


@eqx.filter_jit
def _sample_chain(model, rows, states: HMCState, target, num_warmup: int, length: int, chain: Int[Array, ""]):
    """Advance one of several chains."""
    own = jax.tree.map(lambda leaf: leaf[chain], states)
    return _advance(model, rows, own, target, num_warmup, length)


@eqx.filter_jit
def _together(chains: list[tuple[HMCState, _Draws]]) -> tuple[HMCState, _Draws]:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *chains)


@eqx.filter_jit
def _sample(model, rows, states: HMCState, target, num_warmup: int, length: int, mesh: Mesh | None):
    """Advance every chain by `length` iterations, those of one device in turn."""

    def advance_all(model, rows, target, states):
        return jax.lax.map(lambda state: _advance(model, rows, state, target, num_warmup, length), states)

    if mesh is None:
        return advance_all(model, rows, target, states)
    chains = P(mesh.axis_names[0])
    spread = jax.shard_map(
        advance_all, mesh=mesh, in_specs=(P(), P(), P(), chains), out_specs=(chains, chains), check_vma=False
    )
    return spread(model, rows, target, states)


@eqx.filter_jit
def _finish(
    model, rows, draws: _Draws, num_warmup: int, num_samples: int, reference: AbstractParams | None
) -> Posterior[NUTSInfo]:
    kept = jax.tree.map(lambda leaf: leaf[:, num_warmup : num_warmup + num_samples], draws)
    info = NUTSInfo(kept.diverging, kept.num_leapfrog, kept.accept_prob, kept.energy, kept.step_size[:, -1])
    return assemble(model, rows, Coordinates.of(model, rows.frame).of_draws(kept.u), info, reference)
