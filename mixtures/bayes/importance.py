"""Estimates from an approximation's draws, corrected by importance weights."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Key

from mixtures._cards import Card, Shown, by_entry
from mixtures._checks import check_count, check_key, check_type
from mixtures.bayes.diagnostics import MAX_KHAT
from mixtures.bayes.posterior import Posterior
from mixtures.bayes.vi import VIInfo
from mixtures.families import AbstractParams


@dataclass(frozen=True)
class Corrected(Shown):
    """Posterior means and sds by Pareto-smoothed importance sampling (Vehtari et al. 2024); NaN where refused.

    `mean`, `sd` and `mcse` (of the mean) are by name of the parameter, without chain and draw axes; `weights` are those
    of the S `draws` of the approximation, and sum to one; `ess` is what they leave of S.
    """

    mean: dict[str, Float[np.ndarray, "..."]]
    sd: dict[str, Float[np.ndarray, "..."]]
    mcse: dict[str, Float[np.ndarray, "..."]]
    draws: AbstractParams
    weights: Float[np.ndarray, " S"]
    khat: float

    @property
    def ess(self) -> float:
        """Effective number of draws, 1 / Σ w²."""
        return float(1 / np.sum(self.weights**2))

    @property
    def reason(self) -> str:
        """How far they can be relied on, in words."""
        if self.khat <= MAX_KHAT:  # NaN where a draw has no finite density
            return f"Pareto k-hat {self.khat:.2f}; {self.ess:.0f} effective draws of {len(self.weights)}."
        return (
            f"Pareto k-hat {self.khat:.2f} exceeds {MAX_KHAT}: the approximation is too far from the posterior to be "
            "corrected; use fit_nuts or fit_smc."
        )

    def card(self) -> Card:
        """The corrected means and sds, or why there are none."""
        if not self.khat <= MAX_KHAT:
            return Card("Correction by importance sampling: refused", [self.reason])
        rows, columns = list(by_entry(self.mean, self.sd, self.mcse)), ("parameter", "mean", "sd", "error of the mean")
        return Card("Correction by importance sampling: available", [self.reason], columns, rows)

    def resample(self, key: Key, num_draws: int) -> AbstractParams:
        """Draws of the parameters (num_draws, …) chosen by weight.

        Raises
        ------
        ValueError
            If an argument is wrong, or the correction was refused.
        """
        check_key(key)
        if not self.khat <= MAX_KHAT:
            raise ValueError(f"resample needs weights to rely on. {self.reason}")
        count = check_count("num_draws", num_draws)
        chosen = jax.random.choice(key, len(self.weights), (count,), p=jnp.asarray(self.weights))
        return jax.tree.map(lambda leaf: leaf[chosen], self.draws)


def importance_correct(vi: Posterior[VIInfo]) -> Corrected:
    """Correct the means and sds of a variational approximation by importance weights.

    What the approximation leaves out, such as another mode, no weights bring back.

    Parameters
    ----------
    vi
        From `fit_vi`, with any guide but ``"pathfinder"``, whose draws have been resampled by such weights already.

    Returns
    -------
    Corrected
        With NaN for every estimate where Pareto k-hat exceeds 0.7.

    Raises
    ------
    ValueError
        If `vi` is something else.
    """
    check_type("vi", vi, Posterior, "an approximation from fit_vi")
    if not isinstance(vi.info, VIInfo) or vi.info.guide == "pathfinder":
        raise ValueError(
            "vi must be an approximation from fit_vi with a guide other than 'pathfinder', whose draws have been "
            "resampled by importance already."
        )
    weights, khat = vi.info.smoothed()
    values = {name: np.asarray(v)[0] for name, v in vi.model.family.estimates(vi.params).items()}
    allowed = np.where(khat <= MAX_KHAT, 1.0, np.nan)

    def average(of: np.ndarray, by: np.ndarray) -> np.ndarray:
        return allowed * np.tensordot(by, of, axes=1)

    mean = {name: average(v, weights) for name, v in values.items()}
    sd = {name: np.sqrt(average((v - mean[name]) ** 2, weights)) for name, v in values.items()}
    mcse = {name: np.sqrt(average((v - mean[name]) ** 2, weights**2)) for name, v in values.items()}
    draws = jax.tree.map(lambda leaf: leaf[0], vi.params)
    return Corrected(mean, sd, mcse, draws, weights, khat)
