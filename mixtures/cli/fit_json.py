"""What `mixtures fit` writes: both EM fits as JSON, in the words of report.json."""

import json
import math
from pathlib import Path
from typing import Any

from mixtures._status import Status
from mixtures.cli.display import Fits
from mixtures.data import Data
from mixtures.model import Mixture
from mixtures.report.folder import replace_folder


def save_fits(folder: Path, model: Mixture, data: Data, fits: Fits) -> Path:
    """Write fit.json: what report.json says of the model and of both EM fits."""
    content = {
        "schema": 1,
        "data": {"source": data.source, "rows": len(data.values), "columns": data.columns},
        "model": {
            "family": type(model.family).__name__.lower(),
            "covariance": getattr(model.family, "covariance", None),
            "num_components": model.num_components,
            "prior": model.prior.describe(),
        },
        "fits": {
            objective: {
                "status": Status(int(found.status_code)).label,
                "unbounded": bool(found.unbounded),
                "collapsed_starts": int(found.collapsed_starts),
                "reason": found.reason,
                "log_likelihood": _plain(found.log_likelihood),
                "log_joint": _plain(found.log_joint),
                "estimates": _plain(model.family.estimates(found.params)),
                "standard_errors": None if errors.refused else _plain(errors.values),
                "standard_errors_reason": errors.reason or None,
            }
            for objective, (found, errors) in fits.items()
        },
    }
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)

    def write(place: Path) -> None:
        (place / "fit.json").write_text(text + "\n", encoding="utf-8")

    return replace_folder(folder, write)


def _plain(value: Any) -> Any:
    """Arrays as nested lists, and numbers that do not exist as None."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value if math.isfinite(value) else None
