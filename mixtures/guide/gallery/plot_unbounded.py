"""
Where the likelihood has no maximum
===================================

Fifty values, thirteen of them equal. With a floor under all variances the likelihood has a maximum; the picture is that maximum
against the floor. On the plateau the answer does not depend on the floor. To the left of it, choosing a floor (a ridge, a ``reg_covar``) is choosing the
answer.
"""

import jax
import matplotlib.pyplot as plt

import mixtures as mx
from mixtures.datasets import load

jax.config.update("jax_enable_x64", True)
key, x = jax.random.key(0), load("timeseries").values
model = mx.Mixture(mx.Gaussian("full"), 3)
fit = mx.fit_em(model, x, key=key, objective="ml")
profile = mx.floor_profile(model, x, key=key, fit=fit)

figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.semilogx(profile.floors, profile.log_likelihood, marker=".")
axes.axhline(float(profile.interior), color="0.6", linestyle=":", label="largest interior maximum")
if profile.plateau is not None:
    axes.axvspan(profile.plateau.low, profile.plateau.high, alpha=0.2, label="the floor does not matter")
axes.set(xlabel="floor, as a fraction of the data's variance", ylabel="largest log-likelihood")
axes.legend(frameon=False)
plt.show()

# %%
profile
