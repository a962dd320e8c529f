"""
Labels that switch, and what does not
=====================================

Two groups that overlap. A chain that swaps their labels is not wrong, but its mean of "component 1" is nothing. Above the draws as they came, below
after relabelling (Stephens 2000).
"""

import jax
import matplotlib.pyplot as plt
import numpy as np

import mixtures as mx

jax.config.update("jax_enable_x64", True)
key = jax.random.key(2)
x = np.random.default_rng(2).normal(size=60) + np.repeat([0.0, 2.5], [20, 40])
model = mx.Mixture.for_data(x, num_components=2)
posterior = mx.fit_gibbs(model, x, key=key, num_samples=4000)

relabelled = np.asarray(posterior.params.means[0, :, :, 0])
came = np.empty_like(relabelled)  # permutations say which label each component had
np.put_along_axis(came, np.asarray(posterior.relabelling.permutations[0]), relabelled, axis=1)

figure, (above, below) = plt.subplots(2, figsize=(7, 4.5), sharex=True, layout="constrained")
above.plot(came, linewidth=0.5)
above.set(ylabel="means, as they came")
below.plot(relabelled, linewidth=0.5)
below.set(ylabel="means, relabelled", xlabel="draw of the first chain")
plt.show()

# %%
# How far labels can be believed (½ would be arbitrary), and convergence, which is judged without them:

print(float(posterior.relabelling.ambiguity), posterior.reason)
