"""Where EM starts, under scikit-learn's names and from values that a person gave."""

from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from mixtures._checks import check_choice
from mixtures._kernel import Frame
from mixtures.families import Gaussian, GaussianParams
from mixtures.families.covariances import ConjugateModel, Spread
from mixtures.model import Mixture
from mixtures.priors.floor import Floor
from mixtures.sklearn.covariance_types import dense_from_precisions
from mixtures.starts import STARTS, starting_params

_ALIASES = {"kmeans": "kmeans++", "k-means++": "kmeans++", "random_from_data": "rows", "random": "partitions"}


def start_name(init_params: str) -> str:
    """Our name of a way to start.

    Raises
    ------
    ValueError
        If it is none of ours, nor scikit-learn's name of one.
    """
    check_choice("init_params", init_params, (*STARTS, *_ALIASES))
    return str(_ALIASES.get(init_params, init_params))


def starts_with(
    model: Mixture,
    x: Float[np.ndarray, "N D"],
    key: Key[Array, ""],
    start: str,
    num_starts: int,
    given: dict[str, object],
) -> GaussianParams:
    """Starts with the `given` weights, means and precisions, where they are not None, in every one of them.

    Raises
    ------
    ValueError
        If one has another shape than the mixture's, or cannot be what it is called.
    """
    num_components, num_features = model.num_components, x.shape[1]
    complete = all(value is not None for value in given.values())
    num_starts = 1 if complete else num_starts
    params = starting_params(model, Frame.of(jnp.asarray(x)).fill(jnp.asarray(x)), key, start, num_starts)

    def in_every_start(tree):
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_starts, *leaf.shape)), tree)

    if given["weights_init"] is not None:
        weights = _shaped("weights_init", given["weights_init"], (num_components,))
        if not ((weights > 0).all() and abs(weights.sum() - 1) < 1e-6):
            raise ValueError("weights_init must be positive and sum to one.")
        params = eqx.tree_at(lambda p: p.weights, params, in_every_start(jnp.asarray(weights)))
    if given["means_init"] is not None:
        means = _shaped("means_init", given["means_init"], (num_components, num_features))
        params = eqx.tree_at(lambda p: p.means, params, in_every_start(jnp.asarray(means)))
    if given["precisions_init"] is not None:
        family = cast(Gaussian, model.family)
        dense = dense_from_precisions(family, given["precisions_init"], num_components, num_features)
        spread = family.model.nearest(jnp.asarray(dense))
        params = eqx.tree_at(lambda p: p.spread, params, in_every_start(spread))
    if isinstance(
        model.prior, Floor
    ):  # singular starts, of fewer rows than features, would end before the first M-step
        params = eqx.tree_at(lambda p: p.spread, params, _widened(model, cast(GaussianParams, params), model.prior))
    return cast(GaussianParams, params)


def _widened(model: Mixture, params: GaussianParams, floor: Floor) -> Spread:
    """The spread of the starts, no narrower than the floor; refused where the covariance model has no floor."""
    floor.sites(model.family.layout(model.num_components, params.means.shape[-1]))
    shares = cast(ConjugateModel, cast(Gaussian, model.family).model)
    return shares.widen(params.spread, floor.least, floor.scale)


def _shaped(name: str, value, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    array = np.asarray(value, float)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite numbers of shape {shape}; got an array of shape {array.shape}.")
    return array
