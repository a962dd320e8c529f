"""What `mixtures sweep` needs besides its command: reading its options, running it, and showing what was found."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from rich.console import Console

from mixtures._numbers import fixed
from mixtures.cli.display import print_table, print_wrapped
from mixtures.cli.prepare import read_rows
from mixtures.cli.selecting import chosen_covariances

if TYPE_CHECKING:
    from mixtures.cli.display import Stages
    from mixtures.compare.sweep import Prior, Sweep
    from mixtures.data import Data


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
    from mixtures.cli.prior_text import build_prior

    if calls is None:
        return None
    return lambda values, model: build_prior(calls, model.family, model.num_components, values.shape[1])


def run(
    asked: Asked,
    data: dict[str, "Data"],
    priors: dict[str, "Prior"],
    seed: int,
    on_stage: "Stages",
    settings: dict[str, Any],
) -> "Sweep":
    """Make every comparison, announcing its stages."""
    import jax

    from mixtures.compare.sweep import sweep

    features = min(one.values.shape[1] for one in data.values())

    def on_cell(case, place: int, total: int):
        name = f"{place} of {total}: {case.data}, K = {case.num_components}, {case.covariance}"
        return lambda stage: on_stage(f"{name}: {stage}")

    return sweep(
        data,
        key=jax.random.key(seed),
        num_components=asked.counts,
        covariances=chosen_covariances(asked.covariance, features),
        priors=priors,
        noise=asked.noise,
        on_cell=on_cell,
        **settings,
    )


def show_sweep(console: Console, found: "Sweep") -> None:
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
    print_table(console, columns, rows)
    for sentence in found.sentences:
        print_wrapped(console, sentence, " • ")
