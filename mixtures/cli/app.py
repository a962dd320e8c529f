"""The commands, their options and their help.

Nothing heavy is imported before the arguments, the data and the output folder have been checked.
"""

import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mixtures.cli import options, sweeping
from mixtures.cli.calibrating import check_level, check_methods
from mixtures.cli.epilogs import (
    CALIBRATE_EXAMPLES,
    COMPARE_EXAMPLES,
    EXIT_CODES,
    FIT_EXAMPLES,
    SELECT_EXAMPLES,
    SWEEP_EXAMPLES,
)
from mixtures.cli.prepare import default_folder, prepare, read_rows
from mixtures.cli.runtime import BAD_INPUT, FAILED, NOT_COMPARABLE, exit_codes, unfinished_run
from mixtures.cli.selecting import check_covariances, check_criterion, chosen_covariances, parse_components

_QUICK = {"num_starts": 16, "num_warmup": 500, "num_samples": 1000}

app = typer.Typer(
    help="Fit one finite mixture by EM, variational inference and NUTS, and learn how far to trust the fit.",
    epilog=EXIT_CODES,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from mixtures._version import __version__

        typer.echo(f"mixtures {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(short_help="Fit by EM, variational inference and NUTS, and compare.", epilog=COMPARE_EXAMPLES + EXIT_CODES)
def compare(
    source: options.Source,
    components: options.Components = 2,
    columns: options.Columns = None,
    covariance: options.Covariance = "full",
    noise: options.Noise = False,
    family: options.Family = options.FamilyName.gaussian,
    prior: options.Prior = "default",
    seed: options.Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of the report (out/ and DATA's name if not given)."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer starts and draws: for a look, not for a result.")
    ] = False,
    starts: options.Starts = None,
    guide: Annotated[options.Guide, typer.Option(help="Guide of variational inference.")] = options.Guide.full_rank,
    chains: Annotated[int | None, typer.Option(min=1, metavar="C", help="NUTS chains (4 if not given).")] = None,
    warmup: Annotated[
        int | None, typer.Option(min=1, metavar="W", help="NUTS warm-up iterations of a chain (1000 if not given).")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=4, metavar="S", help="NUTS draws kept of a chain (2000 if not given).")
    ] = None,
    simulations: Annotated[
        int,
        typer.Option(
            "--calibrate",
            min=0,
            metavar="M",
            help="Data sets to simulate from the fit, to report what intervals cover at this sample size.",
        ),
    ] = 0,
    drop_missing: options.DropMissing = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the same command where it was cut off, instead of anew.")
    ] = False,
) -> None:
    """Fit one mixture by EM (maximum likelihood and MAP), variational inference and NUTS, and compare the fits.

    Prints every parameter under each engine and a verdict with its reasons; writes a report (report.html), its
    numbers (report.json) and the posterior draws (posterior.nc).
    """
    begin = time.perf_counter()
    given = {"num_starts": starts, "num_warmup": warmup, "num_samples": samples, "num_chains": chains}
    settings: dict = (_QUICK if quick else {}) | {name: value for name, value in given.items() if value is not None}
    folder = out or default_folder(source)
    unfinished = Path(f"{folder}.unfinished")
    with exit_codes(unfinished):
        data, model = prepare(source, columns, drop_missing, components, covariance, noise, prior, folder)
        import jax

        from mixtures.cli import display
        from mixtures.compare import compare as run
        from mixtures.report import save

        console = display.make_console()
        display.show_setting(console, data, model)
        if quick:
            console.print("Quick look: few starts and draws, so these numbers are not for a publication.\n")
        with display.Stages() as stages, unfinished_run(unfinished, resume):
            settings |= {"checkpoint": unfinished, "guide": guide.value, "on_stage": stages}
            settings |= {"num_simulations": simulations}
            result = run(model, data, key=jax.random.key(seed), **settings)
            stages("report")
            written = save(result, folder)
        display.show_comparison(console, result)
        display.show_written(console, written, time.perf_counter() - begin)
        if not result.map.status.is_estimate:
            raise typer.Exit(FAILED)
        raise typer.Exit(NOT_COMPARABLE if result.verdict.level == "not comparable" else 0)


