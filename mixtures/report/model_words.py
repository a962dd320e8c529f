"""The model and its prior as a person reads them."""

import jax.numpy as jnp

from mixtures.data import Data
from mixtures.model import Mixture

_COVARIANCES = {
    "full": "Every component has its own covariance matrix.",
    "tied": "All components share one covariance matrix.",
    "diagonal": "Every component has its own variances; features are independent within a component.",
    "tied_diagonal": "All components share their variances; features are independent within a component.",
    "spherical": "Every component has one variance, the same for all features.",
    "tied_spherical": "One variance serves all components and features.",
    "diagonal_equal_shape": "Components differ in volume and share a shape; features are independent within each.",
    "diagonal_equal_volume": "Components differ in shape and share a volume; features are independent within each.",
    "equal_shape_orientation": "Components differ in volume; they share shape and orientation.",
    "equal_volume_orientation": "Components differ in shape; they share volume and orientation.",
    "equal_orientation": "Components differ in volume and shape; they share their orientation.",
    "equal_volume_shape": "Components differ in orientation; they share volume and shape.",
    "equal_shape": "Components differ in volume and orientation; they share their shape.",
    "equal_volume": "Components differ in shape and orientation; they share their volume.",
}
_DEFAULTS = {
    "conjugate": "default conjugate prior scaled to the data",
    "decomposed": "default prior on volumes, shapes and orientations, scaled to the data",
}


def parts_words(model: Mixture) -> str:
    """How many components there are, and whether there is noise."""
    components = f"{model.num_components} component{'s' if model.num_components > 1 else ''}"
    return components + (" and noise" if has_noise(model) else "")


def has_noise(model: Mixture) -> bool:
    """Whether a uniform component takes rows from anywhere."""
    return model.family.num_weights(model.num_components) > model.num_components


def fixed_words(model: Mixture) -> str:
    """What is held at given values, in a sentence; empty where nothing is."""
    held = []
    for name, mask in model.fixed.masks:
        which = [part_name(k, model.num_components) for k, one in enumerate(mask) if one]
        held.append(f"{name} of {', '.join(which)}" if which else f"the {name}")
    return f"Held at given values: {'; '.join(held)}." if held else ""


def part_name(k: int, num_components: int) -> str:
    """What the k-th part, from 0, is called: noise follows the components."""
    return f"component {k + 1}" if k < num_components else "noise"


def covariance_words(covariance: str | None, num_features: int) -> str:
    """What components share, in a sentence; empty for a family without covariance models."""
    if num_features == 1 and covariance is not None:
        return "All components share one variance." if covariance == "tied" else "Every component has its own variance."
    return _COVARIANCES.get(covariance or "", "")


def has_default_prior(model: Mixture, data: Data) -> bool:
    """Whether the prior is the one that the data themselves suggest."""
    default = model.family.default_prior(jnp.asarray(data.values), model.num_components)
    return model.prior.describe() == default.describe()


def prior_words(model: Mixture, data: Data) -> str:
    """The prior in a phrase: that it is the default, or the distribution of each parameter."""
    prior = model.prior.describe()
    if prior["name"] in _DEFAULTS and has_default_prior(model, data):
        return _DEFAULTS[str(prior["name"])]
    named = {"independent": "", "conjugate": "conjugate, ", "decomposed": "on volumes, shapes and orientations, "}
    sites = ", ".join(f"{site} ~ {value}" for site, value in prior.items() if site != "name")
    return f"prior {named.get(str(prior['name']), '')}{sites}"
