"""Parameters and responsibilities of an audit's own choice, at which any right program's answers are known."""

import numpy as np
from jaxtyping import Float

from mixtures.audit.layouts import Layout, Raw
from mixtures.audit.reference import power

Array = np.ndarray
FAR = 12  # sds: exp(-12²/2) is a normal number in single precision, and below every epsilon in use


def wide(layout: Layout, rows: Float[Array, "N D"], exponent: float, rng: np.random.Generator) -> Raw:
    """Overlapping components of unequal weights and widths across the data.

    Their spreads to the power of `exponent` are variances between a quarter and all of the data's, so that densities
    are moderate for a program that uses them so.
    """
    count, size = layout.num_components, layout.num_features
    centre, variances = rows.mean(axis=0), rows.var(axis=0)
    means = centre + np.sqrt(variances) * (_spaced(count)[:, None] + 0.3 * rng.normal(size=(count, size)))
    weights = rng.permutation(np.arange(1.0, count + 1) ** 1.5)
    widths = rng.permutation(np.linspace(0.25, 1.0, count)) if count > 1 else np.ones(1)
    matrices = widths[:, None, None] * np.diag(variances)
    if layout.covariance in ("full", "tied") and size > 1:
        scale = np.sqrt(variances)
        matrices = matrices + 0.3 * widths[:, None, None] * (np.outer(scale, scale) * (1 - np.eye(size)))
    return _packed(layout, weights / weights.sum(), means, power(matrices, 1 / exponent))


def narrow(layout: Layout, rows: Float[Array, "N D"], exponent: float, beyond: bool) -> Raw:
    """Components over the range of the data, so narrow that the farthest row is `FAR` sds from the nearest of them.

    A fit of clean clusters, or of data with an outlying row, comes as far, and densities in linear space still exist
    there in single precision. The last component is outside the data if `beyond`.
    """
    count, sd = layout.num_components, rows.std(axis=0)
    low, high = rows.min(axis=0), rows.max(axis=0)
    means = low + (high - low) * ((np.arange(count) + 0.5) / count)[:, None]
    width = np.sqrt((((rows[:, None] - means) / sd) ** 2).sum(axis=2).min(axis=1).max()) / FAR
    if beyond:
        means[-1] = high + 0.5 * (high - low)
    matrices = np.repeat(np.diag((width * sd) ** 2)[None], count, axis=0)
    return _packed(layout, np.full(count, 1 / count), means, power(matrices, 1 / exponent))


def responsibilities(num_rows: int, num_components: int, rng: np.random.Generator) -> Float[Array, "N K"]:
    """Rows of probabilities, some decided and some not, with components of unequal mass."""
    logits = 1.5 * rng.normal(size=(num_rows, num_components)) + np.linspace(0, 1, num_components)
    unnormalised = np.exp(logits)
    return unnormalised / unnormalised.sum(axis=1, keepdims=True)


def _spaced(count: int) -> Float[Array, " K"]:
    return np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(1)


def _packed(layout: Layout, weights: Array, means: Array, spread: Array) -> Raw:
    """The numbers after they have been through the layout: rounded, and shared where the layout shares them."""
    return layout.with_numbers(Raw(weights, means, spread)).read()
