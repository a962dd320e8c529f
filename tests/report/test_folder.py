"""Report folders: replaced whole, or left exactly as they were."""

import os
import re
from pathlib import Path

import pytest

from mixtures.report.folder import MANIFEST, FolderError, check_folder, check_own, replace_folder, update_folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every test runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def writer(**files):
    def write(place: Path) -> None:
        for name, text in files.items():
            (place / name.replace("_", ".")).write_text(text)

    return write


def contents(folder):
    """Every path below a folder with its text, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in Path(folder).rglob("*")}


def test_a_new_folder_is_made_with_its_parents(tmp_path):
    written = replace_folder("a/b/out", writer(report_html="new"))
    assert written == tmp_path / "a/b/out"
    assert (written / "report.html").read_text() == "new"
    assert sorted(p.name for p in written.parent.iterdir()) == ["out"]
    assert written.stat().st_mode == written.parent.stat().st_mode, "an ordinary folder, not a private one"


def test_a_folder_of_ours_is_replaced_whole(tmp_path):
    replace_folder("out", writer(report_html="old", gone_json="old"))
    replace_folder("out", writer(report_html="new"))
    assert sorted(contents("out")) == [MANIFEST, "report.html"]
    assert Path("out/report.html").read_text() == "new"
    assert os.listdir(tmp_path) == ["out"]


def test_an_empty_folder_and_a_trimmed_report_may_be_used():
    Path("out").mkdir(mode=0o750)
    replace_folder("out", writer(report_html="one", posterior_nc="draws"))
    assert Path("out").stat().st_mode & 0o777 == 0o750
    Path("out/posterior.nc").unlink()
    replace_folder("out", writer(report_html="two"))
    assert Path("out/report.html").read_text() == "two"


def add_file(out):
    (out / "notes.txt").write_text("mine")


def add_folder(out):
    (out / "figures").mkdir()


def change_file(out):
    (out / "report.html").write_text("with my remarks")


def link_file(out):
    (out.parent / "mine.html").write_text("first")
    (out / "report.html").unlink()
    (out / "report.html").symlink_to(out.parent / "mine.html")


def lose_manifest(out):
    (out / MANIFEST).unlink()


def break_manifest(out):
    (out / MANIFEST).write_bytes(b"\xff\xfe nonsense")


@pytest.mark.parametrize(
    ("meddle", "named"),
    [
        (add_file, "the file notes.txt"),
        (add_folder, "the folder figures"),
        (change_file, "report.html, changed since"),
        (link_file, "report.html"),
        (lose_manifest, "the file report.html"),
        (break_manifest, MANIFEST),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_ours_is_never_touched(tmp_path, meddle, named):
    out = replace_folder("out", writer(report_html="first"))
    meddle(out)
    before = contents(tmp_path)
    with pytest.raises(FolderError, match="out holds") as caught:
        check_folder("out")
    assert named in str(caught.value)
    assert str(caught.value).endswith("choose another folder.")
    with pytest.raises(FolderError):
        replace_folder("out", writer(report_html="second"))
    assert contents(tmp_path) == before


def test_a_folder_of_somebody_else_with_our_names_is_refused():
    Path("out").mkdir()
    Path("out/report.html").write_text("mine")
    with pytest.raises(FolderError, match=r"the file report\.html, which this program did not write"):
        check_folder("out")


@pytest.mark.parametrize("error", [RuntimeError("disk full"), KeyboardInterrupt(), SystemExit(1)], ids=repr)
@pytest.mark.parametrize("existing", [True, False])
def test_a_failure_while_writing_leaves_no_trace(tmp_path, error, existing):
    if existing:
        replace_folder("deep/out", writer(report_html="old"))
    before = contents(tmp_path)

    def write(place):
        writer(report_html="half")(place)
        raise error

    with pytest.raises(type(error)):
        replace_folder("deep/out", write)
    assert contents(tmp_path) == before


def test_a_failure_while_swapping_leaves_the_old_folder(tmp_path, monkeypatch):
    replace_folder("out", writer(report_html="old"))
    before, rename = contents(tmp_path), Path.rename

    def fail_for_the_new_one(self, target):
        if Path(target).name == "out" and (self / "report.html").read_text() == "new":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new_one)
    with pytest.raises(KeyboardInterrupt):
        replace_folder("out", writer(report_html="new"))
    assert contents(tmp_path) == before


def test_a_file_put_there_during_the_work_is_kept(tmp_path):
    replace_folder("out", writer(report_html="old"))

    def write(place):
        writer(report_html="new")(place)
        Path("out/notes.txt").write_text("mine")

    with pytest.raises(FolderError, match=r"notes\.txt"):
        replace_folder("out", write)
    assert Path("out/notes.txt").read_text() == "mine"
    assert Path("out/report.html").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_linked_folder_is_replaced_where_it_lies(tmp_path):
    (tmp_path / "real").mkdir()
    Path("out").symlink_to("real")
    assert replace_folder("out", writer(report_html="new")) == tmp_path / "real"
    assert Path("out").is_symlink()
    assert Path("real/report.html").read_text() == "new"
    Path("loop").symlink_to("loop")
    with pytest.raises(FolderError):
        check_folder("loop")


@pytest.mark.parametrize("path", [".", "..", "/", "", "out/.."])
def test_the_current_folder_and_those_above_are_refused(path):
    with pytest.raises(FolderError, match="is or contains the current folder"):
        check_folder(path)


def test_a_mount_point_is_refused(monkeypatch):
    Path("out").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda self: self.name == "out")
    with pytest.raises(FolderError, match="mount point"):
        check_folder("out")


def test_files_in_the_way_are_refused():
    Path("file").write_text("mine")
    with pytest.raises(FolderError, match="file is a file"):
        check_folder("file")
    with pytest.raises(FolderError, match=r"file/a/b cannot be made, because .*file is a file"):
        check_folder("file/a/b")
    with pytest.raises(FolderError, match="cannot be written"):
        check_folder("x" * 300)
    assert Path("file").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs Linux's /proc, where even root cannot write")
def test_where_nothing_can_be_written_is_refused():
    with pytest.raises(FolderError, match="cannot be written"):
        check_folder("/proc/mixtures/out")


def test_a_folder_that_cannot_be_filled_is_refused(tmp_path, monkeypatch):
    """Permission bits do not bind root, so the refusal comes from really trying."""
    replace_folder("out", writer(report_html="old"))
    before, mkdir = contents(tmp_path), Path.mkdir

    def refuse(self, *args, **kwargs):
        if self.parent.name == "out":
            raise PermissionError(13, "Permission denied")
        return mkdir(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(FolderError, match=r"out cannot be written \(Permission denied\); choose another folder\."):
        check_folder("out")
    assert contents(tmp_path) == before


def test_checking_leaves_nothing_behind(tmp_path):
    Path("out").mkdir()
    check_folder("out")
    check_folder("a/b/c")
    assert contents(tmp_path) == {"out": None}


def test_files_written_anew_leave_what_else_is_there(tmp_path):
    out = replace_folder("out", writer(report_html="old", posterior_nc="draws"))
    (out / "notes.md").write_text("mine")
    (out / "figures").mkdir()
    (out / "figures" / "one.png").write_text("mine")
    for text in ("new", "newer"):
        assert update_folder("out", {"report.html": text, "report.md": text}) == out
        assert (out / "report.html").read_text() == (out / "report.md").read_text() == text
    assert (out / "posterior.nc").read_text() == "draws"
    assert (out / "notes.md").read_text() == (out / "figures" / "one.png").read_text() == "mine"
    with pytest.raises(FolderError, match="which this program did not write"):
        check_folder("out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("meddle", "said"),
    [
        (
            lambda out: (out / "report.html").write_text("mine"),
            "report.html, changed since this program wrote it; move it elsewhere, and draw the report again.",
        ),
        (
            lambda out: (out / "report.json").write_text("mine"),
            "report.json, changed since this program wrote it; restore it or fit again.",
        ),
        (lambda out: (out / "report.md").write_text("mine"), "the file report.md, which this program did not write"),
        (lambda out: (out / MANIFEST).unlink(), f"has no {MANIFEST}"),
    ],
    ids=["a page changed by hand", "numbers changed by hand", "somebody's page", "no manifest"],
)
def test_nobody_elses_file_is_written_anew(tmp_path, meddle, said):
    out = replace_folder("out", writer(report_html="old", report_json="numbers"))
    meddle(out)
    before = contents(tmp_path)
    with pytest.raises(FolderError, match=re.escape(said)):
        update_folder("out", {"report.html": "new", "report.md": "new"})
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "refuse", [check_own, lambda path: update_folder(path, {"report.html": "new"})], ids=["checked", "written anew"]
)
@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), RuntimeError("Symlink loop")], ids=repr)
@pytest.mark.parametrize("what", ["resolve", "read_text", "open"])
def test_what_the_file_system_refuses_is_one_sentence(monkeypatch, refuse, error, what):
    """Links that go round, before Python 3.13; a manifest, and a file of it, that cannot be read."""
    replace_folder("out", writer(report_html="old"))

    def fail(*_, **__):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Path, what, fail)
        with pytest.raises(FolderError, match=r"^out cannot be read \((Permission denied|Symlink loop)\); make its"):
            refuse("out")
    assert contents("out").keys() == {MANIFEST, "report.html"}


def test_a_link_that_goes_round_is_no_folder_of_ours():
    Path("loop").symlink_to("loop")
    with pytest.raises(FolderError, match="loop"):
        update_folder("loop", {"report.html": "new"})
