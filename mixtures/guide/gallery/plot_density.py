"""
A density, and how sure it is
=============================

Acidity of 155 lakes on a log scale. The density of the MAP fit, and the band in which nine tenths of the posterior's densities lie.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt

import mixtures as mx
from mixtures.datasets import load

jax.config.update("jax_enable_x64", True)
key, x = jax.random.key(0), load("acidity").values
model = mx.Mixture.for_data(x, num_components=2)
best = mx.fit_em(model, x, key=key)
posterior = mx.fit_nuts(model, x, key=key, num_samples=500, reference=best.params)

# %%
# Densities do not depend on labels, so draws may be used as they are: one `vmap` over all of them.

grid = jnp.linspace(2.5, 7.8, 300)
flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), posterior.params)
densities = jnp.exp(jax.vmap(lambda draw: model.log_prob(draw, grid))(flat))
low, high = jnp.quantile(densities, jnp.array([0.05, 0.95]), axis=0)

figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.hist(x.ravel(), bins=30, density=True, color="0.85")
axes.fill_between(grid, low, high, alpha=0.3, label="NUTS, 90 %")
axes.plot(grid, jnp.exp(model.log_prob(best.params, grid)), label="EM, MAP")
axes.set(xlabel="log acidity", ylabel="density")
axes.legend(frameon=False)
plt.show()

# %%
# A posterior in a notebook is a card: its outcome in words, and a table.

posterior
