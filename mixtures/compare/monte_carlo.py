"""Errors of averages over draws that depend on each other, with leading (chain, draw) axes."""

import numpy as np
from jaxtyping import Float

_FEWEST = 4  # draws of a chain, of which ArviZ makes two halves


def mean_error(draws: Float[np.ndarray, "C S ..."]) -> Float[np.ndarray, "..."]:
    """Standard error of the mean, sd/√ESS: 0 where all are alike, NaN where there are too few or not all are finite."""
    with np.errstate(invalid="ignore"):  # infinities
        sd = draws.std(axis=(0, 1))
    return np.where(sd == 0, 0.0, sd / np.sqrt(effective_size(draws)))


def effective_size(draws: Float[np.ndarray, "C S ..."]) -> Float[np.ndarray, "..."]:
    """How many independent draws the mean is worth (Vehtari et al. 2021, section 3.2); NaN where that is not known."""
    from arviz_stats.base import array_stats

    columns = draws.reshape(*draws.shape[:2], -1)
    known = np.isfinite(columns).all(axis=(0, 1)) & (columns != columns[:1, :1]).any(axis=(0, 1))
    known &= draws.shape[1] >= _FEWEST
    sizes = [
        array_stats.ess(columns[..., i], chain_axis=0, draw_axis=1, method="mean") if sound else np.nan
        for i, sound in enumerate(known)
    ]
    return np.asarray(sizes, float).reshape(draws.shape[2:])
