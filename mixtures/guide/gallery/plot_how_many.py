"""
How many groups?
================

Velocities of 82 galaxies, in thousands of km/s. The posterior of the number of components under Richardson and Green's (1997) prior: what the
population may have, and what these rows show.
"""

import jax
import matplotlib.pyplot as plt

import mixtures as mx
from mixtures.datasets import load

jax.config.update("jax_enable_x64", True)
x = load("galaxies").values
most = mx.Mixture(mx.Gaussian("full"), 12, mx.priors.richardson_green(x))
counted = mx.fit_telescope(most, x, key=jax.random.key(0), num_warmup=1000, num_samples=2000)

figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
for shift, (name, shares) in enumerate(
    [("in the population", counted.distribution), ("with rows", counted.occupied_distribution)]
):
    probability, error = zip(*shares.values(), strict=True)
    axes.bar([k + 0.4 * shift - 0.2 for k in shares], probability, width=0.4, yerr=error, label=name)
axes.set(xlabel="number of components", ylabel="probability", xticks=range(1, 13))
axes.legend(frameon=False)
plt.show()

# %%
counted
