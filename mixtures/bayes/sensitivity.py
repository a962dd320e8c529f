"""How much of a posterior comes from its prior: power scaling of the prior and of the likelihood."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from mixtures._cards import Card, Shown
from mixtures.bayes.boundary import check_draws
from mixtures.bayes.posterior import Posterior
from mixtures.families.base import FreeEstimate

THRESHOLD = 0.05  # Kallioinen et al. 2024, section 2.6
_ALPHAS = 0.99, 1.01


@dataclass(frozen=True)
class Sensitivity(Shown):
    """Power-scaling sensitivity of every parameter's posterior, by name, each with the parameter's own shape.

    It is the distance that the posterior moves when the density of the prior (`prior`) or the likelihood is raised to a
    power near one, per doubling of that power. A prior value above 0.05 says that the prior matters; with a likelihood
    value below 0.05 that it is all there is, and with one above that the two may disagree.
    """

    prior: dict[str, Float[np.ndarray, "..."]]
    likelihood: dict[str, Float[np.ndarray, "..."]]
    free: tuple[FreeEstimate, ...]
    caution: str = ""  # where the draws are not to be used

    @property
    def dominated(self) -> list[str]:
        """Parameters that the prior moves and the likelihood hardly does."""
        return [one.name for one, weak in self._sensitive() if weak]

    @property
    def conflicting(self) -> list[str]:
        """Parameters that both the prior and the likelihood move: these may disagree (Kallioinen et al. 2024)."""
        return [one.name for one, weak in self._sensitive() if not weak]

    def _sensitive(self) -> Iterator[tuple[FreeEstimate, bool]]:
        """What the prior moves, and whether the likelihood hardly does."""
        for one in self.free:
            if not self.prior[one.key][one.entry] < THRESHOLD:
                yield one, bool(self.likelihood[one.key][one.entry] < THRESHOLD)

    @property
    def reason(self) -> str:
        """Which parameters the prior has a say in, in words."""
        if self.caution:
            return self.caution
        told = [f"{one.spoken}{' (and the data say little)' if weak else ''}" for one, weak in self._sensitive()]
        return f"{self.counted.rstrip('.')}: {', '.join(told)}." if told else self.counted

    @property
    def counted(self) -> str:
        """For how many parameters it has, without their names."""
        found = len(list(self._sensitive()))
        if not found:
            return f"No parameter is sensitive to the prior (power-scaling values below {THRESHOLD})."
        parameters = "one parameter" if found == 1 else f"{found} parameters"
        return f"The prior matters for {parameters} (power-scaling sensitivity, at least {THRESHOLD})."

    def card(self) -> Card:
        """How far the prior and the likelihood move every parameter."""
        found = f"the prior matters for {len(list(self._sensitive())) or 'no'} parameters"
        title = f"Prior sensitivity: {'not to be relied on' if self.caution else found}"
        parts = self.prior, self.likelihood
        rows = [(one.name, *(float(part[one.key][one.entry]) for part in parts)) for one in self.free]
        return Card(title, [self.reason], ("parameter", "prior", "likelihood"), rows)


def prior_sensitivity(posterior: Posterior, columns: Sequence[str] | None = None) -> Sensitivity:
    """Power-scaling sensitivity of relabelled parameters (Kallioinen, Paananen, Bürkner and Vehtari 2024).

    Parameters
    ----------
    posterior
        Draws from `fit_nuts`, `fit_gibbs` or `fit_smc`.
    columns
        Names of the D features; numbered from 1 if not given.

    Raises
    ------
    ValueError
        If `posterior` is something else, or `columns` are not as many as there are features.
    """
    check_draws(posterior)
    num_features = posterior.model.family.locations(posterior.params).shape[-1]
    names = [str(d + 1) for d in range(num_features)] if columns is None else list(columns)
    if len(names) != num_features:
        raise ValueError(f"columns must name each of {num_features} features, got {len(names)} names.")
    estimates = {name: np.asarray(v) for name, v in posterior.model.family.estimates(posterior.params).items()}
    log_likelihood = np.asarray(posterior.log_likelihood, np.float64)
    log_prior = np.asarray(posterior.log_joint, np.float64) - log_likelihood
    parts = [{name: _sensitivity(v, part) for name, v in estimates.items()} for part in (log_prior, log_likelihood)]
    free = tuple(posterior.model.free_estimates(names))
    return Sensitivity(prior=parts[0], likelihood=parts[1], free=free, caution=posterior.caution)


def _sensitivity(draws: Float[np.ndarray, "C S ..."], log_part: Float[np.ndarray, "C S"]) -> np.ndarray:
    """Of each entry, to raising the part of the log joint to powers about one."""
    from arviz_stats.base import array_stats

    arviz: Any = array_stats  # whose annotations allow for whole powers and one axis only
    weights = [np.exp(_centred(arviz.power_scale_lw(log_part, alpha, axis=(0, 1)))) for alpha in _ALPHAS]
    columns = draws.reshape(*draws.shape[:2], -1)

    def one(column: np.ndarray) -> float:
        if np.ptp(column) == 0:  # held fixed
            return 0.0
        return float(arviz.power_scale_sense(column, *weights, *_ALPHAS, chain_axis=0, draw_axis=1))

    return np.array([one(columns[..., i]) for i in range(columns.shape[-1])]).reshape(draws.shape[2:])


def _centred(log_weights: np.ndarray) -> np.ndarray:
    return log_weights - log_weights.max()
