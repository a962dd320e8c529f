"""EM by hand with six faults, as `mixtures audit` finds them; see audit.md. Nothing here is to be copied."""

import numpy as np


def density(x, mean, variance):
    """Normal density, in linear space."""
    return np.exp(-0.5 * (x - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance)


def start(x, num_components, *_):
    """Means are values of the data, drawn with replacement; scales lie in (0, 1) whatever the data's scale is.

    The seed is fixed here, as such programs do, whatever generator is handed over; it draws one value twice.
    """
    rng = np.random.default_rng(8)
    return {
        "weights": np.full(num_components, 1 / num_components),
        "means": rng.choice(x, num_components),
        "variances": rng.uniform(0, 1, num_components),
    }


def e_step(x, params):
    """The density is handed a standard deviation, and shares are normalised down the rows."""
    sd = np.sqrt(params["variances"])
    joint = params["weights"] * density(x[:, None], params["means"], sd)
    return joint / (joint.sum(axis=0, keepdims=True) + 1e-8)


def m_step(x, responsibilities):
    """Weighted averages, which are right for right responsibilities."""
    mass = responsibilities.sum(axis=0) + 1e-8
    means = (responsibilities * x[:, None]).sum(axis=0) / mass
    variances = (responsibilities * (x[:, None] - means) ** 2).sum(axis=0) / mass
    return {"weights": responsibilities.sum(axis=0) / len(x), "means": means, "variances": variances}


def fit(x, num_components, num_steps=100):
    """A fixed number of steps; the likelihood is never looked at."""
    params = start(x, num_components)
    for _ in range(num_steps):
        params = m_step(x, e_step(x, params))
    return params
