"""`fit_gibbs`: data augmentation for conjugate mixtures, an exact cross-check of NUTS that needs no gradients."""

from collections.abc import Sequence
from typing import ClassVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, Real

from mixtures._checks import check_count, is_traced
from mixtures._drivers import OnProgress
from mixtures._kernel import Rows
from mixtures._status import Status
from mixtures.bayes.boundary import admit
from mixtures.bayes.chains import in_chunks, starting_points
from mixtures.bayes.conditionals import Conditionals, conditionals
from mixtures.bayes.diagnostics import Diagnostics, judge_chains
from mixtures.bayes.posterior import AbstractInfo, Posterior, assemble
from mixtures.coordinates import Coordinates
from mixtures.families import AbstractParams, GaussianParams, Moments
from mixtures.model import Mixture


class GibbsInfo(AbstractInfo):
    """How many components had a row in each draw: those that the data needed, under a sparse prior."""

    engine: ClassVar[str] = "Gibbs sampling"

    occupied: Int[Array, "C S"]

    def num_divergences(self) -> int:
        """None: there are no trajectories."""
        return 0

    def judge(self, diagnostics: Diagnostics) -> tuple[Status, str]:
        """Converged when label-free R-hat and ESS pass."""
        return judge_chains(diagnostics, self.occupied.shape[0])

    def sample_stats(self) -> dict[str, Float[Array, "C S"]]:
        """Occupied components."""
        return {"occupied": self.occupied}


class _Chain(eqx.Module):
    """Where one chain stands."""

    key: Key[Array, ""]
    params: GaussianParams


def fit_gibbs(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    *,
    key: Key[Array, ""],
    num_warmup: int = 1000,
    num_samples: int = 2000,
    num_chains: int = 4,
    start: str | AbstractParams | Sequence[AbstractParams] = "dispersed",
    reference: AbstractParams | None = None,
    on_progress: OnProgress | None = None,
) -> Posterior[GibbsInfo]:
    """Sample the posterior of a conjugate mixture by data augmentation (Diebolt and Robert 1994).

    Each iteration draws the component of every row given the parameters, and then weights, covariances and means from
    their full conditional distributions. It needs no tuning, but moves slowly where components overlap.

    Parameters
    ----------
    model
        A mixture of Gaussians that share whole covariances or variances, or none of them, under `priors.Conjugate`,
        `priors.Hierarchical`, or `priors.Independent` with Dirichlet weights, normal means and an inverse-gamma or
        inverse-Wishart covariance.
    x
        Data, (N,) or (N, D), complete.
    key
        Random key; the same key gives the same draws.
    num_warmup, num_samples
        Iterations of each chain that are thrown away, and kept.
    num_chains
        C, chains run side by side in one compiled program.
    start
        As for `fit_nuts`.
    reference
        Parameters whose labels the draws should follow; the draw of highest density by default.
    on_progress
        Called with (iterations done, iterations in all) between compiled chunks; not inside a transformation.

    Returns
    -------
    Posterior
        Relabelled draws with (chain, draw) axes; `.info.occupied` counts the components that had rows.

    Raises
    ------
    ValueError
        If an argument is wrong, or the full conditionals have no closed form.
    """
    data = admit(model, x, key, on_progress, reference)
    num_warmup, num_samples = check_count("num_warmup", num_warmup), check_count("num_samples", num_samples)
    num_chains = check_count("num_chains", num_chains)
    given = conditionals(model, data.shape[1])
    key_start, key_chains = jax.random.split(key)
    points = starting_points(model, data, key_start, start, num_chains)
    rows, chains = _begin(model, data, key_chains, points)
    total = num_warmup + num_samples
    if is_traced(model, x, key, points):
        _, draws = _sample(given, rows, data, chains, total)
    else:

        def advance(chains, length):
            return _sample(given, rows, data, chains, length)

        draws = in_chunks(advance, chains, total, on_progress=on_progress)
    return _finish(model, rows, draws, num_warmup, num_samples, reference)


@eqx.filter_jit
def _begin(model: Mixture, x: Float[Array, "N D"], key: Key[Array, ""], points: Float[Array, "C d"]):
    rows = model.prepare(x, len(points))
    params = jax.vmap(Coordinates.of(model, rows.frame).params)(points)
    return rows, _Chain(jax.random.split(key, len(points)), cast(GaussianParams, params))


@eqx.filter_jit
def _sample(given: Conditionals, rows: Rows, x: Float[Array, "N D"], chains: _Chain, length: int):
    """Advance every chain by `length` iterations."""

    def one(chain: _Chain, _):
        key, key_rows, key_params = jax.random.split(chain.key, 3)
        shares = allocate(given.model, rows, chain.params, key_rows)
        params = given.draw(key_params, chain.params, moments_of(given, x, shares))
        return _Chain(key, params), (params, jnp.sum(jnp.sum(shares, axis=1) > 0))

    return jax.vmap(lambda chain: jax.lax.scan(one, chain, None, length=length))(chains)


def allocate(model: Mixture, rows: Rows, params: AbstractParams, key: Key[Array, ""]) -> Float[Array, "K N"]:
    """Draw every row's component; 1 for that component and 0 for others."""
    log_densities = model.family.log_densities(params, rows)
    drawn = jax.random.categorical(key, log_densities, axis=0)
    return (drawn == jnp.arange(model.num_components)[:, None]).astype(log_densities.dtype)


def moments_of(given: Conditionals, x: Float[Array, "N D"], shares: Float[Array, "K N"]) -> Moments:
    """Counts, means and scatter of the rows of each component; means of empty ones are nought."""
    counts = jnp.sum(shares, axis=1)
    means = shares @ x / jnp.maximum(counts, 1.0)[:, None]
    gaps = x - shares.T @ means
    if not given.covariances.cross_products:
        return Moments(counts, means, shares @ gaps**2)
    products = gaps[:, :, None] * gaps[:, None, :]
    return Moments(counts, means, (shares @ products.reshape(len(x), -1)).reshape(-1, *products.shape[1:]))


@eqx.filter_jit
def _finish(model, rows, draws, num_warmup: int, num_samples: int, reference) -> Posterior[GibbsInfo]:
    params, occupied = jax.tree.map(lambda leaf: leaf[:, num_warmup : num_warmup + num_samples], draws)
    return assemble(model, rows, params, GibbsInfo(occupied), reference)