@app.command(short_help="Compare many models, priors and data sets at once.", epilog=SWEEP_EXAMPLES + EXIT_CODES)
def sweep(
    sources: Annotated[list[str], typer.Argument(metavar="DATA…", help="Files, as for compare.", show_default=False)],
    components: Annotated[
        str, typer.Option("--components", "-k", metavar="A:B", help="Numbers of components: 1:4, 2,3 or 2.")
    ] = "1:3",
    columns: options.Columns = None,
    covariance: Annotated[
        str,
        typer.Option(metavar="A,B,…", callback=check_covariances, help="Covariance models, separated by commas."),
    ] = "full",
    noise: options.Noise = False,
    prior: Annotated[
        list[str],
        typer.Option(metavar="TEXT", help="As for compare; give the option once for each prior."),
    ] = ["default"],  # noqa: B006  (Typer reads it, nothing writes to it)
    seed: options.Seed = 0,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the report.")] = Path("out/sweep"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer starts and draws: for a look, not for a result.")
    ] = False,
    drop_missing: options.DropMissing = False,
) -> None:
    """Compare EM, VI and NUTS for every data set, number of components, covariance model and prior.

    Prints a line for each case and what they come to; writes a page (sweep.html) with small multiples, its numbers
    (sweep.json, sweep.csv), and the page, numbers and draws of every case.
    """
    begin = time.perf_counter()
    with exit_codes():
        asked = sweeping.Asked(sources, parse_components(components), columns, covariance, noise, prior, drop_missing)
        data, made = sweeping.prepare(asked, out)
        from mixtures.cli import display

        console = display.make_console()
        with display.Stages() as stages:
            found = sweeping.run(asked, data, made, seed, stages, _QUICK if quick else {})
            stages("report")
            written = found.save(out)
        sweeping.show_sweep(console, found)
        display.show_written(console, written, time.perf_counter() - begin)
        raise typer.Exit(0 if any(one.map.status.is_estimate for one in found.comparisons.values()) else FAILED)


@app.command(short_help="Draw a report again, without fitting.", epilog=EXIT_CODES)
def report(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder that `mixtures compare` wrote.", show_default=False)
    ],
) -> None:
    """Draw the pages and tables of a report again from its report.json, without fitting anything."""
    begin = time.perf_counter()
    with exit_codes():
        from mixtures.cli import display
        from mixtures.report import redraw

        display.show_written(display.make_console(), redraw(folder), time.perf_counter() - begin)
        raise typer.Exit(0)


@app.command(short_help="Fit by EM alone, in seconds.", epilog=FIT_EXAMPLES + EXIT_CODES)
def fit(
    source: options.Source,
    components: options.Components = 2,
    columns: options.Columns = None,
    covariance: options.Covariance = "full",
    noise: options.Noise = False,
    family: options.Family = options.FamilyName.gaussian,
    prior: options.Prior = "default",
    seed: options.Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder for the estimates (fit.json); not written if not given."
        ),
    ] = None,
    starts: options.Starts = None,
    drop_missing: options.DropMissing = False,
) -> None:
    """Fit one mixture by EM alone: maximum likelihood and MAP, with standard errors, in seconds."""
    begin = time.perf_counter()
    with exit_codes():
        data, model = prepare(source, columns, drop_missing, components, covariance, noise, prior, out)
        import jax

        from mixtures.cli import display
        from mixtures.cli.fit_json import save_fits
        from mixtures.em.fit import fit_em
        from mixtures.em.uncertainty import standard_errors

        console, fits = display.make_console(), {}
        display.show_setting(console, data, model)
        x, keys = jax.numpy.asarray(data.values), jax.random.split(jax.random.key(seed))
        num_starts = starts or 64
        with display.Stages() as stages:
            for key, objective, name in zip(keys, ("ml", "map"), ("maximum likelihood", "MAP"), strict=True):
                on_progress = stages(f"EM, {name}")
                found = fit_em(model, x, key=key, objective=objective, num_starts=num_starts, on_progress=on_progress)
                fits[objective] = found, standard_errors(model, found, x)
        display.show_fits(console, model, data, fits)
        written = None if out is None else save_fits(out, model, data, fits, {"seed": seed, "num_starts": num_starts})
        display.show_written(console, written, time.perf_counter() - begin)
        raise typer.Exit(0 if any(found.status.is_estimate for found, _ in fits.values()) else FAILED)


