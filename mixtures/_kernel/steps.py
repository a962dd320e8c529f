"""The E-step in its two forms, and the log-likelihood with its derivative rule.

Products: log w_k p(z_n | θ_k) = η_k · T(z_n), so the K × N log-density matrix is one matrix product and the expected
statistics R T are another. Fastest, but a component's variance is then a difference of large numbers.
Centred: deviations from each component's own mean are formed, whitened and squared; as accurate as the data.

Either way the expected statistics *are* the derivative of the log-likelihood (Fisher's identity), which the rule below
states: a gradient costs what an E-step costs, and Hessians differentiate through the E-step itself.
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mixtures._kernel.quadratics import Quadratics, Sums
from mixtures._kernel.rows import CENTRED, Rows, statistics

_FEW_STATS = 3  # those of one feature
_MANY_STATS = 32  # from which the order of a product's factors matters; measured on two cores


def _times(a: Float[Array, "I J"], b: Float[Array, "J L"]) -> Float[Array, "I L"]:
    """Matrix product; with few statistics as a sum that fuses with its neighbours, a third faster in one dimension."""
    if b.shape[0] <= _FEW_STATS:
        return sum((a[:, p, None] * b[p] for p in range(1, b.shape[0])), a[:, 0, None] * b[0])
    if b.shape[1] <= _FEW_STATS:
        return jnp.stack([jnp.sum(a * b[:, p], axis=1) for p in range(b.shape[1])], axis=1)
    return a @ b


def _share(
    log_density: Float[Array, "K n"], weights: Float[Array, " n"]
) -> tuple[Float[Array, ""], Float[Array, "K n"]]:
    """Log-likelihood of a block, and the weighted responsibilities of its rows."""
    top = jnp.max(log_density, axis=0)
    likelihood = jnp.exp(log_density - top)
    total = jnp.sum(likelihood, axis=0)
    return jnp.sum(weights * (top + jnp.log(total))), likelihood * (weights / total)


def _by_products(eta: Float[Array, "K P"], stats: Float[Array, "P n"], weights: Float[Array, " n"]):
    log_likelihood, shares = _share(_times(eta, stats), weights)
    if stats.shape[0] < _MANY_STATS:
        return log_likelihood, _times(shares, stats.T)
    # Half the time with the larger factor first; the barrier keeps XLA from turning the product round again.
    return log_likelihood, jax.lax.optimization_barrier(stats @ shares.T).T


def _deviations(q: Quadratics, z: Float[Array, "D n"]) -> tuple[Float[Array, "K D n"], Float[Array, "K n"]]:
    """Deviations from each mean, and the log-densities."""
    deviation = z - q.mean[:, :, None]
    whitened = q.factor[:, :, None] * deviation if q.independent else q.factor @ deviation
    return deviation, q.constant[:, None] - 0.5 * jnp.sum(whitened**2, axis=1)


def _centred(q: Quadratics, z: Float[Array, "D n"], weights: Float[Array, " n"]) -> tuple[Float[Array, ""], Sums]:
    deviation, log_density = _deviations(q, z)
    log_likelihood, shares = _share(log_density, weights)
    shared = shares[:, None, :] * deviation
    second = jnp.sum(shared * deviation, axis=2) if q.independent else shared @ jnp.swapaxes(deviation, 1, 2)
    return log_likelihood, Sums(jnp.sum(shares, axis=1), jnp.sum(shared, axis=2), second)


@eqx.filter_jit
def e_step(q: Quadratics, rows: Rows) -> tuple[Float[Array, ""], Sums]:
    """Log-likelihood Σ_n w_n log Σ_k exp(log-density) and the expected statistics of the rows, group by group.

    (Dempster, Laird and Rubin 1977, eq. 2.13.)
    """
    if rows.form == CENTRED:
        return _over_blocks(_centred, q, rows)
    eta = q.natural()
    if rows.stored:
        log_likelihood, expected = _by_products(eta, rows.blocks[0], rows.weights[0])
    else:
        log_likelihood, expected = _over_blocks(
            lambda eta, z, weights: _by_products(eta, statistics(z, rows.form), weights), eta, rows
        )
    convert = partial(Sums.from_products, mean=q.mean, independent=q.independent)
    return log_likelihood, (convert if rows.groups is None else jax.vmap(convert))(expected)


def _over_blocks(one, parameters, rows: Rows):
    """Add up `one(parameters, block, weights)` over blocks, group by group where there are groups."""
    if rows.groups is None:
        if rows.blocks.shape[0] == 1:
            return one(parameters, rows.blocks[0], rows.weights[0])

        def add(total, block):
            return jax.tree.map(jnp.add, total, one(parameters, *block)), None

        zero = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(one, parameters, *_first(rows)))
        return jax.lax.scan(add, zero, (rows.blocks, rows.weights))[0]

    def add_to_group(total, block):
        z, weights, group = block
        log_likelihood, sums = one(_of_group(parameters, group), z, weights)
        return (total[0] + log_likelihood, jax.tree.map(lambda t, s: t.at[group].add(s), total[1], sums)), None

    shape, sums = jax.eval_shape(one, _of_group(parameters, 0), *_first(rows))
    count = rows.groups.component.shape[0]
    zero = (jnp.zeros(shape.shape, shape.dtype), jax.tree.map(lambda s: jnp.zeros((count, *s.shape), s.dtype), sums))
    return jax.lax.scan(add_to_group, zero, (rows.blocks, rows.weights, rows.groups.of_block))[0]


def _first(rows: Rows):
    return rows.blocks[0], rows.weights[0]


def _of_group(parameters, group):
    return parameters.of_group(group) if isinstance(parameters, Quadratics) else parameters[group]


@jax.custom_jvp
def log_likelihood(q: Quadratics, rows: Rows) -> Float[Array, ""]:
    """Mixture log-likelihood Σ_n w_n log Σ_k exp(log-density)."""
    return e_step(q, rows)[0]


def _log_likelihood_jvp(primals, tangents):
    # Fisher's identity: the derivative is that of the expected log-density. Derivatives in rows have their own term.
    q, rows = primals
    q_dot, rows_dot = tangents
    value, sums = e_step(q, rows)
    change = jnp.zeros_like(value)
    if not _is_zero(q_dot.constant):
        change = change + jnp.sum(sums.count * q_dot.constant)
    if not _is_zero(q_dot.mean):
        change = change + jnp.sum(_precision_times(q, sums.first) * q_dot.mean)
    if not _is_zero(q_dot.factor):
        change = change - jnp.sum(_factor_times(q, sums.second) * q_dot.factor)
    if not all(_is_zero(t) for t in jax.tree.leaves(rows_dot)):
        rows_dot = jax.tree.map(_materialise, rows_dot, rows)
        change = change + jax.jvp(lambda r: e_step(q, r)[0], (rows,), (rows_dot,))[1]
    return value, change


def _precision_times(q: Quadratics, first):
    if q.independent:
        return q.factor**2 * first
    return jnp.einsum("...kde,...kdf,...kf->...ke", q.factor, q.factor, first)


def _factor_times(q: Quadratics, second):
    return q.factor * second if q.independent else q.factor @ second


def _is_zero(tangent) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def _materialise(tangent, primal):
    return jnp.zeros_like(primal) if _is_zero(tangent) else tangent


log_likelihood.defjvp(_log_likelihood_jvp, symbolic_zeros=True)


@eqx.filter_jit
def log_densities(q: Quadratics, rows: Rows) -> Float[Array, "K N"]:
    """Weighted component log-densities log w_k p(z_n | θ_k), one column a row of data."""
    eta = None if rows.form == CENTRED else q.natural()

    def one(block):
        if rows.groups is not None:
            block, group = block
        else:
            group = None
        if eta is None:
            return _deviations(q if group is None else q.of_group(group), block)[1]
        return _times(eta if group is None else eta[group], block if rows.stored else statistics(block, rows.form))

    if rows.groups is None:
        blocks = one(rows.blocks[0])[None] if rows.blocks.shape[0] == 1 else jax.lax.map(one, rows.blocks)
    else:
        blocks = jax.lax.map(one, (rows.blocks, rows.groups.of_block))
    columns = blocks.swapaxes(0, 1).reshape(blocks.shape[1], -1)
    return columns[:, : rows.num_rows] if rows.groups is None else columns[:, rows.groups.place]
