"""`bridge_evidence`: the evidence from draws of a posterior, with every labelling counted."""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Key, Real

from mixtures._cards import Card
from mixtures._checks import check_key
from mixtures._kernel import Rows
from mixtures._numbers import plus_minus
from mixtures._status import Status
from mixtures._trees import flatten_draws, map_draws, map_in_blocks
from mixtures.bayes.boundary import admit_draws, refuse_fixed
from mixtures.bayes.diagnostics import summarise
from mixtures.bayes.numpyro_model import potential
from mixtures.bayes.posterior import Posterior
from mixtures.coordinates import Coordinates
from mixtures.families import AbstractParams
from mixtures.labels import assign
from mixtures.model import Mixture

_MOST_ROUNDS = 1000
_TOLERANCE = 1e-10  # relative change of the estimate
_DOF = 5.0  # of the proposal's multivariate t: tails heavier than a posterior's keep the estimate's variance finite


class Evidence(NamedTuple):
    """Log of ∫ p(x | θ) p(θ) dθ over all labellings, with its Monte Carlo standard error; NaN where refused."""

    log_evidence: float
    mcse: float
    reason: str  # why there is none, or an empty string

    def card(self) -> Card:
        """The number, or why there is none."""
        outcome = "refused" if self.reason else f"{plus_minus(self.log_evidence, self.mcse)} nats"
        return Card(f"Log evidence: {outcome}", [self.reason])

    def _repr_html_(self) -> str:
        """For notebooks, which ask for it by this name."""
        return self.card().html()


def bridge_evidence(posterior: Posterior, x: Real[ArrayLike, "N *D"], *, key: Key[Array, ""]) -> Evidence:
    """Evidence by bridge sampling (Meng and Wong 1996) between a posterior's draws and a multivariate t.

    The posterior has a copy of itself for every labelling of the components. Draws and proposals are brought
    to one labelling, the one whose components lie nearest to those of the draw of highest density; the part of the
    posterior with that labelling is bridged, and counted as often as there are labellings. The first half of each chain
    shapes the proposal and the second half is bridged, so the two are independent (Gronau et al. 2017).

    Parameters
    ----------
    posterior
        Draws from `fit_nuts`, `fit_gibbs` or `fit_smc`.
    x
        The data that were fitted, (N,) or (N, D).
    key
        Random key of the proposals, as many as there are draws in the second half.

    Returns
    -------
    Evidence
        With the error of Frühwirth-Schnatter (2004, eq. 13), which allows for autocorrelation. Refused where the
        posterior did not converge.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    check_key(key)
    data = admit_draws(posterior, x)
    model = posterior.model
    refuse_fixed(model, "an evidence")
    _refuse_copies(model, data.shape[1])
    rows = model.prepare(data)
    if posterior.status is not Status.CONVERGED:
        return Evidence(math.nan, math.nan, f"The posterior did not converge: {posterior.reason}")
    weighed = _weigh(model, rows, posterior.params, posterior.log_joint, key)
    log_ratio, mcse = _bridge(*map(np.asarray, weighed))
    if not (math.isfinite(log_ratio) and math.isfinite(mcse)):
        return Evidence(math.nan, math.nan, "Draws and proposals do not overlap: use more draws, or fit_smc.")
    return Evidence(log_ratio + math.lgamma(model.num_components + 1), mcse, "")


def _refuse_copies(model: Mixture, num_features: int) -> None:
    """Refuse models whose posterior has more copies of itself than there are labellings."""
    if "orientations" in model.family.layout(model.num_components, num_features).slots and num_features > 1:
        raise ValueError(
            "posterior is of a covariance model whose axes, like its components, can be named in several ways: bridge "
            "sampling would miss these copies; use fit_smc."
        )


@eqx.filter_jit
def _weigh(
    model: Mixture, rows: Rows, params: AbstractParams, log_joint: Float[Array, "C S"], key: Key[Array, ""]
) -> tuple[Float[Array, "C H"], Float[Array, " M"], Bool[Array, " M"]]:
    """Log posterior over proposal density of draws and of proposals, and which proposals have the labelling."""
    coordinates = Coordinates.of(model, rows.frame)
    half = log_joint.shape[1] // 2
    flat = flatten_draws(params)
    at_best = _places(model, rows, jax.tree.map(lambda leaf: leaf[jnp.argmax(log_joint)], flat))

    def one_labelling(draw: AbstractParams) -> Float[Array, " d"]:
        return coordinates.vector(model.family.permute(draw, _labels(model, rows, draw, at_best)))

    u = map_in_blocks(one_labelling, flat, 1000).reshape(*log_joint.shape, -1)
    first, second = u[:, :half].reshape(-1, u.shape[-1]), u[:, half:]
    proposal = dist.MultivariateStudentT(
        _DOF, jnp.mean(first, axis=0), jnp.linalg.cholesky(jnp.cov(first.T) * (_DOF - 2) / _DOF)
    )
    bridged = second.reshape(-1, u.shape[-1])
    proposed = jnp.asarray(proposal.sample(key, (len(bridged),)))

    def log_ratio(u):
        return -potential(model, rows, coordinates, u) - proposal.log_prob(u)

    def has_labelling(u):
        labels = _labels(model, rows, coordinates.params(u), at_best)
        return jnp.all(labels == jnp.arange(model.num_components))

    ratios, own = (map_draws(log_ratio, v, rows.num_rows * model.num_components) for v in (proposed, bridged))
    return own.reshape(second.shape[:2]), ratios, map_in_blocks(has_labelling, proposed, 1000)


def _places(model: Mixture, rows: Rows, params: AbstractParams) -> Float[Array, "K E"]:
    """Where components lie and how wide they are, in comparable numbers."""
    centres = rows.frame.standardise(model.family.locations(params))
    widths = 0.5 * jnp.log(model.family.least_variances(params, rows.frame))
    return jnp.concatenate([centres, widths[:, None]], axis=1)


def _labels(model: Mixture, rows: Rows, params: AbstractParams, at_best: Float[Array, "K E"]):
    """Which component takes the place of each of the best draw's: the assignment of least squared distance."""
    gaps = at_best[:, None] - _places(model, rows, params)
    return assign(jnp.sum(gaps**2, axis=-1))


def _bridge(own: np.ndarray, proposed: np.ndarray, labelled: np.ndarray) -> tuple[float, float]:
    """Log ratio of normalisers and its standard error, from log density ratios of draws (C, H) and proposals (M,)."""
    effective = float(summarise(own).ess_bulk)
    share = effective / (effective + len(proposed))
    shift = np.median(own)
    labelled = labelled & np.isfinite(proposed)  # a proposal where the posterior has no density has none
    above, below = np.where(labelled, np.exp(proposed - shift), 0.0), np.exp(own - shift)
    ratio = 1.0
    for _ in range(_MOST_ROUNDS):
        last = ratio
        numerator = np.mean(above / (share * above + (1 - share) * last))
        ratio = float(numerator / np.mean(1 / (share * below + (1 - share) * last)))
        if abs(ratio - last) < _TOLERANCE * ratio:
            break
    of_proposals = above / (share * above + (1 - share) * ratio)
    of_draws = 1 / (share * below + (1 - share) * ratio)
    relative = of_proposals.var() / of_proposals.mean() ** 2 / len(proposed)
    relative += (float(summarise(of_draws).mcse) / of_draws.mean()) ** 2
    return float(np.log(ratio) + shift), math.sqrt(relative)
