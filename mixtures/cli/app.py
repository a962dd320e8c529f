"""The commands, their options and their help.

Importing `mixtures` has loaded JAX, NumPyro and the engines by the time this is read. Whatever else is heavy (pandas,
ArviZ, Matplotlib, Jinja) is imported where a command first needs it, once its arguments have been checked.
"""

import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mixtures._choices import Guide
from mixtures.cli import options
from mixtures.cli.auditing import audit
from mixtures.cli.calibrating import calibrate
from mixtures.cli.doctor import doctor
from mixtures.cli.epilogs import (
    AUDIT_EXAMPLES,
    CALIBRATE_EXAMPLES,
    COMPARE_EXAMPLES,
    DOCTOR_EXAMPLES,
    EXIT_CODES,
    FIT_EXAMPLES,
    REPORT_EXAMPLES,
    SELECT_EXAMPLES,
    SWEEP_EXAMPLES,
)
from mixtures.cli.prepare import default_folder, prepare, read_rows
from mixtures.cli.runtime import (
    BAD_INPUT,
    FAILED,
    NOT_COMPARABLE,
    check_unfinished,
    exit_codes,
    unfinished_run,
)
from mixtures.cli.screen import Screen
from mixtures.cli.selecting import (
    CRITERIA,
    check_covariances,
    check_criterion,
    check_folds,
    chosen_covariances,
    complete_covariances,
    parse_components,
)
from mixtures.cli.sweeping import sweep

