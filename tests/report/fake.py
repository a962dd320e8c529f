"""A synthetic Comparison: real EM fits, draws from a short random walk in place of VI and NUTS."""

from functools import cache
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

import mixtures as mx
from mixtures._status import Status
from mixtures.compare.comparison import AgreementRow, Clustering, Comparison, Density
from mixtures.compare.verdict import Verdict
from mixtures.coordinates import Coordinates
from mixtures.data import Data
from mixtures.em.fit import fit_em
from mixtures.em.uncertainty import standard_errors

DATASET = Path(mx.__file__).parent / "datasets" / "timeseries.csv"


def series() -> Data:
    return Data(np.loadtxt(DATASET, skiprows=1)[:, None], ("y",), "timeseries.csv")


def plane() -> Data:
    rng = np.random.default_rng(0)
    tril = np.array([[1.0, 0.0], [0.7, 0.5]])
    parts = [rng.normal(size=(40, 2)) @ tril.T, rng.normal(size=(30, 2)) * [0.5, 1.5] + [4, 2], rng.normal(size=(25, 2)) + [1, 6]]
    return Data(np.round(np.concatenate(parts), 2), ("length", "width"), "plane.csv")


@cache
def comparison(name: str = "series", num_components: int = 3) -> Comparison:
    data = {"series": series, "plane": plane}[name]()
    x = jnp.asarray(data.values)
    model = mx.Mixture.for_data(x, num_components)
    ml = fit_em(model, x, key=jax.random.key(0), objective="ml")
    best = fit_em(model, x, key=jax.random.key(1))
    errors = standard_errors(model, best, x)
    vi = _posterior(model, x, best, errors, chains=1, draws=1000, step=1.0)
    nuts = _posterior(model, x, best, errors, chains=4, draws=500, step=0.5)
    return Comparison(
        model, data, ml, best, errors, vi, nuts,
        _agreement(model, data, best, errors, vi, nuts),
        _clustering(model, x, best, vi, nuts),
        _density(model, data, best, vi, nuts),
        Verdict("agree in location, not in width", ("MAP lies within 0.8 posterior standard deviations of every mean.", "Standard errors are 0.6 to 0.9 times as wide as the posterior.")),
        {"EM, maximum likelihood": 1.21, "EM, MAP": 0.83, "variational inference": 3.3, "NUTS": 4.7, "comparison": 0.4},
    )


def _posterior(model, x, fit, errors, *, chains, draws, step):
    rows = model.prepare(x)
    coordinates = Coordinates.of(model, rows.frame)
    tril = jnp.linalg.cholesky(errors.covariance)
    start = coordinates.vector(fit.params)

    def log_density(u):
        return model.log_joint(coordinates.params(u), rows)

    def walk(u, key):
        move, accept = jax.random.split(key)
        proposal = u + step / len(u) ** 0.5 * tril @ jax.random.normal(move, u.shape)
        ratio = log_density(proposal) - log_density(u)
        u = jnp.where(jnp.log(jax.random.uniform(accept)) < ratio, proposal, u)
        return u, u

    keys = jax.random.split(jax.random.key(2), (chains, draws * 20))
    u = jax.jit(jax.vmap(lambda k: jax.lax.scan(walk, start, k)[1][::20]))(keys)
    def each(function):
        return jax.jit(jax.vmap(jax.vmap(function)))(u)

    params = each(coordinates.params)
    log_joint = each(log_density)
    log_likelihood = each(lambda v: model.log_likelihood(coordinates.params(v), rows))
    parameters = {k: _summary(v) for k, v in model.family.estimates(params).items()}
    invariants = {"log_likelihood": _summary(log_likelihood), "log_joint": _summary(log_joint)}
    diverging = np.zeros((chains, draws), bool)
    info = SimpleNamespace(diverging=diverging, num_leapfrog=np.full((chains, draws), 7), accept_prob=np.full((chains, draws), 0.83), energy=-log_joint, step_size=np.full(chains, 0.4))
    if chains == 1:
        info = SimpleNamespace(guide="full_rank", elbo=-141.32, elbo_mcse=0.05, khat=0.61, start_elbos=np.linspace(-150, -141.32, 8))
    every = [*parameters.values(), *invariants.values()]
    return SimpleNamespace(
        params=params, log_likelihood=log_likelihood, log_joint=log_joint, info=info, status=Status.CONVERGED, reason=Status.CONVERGED.message,
        relabelling=SimpleNamespace(switched=0.31, ambiguity=0.04),
        diagnostics=SimpleNamespace(
            max_rhat=max(np.nanmax(s.rhat) for s in every), min_ess=min(np.nanmin(s.ess_bulk) for s in every), divergences=0,
            parameters=parameters, invariants=invariants,
        ),
    )  # fmt: skip


