"""`fit_smc`: particles led from the prior to the posterior, which finds all modes and gives the evidence besides."""

from typing import Any, ClassVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key, Real

from mixtures._checks import check_count, check_share, is_traced
from mixtures._drivers import OnProgress
from mixtures._kernel import Rows
from mixtures._numbers import plus_minus
from mixtures._status import Status
from mixtures.bayes.boundary import admit, refuse_fixed
from mixtures.bayes.diagnostics import Diagnostics, judge_chains
from mixtures.bayes.posterior import AbstractInfo, Posterior, assemble
from mixtures.coordinates import Coordinates
from mixtures.families import AbstractParams
from mixtures.model import Mixture

_TARGET_ACCEPTANCE = 0.8
_NUM_LEAPFROG = 8
_JITTER = 0.3  # of log step sizes, so that no trajectory is periodic
_FIRST_STEP = 0.3
_LEAST_CURVATURE = 1e-6  # of the average: where gradients are nought in some direction
_MOST_STAGES = 1000
_FARTHEST = 100.0  # in unconstrained coordinates: where a weight drawn from a sparse prior underflows


class SMCInfo(AbstractInfo):
    """What C independent runs report.

    `log_evidences` estimates log p(x) by each run; `power` is that of the likelihood where it ended, 1 if it came to
    the posterior; `num_stages` counts powers, and `acceptance` is the mean over the moves at the last of them.
    """

    engine: ClassVar[str] = "Sequential Monte Carlo"

    log_evidences: Float[Array, " C"]
    power: Float[Array, " C"]
    num_stages: Int[Array, " C"]
    acceptance: Float[Array, " C"]

    @property
    def log_evidence(self) -> float:
        """Logarithm of the runs' average estimate of the evidence, consistent in S (Beskos et al. 2016, theorem 2)."""
        return float(jax.scipy.special.logsumexp(self.log_evidences) - np.log(len(self.log_evidences)))

    @property
    def log_evidence_mcse(self) -> float:
        """Monte Carlo standard error of `log_evidence`, from the spread of the runs; NaN for one run."""
        shares = np.exp(np.asarray(self.log_evidences) - float(self.log_evidences.max()))
        if len(shares) == 1:
            return float("nan")
        return float(shares.std(ddof=1) / shares.mean() / np.sqrt(len(shares)))

    def num_divergences(self) -> int:
        """None are counted: a move that fails is rejected."""
        return 0

    def judge(self, diagnostics: Diagnostics) -> tuple[Status, str]:
        """Converged when the runs agree on label-free quantities and have particles enough between them."""
        if float(jnp.min(self.power)) < 1:
            least = float(jnp.min(self.power))
            return (
                Status.NOT_CONVERGED,
                f"A run stopped at power {least:.2g} of the likelihood after {_MOST_STAGES} stages, short of the "
                "posterior; use more particles or moves.",
            )
        status, words = judge_chains(diagnostics, len(self.log_evidences))
        evidence = f"Log evidence {plus_minus(float(self.log_evidence), float(self.log_evidence_mcse))}."
        if not np.isfinite(self.log_evidence):
            return Status.NON_FINITE, "The evidence is not finite; conclude nothing from these particles."
        alone = " One run cannot be seen to agree with another." if len(self.log_evidences) == 1 else ""
        return status, f"{words} {evidence}{alone}"

    def sample_stats(self) -> dict[str, Float[Array, "C S"]]:
        """None that differ from particle to particle."""
        return {}


def fit_smc(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    num_particles: int = 1000,
    num_runs: int = 4,
    num_moves: int = 5,
    target_ess: float = 0.7,
    reference: AbstractParams | None = None,
    on_progress: OnProgress | None = None,
) -> Posterior[SMCInfo]:
    """Sample the posterior of a mixture by tempered sequential Monte Carlo (Del Moral, Doucet and Jasra 2006).

    Particles begin as draws from the prior. The likelihood is raised to powers from 0 to 1, each chosen so that the
    step from the one before leaves a given effective sample size; particles are resampled by their weights and moved by
    Hamiltonian Monte Carlo, and then weighed for the next power. The metric of the moves is the particles' average
    outer product of gradients, which is the expected curvature and, unlike their covariance, does not grow with the
    distance between modes (Titsias 2023). Where chains of NUTS settle in different modes, particles find them in their
    proportions.

    Parameters
    ----------
    model
        A mixture with a proper prior.
    x
        Data, (N,) or (N, D), complete.
    key
        Random key; the same key gives the same particles.
    num_particles
        S, particles of each run.
    num_runs
        C, independent runs: their agreement is what says whether they converged.
    num_moves
        Hamiltonian moves of every particle at each power.
    target_ess
        Effective share of the particles, before they are resampled, that a step to the next power leaves.
    reference
        Parameters whose labels the draws should follow; the draw of highest density by default.
    on_progress
        Called with (runs done, runs in all); not inside a transformation.

    Returns
    -------
    Posterior
        Runs in the place of chains; `.info.log_evidence` is the log of ∫ p(x | θ) p(θ) dθ, over all labellings.

    Raises
    ------
    ValueError
        If an argument is wrong, or the model has no prior or fixed parameters.
    """
    data = admit(model, x, key, on_progress, reference)
    check_share("target_ess", target_ess)
    refuse_fixed(model, "fit_smc")
    num_particles = check_count("num_particles", num_particles, least=100)
    num_runs, num_moves = check_count("num_runs", num_runs), check_count("num_moves", num_moves)
    rows = model.prepare(data, num_particles)
    target = jnp.asarray(target_ess, data.dtype)
    keys = jax.random.split(key, num_runs)
    if is_traced(model, x, key, target):
        runs = jax.lax.map(lambda own: _run(model, rows, own, target, num_particles, num_moves), keys)
        return _finish(model, rows, runs, reference)
    done = []
    for i, own in enumerate(keys, start=1):
        done.append(_run(model, rows, own, target, num_particles, num_moves))
        if on_progress is not None:
            jax.block_until_ready(done)
            on_progress(i, num_runs)
    return _finish(model, rows, jax.tree.map(lambda *leaves: jnp.stack(leaves), *done), reference)


