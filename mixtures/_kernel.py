"""The hot loop shared by every engine: mixture log-likelihood and expected sufficient statistics.

For an exponential-family component, log w_k p(x_n | θ_k) = η_k · T(x_n), so the K × N log-density matrix is one matrix
product, the expected statistics R T(x) are another, and ∂ log-likelihood / ∂η *is* that second product. The derivative
rule below says so: a gradient costs what an E-step costs, and Hessians differentiate through the E-step itself.

Statistics are computed in a standardised frame (centred, unit scale) and, beyond one block, made on the fly.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_BLOCK_ROWS = 65_536  # rows of a block; measured flat between 4,096 and 65,536 on two cores
_FEW_STATS = 3  # those of one feature
_WHOLE_LIMIT = 2**26  # largest N × max(K, P) × lanes held at once (512 MB in float64) before rows are blocked

SufficientStats = Callable[[Float[Array, "N D"]], Float[Array, "P N"]]


class Frame(eqx.Module):
    """An affine change of units, z = (x − loc) / scale, in which the statistics are accurate."""

    loc: Float[Array, " D"]
    scale: Float[Array, " D"]

    @staticmethod
    def of(x: Float[Array, "N D"]) -> "Frame":
        """Centre on the column means and scale by the column standard deviations (1 for a constant column)."""
        loc = jnp.mean(x, axis=0)
        scale = jnp.sqrt(jnp.mean((x - loc) ** 2, axis=0))
        return Frame(loc, jnp.where(scale > 0, scale, 1.0))

    def standardise(self, x: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """Express rows in this frame."""
        return (x - self.loc) / self.scale


class Rows(eqx.Module):
    """Data prepared for the kernel: B blocks of standardised rows with weights (0 for padding).

    With one block the statistics are stored; with more, `blocks` holds the standardised rows and each E-step makes
    their statistics anew, so nothing of size N × P exists.
    """

    blocks: Float[Array, "B _ n"]
    weights: Float[Array, "B n"]
    frame: Frame
    sufficient_stats: SufficientStats = eqx.field(static=True)
    num_rows: int = eqx.field(static=True)

    @staticmethod
    @eqx.filter_jit
    def prepare(x: Float[Array, "N D"], sufficient_stats: SufficientStats, num_lanes: int) -> "Rows":
        """Standardise and block rows; `num_lanes` is the number of log-density rows alive at once (K × starts)."""
        frame, num_rows = Frame.of(x), x.shape[0]
        z = frame.standardise(x)
        num_stats = jax.eval_shape(sufficient_stats, z).shape[0]
        if num_rows * max(num_stats, num_lanes) <= _WHOLE_LIMIT:
            blocks, weights = sufficient_stats(z)[None], jnp.ones((1, num_rows), x.dtype)
        else:
            size = min(num_rows, max(256, min(_BLOCK_ROWS, _WHOLE_LIMIT // max(num_stats, num_lanes))))
            count = -(-num_rows // size)
            padding = count * size - num_rows
            blocks = jnp.pad(z, ((0, padding), (0, 0))).reshape(count, size, -1).swapaxes(1, 2)
            weights = jnp.pad(jnp.ones(num_rows, x.dtype), (0, padding)).reshape(count, size)
        return Rows(blocks, weights, frame, sufficient_stats, num_rows)


def _block_e_step(
    eta: Float[Array, "K P"], stats: Float[Array, "P n"], weights: Float[Array, " n"]
) -> tuple[Float[Array, ""], Float[Array, "K P"]]:
    log_density = _times(eta, stats)
    top = jnp.max(log_density, axis=0)
    likelihood = jnp.exp(log_density - top)
    total = jnp.sum(likelihood, axis=0)
    expected = _times(likelihood * (weights / total), stats.T)
    return jnp.sum(weights * (top + jnp.log(total))), expected


def _times(a: Float[Array, "I J"], b: Float[Array, "J L"]) -> Float[Array, "I L"]:
    """Matrix product; with few statistics as a sum that fuses with its neighbours, a third faster in one dimension."""
    if b.shape[0] <= _FEW_STATS:
        return sum((a[:, p, None] * b[p] for p in range(1, b.shape[0])), a[:, 0, None] * b[0])
    if b.shape[1] <= _FEW_STATS:
        return jnp.stack([jnp.sum(a * b[:, p], axis=1) for p in range(b.shape[1])], axis=1)
    return a @ b


def e_step(eta: Float[Array, "K P"], rows: Rows) -> tuple[Float[Array, ""], Float[Array, "K P"]]:
    """Log-likelihood and expected sufficient statistics under natural parameters `eta` (log weights included).

    Returns the scalar log-likelihood and the K × P statistics Σ_n w_n r_nk T(x_n)
    (Dempster, Laird and Rubin 1977, eq. 2.13).
    """
    if rows.blocks.shape[0] == 1:
        return _block_e_step(eta, rows.blocks[0], rows.weights[0])

    def add_block(carry, block):
        values, weights = block
        log_likelihood, expected = _block_e_step(eta, rows.sufficient_stats(values.T), weights)
        return (carry[0] + log_likelihood, carry[1] + expected), None

    zero = (jnp.zeros((), eta.dtype), jnp.zeros_like(eta))
    return jax.lax.scan(add_block, zero, (rows.blocks, rows.weights))[0]


@jax.custom_jvp
def log_likelihood(eta: Float[Array, "K P"], rows: Rows) -> Float[Array, ""]:
    """Mixture log-likelihood Σ_n w_n log Σ_k exp(η_k · T(x_n))."""
    return e_step(eta, rows)[0]


def _log_likelihood_jvp(primals, tangents):
    # d log L = <expected statistics, dη>: Fisher's identity. The general term serves derivatives in rows and weights.
    eta, rows = primals
    eta_dot, rows_dot = tangents
    value, expected = e_step(eta, rows)
    change = jnp.zeros_like(value)
    if not _is_zero(eta_dot):
        change = change + jnp.sum(expected * eta_dot)
    if not all(_is_zero(t) for t in jax.tree.leaves(rows_dot)):
        rows_dot = jax.tree.map(_materialise, rows_dot, rows)
        change = change + jax.jvp(lambda r: e_step(eta, r)[0], (rows,), (rows_dot,))[1]
    return value, change


def _is_zero(tangent) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def _materialise(tangent, primal):
    return jnp.zeros_like(primal) if _is_zero(tangent) else tangent


log_likelihood.defjvp(_log_likelihood_jvp, symbolic_zeros=True)


@eqx.filter_jit
def log_densities(eta: Float[Array, "K P"], rows: Rows) -> Float[Array, "K N"]:
    """Weighted component log-densities log w_k p(x_n | θ_k), one column a row of data."""
    if rows.blocks.shape[0] == 1:
        return _times(eta, rows.blocks[0])
    blocks = jax.lax.map(lambda z: _times(eta, rows.sufficient_stats(z.T)), rows.blocks)
    return blocks.swapaxes(0, 1).reshape(eta.shape[0], -1)[:, : rows.num_rows]
