"""
A simulation study in one compiled call
=======================================

How often does a 90 % interval from EM's standard errors hold the distance between two means, as two groups of about 30 rows come closer? 100 data sets
for each distance, all of them fitted by one `jax.vmap`. The bars are binomial errors.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt

import mixtures as mx

jax.config.update("jax_enable_x64", True)
distances, replicates = jnp.array([1.5, 2.0, 3.0, 4.0]), 100


def covers(key, distance):
    """Whether one interval holds the truth, for one data set."""
    groups, noise, fitting = jax.random.split(key, 3)
    x = jax.random.normal(noise, (60,)) + distance * jax.random.bernoulli(groups, 0.5, (60,))
    model = mx.Mixture.for_data(x, 2, mx.Gaussian("tied"))
    fit = mx.fit_em(model, x, key=fitting, num_starts=4)
    errors = mx.standard_errors(model, fit, x)
    low, high = errors.interval(lambda params: params.means[1, 0] - params.means[0, 0], level=0.9)
    return (low < distance) & (distance < high), jnp.isfinite(low)  # a refused interval is NaN, and covers nothing


keys = jax.random.split(jax.random.key(0), replicates)
over_keys = jax.vmap(covers, in_axes=(0, None))
covered, given = jax.jit(jax.vmap(over_keys, in_axes=(None, 0)))(keys, distances)
shares = covered.mean(axis=1)

figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.errorbar(distances, shares, yerr=jnp.sqrt(shares * (1 - shares) / replicates), marker="o", capsize=3)
axes.axhline(0.9, color="0.6", linestyle=":")
axes.set(xlabel="distance of the means, in standard deviations", ylabel="coverage of 90 % intervals")
plt.show()

# %%
# The share of data sets for which an interval was given at all:

print(given.mean(axis=1))
