"""The report of a comparison: a page to read, tables to paste, JSON to compute with, and the posterior's draws."""

from pathlib import Path

from mixtures.compare.comparison import Comparison

__all__ = ["save"]


def save(comparison: Comparison, folder: str | Path) -> Path:
    """Write the report to `folder`, whole or not at all.

    Files are report.html (to read), report.md (for pull requests), report.json (to compute with; its schema is
    schemas/report.schema.json in this package), parameters.csv and parameters.tex (to paste), and posterior.nc (the
    draws).

    Parameters
    ----------
    comparison
        What `mixtures.compare` returned.
    folder
        Made if missing; an earlier report there is replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If the folder cannot be written, or holds anything that this package did not write.
    """
    from mixtures.report.content import content
    from mixtures.report.drawn import comparison_files
    from mixtures.report.folder import replace_folder, write_texts

    texts = comparison_files(content(comparison))

    def write(into: Path) -> None:
        write_texts(into, texts)
        comparison.nuts.to_datatree(comparison.data).to_netcdf(into / "posterior.nc", engine="h5netcdf")

    return replace_folder(folder, write)
