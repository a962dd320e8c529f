"""The report of a comparison: a page to read, JSON to compute with, and the posterior's draws."""

from pathlib import Path

from mixtures.compare.comparison import Comparison

__all__ = ["save"]


def save(comparison: Comparison, folder: str | Path) -> Path:
    """Write report.html, report.json and posterior.nc to `folder`, whole or not at all.

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
    from mixtures.report.folder import replace_folder
    from mixtures.report.html import page
    from mixtures.report.plain import to_json

    value = content(comparison)

    def write(into: Path) -> None:
        (into / "report.json").write_text(to_json(value) + "\n", encoding="utf-8")
        (into / "report.html").write_text(page(value, comparison), encoding="utf-8")
        comparison.nuts.to_datatree(comparison.data.values).to_netcdf(into / "posterior.nc", engine="h5netcdf")

    return replace_folder(folder, write)
