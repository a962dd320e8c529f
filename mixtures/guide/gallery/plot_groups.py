"""
Groups, and which rows are between them
=======================================

Old Faithful with three components that share one covariance, the model that BIC prefers. Ellipses hold half of a component; large points are rows
that belong to no group with more than 90 %.
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import mixtures as mx
from mixtures.datasets import load

jax.config.update("jax_enable_x64", True)
x = load("faithful").values
model = mx.Mixture(mx.Gaussian("EEE"), 3)
fit = mx.fit_em(model, x, key=jax.random.key(0), objective="ml")
responsibilities = np.asarray(model.responsibilities(fit.params, x))

figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
unsure = responsibilities.max(axis=1) < 0.9
axes.scatter(*x.T, c=responsibilities.argmax(axis=1), cmap="viridis", s=np.where(unsure, 40, 8))
turn = np.linspace(0, 2 * np.pi, 100)
circle = np.sqrt(2 * np.log(2)) * np.stack([np.cos(turn), np.sin(turn)])
for mean, covariance in zip(fit.params.means, fit.params.covariances, strict=True):
    axes.plot(*(np.asarray(mean)[:, None] + np.linalg.cholesky(covariance) @ circle), color="0.3")
axes.set(
    xlabel="eruption, minutes", ylabel="wait, minutes", title=f"{unsure.sum()} of {len(x)} rows are between groups"
)
plt.show()

# %%
fit
