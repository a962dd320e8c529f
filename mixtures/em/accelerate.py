"""SQUAREM: two EM steps and one leap along them, taken only where it climbs higher."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mixtures._kernel import Frame, Rows
from mixtures._trees import choose
from mixtures.em import step as em_step
from mixtures.em.step import EMState
from mixtures.families import Moments
from mixtures.model import Mixture


class Run(eqx.Module):
    """Where EM stands, and the statistics of the two steps before: what a leap is extrapolated from."""

    state: EMState
    first: Moments
    second: Moments
    turn: Int[Array, ""]  # 0 and 1: a step; 2: a leap


def begin(state: EMState) -> Run:
    """A run that starts with two steps."""
    return Run(state, state.moments, state.moments, jnp.int32(0))


def advance(model: Mixture, rows: Rows, run: Run, atol: Float[Array, ""]) -> Run:
    """One E-step: that of a step, or of a leap after two steps (Varadhan and Roland 2008, scheme S3).

    A leap is taken only if its objective is higher, so the objective never falls; convergence is judged on steps.
    """
    leaping, state = run.turn == 2, run.state
    leap = _extrapolate(run.first, run.second, state.moments, rows.frame)
    moments = choose(leaping, leap, state.moments)
    new = em_step.init(model, rows, em_step.m_step(model, rows.frame, moments, state.params))
    new = eqx.tree_at(lambda s: s.num_steps, new, state.num_steps + 1)
    higher = (new.objective > state.objective) & em_step.is_wide(model, rows, new.params)
    stayed = eqx.tree_at(lambda s: s.num_steps, state, new.num_steps)
    stepped = em_step.follow(model, rows, state, new, atol)
    return Run(
        choose(leaping, choose(higher, new, stayed), stepped),
        choose(run.turn == 0, state.moments, run.first),
        choose(run.turn == 1, state.moments, run.second),
        (run.turn + 1) % 3,
    )


def _extrapolate(old: Moments, middle: Moments, new: Moments, frame: Frame) -> Moments:
    """m₀ − 2αr + α²v with r = m₁ − m₀, v = (m₂ − m₁) − r and α = −‖r‖/‖v‖ ≤ −1."""
    start, one, two = (_coordinates(m, frame) for m in (old, middle, new))
    r = jax.tree.map(jnp.subtract, one, start)
    v = jax.tree.map(lambda a, b, c: (a - b) - c, two, one, r)
    alpha = jnp.minimum(-1.0, -jnp.sqrt(_squared_norm(r) / _squared_norm(v)))
    log_claims, means, covariances = jax.tree.map(lambda m, r, v: m - 2 * alpha * r + alpha**2 * v, start, r, v)
    claims = jnp.exp(log_claims)
    claims = claims * jnp.sum(old.claims) / jnp.sum(claims)
    counts, others = claims[: len(means)], None if old.others is None else claims[len(means) :]
    scatter = counts.reshape(-1, *[1] * (covariances.ndim - 1)) * covariances * _units(covariances, frame)
    return Moments(counts, frame.loc + frame.scale * means, scatter, others)


def _coordinates(moments: Moments, frame: Frame):
    """Log claims, and means and covariances in the frame's units: comparable numbers, whatever the data's units."""
    claims = jnp.maximum(moments.claims, jnp.finfo(moments.counts.dtype).tiny)
    counts = claims[: len(moments.means)]
    covariances = moments.scatter / counts.reshape(-1, *[1] * (moments.scatter.ndim - 1))
    return jnp.log(claims), (moments.means - frame.loc) / frame.scale, covariances / _units(covariances, frame)


def _units(covariances, frame: Frame):
    return frame.scale**2 if covariances.ndim == 2 else frame.scale[:, None] * frame.scale


def _squared_norm(tree) -> Float[Array, ""]:
    return jnp.sum(jnp.stack([jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)]))
