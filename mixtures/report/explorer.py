"""What the explorer's script works on: densities to zoom into, and rows with their responsibilities to look up."""

import json

from markupsafe import Markup

from mixtures.report.model_words import part_name


def explorer(value: dict) -> Markup | None:
    """The data, ready for the page; None where there is no density to look at."""
    if not any(value["density"][name] for name in ("map", "vi", "nuts")):
        return None
    return _embedded(_data(value))


def _data(value: dict) -> dict:
    density, shares, model = value["density"], value["clustering"]["responsibilities"], value["model"]
    parts = model["num_components"] + model["noise"]
    return {
        "columns": value["data"]["columns"],
        "parts": [part_name(k, model["num_components"]) for k in range(parts)],
        "histograms": value["sketches"]["histograms"],
        **{name: density[name] for name in ("grid", "map", "vi", "nuts", "nuts_band")},
        "rows": {name: shares[name] for name in ("rows", "values", "map", "vi", "nuts", "nuts_sd")},
    }


def _embedded(data: dict) -> Markup:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
