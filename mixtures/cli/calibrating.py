"""`mixtures calibrate`: its options, its run, and what it shows."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixtures._choices import CALIBRATED
from mixtures.cli import display, options
from mixtures.cli.prepare import default_folder, prepare
from mixtures.cli.runtime import exit_codes
from mixtures.cli.screen import Screen

if TYPE_CHECKING:
    from jaxtyping import Array, Key

    from mixtures.data import Data
    from mixtures.model import Mixture
    from mixtures.report.calibration import CalibrationRun


def check_level(level: float) -> float:
    """A probability."""
    if not 0 < level < 1:
        raise typer.BadParameter(f"{level} does not lie between 0 and 1.")
    return level


def check_methods(text: str) -> str:
    """A semicolon list of methods, or a word for all of them."""
    for name in chosen_methods(text):
        if name not in CALIBRATED:
            raise typer.BadParameter(f"{name!r} is not one of {'; '.join(CALIBRATED)}.")
    return text


def chosen_methods(text: str) -> tuple[str, ...]:
    """Names of the methods asked for."""
    return CALIBRATED if text == "all" else tuple(name.strip() for name in text.split(";"))


def calibrate(
    source: options.Source,
    components: options.Components = 2,
    columns: options.Columns = None,
    covariance: options.Covariance = "full",
    noise: options.Noise = False,
    prior: options.Prior = "default",
    truth: Annotated[
        options.Truth,
        typer.Option("--from", help="Simulate from the MAP fit to DATA, or from parameters drawn from the prior."),
    ] = options.Truth.fit,
    rows: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Rows of each data set (as many as DATA if not given).")
    ] = None,
    simulations: Annotated[int, typer.Option(min=1, metavar="M", help="Data sets to simulate.")] = 500,
    level: Annotated[
        float, typer.Option(metavar="L", callback=check_level, help="What the intervals are called.")
    ] = 0.9,
    methods: Annotated[
        str,
        typer.Option(
            metavar="A;B;…",
            callback=check_methods,
            autocompletion=options.completing("all", "VI", "NUTS"),
            help="Methods, separated by semicolons; all of them if not given.",
        ),
    ] = "all",
    seed: options.Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder of the report (out/, DATA's name and -calibration if not given)."
        ),
    ] = None,
    drop_missing: options.DropMissing = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Simulate data sets like DATA, fit each by EM, variational inference and NUTS, and see what their intervals cover.

    Prints a sentence for each method; writes a page (calibration.html) and its numbers (calibration.json and .csv).
    Takes about half a second for each data set of a few hundred rows.
    """
    begin = time.perf_counter()
    folder = out or default_folder(source, "-calibration")
    with exit_codes():
        screen = Screen(as_json, quiet, verbose)
        data, model = prepare(source, columns, drop_missing, components, covariance, noise, prior, folder)
        import jax

        from mixtures.report.calibration import save_calibration

        display.show_setting(screen.words, data, model)
        chosen = chosen_methods(methods)
        screen.show_settings(seed=seed, num_simulations=simulations, methods="; ".join(chosen))
        with screen.stages() as stages:
            found = run(
                data,
                model,
                jax.random.key(seed),
                on_stage=stages,
                from_prior=truth is options.Truth.prior,
                num_rows=rows or len(data.values),
                num_simulations=simulations,
                level=level,
                methods=chosen,
            )
            stages("report")
            written = save_calibration(folder, found)
        for sentence in found.calibration.sentences:
            display.print_wrapped(screen.conclusions, sentence, " • ")
        display.show_written(screen.words, written, time.perf_counter() - begin)
        screen.show_json(written / "calibration.json")
        raise typer.Exit(0)


def run(
    data: "Data", model: "Mixture", key: "Key[Array, '']", on_stage: display.Stages, from_prior: bool, **settings
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
