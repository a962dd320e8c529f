"""Where EM starts: components at rows, or at the groups of a partition."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from mixtures._checks import is_traced
from mixtures._kernel import Frame
from mixtures.families import AbstractParams, data_covariance
from mixtures.model import Mixture

_MOST_LINKED = 1000  # rows that are clustered hierarchically: time and memory grow with their square


def starting_params(
    model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], start: str | AbstractParams, num_starts: int
) -> AbstractParams:
    """Starting parameters with a leading axis of starts, by the name of a method in `STARTS` or as given.

    Raises
    ------
    ValueError
        If parameters of another shape than the mixture's are given.
    """
    if isinstance(start, AbstractParams):
        return given_params(model, x.shape[1], start)
    return STARTS[start](model, x, key, num_starts)


def random_starts(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int) -> AbstractParams:
    """Cautious and exploring starts in turn."""
    return _at_rows(model, x, _draw(x, key, model.num_components, jnp.arange(num_starts) % 2 == 1))


def cautious_starts(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int) -> AbstractParams:
    """Wide components at centres chosen by k-means++.

    A centre is drawn with probability ∝ squared distance to the nearest one before it (Arthur and Vassilvitskii 2007).
    """
    return _at_rows(model, x, _draw(x, key, model.num_components, jnp.zeros(num_starts, bool)))


def exploring_starts(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int) -> AbstractParams:
    """Components at distinct rows chosen uniformly, variances narrower by random factors between e⁻⁶ and 1.

    They find small tight groups that cautious starts miss, and run into collapsing components where those exist.
    """
    return _at_rows(model, x, _draw(x, key, model.num_components, jnp.ones(num_starts, bool)))


@eqx.filter_jit
def partition_starts(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int) -> AbstractParams:
    """Components that share out the rows at random and evenly: all of them lie near the middle of the data."""
    evenly = jnp.arange(x.shape[0]) % model.num_components

    def start(key):
        return _of_groups(model, x, jax.random.permutation(key, evenly))

    return jax.lax.map(start, jax.random.split(key, num_starts))


def hierarchical_starts(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int) -> AbstractParams:
    """Groups found by merging the two whose union adds least to the sum of squares (Ward 1963), features standardised.

    The first start uses all rows, or a thousand at random; others a random half of as many. Not for traced data.
    """
    if is_traced(x, key):
        raise ValueError("start='hierarchical' is not available inside a transformation; use 'mixed'.")
    from scipy.cluster.hierarchy import cut_tree, linkage

    z = np.asarray(Frame.of(x).standardise(x))
    most = min(len(z), _MOST_LINKED)
    found = []
    for i, own in enumerate(jax.random.split(key, num_starts)):
        size = most if i == 0 else max(most // 2, min(len(z), 2 * model.num_components))
        chosen = np.asarray(jax.random.permutation(own, len(z))[:size])
        groups = cut_tree(linkage(z[chosen], "ward"), model.num_components).ravel()  # fcluster gives fewer at ties
        found.append(_of_groups(model, x[chosen], jnp.asarray(groups)))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)


STARTS: dict[str, Callable[[Mixture, Float[Array, "N D"], Key[Array, ""], int], AbstractParams]] = {
    "mixed": random_starts,
    "kmeans++": cautious_starts,
    "rows": exploring_starts,
    "partitions": partition_starts,
    "hierarchical": hierarchical_starts,
}


def given_params(model: Mixture, num_features: int, params: AbstractParams, name: str = "start") -> AbstractParams:
    """Parameters a person gave, one set or several."""
    several = params if params.weights.ndim > 1 else jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], params)
    if several.weights.ndim != 2:
        raise ValueError(
            f"{name} must be one set of parameters or several, got weights of shape {params.weights.shape}."
        )
    check_params(model, num_features, jax.tree.map(lambda leaf: leaf[0], several), name)
    return several


def check_params(model: Mixture, num_features: int, params: AbstractParams, name: str) -> None:
    """Refuse parameters that are not one set of this mixture's own.

    Raises
    ------
    ValueError
        If their shapes, or their covariance model, are another's.
    """
    sites = model.family.sites(params)
    wanted = {n: slot.shape for n, slot in model.family.layout(model.num_components, num_features).slots.items()}
    found = {site: value.shape for site, value in sites.items()}
    same_model = found.keys() == wanted.keys() and (
        jax.tree.structure(model.family.params(sites)) == jax.tree.structure(params)
    )
    if found != wanted or not same_model:
        other = "" if same_model else " under another covariance model"
        raise ValueError(f"{name} must have parameters of shapes {wanted}, or several of each; got {found}{other}.")


class _Draws(NamedTuple):
    """Where components lie, as indices of rows, and how wide they are."""

    rows: Int[Array, "R K"]
    widths: Float[Array, "R K"]


@eqx.filter_jit  # on its own: this program serves every family, and is as large as one of theirs
def _draw(x: Float[Array, "N D"], key: Key[Array, ""], num_components: int, exploring: Bool[Array, " R"]) -> _Draws:
    """Rows and widths of each start, exploring or cautious."""
    z = Frame.of(x).standardise(x)

    def one(case):
        explores, key = case
        key_rows, key_widths = jax.random.split(key)
        rows = _choose_rows(key_rows, z, num_components, jnp.where(explores, 0.0, 1.0).astype(x.dtype))
        narrow = jnp.exp(jax.random.uniform(key_widths, (num_components,), x.dtype, -6.0, 0.0))
        return _Draws(rows, jnp.where(explores, narrow, 1.0))

    return jax.lax.map(one, (exploring, jax.random.split(key, exploring.shape[0])))


@eqx.filter_jit
def _at_rows(model: Mixture, x: Float[Array, "N D"], draws: _Draws) -> AbstractParams:
    """Equal-weight components at rows, of the widths drawn times the variance with which K could share the data."""
    weights = jnp.full(model.num_components, 1.0 / model.num_components, x.dtype)
    share = _share_of_covariance(model, x)

    def one(draw: _Draws) -> AbstractParams:
        return model.family.start(weights, x[draw.rows], draw.widths[:, None, None] * share)

    return jax.lax.map(one, draws)


@eqx.filter_jit
def _of_groups(model: Mixture, x: Float[Array, "N D"], groups: Int[Array, " N"]) -> AbstractParams:
    """Weights, means and covariances of groups of rows.

    Each covariance is averaged with a share of the data's that stands for D + 1 rows, so that none is singular.
    """
    num_features, common = x.shape[1], _share_of_covariance(model, x)

    def one(k):
        own = (groups == k).astype(x.dtype)
        count = jnp.sum(own)
        mean = own @ x / count
        scatter = (own * (x - mean).T) @ (x - mean)
        return count, mean, (scatter + (num_features + 1) * common) / (count + num_features + 1)

    counts, means, covariances = jax.lax.map(one, jnp.arange(model.num_components))
    return model.family.start(counts / jnp.sum(counts), means, covariances)


def _share_of_covariance(model: Mixture, x: Float[Array, "N D"]) -> Float[Array, "D D"]:
    return data_covariance(x) * model.num_components ** (-2.0 / x.shape[1])


def _choose_rows(key: Key[Array, ""], z: Float[Array, "N D"], count: int, power: Float[Array, ""]):
    """Indices of `count` distinct rows, each drawn with probability ∝ (squared distance to those before)^power.

    Rows equal to a chosen one are never chosen again, so no two components start, and stay, identical.
    """
    key_first, *keys = jax.random.split(key, count)
    first = jax.random.randint(key_first, (), 0, z.shape[0])

    def choose(distance, key):
        logits = jnp.where(distance > 0, power * jnp.log(distance), -jnp.inf)
        chosen = jax.random.categorical(key, logits)
        return jnp.minimum(distance, _squared_distance(z, z[chosen])), chosen

    if not keys:
        return first[None]
    _, others = jax.lax.scan(choose, _squared_distance(z, z[first]), jnp.stack(keys))
    return jnp.concatenate([first[None], others])


def _squared_distance(z: Float[Array, "N D"], centre: Float[Array, " D"]) -> Float[Array, " N"]:
    return jnp.sum((z - centre) ** 2, axis=1)
