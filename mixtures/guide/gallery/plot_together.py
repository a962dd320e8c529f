"""
Which rows go together
======================

Old Faithful again, with the three components of one shared covariance that BIC prefers. The picture has no labels: it is the posterior probability
that two eruptions belong to the same component, with eruptions in the order of their length. Among the long ones nobody can say
which go together.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import mixtures as mx
from mixtures.datasets import load

jax.config.update("jax_enable_x64", True)
key, x = jax.random.key(0), load("faithful").values
x = x[np.argsort(x[:, 0])]
model = mx.Mixture.for_data(x, num_components=3, family=mx.Gaussian("tied"))
posterior = mx.fit_gibbs(model, x, key=key, num_samples=500)
print(posterior.reason)

figure, axes = plt.subplots(figsize=(5, 4.3), layout="constrained")
axes.set(xlabel="eruption, by length", ylabel="eruption, by length")
figure.colorbar(
    axes.imshow(mx.similarity(posterior, x), vmin=0, vmax=1, cmap="magma"), label="probability of going together"
)
plt.show()

# %%
# Three components describe the density best; the partition of least expected loss has two groups.

mx.point_partition(posterior, x, key=key, num_partitions=200)
