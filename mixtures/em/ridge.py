"""What a floor under the variances makes of a likelihood without a maximum: the choice of a ridge, laid open."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Integer, Key, Real

from mixtures._cards import Card, Shown
from mixtures._checks import as_float, as_rows, as_weights, check_count, check_data, check_key, is_traced, shown
from mixtures._numbers import fixed, number
from mixtures.em import race
from mixtures.em.descent import descend, effort_for, num_places
from mixtures.em.fit import EMFit, check_fit, fit_em
from mixtures.em.places import places
from mixtures.model import Mixture, check_model
from mixtures.priors.floor import Floor

FLOORS = np.logspace(-8, np.log10(0.3), 31)
_TOLERANCE = 1e-2  # nats by which a curve must leave the interior maximum to count as above it
_LEAST_FLOOR = 1e-9  # below it a component is as good as collapsed
_SAME_VARIANCE = 1e-3  # relative, between a variance and the floor that holds it


class Plateau(NamedTuple):
    """A range of floors for which the largest log-likelihood is that of one interior maximum."""

    low: float
    high: float
    log_likelihood: float


class FloorProfile(eqx.Module, Shown):
    """The largest log-likelihood found with no variance below a floor, for F floors from small to large.

    A floor bounds each component's smallest principal variance, as a fraction of the data's variance. The curve never
    rises with the floor. `least_variance` is the smallest variance of the solution at each floor, `converged` whether
    that solution is settled to 1e-4 nats; where it is not, the true curve lies higher. `interior` is the interior
    maximum of the maximum-likelihood fit and `interior_variance` its smallest variance, up to which floors leave it
    alone; both are NaN where there is none.
    """

    floors: Float[Array, " F"]
    log_likelihood: Float[Array, " F"]
    least_variance: Float[Array, " F"]
    converged: Bool[Array, " F"]
    interior: Float[Array, ""]
    interior_variance: Float[Array, ""]

    @property
    def crossing(self) -> float | None:
        """The floor below which the constrained maximum exceeds the interior one by more than 0.01 nats.

        Interpolated between the floors tried; None where it never does, or where there is no interior maximum.
        """
        floors, excess = np.log(self.floors), np.asarray(self.log_likelihood) - float(self.interior) - _TOLERANCE
        above = np.flatnonzero(excess > 0)
        if not len(above):
            return None
        last = above[-1]
        if last == len(floors) - 1:
            return float(self.floors[last])
        share = excess[last] / (excess[last] - excess[last + 1])
        return float(np.exp(floors[last] + share * (floors[last + 1] - floors[last])))

    @property
    def held(self) -> Bool[np.ndarray, " F"]:
        """Where the floor itself holds the narrowest component, so that the value is the floor's own doing."""
        return np.asarray(self.least_variance <= (1 + _SAME_VARIANCE) * self.floors)

    @property
    def plateau(self) -> Plateau | None:
        """The floors for which the fit's interior maximum is the largest; None where there are none."""
        low = float(self.floors[0]) if self.crossing is None else self.crossing
        high = float(self.interior_variance)
        return Plateau(low, high, float(self.interior)) if low < high else None

    @property
    def other_plateaus(self) -> tuple[Plateau, ...]:
        """Other interior maxima that are the largest for some of the floors tried, widest range first."""
        free = np.asarray(self.converged) & ~self.held
        heights = np.asarray(self.log_likelihood)
        found: list[Plateau] = []
        for i in np.flatnonzero(free & ~(np.abs(heights - float(self.interior)) <= _TOLERANCE)):
            if not (found and abs(found[-1].log_likelihood - heights[i]) <= _TOLERANCE):
                found.append(Plateau(float(self.floors[i]), float(self.least_variance[i]), float(heights[i])))
        return tuple(sorted(found, key=lambda p: p.low / p.high))

    @property
    def per_decade(self) -> float:
        """Nats that a floor ten times smaller adds, at the small end."""
        decades = np.log10(float(self.floors[1]) / float(self.floors[0]))
        return float(self.log_likelihood[0] - self.log_likelihood[1]) / decades

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a person should conclude."""
        others = [
            f"With a floor from {number(p.low, 2)} to {number(p.high, 2)} it is another interior maximum, "
            f"{fixed(p.log_likelihood, 3)}."
            for p in self.other_plateaus[:2]
        ]
        cut_short = int(np.sum(~np.asarray(self.converged)))
        said = [self._say_interior(), *others, self._say_spikes()]
        if cut_short:
            said.append(
                f"At {cut_short} of {len(self.floors)} floors the search was cut short: the curve may be higher."
            )
        return tuple(said)

    def card(self) -> Card:
        """Under which floors the answer does not depend on the floor, and what happens under others."""
        found = self.plateau
        where = f"from {number(found.low, 2)} to {number(found.high, 2)}" if found else "under none"
        return Card(f"Likelihood under variance floors: the interior maximum is the largest {where}", self.sentences)

    def _batch_shape(self) -> tuple[int, ...]:
        return self.interior.shape

    def _say_interior(self) -> str:
        if not np.isfinite(self.interior):
            return "No interior maximum was reached, so there is no floor that the answer does not depend on."
        height = fixed(float(self.interior), 3)
        if self.plateau is None:
            return (
                f"The interior maximum, {height}, is the largest log-likelihood under no floor: one that allows its "
                f"narrowest component ({number(float(self.interior_variance), 2)} of the data's variance) allows a "
                "narrower one that does better."
            )
        return (
            f"With a floor anywhere from {number(self.plateau.low, 2)} to {number(self.plateau.high, 2)} of the data's "
            f"variance the largest log-likelihood is that of the interior maximum, {height}: over this range the "
            "answer does not depend on the floor."
        )

    def _say_spikes(self) -> str:
        if np.isfinite(self.interior) and self.crossing is None:
            return f"Down to the smallest floor tried, {number(float(self.floors[0]), 2)}, nothing exceeds it."
        where = "A" if self.crossing is None else f"Below {number(self.crossing, 2)} a"
        return (
            f"{where} narrower component does better, and better still the smaller the floor: by "
            f"{self.per_decade:.1f} nats for each factor of ten at the smallest ones tried. To choose a floor there, "
            "or a ridge such as reg_covar, is to choose the answer."
        )


def refusal(model: Mixture, num_features: int) -> str:
    """Why a model cannot be profiled, or an empty string: its covariance model has no exact M-step under a floor."""
    try:
        Floor(1.0, jnp.ones(num_features)).sites(model.family.layout(model.num_components, num_features))
    except ValueError as error:
        return str(error)
    return ""


def floor_profile(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    fit: EMFit | None = None,
    floors: Real[ArrayLike, " F"] | None = None,
    num_starts: int = 64,
    weights: Real[ArrayLike, " N"] | None = None,
    labels: Integer[ArrayLike, " N"] | None = None,
) -> FloorProfile:
    """Profile the log-likelihood against a floor under the variances of every component.

    Where components have variances of their own the likelihood has no maximum (Kiefer and Wolfowitz 1956), but it has
    one under any floor (Hathaway 1985, for floors under ratios). This shows whether it depends on the floor.

    Parameters
    ----------
    model
        The mixture; its prior plays no part. Its covariance model must be one of full, tied, diagonal, tied_diagonal,
        spherical and tied_spherical.
    x
        Data, (N,) or (N, D); NaN is a value missing at random.
    key
        Random key of the starts.
    fit
        The maximum-likelihood fit of the same model to the same data, from `fit_em`; made anew if not given.
    floors
        At least two floors, as fractions of the data's variance in each feature, 1e-9 or more; 31 from 1e-8 to 0.3 if
        not given, which are also gone through on the way to smaller ones.
    num_starts
        Starts at each floor, besides the solutions carried down from the floor before; fewer are taken, and shorter,
        where data are many.
    weights
        As for `fit_em`.
    labels
        As for `fit_em`.

    Returns
    -------
    FloorProfile
        The largest value found at each floor. A solution is feasible under every smaller floor and is carried there,
        so the curve is monotone by construction.

    Raises
    ------
    ValueError
        If an argument is wrong, the covariance model has no exact M-step under a floor, or the call is traced.
    """
    check_model(model)
    check_key(key)
    num_starts = check_count("num_starts", num_starts)
    rows_of_x = as_rows(x)
    if is_traced(model, x, key, fit, floors, weights):
        raise ValueError("floor_profile is not available inside a transformation; call it on concrete data.")
    check_data(rows_of_x, model.num_components, missing_allowed=True)
    ladder = _as_floors(FLOORS if floors is None else floors)
    if why := refusal(model, rows_of_x.shape[1]):
        raise ValueError(why)
    bare = model.without_prior()
    key_fit, key_starts = jax.random.split(key)
    if fit is None:
        fit = fit_em(model, x, key=key_fit, objective="ml", weights=weights, labels=labels)
    check_fit(model, fit, rows_of_x, "ml")
    num_rows, num_features = rows_of_x.shape
    # Solutions at one floor are where the search at the next begins, so the steps between must be small.
    rungs = np.union1d(ladder, FLOORS[ladder[0] < FLOORS])
    effort = effort_for(num_rows, num_features, model.num_components, num_starts, len(rungs))
    rows = bare.prepare(rows_of_x, race.lanes(num_rows, model, effort.num_random), weights, labels)
    row_weights = np.ones(num_rows) if weights is None else np.asarray(as_weights(weights, num_rows))
    count = num_places(effort, model.num_components)
    spikes = places(np.asarray(rows_of_x), row_weights, count, model.family.independent)
    filled = rows.frame.fill(rows_of_x)
    found = descend(bare, rows, filled, key_starts, fit.params, spikes, jnp.asarray(rungs[::-1]), effort)
    heights, variances, converged = (part[::-1][np.isin(rungs, ladder)] for part in found)
    width = jnp.min(model.family.least_variances(fit.params, rows.frame))
    known = 1.0 if fit.status.is_estimate else jnp.nan
    return FloorProfile(jnp.asarray(ladder), heights, variances, converged, known * fit.log_likelihood, known * width)


def _as_floors(floors) -> Float[np.ndarray, " F"]:
    given = np.unique(np.asarray(as_float("floors", floors)))
    if given.ndim != 1 or len(given) < 2 or not (np.isfinite(given) & (given >= _LEAST_FLOOR)).all():
        raise ValueError(
            f"floors must be at least two different numbers of {_LEAST_FLOOR:g} or more, got {shown(floors)}."
        )
    return given
