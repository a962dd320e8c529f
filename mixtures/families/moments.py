"""From the kernel's sums to the moments that an M-step needs, with what is missing filled in by its expectation."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mixtures._kernel import Frame, Rows, Sums


class Moments(eqx.Module):
    """Expected counts, means and scatter (squared deviations from these means, summed) of the rows of each component.

    In data units. `scatter` holds matrices, or only their diagonals where the features are independent. `others` are
    the expected counts of whatever claims rows but has no parameters of its own: noise.
    """

    counts: Float[Array, " K"]
    means: Float[Array, "K D"]
    scatter: Float[Array, "K D *D"]
    others: Float[Array, " M"] | None = None

    @staticmethod
    def of(sums: Sums, mean: Float[Array, "K D"], frame: Frame) -> "Moments":
        """From sums about `mean`, both in the frame's units."""
        safe = jnp.maximum(sums.count, jnp.finfo(sums.count.dtype).tiny)[:, None]
        shift = sums.first / safe
        means = frame.loc + frame.scale * (mean + shift)
        if sums.second.ndim == 2:
            scatter = (sums.second - sums.first * shift) * frame.scale**2
            return Moments(sums.count, means, scatter)
        scatter = sums.second - sums.first[:, :, None] * shift[:, None, :]
        scatter = scatter * frame.scale[:, None] * frame.scale
        return Moments(sums.count, means, scatter)

    @property
    def claims(self) -> Float[Array, " W"]:
        """All expected counts, to which maximum likelihood weights are proportional."""
        return self.counts if self.others is None else jnp.concatenate([self.counts, self.others])

    def about(self, means: Float[Array, "K D"]) -> Float[Array, "K D *D"]:
        """Scatter about other means."""
        return self.scatter + squared(self.counts, self.means - means, self.scatter.ndim == 2)


def squared(counts: Float[Array, " K"], shifts: Float[Array, "K D"], independent: bool) -> Float[Array, "K D *D"]:
    """Counts times the squares of shifts, or (unless features are independent) times their outer products."""
    weighted = counts[:, None] * shifts
    return weighted * shifts if independent else weighted[:, :, None] * shifts[:, None, :]


def observed_factor(
    covariance: Float[Array, "K D D"], observed: Bool[Array, " D"]
) -> tuple[Float[Array, "K D D"], Float[Array, " K"]]:
    """F with FᵀF the inverse of the observed block (zero elsewhere), and the block's log determinant."""
    both = observed[:, None] & observed
    tril = jnp.linalg.cholesky(jnp.where(both, covariance, jnp.eye(len(observed), dtype=covariance.dtype)))
    identity = jnp.broadcast_to(jnp.eye(len(observed), dtype=covariance.dtype), covariance.shape)
    factor = jax.scipy.linalg.solve_triangular(tril, identity, lower=True)
    log_det = 2.0 * jnp.sum(jnp.log(jnp.diagonal(tril, axis1=-2, axis2=-1)), axis=-1)
    return jnp.where(both, factor, 0.0), log_det


def complete(sums: Sums, covariance: Float[Array, "K D D"], observed: Bool[Array, "G D"]) -> Sums:
    """Sums over complete rows, expected given the observed features (Little and Rubin 2019, section 11.2).

    E[z − m | observed] = B (z − m) with B = Σ_{·o} Σ_oo⁻¹, and Var[z | observed] = Σ − B Σ.
    """

    def one_group(sums, observed):
        factor, _ = observed_factor(covariance, observed)
        regression = covariance @ jnp.swapaxes(factor, 1, 2) @ factor
        unseen = sums.count[:, None, None] * (covariance - regression @ covariance)
        second = regression @ sums.second @ jnp.swapaxes(regression, 1, 2) + unseen
        return Sums(sums.count, jnp.einsum("kde,ke->kd", regression, sums.first), second)

    return jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), jax.vmap(one_group)(sums, observed))


def expected_rows(
    rows: Rows, log_densities: Float[Array, "K N"], mean: Float[Array, "K D"], covariance: Float[Array, "K D D"]
) -> tuple[Float[Array, "N D"], Float[Array, "N D"]]:
    """Mean and sd of every row given what is observed of it, in the frame's units; an observed value has sd 0."""
    groups = rows.groups
    assert groups is not None
    factor, _ = jax.vmap(lambda seen: observed_factor(covariance, seen))(groups.observed)
    regression = covariance @ jnp.swapaxes(factor, 2, 3) @ factor
    unseen = jnp.maximum(jnp.diagonal(covariance - regression @ covariance, axis1=2, axis2=3), 0.0)
    shares = jax.nn.softmax(log_densities, axis=0)
    places = jnp.zeros(rows.weights.size, int).at[groups.place].set(jnp.arange(rows.num_rows))

    def one(block):
        z, group, members = block
        each = mean[:, :, None] + regression[group] @ (z - mean[:, :, None])
        own = shares[:, members]
        first = jnp.einsum("kn,kdn->dn", own, each)
        second = jnp.einsum("kn,kdn->dn", own, (each - first) ** 2 + unseen[group][:, :, None])
        seen = groups.observed[group][:, None]
        return jnp.where(seen, z, first), jnp.where(seen, 0.0, jnp.sqrt(second))

    blocks = (rows.blocks, groups.of_block, places.reshape(rows.weights.shape))
    columns = jax.tree.map(lambda part: part.swapaxes(0, 1).reshape(part.shape[1], -1), jax.lax.map(one, blocks))
    values, sd = (part[:, groups.place].T for part in columns)
    return values, sd


def complete_independent(sums: Sums, variances: Float[Array, "K D"], observed: Bool[Array, "G D"]) -> Sums:
    """The same for independent features: nothing observed says anything of what is missing."""
    seen = observed[:, None, :]
    second = jnp.where(seen, sums.second, sums.count[:, :, None] * variances)
    completed = Sums(sums.count, jnp.where(seen, sums.first, 0.0), second)
    return jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), completed)


def log_det_and_factor(covariance: Float[Array, "K D D"]) -> tuple[Float[Array, "K D D"], Float[Array, " K"]]:
    """F with FᵀF the inverse, and the log determinant; NaN where a matrix is not positive definite."""
    if covariance.shape[-1] == 1:
        return jax.lax.rsqrt(covariance), jnp.log(covariance[:, 0, 0])
    return observed_factor(covariance, jnp.ones(covariance.shape[-1], bool))


def data_covariance(x: Float[Array, "N D"]) -> Float[Array, "D D"]:
    """Covariance matrix; where values are missing, zero off the diagonal."""
    covariance = jnp.cov(x, rowvar=False).reshape(x.shape[1], x.shape[1])
    spread = jnp.nanvar(x, axis=0, ddof=1)
    return jnp.where(jnp.all(jnp.isfinite(covariance)), covariance, jnp.diag(spread))