@app.command(
    short_help="Choose the number of components and the covariance model.", epilog=SELECT_EXAMPLES + EXIT_CODES
)
def select(
    source: options.Source,
    components: Annotated[
        str, typer.Option("--components", "-k", metavar="A:B", help="Numbers of components: 1:9, 1,3,5 or 4.")
    ] = "1:9",
    columns: options.Columns = None,
    covariance: Annotated[
        str,
        typer.Option(
            metavar="A,B,…",
            callback=check_covariances,
            help="Covariance models, separated by commas; 'all' for all fourteen, 'default' for the six without shared "
            "shapes or orientations. With one feature: tied (E) and full (V).",
        ),
    ] = "default",
    noise: options.Noise = False,
    criterion: Annotated[
        str,
        typer.Option(
            metavar="NAME", callback=check_criterion, help="bic, aic, aicc, sabic, icl, or cv (cross-validation)."
        ),
    ] = "bic",
    seed: options.Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder of the report (out/, DATA's name and -select if not given)."
        ),
    ] = None,
    starts: options.Starts = None,
    drop_missing: options.DropMissing = False,
) -> None:
    """Fit every number of components under every covariance model by maximum likelihood, and compare them.

    Prints the best candidates, which one is best, how close the next one is and what limits the choice; writes a page
    (select.html) and its numbers (select.json).
    """
    begin = time.perf_counter()
    folder = out or default_folder(source, "-select")
    with exit_codes():
        counts = parse_components(components)
        data = read_rows(source, columns, drop_missing, max(counts), folder)
        import jax

        from mixtures.cli import display, selecting
        from mixtures.em.select import select as run
        from mixtures.report.selection import save_selection

        names = chosen_covariances(covariance, data.values.shape[1])
        console = display.make_console()
        selecting.show_task(console, data, names, counts, noise)
        asked = {"num_components": counts, "covariances": names, "criterion": criterion, "noise": noise}
        asked["num_starts"] = starts or 64
        with display.Stages() as stages:
            on_progress = stages("EM")
            found = run(data.values, key=jax.random.key(seed), on_progress=on_progress, **asked)
            stages("report")
            written = save_selection(folder, data, found, asked | {"seed": seed})
        selecting.show_selection(console, found)
        display.show_written(console, written, time.perf_counter() - begin)
        raise typer.Exit(0 if found.ranked else FAILED)


@app.command(short_help="Measure what intervals cover at this sample size.", epilog=CALIBRATE_EXAMPLES + EXIT_CODES)
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
            metavar="A;B;…", callback=check_methods, help="Methods, separated by semicolons; all of them if not given."
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
) -> None:
    """Simulate data sets like DATA, fit each by EM, variational inference and NUTS, and see what their intervals cover.

    Prints a sentence for each method; writes a page (calibration.html) and its numbers (calibration.json and .csv).
    Takes about half a second for each data set of a few hundred rows.
    """
    begin = time.perf_counter()
    folder = out or default_folder(source, "-calibration")
    with exit_codes():
        data, model = prepare(source, columns, drop_missing, components, covariance, noise, prior, folder)
        import jax

        from mixtures.cli import calibrating, display
        from mixtures.report.calibration import save_calibration

        console = display.make_console()
        display.show_setting(console, data, model)
        with display.Stages() as stages:
            run = calibrating.run(
                data,
                model,
                jax.random.key(seed),
                on_stage=stages,
                from_prior=truth is options.Truth.prior,
                num_rows=rows or len(data.values),
                num_simulations=simulations,
                level=level,
                methods=calibrating.chosen_methods(methods),
            )
            stages("report")
            written = save_calibration(folder, run)
        calibrating.show_calibration(console, run.calibration)
        display.show_written(console, written, time.perf_counter() - begin)
        raise typer.Exit(0)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line on `arguments` (those of the process if not given), and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ± is no reason to fail after a long fit
    try:
        code = app(arguments, standalone_mode=False)
    except Exception as error:
        say = getattr(error, "format_message", None)  # usage errors have it, wherever Typer's version defines them
        if say is None:
            raise
        command = getattr(getattr(error, "ctx", None), "command_path", "mixtures")
        typer.echo(f"Error: {say()}\nTry '{command} --help' for help.", err=True)
        code = BAD_INPUT
    sys.exit(code)
