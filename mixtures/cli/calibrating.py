"""What `mixtures calibrate` needs besides its command: reading its options, running it, and showing what was found."""

from typing import TYPE_CHECKING

import typer
from rich.console import Console

from mixtures.cli.display import print_wrapped

if TYPE_CHECKING:
    from jaxtyping import Array, Key

    from mixtures.cli.display import Stages
    from mixtures.compare.coverage import Calibration
    from mixtures.data import Data
    from mixtures.model import Mixture
    from mixtures.report.calibration import CalibrationRun

_KINDS = ("observed", "opg", "sandwich", "bootstrap")
_METHODS = (*(f"{objective}, {kind}" for objective in ("ML", "MAP") for kind in _KINDS), "VI", "NUTS")


def check_level(level: float) -> float:
    """A probability."""
    if not 0 < level < 1:
        raise typer.BadParameter(f"{level} does not lie between 0 and 1.")
    return level


def check_methods(text: str) -> str:
    """A semicolon list of methods, or a word for all of them."""
    for name in chosen_methods(text):
        if name not in _METHODS:
            raise typer.BadParameter(f"{name!r} is not one of {'; '.join(_METHODS)}.")
    return text


def chosen_methods(text: str) -> tuple[str, ...]:
    """Names of the methods asked for."""
    return _METHODS if text == "all" else tuple(name.strip() for name in text.split(";"))


def run(
    data: "Data", model: "Mixture", key: "Key[Array, '']", on_stage: "Stages", from_prior: bool, **settings
) -> "CalibrationRun":
    """Fit the data by MAP, and calibrate."""
    import jax

    from mixtures.compare.calibrate import calibrate
    from mixtures.em.fit import fit_em
    from mixtures.report.calibration import CalibrationRun

    key_fit, key_simulations = jax.random.split(key)
    x = jax.numpy.asarray(data.values)
    fit = fit_em(model, x, key=key_fit, on_progress=on_stage("EM, MAP"))
    if not from_prior and not fit.status.is_estimate:
        raise typer.BadParameter(
            f"There is no fit to simulate from: {fit.summary} Try --from prior.", param_hint="--from"
        )
    found = calibrate(
        model,
        key=key_simulations,
        truth=None if from_prior else fit.params,
        num_features=x.shape[1],
        columns=data.columns,
        on_progress=on_stage("simulations"),
        **settings,
    )
    told = {"from": "prior" if from_prior else "fit", "key": jax.random.key_data(key).tolist()}
    return CalibrationRun(data, model, fit, found, told | settings | {"methods": list(settings["methods"])})


def show_calibration(console: Console, found: "Calibration") -> None:
    """Print a sentence for each method."""
    for sentence in found.sentences:
        print_wrapped(console, sentence, " • ")
