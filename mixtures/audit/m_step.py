"""The M-step at known responsibilities: what it computes, found among hypotheses that reproduce its numbers."""

from itertools import product
from typing import NamedTuple

import numpy as np

from mixtures.audit import probes
from mixtures.audit.layouts import Raw
from mixtures.audit.program import Program
from mixtures.audit.readings import CLOSED_FORM, consistent
from mixtures.audit.reference import Solution, maximiser, pooled, power, scatter

Array = np.ndarray
RIDGE = 1e-3  # of the data's variance: a ridge below it is a convention
CENTRE, DIVISOR = "the new means", "n_k"


class Spread(NamedTuple):
    """How an M-step computes spreads: scatter about a centre over a count, to a power, maybe with a ridge.

    The ridge is added to the variances, or `after` the power to what is returned.
    """

    exponent: float
    centre: str
    divisor: str
    ridge: float = 0.0
    after: bool = False


class MStep(NamedTuple):
    """What an M-step made of sets of responsibilities (N, K), of which evidence takes the last."""

    seen: tuple[tuple[Array, Raw], ...]
    best: Solution
    covariance: str
    spread: Spread | None
    tolerance: float

    @property
    def resp(self) -> Array:
        """The last responsibilities."""
        return self.seen[-1][0]

    @property
    def raw(self) -> Raw:
        """What it made of them."""
        return self.seen[-1][1]

    def with_model(self, exponent: float) -> "MStep":
        """The same, where nothing reproduces spreads with the model that they are all of, if it has no closed form."""
        if self.spread is not None or not all(raw.finite for _, raw in self.seen):
            return self
        models = [consistent(Solution(raw.weights, raw.means, power(raw.spread, 1 / exponent))) for _, raw in self.seen]
        common = [name for name in models[0] if all(name in others for others in models)]
        return self._replace(covariance=common[0]) if common and common[0] not in CLOSED_FORM else self


def probe(program: Program, rng: np.random.Generator) -> MStep:
    """Hand an M-step responsibilities of our choice, each after another call that a stale value could come from."""
    first, second, resp = (probes.responsibilities(*program.responsibilities.shape, rng) for _ in range(3))
    earlier = probes.wide(program.layout, program.rows, 1.0, rng)
    seen = [(first, program.update(first).read()), (second, program.update(second).read())]
    program.posterior(earlier)
    theirs = program.update(resp)
    seen.append((resp, theirs.read()))
    single = theirs.error >= 1e-10
    centres = {
        CENTRE: seen[-1][1].means,
        "the mean of all rows": np.repeat(program.rows.mean(axis=0)[None], len(earlier.means), axis=0),
        "the means before the update": earlier.means,
        "the means of the call before": seen[-2][1].means,
        "zero": np.zeros_like(earlier.means),
    }
    spread, covariance = _recognise(program.rows, *seen[-1], centres, 3e-3 if single else 1e-6)
    covariance = covariance or program.layout.covariance
    best = maximiser(program.rows, resp, covariance)
    return MStep(tuple(seen), best, covariance, spread, 3e-3 if single else 1e-5)


def _divisors(resp: Array) -> dict[str, tuple[Array, Array]]:
    """What a sum of squares may be divided by: row weights of the sum (N, K), and the count of each component."""
    counts, (num_rows, num_components) = resp.sum(axis=0), resp.shape
    return {
        DIVISOR: (resp, counts),
        "n_k − 1": (resp, counts - 1),
        "N − 1": (resp, counts - 1 / num_components),  # if they share it
        "n_k − Σ r²/n_k": (resp, counts - (resp**2).sum(axis=0) / counts),
        "the number of rows": (resp, np.full_like(counts, num_rows)),
        "the number of rows, without responsibilities": (np.ones_like(resp), np.full_like(counts, num_rows)),
        "the number of rows − 1, without responsibilities": (np.ones_like(resp), np.full_like(counts, num_rows - 1)),
    }


def _recognise(
    rows: Array, resp: Array, raw: Raw, centres: dict[str, Array], tolerance: float
) -> tuple[Spread, str] | tuple[None, None]:
    """How spreads are computed, and their covariance model; a ridge is believed where nothing explains them without."""
    convention = RIDGE * rows.var(axis=0).min()
    tried = [
        (Spread(exponent, centre, divisor), model, pooled(scatter(rows, weights, centres[centre]), count, model))
        for (divisor, (weights, count)), centre, exponent, model in product(
            _divisors(resp).items(), centres, (1.0, 0.5, 2.0), CLOSED_FORM if rows.shape[1] > 1 else ("full", "tied")
        )
    ]
    sd = rows.std(axis=0)
    for spread, model, cov in tried:
        if _agree(power(raw.spread, 1 / spread.exponent), cov, sd, tolerance):
            return spread, model
    eye = np.eye(len(sd))
    for spread, model, cov in tried:
        for after in (False, True) if spread.exponent != 1 else (False,):
            theirs = raw.spread if after else power(raw.spread, 1 / spread.exponent)
            expected = np.einsum("kii->ki", power(cov, spread.exponent) if after else cov)
            least = np.unravel_index(np.argmin(expected), expected.shape)  # where a ridge stands out most
            added = np.einsum("kii->ki", theirs)[least] - expected[least]
            less = theirs - added * eye
            telling = np.ptp(expected) > 1e-2 * np.abs(expected).max() or added <= convention
            if (
                added > 0
                and telling
                and _agree(power(less, 1 / spread.exponent) if after else less, cov, sd, tolerance)
            ):
                return spread._replace(ridge=float(added), after=after), model
    return None, None


def _agree(theirs: Array, expected: Array, sd: Array, tolerance: float) -> bool:
    """Whether covariances agree in units of each feature."""
    theirs, expected = theirs / np.outer(sd, sd), expected / np.outer(sd, sd)
    return bool(np.abs(theirs - expected).max() <= tolerance * np.abs(expected).max())
