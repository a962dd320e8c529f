"""Components that are one and the same, in a solution or from the start of somebody's EM to its end."""

from itertools import combinations

import numpy as np

from mixtures.audit.findings import Finding
from mixtures.audit.reference import Solution

_EQUAL = 1e-6  # of the data's sds and their products
_FIX = "Draw starting means without replacement from the distinct values, and use several starts."


def never_part(rows: np.ndarray, start: Solution, end: Solution) -> list[Finding]:
    """Whether two components have one mean at the start, and are the same at the end."""
    sd = rows.std(axis=0)
    for i, j in _pairs(start):
        if _one_mean(start, i, j, sd) and _one_mean(end, i, j, sd) and _one_spread(end, i, j, sd):
            return [
                Finding(
                    "identical-components",
                    f"Components {i + 1} and {j + 1} start identical and stay so.",
                    f"Both have mean {_mean(start, i)} at the start and {_mean(end, i)} at the end.",
                    "Starting means were drawn with replacement, or from data with ties: equal components get equal "
                    "responsibilities for ever.",
                    _FIX,
                )
            ]
    return []


def are_one(rows: np.ndarray, solution: Solution) -> list[Finding]:
    """Whether two components are the same in a solution, which hence has fewer than it says."""
    sd = rows.std(axis=0)
    for i, j in _pairs(solution):
        if _one_mean(solution, i, j, sd) and _one_spread(solution, i, j, sd):
            return [
                Finding(
                    "identical-components",
                    f"Components {i + 1} and {j + 1} are identical.",
                    f"Both have mean {_mean(solution, i)} and the same variances.",
                    "They started identical, or wrong steps made them so; equal components stay equal for ever.",
                    _FIX,
                )
            ]
    return []


def _pairs(solution: Solution) -> combinations:
    return combinations(range(len(solution.weights)), 2)


def _mean(solution: Solution, i: int) -> list[float]:
    return np.round(solution.means[i], 6).tolist()


def _one_mean(solution: Solution, i: int, j: int, sd: np.ndarray) -> bool:
    return bool((np.abs(solution.means[i] - solution.means[j]) < _EQUAL * sd).all())


def _one_spread(solution: Solution, i: int, j: int, sd: np.ndarray) -> bool:
    return bool((np.abs(solution.covariances[i] - solution.covariances[j]) < _EQUAL * np.outer(sd, sd)).all())
