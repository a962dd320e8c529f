"""A floor under variances: what makes an unbounded likelihood have a maximum, and a different one for every floor."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mixtures._checks import as_float, check_positive
from mixtures.priors.base import Flat, Layout, Sites


class Floor(Flat):
    """Flat wherever no component is narrower in any direction than a floor; for EM only.

    Parameters
    ----------
    least
        The smallest principal variance allowed, in units of squared `scale`.
    scale
        Unit of each feature, shape (D,), such as the data's standard deviations.
    """

    least: Float[Array, ""]
    scale: Float[Array, " D"]

    def __init__(self, least, scale):
        """Store both as arrays, so that another floor never recompiles."""
        self.least, self.scale = as_float("least", least), jnp.atleast_1d(as_float("scale", scale))

    def __check_init__(self):
        """Refuse a floor that is none."""
        check_positive("least", self.least)
        check_positive("scale", self.scale)

    def sites(self, layout: Layout) -> Sites:
        """Improper uniform distributions; that the floor is kept is the M-step's business."""
        if "covariances" not in layout.slots:
            raise ValueError(
                "A variance floor needs a covariance model that shares whole covariances or variances, or none of "
                "them: where volumes, shapes or orientations are shared one by one, EM under a floor has no exact step."
            )
        return super().sites(layout)

    def describe(self) -> dict[str, object]:
        """State the floor and its unit."""
        return {"name": "floor", "least": self.least.tolist(), "scale": self.scale.tolist()}
