"""Three groups of one feature that no right program gets wrong."""

from typing import NamedTuple

import numpy as np
import pytest


class Groups(NamedTuple):
    rows: np.ndarray

    def start(self) -> dict:
        """Parameters from which EM finds the groups."""
        return {
            "weights": np.full(3, 1 / 3),
            "means": np.quantile(self.rows, [0.1, 0.5, 0.9]),
            "variances": np.full(3, self.rows.var() / 9),
        }


@pytest.fixture(scope="session")
def groups() -> Groups:
    rng = np.random.default_rng(1)
    return Groups(np.concatenate([rng.normal(m, s, 100) for m, s in ((0.0, 1.0), (8.0, 1.5), (20.0, 2.0))]))
