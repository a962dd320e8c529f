"""Folders read back: as values, and drawn again."""

import re
import shutil

import jax
import numpy as np
import pytest

import mixtures as mx
from mixtures.compare.sweep import Case
from mixtures.datasets import load as dataset
from mixtures.report import drawn
from mixtures.report.folder import FolderError
from mixtures.report.saved import redraw
from mixtures.report.selection import save_selection
from mixtures.report.sweep import save_sweep
from tests.report import fake


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fake.series().save(tmp_path_factory.mktemp("saved") / "report")


def test_a_saved_comparison_says_what_the_comparison_said(folder):
    found, saved = fake.series(), mx.load(folder)
    assert (saved.level, saved.reasons, saved.codes) == (
        found.verdict.level,
        tuple(found.verdict.reasons),
        tuple(found.verdict.codes),
    )
    assert found.verdict.level in saved._repr_html_()
    assert repr(saved) == f"SavedComparison({str(folder)!r}: {found.verdict.level})"
    draws = saved.posterior()["posterior"]["means"]
    assert draws.coords["feature"].values.tolist() == list(found.data.columns)
    np.testing.assert_array_equal(np.asarray(draws), np.asarray(found.nuts.params.means))


def test_tables_agree_with_the_fits(folder):
    found, table = fake.series(), mx.load(folder).to_frame()
    assert table.equals(found.to_frame())
    by_name = table.set_index("parameter")
    assert len(by_name) == 9
    np.testing.assert_allclose(by_name["map"].iloc[3:6], np.ravel(found.map.params.means))
    centres = np.asarray(found.nuts.params.means).mean(axis=(0, 1)).ravel()
    np.testing.assert_allclose(by_name["nuts_mean"].iloc[3:6], centres)


def test_draws_that_are_gone_are_said_to_be(folder, tmp_path):
    (tmp_path / "report.json").write_bytes((folder / "report.json").read_bytes())
    with pytest.raises(ValueError, match=re.escape("holds no posterior.nc")):
        mx.load(tmp_path).posterior()


def test_draws_go_to_zarr_and_back(folder, tmp_path):
    pytest.importorskip("zarr")
    import xarray

    tree = mx.load(folder).posterior()
    tree.to_zarr(tmp_path / "draws.zarr")
    back = xarray.open_datatree(tmp_path / "draws.zarr", engine="zarr")
    xarray.testing.assert_equal(back["posterior"].to_dataset(), tree["posterior"].to_dataset())


@pytest.mark.slow
def test_a_selection_is_drawn_again_and_is_no_comparison(tmp_path):
    data = dataset("acidity")
    found = mx.select(data.values, key=jax.random.key(0), num_components=(1, 2), covariances=["tied"], num_starts=4)
    out = save_selection(tmp_path / "out", data, found, {"num_components": [1, 2], "num_starts": 4, "seed": 0})
    written = files(out)
    assert files(redraw(out)) == written
    with pytest.raises(ValueError, match="`mixtures select`"):
        mx.load(out)


@pytest.mark.slow
def test_a_sweep_is_drawn_again_from_its_cases(tmp_path):
    found = fake.series()
    out = save_sweep(mx.Sweep({Case("series", 3, "full", "default"): found}), tmp_path / "out")
    written = files(out)
    page = next(name for name in written if name.startswith("01-") and name.endswith(".html"))
    assert files(redraw(out)) == written
    (out / page).unlink()
    assert files(redraw(out)).keys() == written.keys(), "a page that was lost is made again"
    next(out.glob("01-*.json")).unlink()
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        redraw(out)


def test_a_report_changed_by_hand_is_not_drawn(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    shutil.copytree(folder, out)
    monkeypatch.setattr(drawn, "comparison_files", lambda _: pytest.fail("it was drawn"))
    (out / "report.json").write_text('{"schema": 0}')
    before = files(out)
    with pytest.raises(FolderError, match=re.escape("report.json, changed since this program wrote it; restore it or")):
        redraw(out)
    assert files(out) == before


def test_what_is_no_report_is_named(tmp_path):
    for call in (mx.load, redraw):
        with pytest.raises(ValueError, match="is no folder"):
            call(tmp_path / "nowhere")
        with pytest.raises(ValueError, match=re.escape("holds no report.json, sweep.json")):
            call(tmp_path)
