"""
Which rows go together
======================

Iris, three species, four measurements, and no labels: the posterior probability that two flowers belong to the same component. Flowers stand in
the order of their species.
"""

import jax
import matplotlib.pyplot as plt

import mixtures as mx
from mixtures.datasets import load

jax.config.update("jax_enable_x64", True)
key, x = jax.random.key(0), load("iris").values[:, :4]
model = mx.Mixture.for_data(x, num_components=3)
posterior = mx.fit_gibbs(model, x, key=key, num_samples=500)
together = mx.similarity(posterior, x)

figure, axes = plt.subplots(figsize=(5, 4.3), layout="constrained")
axes.set(xticks=[25, 75, 125], xticklabels=["setosa", "versicolor", "virginica"], ylabel="flower")
figure.colorbar(axes.imshow(together, vmin=0, vmax=1, cmap="magma"), label="probability of going together")
plt.show()

# %%
mx.point_partition(posterior, x, key=key, num_partitions=200)
