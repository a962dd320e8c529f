"""Information criteria of a fit, and a table of them over numbers of components and covariance models."""

import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Integer, Key, Real

from mixtures._cards import Card, Shown
from mixtures._checks import (
    as_rows,
    as_weights,
    check_callback,
    check_choice,
    check_count,
    check_data,
    check_flag,
    check_key,
    has_missing,
    shown,
)
from mixtures._drivers import OnProgress
from mixtures._kernel import Rows
from mixtures._numbers import number
from mixtures.em.cross_validation import CrossValidation, cross_validate
from mixtures.em.fit import EMFit, check_fit, fit_em
from mixtures.em.spurious import spurious
from mixtures.families import AbstractParams, Gaussian, GaussianParams, GaussianWithNoise
from mixtures.families.covariances import BY_CODE, COVARIANCE_MODELS
from mixtures.model import Mixture

if TYPE_CHECKING:
    from pandas import DataFrame

INFORMATION_CRITERIA = ("aic", "aicc", "bic", "sabic", "icl")
CRITERIA = (*INFORMATION_CRITERIA, "cv")
DEFAULT_COVARIANCES = ("EII", "VII", "EEI", "VVI", "EEE", "VVV")
_ONE_FEATURE = ("tied", "full")
_FEW_ROWS = 20_000  # up to which compiling takes longer than fitting, so that candidates are worth fitting in parallel


@dataclass(frozen=True)
class Candidate(Shown):
    """One fit of a selection with its criteria; NaN where there is no estimate. Larger is better, as in mclust.

    `aic` = 2ℓ − 2p (Akaike 1974), `aicc` its small-sample form (Hurvich and Tsai 1989), `bic` = 2ℓ − p log N (Schwarz
    1978), `sabic` = 2ℓ − p log((N + 2)/24) (Sclove 1987) and `icl` = BIC + 2 Σ_n log max_k r_nk (Biernacki, Celeux and
    Govaert 2000, eq. 8), for p parameters and log-likelihood ℓ. `cv` is the cross-validated log density, nats per row,
    where that was asked for. `spurious` holds a sentence for each component to which the fit may owe its height
    without its saying anything about the population (`mixtures.spurious`).
    """

    covariance: str
    num_components: int
    model: Mixture
    fit: EMFit
    num_parameters: int
    aic: float
    aicc: float
    bic: float
    sabic: float
    icl: float
    spurious: tuple[str, ...] = ()
    cross_validation: CrossValidation | None = None

    @property
    def cv(self) -> float:
        """Cross-validated log density, nats per row; NaN where not asked for or not available."""
        return math.nan if self.cross_validation is None else self.cross_validation.mean

    @property
    def code(self) -> str:
        """The covariance model by mclust's code; for one feature E or V."""
        if cast(GaussianParams, self.fit.params).means.shape[-1] == 1:
            return COVARIANCE_MODELS[self.covariance].code[0]  # the volume: E or V
        return next(code for code, model in BY_CODE.items() if model.name == self.covariance)

    def card(self) -> Card:
        """The outcome of the fit and its criteria."""
        rows = [(name.upper(), getattr(self, name)) for name in CRITERIA]
        rows = [(name, number(value, 6)) for name, value in rows if math.isfinite(value)]
        return Card(
            f"{_named(self)}: {self.fit.status.words}",
            [self.fit.reason, *self.spurious],
            ("criterion", "larger is better"),
            rows,
        )


def _named(c: Candidate) -> str:
    return f"Gaussian mixture, {c.covariance} covariance, {c.num_components} component{'s' * (c.num_components > 1)}"


