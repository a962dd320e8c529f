"""From arguments to data and a model: everything that can be checked is checked here, lightest first."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mixtures.cli.runtime import prepare_jax

if TYPE_CHECKING:
    from mixtures.data import Data
    from mixtures.families import AbstractFamily
    from mixtures.model import Mixture


def read_rows(source: str, columns: str | None, drop_missing: bool, components: int, folder: Path | None) -> "Data":
    """Read and check the data and the output folder, lightest first, and start JAX."""
    from mixtures.cli.display import Stages
    from mixtures.data import check_components, read_data
    from mixtures.report.folder import check_folder

    with Stages(brief=True) as stages:
        stages("reading")
        data = read_data(source, None if columns is None else _split(columns), drop_missing)
        check_components(data, components)
        if folder is not None:
            check_folder(folder)
        stages("starting")
        prepare_jax()
    return data


def default_folder(source: str, ending: str = "") -> Path:
    """Where results go that no folder was named for: a folder in out/ with the name of the data."""
    from mixtures._files import short_name

    return Path("out") / f"{short_name(source)}{ending}"


def prepare(
    source: str,
    columns: str | None,
    drop_missing: bool,
    components: int,
    covariance: str,
    noise: bool,
    prior: str,
    folder: Path | None,
) -> tuple["Data", "Mixture"]:
    """Check everything that can be checked before fitting, lightest first, and make the model."""
    from mixtures._files import DataError
    from mixtures.cli.prior_text import parse_prior

    calls = None if prior.strip() == "default" else parse_prior(prior)
    data = read_rows(source, columns, drop_missing, components, folder)
    import jax

    from mixtures.families import Gaussian, GaussianWithNoise
    from mixtures.model import Mixture

    family = GaussianWithNoise.for_data(data.values, covariance) if noise else Gaussian(covariance)
    try:
        family.layout(components, data.values.shape[1])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--covariance") from error
    if calls is None:
        try:
            return data, Mixture.for_data(jax.numpy.asarray(data.values), components, family)
        except ValueError as error:
            raise DataError(f"{data.source}: {error}") from error
    return data, with_prior(calls, family, components, data.values.shape[1])


def with_prior(calls: dict[str, Any], family: "AbstractFamily", num_components: int, num_features: int) -> "Mixture":
    """The mixture with a prior as `parse_prior` read it, which must have a mode."""
    from mixtures.cli.prior_text import PriorError, build_prior
    from mixtures.em.fit import refuse_unbounded_weights
    from mixtures.model import Mixture

    model = Mixture(family, num_components, build_prior(calls, family, num_components, num_features))
    try:
        refuse_unbounded_weights(model, num_features)
    except ValueError as error:
        raise PriorError(str(error)) from error
    return model


def _split(columns: str) -> list[str]:
    """Names separated by commas; one that holds a comma is quoted, as in CSV."""
    names = next(csv.reader([columns], skipinitialspace=True), [])
    return [name.strip() for name in names if name.strip()]
