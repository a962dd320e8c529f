"""What intervals covered, as plain values, and as a person reads them."""

from mixtures._numbers import number, percent
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


def coverage_rows(value: dict) -> list[dict]:
    """Every method and quantity in words and numbers to read."""
    return [_told(row) for row in value["rows"]]


def _told(row: dict) -> dict:
    covered, undoubted = "–", "–"
    if row["intervals"]:
        covered = f"{percent(row['coverage'])} ({percent(row['low'])} to {percent(row['high'])})"
    if row["trusted_intervals"]:
        undoubted = f"{percent(row['trusted'])} of {row['trusted_intervals']}"
    return {
        "method": row["method"],
        "quantity": row["quantity"],
        "coverage": covered,
        "intervals": row["intervals"],
        "undoubted": undoubted,
        "width": number(row["width"], 3),
        "bias": number(row["bias"], 2),
    }