@dataclass(frozen=True)
class Selection(Shown):
    """Candidates in the order they were asked for, and the criterion to choose by."""

    candidates: tuple[Candidate, ...]
    criterion: str

    @property
    def ranked(self) -> tuple[Candidate, ...]:
        """The estimates, those that look spurious last, each group with the largest criterion first."""
        found = [c for c in self.candidates if math.isfinite(self.value(c))]
        return tuple(sorted(found, key=lambda c: (bool(c.spurious), -self.value(c))))

    @property
    def best(self) -> Candidate:
        """The estimate with the largest criterion among those that do not look spurious.

        Where all do, the largest of them: `Candidate.spurious` says so.

        Raises
        ------
        ValueError
            If no candidate is an estimate.
        """
        if not self.ranked:
            raise ValueError(
                f"No candidate is an estimate with a finite {self.criterion}: see .candidates[i].fit.reason, and for "
                "cross-validation .candidates[i].cross_validation.reason."
            )
        return self.ranked[0]

    @property
    def set_aside(self) -> tuple[Candidate, ...]:
        """Candidates with a larger criterion than `best`, passed over because they look spurious."""
        best = self.value(self.best)
        return tuple(c for c in self.ranked[1:] if self.value(c) > best)

    def value(self, candidate: Candidate) -> float:
        """The criterion to choose by."""
        return getattr(candidate, self.criterion)

    def card(self) -> Card:
        """The choice and the candidates next to it."""
        name, ranked = self.criterion.upper(), self.ranked
        lost = len(self.candidates) - len(ranked)
        words = [f"No estimate: {lost} of {len(self.candidates)} candidates."] * (lost > 0)
        if not ranked:
            first = self.candidates[0]
            why = first.cross_validation.reason if first.cross_validation and first.fit.status.is_estimate else ""
            return Card(f"Selection by {name}: no estimate", [*words, f"The first: {why or first.fit.reason}"])
        words = [*ranked[0].spurious, *words]
        if self.set_aside:
            words.append(f"{len(self.set_aside)} with a larger {name} look spurious and were passed over.")
        columns = ("covariance", "K", "log-likelihood", "parameters", name, "remark")
        return Card(
            f"Selection by {name}: {_named(self.best)}", words, columns, [self._row(c) for c in ranked], most=12
        )

    def _row(self, c: Candidate) -> tuple[object, ...]:
        remark = "looks spurious" if c.spurious else "likelihood unbounded" if c.fit.unbounded else ""
        heights = number(float(c.fit.log_likelihood), 6), c.num_parameters, number(self.value(c), 6)
        return c.covariance, c.num_components, *heights, remark

    def to_frame(self) -> "DataFrame":
        """A row for every candidate in the order of `ranked`, those that are no estimates last."""
        import pandas as pd

        columns = CRITERIA if any(c.cross_validation for c in self.candidates) else INFORMATION_CRITERIA
        lost = tuple(c for c in self.candidates if not math.isfinite(self.value(c)))
        return pd.DataFrame(
            [
                {
                    "covariance": c.covariance,
                    "num_components": c.num_components,
                    "status": c.fit.status.label,
                    "unbounded": bool(c.fit.unbounded),
                    "spurious": bool(c.spurious),
                    "log_likelihood": float(c.fit.log_likelihood),
                    "num_parameters": c.num_parameters,
                    **{name: getattr(c, name) for name in columns},
                }
                for c in self.ranked + lost
            ]
        )


def criteria(
    model: Mixture,
    fit: EMFit,
    x: Real[ArrayLike, "N *D"],
    weights: Real[ArrayLike, " N"] | None = None,
    labels: Integer[ArrayLike, " N"] | None = None,
) -> Candidate:
    """Information criteria of one fit.

    Parameters
    ----------
    model
        The mixture that was fitted.
    fit
        The fit, from `fit_em`, by maximum likelihood for the criteria to have their usual meaning.
    x
        The data that were fitted, (N,) or (N, D).
    weights
        What the fit was given; their sum stands for N, as a weight of 2 is the row twice.
    labels
        What the fit was given; a row whose component is known adds nothing to ICL's penalty.

    Returns
    -------
    Candidate
        The fit with every criterion, and what looks spurious in it.

    Raises
    ------
    ValueError
        If an argument is wrong, or the fit is not of this model and these data.
    """
    rows = as_rows(x)
    check_fit(model, fit, rows)
    counts = as_weights(weights, len(rows))
    counts = jnp.ones(len(rows)) if counts is None else counts
    size, df = float(jnp.sum(counts)), model.num_parameters(rows.shape[1])
    twice = 2 * float(fit.log_likelihood) if fit.status.is_estimate else math.nan
    bic = twice - df * math.log(size)
    sure = float(_sureness(model, fit.params, model.prepare(rows, labels=labels), counts))
    return Candidate(
        covariance=getattr(model.family, "covariance", ""),
        num_components=model.num_components,
        model=model,
        fit=fit,
        num_parameters=df,
        aic=twice - 2 * df,
        aicc=twice - 2 * df * size / (size - df - 1) if size > df + 1 else math.nan,
        bic=bic,
        sabic=twice - df * math.log((size + 2) / 24),
        icl=bic + 2 * sure,
        spurious=tuple(spurious(model, fit, rows, weights, labels)),
    )


@eqx.filter_jit
def _sureness(model: Mixture, params: AbstractParams, rows: Rows, counts: Float[Array, " N"]) -> Float[Array, ""]:
    """Log probability of the most probable component of every row, summed."""
    return jnp.sum(counts * jnp.log(jnp.max(model.component_responsibilities(params, rows), axis=0)))