app = typer.Typer(
    help="Fit one finite mixture by EM, variational inference and NUTS, and learn how far to trust the fit.",
    epilog=EXIT_CODES,
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
    context: typer.Context,
    source: options.Source,
    components: options.Components = 2,
    columns: options.Columns = None,
    covariance: options.Covariance = "full",
    noise: options.Noise = False,
    prior: options.Prior = "default",
    seed: options.Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of the report (out/ and DATA's name if not given)."),
    ] = None,
    quick: options.Quick = False,
    starts: options.Starts = None,
    guide: Annotated[Guide, typer.Option(help="Guide of variational inference.")] = Guide.full_rank,
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
    resume: options.Resume = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fit one mixture by EM (maximum likelihood and MAP), variational inference and NUTS, and compare the fits.

    Prints every parameter under each engine and a verdict with its reasons; writes a report (report.html), its
    numbers (report.json) and the posterior draws (posterior.nc).
    """
    begin = time.perf_counter()
    given = {"num_starts": starts, "num_warmup": warmup, "num_samples": samples, "num_chains": chains}
    settings: dict = (options.QUICK if quick else {}) | {
        name: value for name, value in given.items() if value is not None
    }
    folder = out or default_folder(source)
    unfinished = Path(f"{folder}.unfinished")
    with exit_codes(unfinished, context.obj):
        screen = Screen(as_json, quiet, verbose)
        check_unfinished(unfinished, resume)
        data, model = prepare(source, columns, drop_missing, components, covariance, noise, prior, folder)
        import jax

        from mixtures.cli import display
        from mixtures.compare import compare as run
        from mixtures.compare import verdict
        from mixtures.report import save

        display.show_setting(screen.words, data, model)
        display.show_quick(screen.words, quick)
        settings |= {"guide": guide.value, "num_simulations": simulations}
        screen.show_settings(seed=seed, **settings)
        with screen.stages() as stages, unfinished_run(unfinished):
            result = run(model, data, key=jax.random.key(seed), checkpoint=unfinished, on_stage=stages, **settings)
            stages("report")
            written = save(result, folder)
        display.show_comparison(screen, result)
        display.show_written(screen.words, written, time.perf_counter() - begin)
        screen.show_json(written / "report.json")
        if not result.map.status.is_estimate:
            raise typer.Exit(FAILED)
        raise typer.Exit(NOT_COMPARABLE if result.verdict.level == verdict.NOT_COMPARABLE else 0)


@app.command(short_help="Draw a report again, without fitting.", epilog=REPORT_EXAMPLES + EXIT_CODES)
def report(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder that this program wrote.", show_default=False)
    ],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what went wrong.")] = False,
) -> None:
    """Draw the pages of a report again from its JSON, without fitting anything.

    The folder is one that compare, sweep, select or calibrate wrote; its draws stay as they are.
    """
    begin = time.perf_counter()
    with exit_codes():
        from mixtures.cli import display
        from mixtures.report.saved import redraw

        display.show_written(Screen(quiet=quiet).words, redraw(folder), time.perf_counter() - begin)
        raise typer.Exit(0)


@app.command(short_help="Fit by EM alone, in seconds.", epilog=FIT_EXAMPLES + EXIT_CODES)
def fit(
    source: options.Source,
    components: options.Components = 2,
    columns: options.Columns = None,
    covariance: options.Covariance = "full",
    noise: options.Noise = False,
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
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fit one mixture by EM alone: maximum likelihood and MAP, with standard errors, in seconds."""
    begin = time.perf_counter()
    with exit_codes():
        screen = Screen(as_json, quiet, verbose)
        data, model = prepare(source, columns, drop_missing, components, covariance, noise, prior, out)
        import jax

        from mixtures.cli import display
        from mixtures.cli.fit_json import fits_text, save_fits
        from mixtures.em.fit import fit_em
        from mixtures.em.uncertainty import standard_errors

        display.show_setting(screen.words, data, model)
        x, keys = jax.numpy.asarray(data.values), jax.random.split(jax.random.key(seed))
        fits, num_starts = {}, starts or 64
        screen.show_settings(seed=seed, num_starts=num_starts)
        with screen.stages() as stages:
            for key, objective, name in zip(keys, ("ml", "map"), ("maximum likelihood", "MAP"), strict=True):
                on_progress = stages(f"EM, {name}")
                found = fit_em(model, x, key=key, objective=objective, num_starts=num_starts, on_progress=on_progress)
                fits[objective] = found, standard_errors(model, found, x)
        display.show_fits(screen, model, data, fits)
        text = fits_text(model, data, fits, {"seed": seed, "num_starts": num_starts})
        written = None if out is None else save_fits(out, text)
        display.show_written(screen.words, written, time.perf_counter() - begin)
        screen.print_json(text)
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
            autocompletion=complete_covariances,
            help="Covariance models, separated by commas; 'all' for all fourteen, 'default' for the six without shared "
            "shapes or orientations. With one feature: tied (E) and full (V).",
        ),
    ] = "default",
    noise: options.Noise = False,
    criterion: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            callback=check_criterion,
            autocompletion=options.completing(*CRITERIA),
            help="bic, aic, aicc, sabic, icl, or cv (cross-validation).",
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
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fit every number of components under every covariance model by maximum likelihood, and compare them.

    Prints the best candidates, which one is best, how close the next one is and what limits the choice; writes a page
    (select.html) and its numbers (select.json).
    """
    begin = time.perf_counter()
    folder = out or default_folder(source, "-select")
    with exit_codes():
        screen = Screen(as_json, quiet, verbose)
        counts = parse_components(components)
        data = read_rows(source, columns, drop_missing, max(counts), folder)
        check_folds(data, criterion)
        import jax

        from mixtures.cli import display, selecting
        from mixtures.em.select import select as run
        from mixtures.report.selection import save_selection

        names = chosen_covariances(covariance, data.values.shape[1])
        selecting.show_task(screen.words, data, names, counts, noise)
        asked = {"num_components": counts, "covariances": names, "criterion": criterion, "noise": noise}
        asked["num_starts"] = starts or 64
        screen.show_settings(seed=seed, **asked)
        with screen.stages() as stages:
            on_progress = stages("EM")
            found = run(data.values, key=jax.random.key(seed), on_progress=on_progress, **asked)
            stages("report")
            written = save_selection(folder, data, found, asked | {"seed": seed})
        selecting.show_selection(screen, found)
        display.show_written(screen.words, written, time.perf_counter() - begin)
        screen.show_json(written / "select.json")
        raise typer.Exit(0 if found.ranked else FAILED)


app.command(short_help="Compare many models, priors and data sets at once.", epilog=SWEEP_EXAMPLES + EXIT_CODES)(sweep)
app.command(short_help="Measure what intervals cover at this sample size.", epilog=CALIBRATE_EXAMPLES + EXIT_CODES)(
    calibrate
)
app.command(short_help="Find the bug in an EM program of your own.", epilog=AUDIT_EXAMPLES + EXIT_CODES)(audit)
app.command(
    short_help="Look at what the results depend on, and whether it works.", epilog=DOCTOR_EXAMPLES + EXIT_CODES
)(doctor)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line on `arguments` (those of the process if not given), and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ± is no reason to fail after a long fit
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = app(arguments, prog_name="mixtures", standalone_mode=False, obj=arguments)
    except Exception as error:
        say = getattr(error, "format_message", None)  # usage errors have it, wherever Typer's version defines them
        if say is None:
            raise
        command = getattr(getattr(error, "ctx", None), "command_path", "mixtures")
        typer.echo(f"Error: {say()}\nTry '{command} --help' for help.", err=True)
        code = BAD_INPUT
    sys.exit(code)
