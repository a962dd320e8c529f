"""What `mixtures fit` writes: both EM fits as JSON, in the words of report.json."""

from pathlib import Path

from mixtures.cli.display import Fits
from mixtures.data import Data
from mixtures.model import Mixture
from mixtures.report.content import SCHEMA, data_content, em_content, errors_content, model_content, run_content
from mixtures.report.folder import replace_folder
from mixtures.report.plain import plain, to_json


def fits_text(model: Mixture, data: Data, fits: Fits, settings: dict) -> str:
    """What report.json says of the data, the model and both EM fits."""
    content = {
        "schema": SCHEMA,
        "data": data_content(data),
        "model": model_content(model, data),
        "fits": {name: em_content(model, fit) | errors_content(errors) for name, (fit, errors) in fits.items()},
        "settings": settings,
        "run": run_content(fits["map"][0]),
    }
    return to_json(plain(content)) + "\n"


def save_fits(folder: Path, text: str) -> Path:
    """Write fit.json, alone in a folder."""
    return replace_folder(folder, lambda place: (place / "fit.json").write_text(text, encoding="utf-8"))
