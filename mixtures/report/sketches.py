"""What the figures need of the data and the chains, small whatever their size: a report is redrawn from it."""

from typing import cast

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from mixtures.bayes.nuts import NUTSInfo
from mixtures.bayes.posterior import Posterior
from mixtures.compare.comparison import Comparison
from mixtures.data import Data

MOST_FEATURES = 4  # drawn against each other
_MOST_POINTS = 3000  # of all pairs together
_MOST_STEMS = 400  # besides those of the most frequent values
_MOST_CHAINS = 8
_MOST_RANKS = 8
_TRACE_POINTS = 150
_BINS = 20


def sketches(c: Comparison, agreement: list[dict]) -> dict:
    """Histograms, stems or points of the data; traces and ranks of the chains."""
    values = np.asarray(c.data.values)
    return {
        "histograms": [_histogram(column) for column in values.T],
        "stems": _stems(values[:, 0]) if values.shape[1] == 1 else None,
        "points": None if values.shape[1] == 1 else _points(c.data),
        "traces": _traces(c.nuts),
        "ranks": _ranks(c, agreement),
    }


def _histogram(column: Float[np.ndarray, " N"]) -> dict:
    """Edges of the bins, and the share of rows in each divided by its width."""
    heights, edges = np.histogram(column, bins=min(60, max(10, int(2 * len(column) ** 0.5))), density=True)
    return {"edges": shortened(edges), "heights": shortened(heights)}


def _stems(column: Float[np.ndarray, " N"]) -> dict:
    """How often values occur: the most frequent first twenty, and others evenly from the rest."""
    values, counts = np.unique(column, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    evenly = np.linspace(0, len(values) - 1, min(len(values), _MOST_STEMS)).astype(int)
    shown = np.union1d(order[:20], evenly)
    return {"values": values[shown], "counts": counts[shown]}


def _points(data: Data) -> dict:
    """Rows drawn at random, fewer where there are more pairs of features; all their features that are drawn."""
    features = min(data.values.shape[1], MOST_FEATURES)
    most = _MOST_POINTS // (features * (features - 1) // 2)
    rows = np.sort(np.random.default_rng(0).permutation(len(data.values))[:most])
    return {"rows": rows, "values": shortened(np.asarray(data.values)[rows, :features])}


def _traces(nuts: Posterior) -> dict:
    """Log joint density along the first chains, by the lowest and highest draw of each stretch: none is lost."""
    log_joint, diverging = np.asarray(nuts.log_joint), np.asarray(cast(NUTSInfo, nuts.info).diverging)
    chains = []
    for draws, divergent in zip(log_joint[:_MOST_CHAINS], diverging, strict=False):
        stretches = np.array_split(np.arange(len(draws)), min(_TRACE_POINTS, len(draws)))
        at = np.concatenate([sorted({s[np.argmin(draws[s])], s[np.argmax(draws[s])]}) for s in stretches])
        chain = {"draws": at, "log_joint": shortened(draws[at]), "mean": draws.mean(), "sd": draws.std()}
        chains.append(chain | {"diverging": np.flatnonzero(divergent)[:200]})
    return {"chains": chains, "omitted_chains": len(log_joint) - len(chains)}


def _ranks(c: Comparison, agreement: list[dict]) -> list[dict]:
    """Rank histograms by chain of the label-free quantities, and of the parameters with the largest R-hat."""
    estimates = c.model.family.estimates(c.nuts.params)
    found = {"log joint": np.asarray(c.nuts.log_joint), "log-likelihood": np.asarray(c.nuts.log_likelihood)}
    rhat = np.nan_to_num([row["rhat"] for row in agreement])
    for i in np.sort(np.argsort(-rhat, kind="stable")[: _MOST_RANKS - len(found)]):
        row = agreement[i]
        found[row["title"]] = np.asarray(estimates[row["key"]][(..., *row["entry"])])
    return [_rank_histogram(name, draws) for name, draws in found.items()]


def _rank_histogram(name: str, draws: Float[np.ndarray, "C S"]) -> dict:
    ranks = (rankdata(draws).reshape(draws.shape) - 0.5) / draws.size
    edges = np.linspace(0, 1, _BINS + 1)
    counts = [np.histogram(chain, edges)[0] for chain in ranks[:_MOST_CHAINS]]
    return {"name": name, "counts": counts, "mean_rank": ranks[:_MOST_CHAINS].mean(axis=1)}


def shortened(values: np.ndarray) -> np.ndarray:
    """Numbers for pictures: six significant digits."""
    values = np.asarray(values, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = 10.0 ** (5 - np.floor(np.log10(np.abs(values))))
        rounded = np.round(values * size) / size
    return np.where(np.isfinite(rounded), rounded, values)
