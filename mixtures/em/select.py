"""Information criteria of a fit, and a table of them over numbers of components and covariance models."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Key, Real

from mixtures._checks import as_rows, check_choice, check_count, check_key
from mixtures.em.fit import EMFit, check_fit, fit_em
from mixtures.families import Gaussian
from mixtures.model import Mixture

if TYPE_CHECKING:
    from pandas import DataFrame

CRITERIA = ("aic", "aicc", "bic", "sabic", "icl")
_COVARIANCES = ("tied_spherical", "spherical", "tied_diagonal", "diagonal", "tied", "full")


@dataclass(frozen=True)
class Candidate:
    """One fit of a selection with its criteria; NaN where there is no estimate. Larger is better, as in mclust.

    `aic` = 2ℓ − 2p (Akaike 1974), `aicc` its small-sample form (Hurvich and Tsai 1989), `bic` = 2ℓ − p log N (Schwarz
    1978), `sabic` = 2ℓ − p log((N + 2)/24) (Sclove 1987) and `icl` = BIC + 2 Σ_n log max_k r_nk (Biernacki, Celeux and
    Govaert 2000, eq. 8), for p parameters and log-likelihood ℓ.
    """

    covariance: str
    num_components: int
    fit: EMFit
    num_parameters: int
    aic: float
    aicc: float
    bic: float
    sabic: float
    icl: float


@dataclass(frozen=True)
class Selection:
    """Candidates in the order they were asked for, and the criterion to choose by."""

    candidates: tuple[Candidate, ...]
    criterion: str

    @property
    def best(self) -> Candidate:
        """The estimate with the largest criterion.

        Raises
        ------
        ValueError
            If no candidate is an estimate.
        """
        found = [c for c in self.candidates if math.isfinite(getattr(c, self.criterion))]
        if not found:
            raise ValueError("No candidate is an estimate: see the reasons in .candidates[i].fit.reason.")
        return max(found, key=lambda c: getattr(c, self.criterion))

    def to_frame(self) -> "DataFrame":
        """A row for every candidate, best first."""
        import pandas as pd

        rows = [
            {
                "covariance": c.covariance,
                "num_components": c.num_components,
                "status": c.fit.status.label,
                "unbounded": bool(c.fit.unbounded),
                "log_likelihood": float(c.fit.log_likelihood),
                "num_parameters": c.num_parameters,
                **{name: getattr(c, name) for name in CRITERIA},
            }
            for c in self.candidates
        ]
        return pd.DataFrame(rows).sort_values(self.criterion, ascending=False, ignore_index=True)


def criteria(model: Mixture, fit: EMFit, x: Real[ArrayLike, "N *D"]) -> Candidate:
    """Information criteria of one fit.

    Parameters
    ----------
    model
        The mixture that was fitted.
    fit
        The fit, from `fit_em`, by maximum likelihood for the criteria to have their usual meaning.
    x
        The data that were fitted, (N,) or (N, D).
    """
    rows = as_rows(x)
    check_fit(model, fit, rows)
    num_rows, df = len(rows), model.num_parameters(rows.shape[1])
    twice = 2 * float(fit.log_likelihood) if fit.status.is_estimate else math.nan
    bic = twice - df * math.log(num_rows)
    sure = float(jnp.sum(jnp.log(jnp.max(model.responsibilities(fit.params, rows), axis=1))))
    return Candidate(
        covariance=getattr(model.family, "covariance", ""),
        num_components=model.num_components,
        fit=fit,
        num_parameters=df,
        aic=twice - 2 * df,
        aicc=twice - 2 * df * num_rows / (num_rows - df - 1) if num_rows > df + 1 else math.nan,
        bic=bic,
        sabic=twice - df * math.log((num_rows + 2) / 24),
        icl=bic + 2 * sure,
    )


def select(
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    num_components: Iterable[int] = range(1, 10),
    covariances: Sequence[str] = _COVARIANCES,
    criterion: str = "bic",
    num_starts: int = 64,
    on_candidate: Callable[[str, int], None] | None = None,
) -> Selection:
    """Fit every number of components under every covariance model by maximum likelihood, and compare criteria.

    Parameters
    ----------
    x
        Data, (N,) or (N, D).
    key
        Random key; every candidate gets one of its own.
    num_components
        Numbers K to try.
    covariances
        Covariance models to try, by name or by code; those that need several features are left out where there is one.
    criterion
        What to choose by: ``"aic"``, ``"aicc"``, ``"bic"``, ``"sabic"`` or ``"icl"``.
    num_starts
        EM starts of each candidate.
    on_candidate
        Called with the covariance model and K before each fit.

    Returns
    -------
    Selection
        All candidates; where the likelihood of one is unbounded, its largest interior maximum stands for it.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    check_key(key)
    check_choice("criterion", criterion, CRITERIA)
    counts = [check_count("num_components", count) for count in num_components]
    rows = as_rows(x)
    names = list(dict.fromkeys(Gaussian(name).covariance for name in covariances))
    if rows.shape[1] == 1:
        names = [name for name in names if name in ("tied", "full")]
    if not names or not counts:
        raise ValueError("There is nothing to select from: give at least one number of components and one model.")
    cases = [(name, count) for name in names for count in counts]
    found = []
    for (name, count), own in zip(cases, jax.random.split(key, len(cases)), strict=True):
        if on_candidate is not None:
            on_candidate(name, count)
        model = Mixture(Gaussian(name), count)
        found.append(criteria(model, fit_em(model, rows, key=own, objective="ml", num_starts=num_starts), rows))
    return Selection(tuple(found), criterion)
