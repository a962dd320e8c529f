"""`mixtures sweep`: its options, its run, and what it shows."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mixtures._numbers import fixed
from mixtures.cli import display, options
from mixtures.cli.prepare import read_rows, with_prior
from mixtures.cli.runtime import FAILED, check_unfinished, exit_codes, unfinished_run
from mixtures.cli.screen import Screen
from mixtures.cli.selecting import check_covariances, chosen_covariances, complete_covariances, parse_components

if TYPE_CHECKING:
    from mixtures.compare.sweep import Prior, Sweep
    from mixtures.data import Data


def sweep(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="DATA…", help="Files, as for compare.", show_default=False)],
    components: Annotated[
        str, typer.Option("--components", "-k", metavar="A:B", help="Numbers of components: 1:4, 2,3 or 2.")
    ] = "1:3",
    columns: options.Columns = None,
    covariance: Annotated[
        str,
        typer.Option(
            metavar="A,B,…",
            callback=check_covariances,
            autocompletion=complete_covariances,
            help="Covariance models, separated by commas.",
        ),
    ] = "full",
    noise: options.Noise = False,
    prior: Annotated[
        list[str],
        typer.Option(
            metavar="TEXT",
            autocompletion=options.completing("default"),
            help="As for compare; give the option once for each prior.",
        ),
    ] = ["default"],  # noqa: B006  (Typer reads it, nothing writes to it)
    seed: options.Seed = 0,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the report.")] = Path("out/sweep"),
    quick: options.Quick = False,
    drop_missing: options.DropMissing = False,
    resume: options.Resume = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Compare EM, VI and NUTS for every data set, number of components, covariance model and prior.

    Prints a line for each case and what they come to; writes a page (sweep.html) with small multiples, its numbers
    (sweep.json, sweep.csv), and the page, numbers and draws of every case.
    """
    begin = time.perf_counter()
    unfinished = Path(f"{out}.unfinished")
    with exit_codes(unfinished, context.obj):
        screen = Screen(as_json, quiet, verbose)
        check_unfinished(unfinished, resume)
        asked = Asked(sources, parse_components(components), columns, covariance, noise, prior, drop_missing)
        data, made = prepare(asked, out)
        settings = options.QUICK if quick else {}
        display.show_quick(screen.words, quick)
        screen.show_settings(seed=seed, **settings)
        with screen.stages() as stages, unfinished_run(unfinished):
            found = run(asked, data, made, seed, stages, settings | {"checkpoints": unfinished})
            stages("report")
            written = found.save(out)
        show_sweep(screen, found)
        display.show_written(screen.words, written, time.perf_counter() - begin)
        screen.show_json(written / "sweep.json")
        raise typer.Exit(0 if any(one.map.status.is_estimate for one in found.comparisons.values()) else FAILED)


class Asked(NamedTuple):
    """What the command was given."""

    sources: list[str]
    counts: list[int]
    columns: str | None
    covariance: str
    noise: bool
    priors: list[str]
    drop_missing: bool


def prepare(asked: Asked, folder: Path) -> tuple[dict[str, "Data"], dict[str, "Prior"]]:
    """Data sets and priors by name; everything that can be checked before fitting is, lightest first."""
    from mixtures._files import short_name
    from mixtures.cli.prior_text import parse_prior

    calls = {text: None if text.strip() == "default" else parse_prior(text) for text in asked.priors}
    names = [short_name(source) for source in asked.sources]
    if len(set(names)) < len(names):
        raise typer.BadParameter("two files have the same name; rename one.", param_hint="DATA")
    most = max(asked.counts)
    data = {
        name: read_rows(source, asked.columns, asked.drop_missing, most, folder)
        for name, source in zip(names, asked.sources, strict=True)
    }
    return data, {text: _prior(made) for text, made in calls.items()}


def _prior(calls: dict[str, Any] | None) -> "Prior":
    if calls is None:
        return None
    return lambda values, model: with_prior(calls, model.family, model.num_components, values.shape[1]).prior


def _covariances(asked: Asked, data: dict[str, "Data"]) -> list[str]:
    """Names of covariance models, which must mean the same for every data set."""
    from mixtures._files import listed

    names = {name: chosen_covariances(asked.covariance, one.values.shape[1]) for name, one in data.items()}
    most = max(names.values(), key=len)
    for name, fewer in names.items():
        if fewer != most:
            lost = listed([one for one in most if one not in fewer])
            raise typer.BadParameter(
                f"{name} has one column, for which there is no model {lost}; sweep it by itself, or choose of "
                f"{listed(fewer)}.",
                param_hint="--covariance",
            )
    return most


def run(
    asked: Asked,
    data: dict[str, "Data"],
    priors: dict[str, "Prior"],
    seed: int,
    on_stage: display.Stages,
    settings: dict[str, Any],
) -> "Sweep":
    """Make every comparison, announcing its stages."""
    import jax

    from mixtures.compare.sweep import sweep as run_all

    names = _covariances(asked, data)

    def on_cell(case, place: int, total: int):
        name = f"{place} of {total}: {case.data}, K = {case.num_components}, {case.covariance}"
        return lambda stage: on_stage(f"{name}: {stage}")

    return run_all(
        data,
        key=jax.random.key(seed),
        num_components=asked.counts,
        covariances=names,
        priors=priors,
        noise=asked.noise,
        on_cell=on_cell,
        **settings,
    )


def show_sweep(screen: Screen, found: "Sweep") -> None:
    """Print a line for each case, and what they come to."""
    columns = ("Data", "K", "Model", "Prior", "Verdict", "BIC", "LOO", "Behind", "|z|", "R-hat")
    rows = [
        (
            row.data,
            str(row.num_components),
            row.covariance,
            row.prior,
            row.verdict,
            *(fixed(v, 2) for v in (row.bic, row.elpd, row.elpd_gap, row.worst_z)),
            fixed(row.max_rhat, 3),
        )
        for row in found.rows
    ]
    display.print_table(screen.words, columns, rows)
    for sentence in found.sentences:
        display.print_wrapped(screen.conclusions, sentence, " • ")