def _summary(draws):
    draws = np.asarray(draws)
    ess, rhat = np.asarray(effective_sample_size(draws)), np.asarray(split_gelman_rubin(draws))
    sd = draws.std((0, 1))
    return SimpleNamespace(mean=draws.mean((0, 1)), sd=sd, mcse=sd / np.sqrt(ess), rhat=rhat, ess_bulk=ess, ess_tail=ess)


def _flat(draws):
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[::4], draws)


def _agreement(model, data, best, errors, vi, nuts):
    estimates = {k: np.asarray(v) for k, v in model.family.estimates(best.params).items()}
    draws = {n: model.family.estimates(_flat(p.params)) for n, p in (("vi", vi), ("nuts", nuts))}
    columns, num_components = data.columns, model.num_components
    names = [("weights", (k,), f"weights[{k + 1}]") for k in range(num_components)]
    names += [("means", (k, d), f"means[{k + 1}, {c}]") for k in range(num_components) for d, c in enumerate(columns)]
    names += [
        ("covariances", (k, a, b), f"covariances[{k + 1}, {columns[a]}, {columns[b]}]")
        for k in range(num_components) for a in range(len(columns)) for b in range(a, len(columns))
    ]  # fmt: skip
    rows = []
    for key, at, name in names:
        map_, se = float(estimates[key][at]), float(errors.values[key][at])
        v, s = np.asarray(draws["vi"][key])[:, *at], nuts.diagnostics.parameters[key]
        band = np.quantile(np.asarray(draws["nuts"][key])[:, *at], [0.055, 0.945])
        mean, sd = float(s.mean[at]), float(s.sd[at])
        rows.append(
            AgreementRow(
                name, map_, se, v.mean(), v.std(), mean, sd, float(s.mcse[at]), float(s.ess_bulk[at]), float(s.rhat[at]), (map_ - mean) / sd,
                se / sd, 0.8, (map_ - 1.6 * se, map_ + 1.6 * se), tuple(np.quantile(v, [0.055, 0.945]).tolist()), tuple(band.tolist()),
            )
        )  # fmt: skip
    return tuple(rows)


def _clustering(model, x, best, vi, nuts):
    each = jax.jit(jax.vmap(lambda p: model.responsibilities(p, x)))
    v, n = (np.asarray(each(_flat(p.params))) for p in (vi, nuts))
    two = {"vi": 0.93, "nuts": 0.87}
    return Clustering(np.asarray(model.responsibilities(best.params, x)), v.mean(0), n.mean(0), n.std(0), two, {"vi": 0.11, "nuts": 0.23}, {"vi": 0.03, "nuts": 0.05})


def _density(model, data, best, vi, nuts):
    low, high = data.values.min(0), data.values.max(0)
    grid = np.linspace(low - 0.15 * (high - low), high + 0.15 * (high - low), 240).T

    def marginals(params):
        e = {k: np.asarray(v) for k, v in model.family.estimates(params).items()}
        out = []
        for d, points in enumerate(grid):
            mean, var = e["means"][..., d, None], e["covariances"][..., d, d, None]
            out.append(np.sum(e["weights"][..., None] * np.exp(-0.5 * (points - mean) ** 2 / var) / np.sqrt(2 * np.pi * var), -2))
        return np.stack(out, -2)

    v, n = marginals(_flat(vi.params)), marginals(_flat(nuts.params))
    band = np.quantile(n, [0.055, 0.945], axis=0).transpose(1, 0, 2)
    return Density({"vi": 0.04, "nuts": 0.07}, {"vi": 0.001, "nuts": 0.002}, grid, marginals(best.params), v.mean(0), n.mean(0), band)
