"""The bootstrap likelihood-ratio test of K against K + 1 components."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, Real

from mixtures._cards import Card, Shown
from mixtures._checks import as_rows, as_tolerance, check_count, check_data, check_key, check_share
from mixtures._kernel import Rows
from mixtures._numbers import number
from mixtures._status import Status
from mixtures._trees import map_in_blocks
from mixtures.em.fit import fit_em
from mixtures.em.refit import Refit, refit, refits_at_once
from mixtures.families import AbstractFamily, AbstractParams, Gaussian
from mixtures.model import Mixture
from mixtures.starts import random_starts

_TOLERANCE = 0.01  # of −2 log λ, for fits that stop just short of their maxima
_MOST_FAILED = 0.05  # share of replicates without both maxima, above which the rest is a biased sample


class LikelihoodRatioTest(eqx.Module, Shown):
    """−2 log λ of K against K + 1 components, and B replicates of it under K; NaN where a maximum was not found.

    `statuses` says how each replicate's two fits ended, (B, 2), and `status` the same of the data's.
    """

    statistic: Float[Array, ""]
    replicates: Float[Array, " B"]
    status: Int[Array, " 2"]
    statuses: Int[Array, "B 2"]
    num_components: int = eqx.field(static=True)  # K, under the null hypothesis

    @property
    def failed(self) -> int:
        """How many replicates have no interior maximum, or did not converge, under K or K + 1."""
        return int((~_estimates(self.statuses)).sum())

    @property
    def unbounded(self) -> int:
        """In how many replicates a start collapsed: the likelihood is unbounded, and an interior maximum was used."""
        return int((self.statuses == Status.INTERIOR).any(axis=1).sum())

    @property
    def fell_short(self) -> int:
        """How many replicates have a statistic below zero: K + 1 components contain K, so a better maximum exists."""
        return int((np.asarray(self.replicates) < -_TOLERANCE).sum())

    @property
    def p_value(self) -> float:
        """(1 + #{replicates ≥ statistic}) / (1 + B) over the sound replicates; NaN where refused."""
        if self.refused:
            return np.nan
        sound = np.asarray(self.replicates)[_estimates(self.statuses)]
        return float((1 + (sound >= float(self.statistic)).sum()) / (1 + len(sound)))

    @property
    def refused(self) -> bool:
        """Whether there is no p-value."""
        return not _estimates(self.status[None])[0] or self.failed > _MOST_FAILED * len(self.replicates)

    @property
    def reason(self) -> str:
        """Why there is no p-value, or what to know about it; an empty string if nothing."""
        total, few, many = len(self.replicates), self.num_components, self.num_components + 1
        if not _estimates(self.status[None])[0]:
            worse = next(Status(code) for code in self.status.tolist() if not Status(code).is_estimate)
            return f"The data have no estimate under {few} or {many} components: {worse.message}"
        if self.refused:
            return f"{self.failed} of {total} replicates gave no estimate, and the others are no fair sample."
        words = [f"{self.failed} of {total} replicates gave no estimate and were left out."] * (self.failed > 0)
        if self.unbounded or bool((self.status == Status.INTERIOR).any()):
            words.append(
                f"The likelihood is unbounded (a start collapsed in {self.unbounded} of {total} replicates): the test "
                "compares the largest interior maxima found, for the data and for the replicates alike."
            )
        where = ["for the data"] * (float(self.statistic) < -_TOLERANCE)
        where += [f"in {self.fell_short} of {total} replicates"] * (self.fell_short > 0)
        if where:
            words.append(
                f"The search ended lower with {many} components than with {few}, which cannot be the maximum, "
                f"{' and '.join(where)}: more starts may help."
            )
        return " ".join(words)

    def card(self) -> Card:
        """The p-value, or why there is none."""
        few, total = self.num_components, len(self.replicates)
        outcome = "refused" if self.refused else f"p = {number(self.p_value, 2)}"
        title = f"Bootstrap likelihood-ratio test, {few} against {few + 1} components: {outcome}"
        return Card(title, [f"−2 log λ is {number(float(self.statistic))}; {total} replicates.", self.reason])

    def _batch_shape(self) -> tuple[int, ...]:
        return self.statistic.shape


def bootstrap_lrt(
    x: Real[ArrayLike, "N *D"],
    family: AbstractFamily | str = "full",
    *,
    num_components: int,
    key: Key[Array, ""],
    num_replicates: int = 999,
    num_starts: int = 8,
    max_steps: int = 5000,
    atol: float = 1e-4,
) -> LikelihoodRatioTest:
    """Test K against K + 1 components by a parametric bootstrap of −2 log λ.

    The usual χ² limit does not hold, because K components lie on the boundary of K + 1 (McLachlan 1987; McLachlan and
    Peel 2000, section 6.4). Data and replicates are fitted in the same way: by maximum likelihood, K components from
    the fitted ones and random starts, K + 1 from the K just found with each split in turn and random starts.

    Parameters
    ----------
    x
        Data, (N,) or (N, D), complete.
    family
        Component family, or the covariance model of a Gaussian one by name or code.
    num_components
        K, the number under the null hypothesis.
    key
        Random key of starts and replicates.
    num_replicates
        B; the smallest p-value is 1 / (B + 1).
    num_starts
        Random starts of each fit, beside those named above.
    max_steps, atol
        As for `fit_em`, of each fit.

    Returns
    -------
    LikelihoodRatioTest
        With `p_value`, and a `reason` where it is refused or where the likelihood is unbounded.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    check_key(key)
    num_components, num_starts = check_count("num_components", num_components), check_count("num_starts", num_starts)
    num_replicates = check_count("num_replicates", num_replicates, least=2)
    data = as_rows(x)
    check_data(data, num_components + 1)
    settings = as_tolerance("atol", atol, data.dtype), jnp.int32(check_count("max_steps", max_steps))
    null = Mixture(Gaussian(family) if isinstance(family, str) else family, num_components)

    key_fit, key_tests = jax.random.split(key)
    fitted = fit_em(null, data, key=key_fit, objective="ml", num_starts=4 * num_starts, max_steps=max_steps, atol=atol)
    if not fitted.status.is_estimate:
        nothing = jnp.full(num_replicates, jnp.nan, data.dtype)
        status = jnp.full((num_replicates + 1, 2), fitted.status_code)
        return LikelihoodRatioTest(nothing[0], nothing, status[0], status[1:], num_components)
    statistics, statuses = _statistics(null, fitted.params, data, key_tests, num_replicates, num_starts, *settings)
    return LikelihoodRatioTest(statistics[0], statistics[1:], statuses[0], statuses[1:], num_components)


def bootstrap_lrt_sequence(
    x: Real[ArrayLike, "N *D"],
    family: AbstractFamily | str = "full",
    *,
    key: Key[Array, ""],
    max_components: int = 9,
    level: float = 0.05,
    **settings,
) -> list[LikelihoodRatioTest]:
    """Test 1 against 2 components, 2 against 3, …, until a p-value exceeds `level` or is refused.

    Parameters
    ----------
    x, family, settings
        As for `bootstrap_lrt`.
    key
        Random key; every test gets one of its own.
    max_components
        The largest null hypothesis.
    level
        Where to stop. This is not corrected for testing repeatedly.

    Returns
    -------
    list of LikelihoodRatioTest
        The K of the last is the number of components chosen, if its p-value exceeds `level`.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    check_key(key)
    check_share("level", level)
    tests: list[LikelihoodRatioTest] = []
    for count in range(1, check_count("max_components", max_components) + 1):
        own = jax.random.fold_in(key, count)
        tests.append(bootstrap_lrt(x, family, num_components=count, key=own, **settings))
        if not tests[-1].p_value <= level:
            break
    return tests


def _estimates(statuses) -> np.ndarray:
    """Which pairs of fits are both estimates."""
    return np.isin(statuses, (Status.CONVERGED, Status.INTERIOR)).all(axis=-1)


@eqx.filter_jit
def _statistics(null: Mixture, params: AbstractParams, data, key, num_replicates: int, num_starts: int, atol, limit):
    """The statistic of the data and those of the replicates, all by one and the same program."""

    def one(case):
        number, key = case
        key_rows, key_starts = jax.random.split(key)
        drawn = null.sample(params, key_rows, data.shape[0])[0]
        return _one_test(null, params, jnp.where(number == 0, data, drawn), key_starts, num_starts, atol, limit)

    together = refits_at_once(len(data), null.num_components + 1, null.num_components + num_starts)
    cases = jnp.arange(num_replicates + 1), jax.random.split(key, num_replicates + 1)
    return map_in_blocks(one, cases, together)


def _one_test(
    null: Mixture, params: AbstractParams, x: Float[Array, "N D"], key: Key[Array, ""], num_starts: int, atol, limit
) -> tuple[Float[Array, ""], Int[Array, " 2"]]:
    """−2 log λ, and how both fits ended."""
    alternative = Mixture(null.family, null.num_components + 1)
    rows = Rows.prepare(x, null.family.form(x.shape[1], x.dtype), alternative.num_components, num_starts)
    key_null, key_alternative, key_split = jax.random.split(key, 3)
    starts = _joined(jax.tree.map(lambda leaf: leaf[None], params), random_starts(null, x, key_null, num_starts))
    few: Refit = refit(null, rows, starts, atol, limit)
    random = random_starts(alternative, x, key_alternative, num_starts)
    many: Refit = refit(alternative, rows, _joined(_splits(null, few.params, rows, x, key_split), random), atol, limit)
    return 2 * (many.log_likelihood - few.log_likelihood), jnp.stack([few.status, many.status])


def _joined(first: AbstractParams, second: AbstractParams) -> AbstractParams:
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, second)


def _splits(model: Mixture, params: AbstractParams, rows: Rows, x: Float[Array, "N D"], key) -> AbstractParams:
    """K mixtures of K + 1 components: each component in turn as two halves, on either side of its centre.

    They lie halfway to a row drawn from the component, and to that row's mirror image.
    """
    family, num_components = model.family, model.num_components
    shares = model.component_responsibilities(params, rows) * rows.row_weights()

    def split(k, key):
        order = jnp.append(jnp.arange(num_components), k)
        both = family.permute(params, order)
        halves = jnp.ones_like(both.weights).at[: num_components + 1].set(jnp.where(order == k, 0.5, 1.0))
        both = eqx.tree_at(lambda p: p.weights, both, both.weights * halves)
        row = x[jax.random.categorical(key, jnp.log(shares[k]))]
        centres = family.locations(both)
        side = jnp.where(order == k, 0.5, 0.0).at[k].multiply(-1)
        return family.place(both, centres + side[:, None] * (row - centres), jnp.ones(num_components + 1, x.dtype))

    return jax.vmap(split)(jnp.arange(num_components), jax.random.split(key, num_components))
