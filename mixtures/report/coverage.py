"""What intervals covered, as plain values."""

from mixtures.compare.coverage import Calibration


def coverage_content(found: Calibration) -> dict:
    """Coverage by method and quantity, and in sentences."""
    return {
        "level": found.level,
        "num_rows": found.num_rows,
        "num_simulations": len(found.truth),
        "from_prior": found.from_prior,
        "label_free": list(found.quantities[: found.num_label_free]),
        "sentences": found.sentences,
        "methods": [
            {"name": name, "failed": found.failed(name), "trusted": float(found.trusted[name].mean())}
            for name in found.estimates
        ],
        "rows": [row._asdict() for row in found.rows()],
    }