class _Run(eqx.Module):
    """Where one run stands: particles in unconstrained coordinates, and how they move."""

    particles: Float[Array, "S d"]
    weights: Float[Array, " S"]
    power: Float[Array, ""]
    log_step: Float[Array, ""]
    log_evidence: Float[Array, ""]
    acceptance: Float[Array, ""]
    num_stages: Int[Array, ""]


@eqx.filter_jit
def _run(model: Mixture, rows: Rows, key: Key[Array, ""], target: Float[Array, ""], num_particles: int, num_moves: int):
    """One run from the prior to the posterior."""
    import blackjax
    from blackjax.smc import ess, resampling, solver, tempered

    coordinates = Coordinates.of(model, rows.frame)
    key_prior, key_runs = jax.random.split(key)

    def log_prior(u):
        return model.log_prior(coordinates.params(u)) + coordinates.log_abs_det_jacobian(u)

    def log_likelihood(u):
        return model.log_likelihood(coordinates.params(u), rows)

    advance = tempered.build_kernel(log_prior, log_likelihood, _move, blackjax.hmc.init, resampling.systematic)

    def climb(run: _Run) -> Float[Array, ""]:
        """The highest power that leaves the effective sample size."""
        rest = 1 - run.power
        step = ess.ess_solver(jax.vmap(log_likelihood), run.particles, cast(float, target), rest, solver.dichotomy)
        return run.power + jnp.clip(step, 0.0, rest)

    def settings(run: _Run) -> dict[str, Array]:
        slopes = jax.vmap(jax.grad(lambda u: log_prior(u) + run.power * log_likelihood(u)))(run.particles)
        slopes = jnp.where(jnp.isfinite(slopes), slopes, 0.0)
        curvature = (run.weights * slopes.T) @ slopes
        floor = _LEAST_CURVATURE * jnp.trace(curvature) / len(curvature)
        metric = jnp.linalg.inv(curvature + floor * jnp.eye(len(curvature), dtype=curvature.dtype))
        return {"step_size": jnp.exp(run.log_step)[None], "inverse_mass_matrix": metric[None]}

    def stage(carry: tuple[_Run, Bool[Array, ""]]) -> tuple[_Run, Bool[Array, ""]]:
        run, _ = carry
        # The weights of the highest power are still to be resampled by, and the particles to be moved at it.
        last = (run.power >= 1) | (run.num_stages >= _MOST_STAGES)
        power = jnp.where(last, run.power, climb(run))
        own = jax.random.fold_in(key_runs, run.num_stages)
        begun = tempered.TemperedSMCState(run.particles, run.weights, run.power)
        state, info = advance(own, begun, num_moves, power, settings(run))
        acceptance = jnp.mean(cast(Any, info.update_info).acceptance_rate)
        moved = _Run(
            state.particles,
            state.weights,
            state.tempering_param,
            run.log_step + (acceptance - _TARGET_ACCEPTANCE),
            run.log_evidence + info.log_likelihood_increment,
            acceptance,
            run.num_stages + 1,
        )
        return moved, last

    keys = jax.random.split(key_prior, num_particles)
    drawn = jax.vmap(lambda own: coordinates.vector(model.sample_prior(own, len(rows.frame.loc))))(keys)
    first = jnp.clip(drawn, -_FARTHEST, _FARTHEST)
    zero, even = jnp.zeros((), first.dtype), jnp.full(num_particles, 1 / num_particles, first.dtype)
    begun = _Run(first, even, zero, jnp.log(zero + _FIRST_STEP), zero, zero, jnp.int32(0))
    return jax.lax.while_loop(lambda carry: ~carry[1], stage, (begun, jnp.array(False)))[0]


def _move(
    key: Key[Array, ""], state, log_density, step_size: Float[Array, ""], inverse_mass_matrix: Float[Array, "d d"]
):
    """One Hamiltonian trajectory with a step size near the given one."""
    import blackjax

    key_step, key_move = jax.random.split(key)
    near = step_size * jnp.exp(_JITTER * jax.random.normal(key_step, dtype=step_size.dtype))
    kernel = blackjax.hmc.build_kernel()
    return kernel(key_move, state, log_density, near, inverse_mass_matrix, _NUM_LEAPFROG)


@eqx.filter_jit
def _finish(model: Mixture, rows: Rows, runs: _Run, reference: AbstractParams | None) -> Posterior[SMCInfo]:
    info = SMCInfo(runs.log_evidence, runs.power, runs.num_stages, runs.acceptance)
    params = Coordinates.of(model, rows.frame).of_draws(runs.particles)
    return assemble(model, rows, params, info, reference)
