"""The comparison's further evidence as plain values: partitions, prediction, intervals, the prior's say, and misfit."""

import numpy as np

from mixtures.bayes.predictive import PredictiveCheck
from mixtures.compare.comparison import Comparison
from mixtures.compare.intervals import EMIntervals
from mixtures.compare.location import Location
from mixtures.compare.partitions import Place
from mixtures.compare.prediction import Prediction


def further_content(c: Comparison) -> dict:
    """Everything that needs a posterior is None where NUTS did not converge, or where there is no MAP to compare."""
    sampled = c.nuts.status.is_estimate
    both = sampled and c.has_map
    return {
        "sentences": sentences(c),
        "intervals": [_intervals(kind) for kind in c.intervals],
        "place": _place(c.place) if both else None,
        "location": _location(c.location) if both and not c.location.caution else None,
        "prediction": _prediction(c.prediction) if both else None,
        "sensitivity": {
            "reason": c.sensitivity.reason,
            "prior": {name: np.asarray(v) for name, v in c.sensitivity.prior.items()},
            "likelihood": {name: np.asarray(v) for name, v in c.sensitivity.likelihood.items()},
        }
        if c.has_labels
        else None,
        "check": _check(c.check) if sampled else None,
    }


def sentences(c: Comparison) -> list[str]:
    """What the page says of it; nothing is concluded from a posterior that did not converge."""
    if not c.nuts.status.is_estimate:
        return []
    of_prior = c.sensitivity.reason if c.has_labels else c.sensitivity.counted
    of_posterior = [of_prior, c.check.reason]
    if not c.has_map:
        unmeasured = "Coverage was not measured as asked: EM gave no MAP estimate to simulate from."
        return [*of_posterior, *[unmeasured] * (bool(c.settings.get("num_simulations")) and c.calibration is None)]
    of_labels = [] if c.location.caution else [c.location.reason]
    return [*of_labels, c.place.reason, c.prediction.reason, *of_posterior]


def _intervals(one: EMIntervals) -> dict:
    names = ("kind", "intervals", "num_replicates", "reason")
    return {name: getattr(one, name) for name in names} | {"se": one.errors}


def _location(location: Location) -> dict:
    return {"map": location.map, "vi": location.vi, "dimension": location.dimension}


def _place(place: Place) -> dict:
    names = ("expected_vi", "expected_vi_mcse", "expected_binder", "expected_binder_mcse", "least_vi", "distance")
    names += ("radius", "level", "beyond", "similarity_gap", "num_rows", "num_draws", "inside", "reason")
    return {name: getattr(place, name) for name in names}


def _prediction(prediction: Prediction) -> dict:
    return {
        "em": prediction.em.corrected.total,
        "posterior": prediction.posterior.elpd,
        "difference": prediction.difference,
        "standard_error": prediction.standard_error,
        "num_folds": prediction.em.status.shape[-1],
        "khat_max": float(prediction.posterior.khat.max()),
        "num_used": len(prediction.posterior.rows),
        "reason": prediction.reason,
    }


def _check(check: PredictiveCheck) -> dict:
    return {
        "num_simulations": len(next(iter(check.simulated.values()))),
        "num_used": check.num_used,
        "tails": dict(check.tails),
        "reason": check.reason,
    }