def select(
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    num_components: Iterable[int] = range(1, 10),
    covariances: Sequence[str] = DEFAULT_COVARIANCES,
    criterion: str = "bic",
    num_starts: int = 64,
    num_folds: int = 10,
    noise: bool = False,
    weights: Real[ArrayLike, " N"] | None = None,
    on_progress: OnProgress | None = None,
) -> Selection:
    """Fit every number of components under every covariance model by maximum likelihood, and compare criteria.

    Parameters
    ----------
    x
        Data, (N,) or (N, D). NaN is a value missing at random.
    key
        Random key; every candidate gets one of its own, and all the same folds.
    num_components
        Numbers K to try.
    covariances
        Covariance models to try, by name or by code, or ``"all"`` for all fourteen. The default are the six without
        shared orientations or shapes, because every model takes seconds to compile. With one feature there are two, E
        and V, and all others are left out.
    criterion
        What to choose by: ``"aic"``, ``"aicc"``, ``"bic"``, ``"sabic"``, ``"icl"``, or ``"cv"``, which also
        cross-validates each candidate (`cross_validate`, by maximum likelihood).
    num_starts
        EM starts of each candidate.
    num_folds
        Folds of each cross-validation.
    noise
        Whether every candidate has a uniform noise component over the range of the data beside its K.
    weights
        Positive weight of each row, (N,); a weight of 2 is the row twice.
    on_progress
        Called with (candidates done, candidates in all).

    Returns
    -------
    Selection
        All candidates. Where the likelihood of one is unbounded, its largest interior maximum stands for it; where
        that looks spurious the candidate is kept but never chosen before one that does not.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    check_key(key)
    check_choice("criterion", criterion, CRITERIA)
    check_flag("noise", noise)
    check_callback("on_progress", on_progress)
    num_folds, num_starts = check_count("num_folds", num_folds, least=2), check_count("num_starts", num_starts)
    counts = list(dict.fromkeys(check_count("num_components", count) for count in num_components))
    rows = as_rows(x)
    names = covariance_names(covariances, rows.shape[1])
    if not names or not counts:
        raise ValueError("There is nothing to select from: give at least one number of components and one model.")
    check_data(rows, max(counts), missing_allowed=True)
    if criterion == "cv" and num_folds > len(rows):
        raise ValueError(f"num_folds must be at most the number of rows, {len(rows)}; got {num_folds}.")
    cases = [(name, count) for name in names for count in counts]
    closed = not noise and not has_missing(rows)  # one component of complete rows has a closed form
    keys, double = jax.random.split(key, len(cases)), jax.config.jax_enable_x64

    def fit(case: tuple[str, int], own: Key[Array, ""]) -> Candidate:
        name, count = case
        with jax.enable_x64(double):  # threads begin with the process's precision, not their caller's
            model = Mixture(GaussianWithNoise.for_data(rows, name) if noise else Gaussian(name), count)
            starts = 1 if closed and count == 1 else num_starts
            found = fit_em(model, rows, key=own, objective="ml", num_starts=starts, weights=weights)
            candidate = criteria(model, found, rows, weights)
            if criterion != "cv":
                return candidate
            held_out = cross_validate(
                model, rows, key=key, fit=found, num_folds=num_folds, objective="ml", weights=weights
            )
            return replace(candidate, cross_validation=held_out)

    # Compiling leaves Python free to trace the next candidate; large data keep every core busy by themselves.
    pool = ThreadPoolExecutor(max(1, os.cpu_count() or 1) if len(rows) <= _FEW_ROWS else 1)
    try:
        fits = [pool.submit(fit, case, own) for case, own in zip(cases, keys, strict=True)]
        for done, each in enumerate(as_completed(fits), start=1):
            each.result()
            if on_progress is not None:
                on_progress(done, len(cases))
    finally:
        pool.shutdown(cancel_futures=True)
    return Selection(tuple(each.result() for each in fits), criterion)


def covariance_names(covariances: Sequence[str], num_features: int) -> list[str]:
    """Names of the models asked for that are models of so many features, each once.

    Raises
    ------
    ValueError
        If one is not a covariance model, or they are one string instead of a list.
    """
    if isinstance(covariances, str) and covariances != "all":
        raise ValueError(f"covariances must be a list of models, or 'all'; got {shown(covariances)}.")
    asked = list(BY_CODE) if covariances == "all" else covariances
    names = list(dict.fromkeys(Gaussian(name).covariance for name in asked))
    return names if num_features > 1 else [name for name in names if name in _ONE_FEATURE]
