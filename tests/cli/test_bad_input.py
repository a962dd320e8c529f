"""Bad input: one sentence, exit code 2, and nothing written."""

from pathlib import Path

import pytest

from mixtures.cli import runtime
from mixtures.report.folder import replace_folder


def everything(folder):
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*"))


FILES = {
    "good.csv": "y,z,name\n1,2,a\n2,3.5,b\n4,1,c\n2,3.5,d\n",
    "text.csv": "name\na\nb\n",
    "empty.csv": "",
    "header.csv": "y\n",
    "one.csv": "y\n1\n",
    "nan.csv": "y\n1\nNA\n3\ninf\n",
    "constant.csv": "y,z\n1,5\n2,5\n",
    "stray.csv": "y\n1\nx\n3\n4\n",
    "latin.csv": b"\xe4\n1\n2\n",
    "a.parquet": "no",
    "a.npy": "no",
    "a.xlsx": "no",
    "file": "no",
    "theirs/notes.txt": "mine",
    "folder.csv/a": "",
}
BAD = {
    "missing file": (["nowhere.csv"], "There is no file nowhere.csv"),
    "misspelt file": (["godo.csv"], "There is no file godo.csv (did you mean good.csv?)"),
    "misspelt file elsewhere": (["theirs/note.txt"], "did you mean theirs/notes.txt?"),
    "a folder": (["folder.csv"], "folder.csv is a folder"),
    "unknown kind": (["a.xlsx"], "unknown kind (.xlsx)"),
    "not UTF-8": (["latin.csv"], "not UTF-8"),
    "damaged Parquet": (["a.parquet"], "cannot be read as Parquet"),
    "damaged npy": (["a.npy"], "damaged"),
    "no numeric column": (["text.csv"], "no numeric column, only name (text)"),
    "unknown column": (["good.csv", "--columns", "y,zz"], "no column 'zz' (did you mean 'z'?); it has y, z and name"),
    "text column": (["good.csv", "--columns", "name"], "'a' in data row 1 (line 2) and 3 more cells"),
    "no column": (["good.csv", "--columns", ","], "one or more names"),
    "column twice": (["good.csv", "--columns", "y,y"], "'y' more than once"),
    "stray text": (["stray.csv"], "'x' in data row 2 (line 3)"),
    "empty": (["empty.csv"], "empty.csv is empty"),
    "no rows": (["header.csv"], "no rows"),
    "one row": (["one.csv"], "only one row"),
    "missing values": (["nan.csv"], "1 missing and 1 infinite values: column y in data rows 2 and 4 (lines 3 and 5)"),
    "offers --drop-missing": (["nan.csv"], "--drop-missing"),
    "constant": (["constant.csv"], "Column z of constant.csv is constant"),
    "K = 0": (["good.csv", "-k", "0"], "at least 1, got 0"),
    "K < 0": (["good.csv", "--components", "-2"], "at least 1, got -2"),
    "K too large": (["good.csv", "-k", "4"], "4 components need at least 4 distinct rows, but good.csv has 3"),
    "out is a file": (["good.csv", "--out", "file"], "file is a file"),
    "out below a file": (["good.csv", "--out", "file/deep/out"], "file/deep/out cannot be made"),
    "out holds other files": (["good.csv", "--out", "theirs"], "the file notes.txt, which this program did not write"),
    "out is here": (["good.csv", "--out", "."], "current folder"),
    "prior syntax": (["good.csv", "--prior", "mean=Normal(0, 1"], "cannot be read; write it like"),
    "prior parameter": (
        ["good.csv", "--prior", "maen=Normal(0,1)"],
        "'maen', which is no parameter; did you mean mean?",
    ),
    "prior distribution": (["good.csv", "--prior", "mean=Norml(0,1); scale=HalfNormal(1)"], "did you mean Normal?"),
    "prior numbers": (
        ["good.csv", "--prior", "mean=Normal(0,-1); scale=HalfNormal(1)"],
        "does not accept Normal(0, -1)",
    ),
    "prior support": (
        ["good.csv", "--prior", "mean=Normal(0,1); scale=Normal(0,1)"],
        "scale must be a distribution of a positive number",
    ),
}


@pytest.mark.parametrize("command", ["compare", "fit"])
@pytest.mark.parametrize(("arguments", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_and_nothing_is_written(run, engines, tmp_path, command, arguments, words):
    for name, content in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = everything(tmp_path)
    code, output, errors = run(command, *arguments)
    assert code == runtime.BAD_INPUT
    assert output == ""
    assert words in errors
    assert errors.startswith("Error: ")
    assert errors.count("\n") == 1
    assert errors.endswith(".\n") or errors.endswith("?\n")
    assert everything(tmp_path) == before
    assert engines.called == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing command"),
        (["compare"], "Missing argument 'DATA'"),
        (["compare", "a.csv", "--colour"], "No such option: --colour"),
        (["compare", "a.csv", "-k", "three"], "--components"),
        (["compare", "a.csv", "--covariance", "round"], "--covariance"),
        (["compare", "a.csv", "--covariance", "sperical"], "(did you mean 'spherical'?)"),
        (["compare", "a.csv", "--covarience", "full"], "--covariance"),
        (["compare", "a.csv", "--guide", "none"], "--guide"),
        (["compare", "a.csv", "--seed", "-1"], "--seed"),
        (["compare", "a.csv", "--chains", "0"], "--chains"),
        (["fit", "a.csv", "--starts", "0"], "--starts"),
        (["fit", "a.csv", "--quick"], "No such option"),
        (["compair"], "No such command 'compair'. Did you mean 'compare'?"),
    ],
)
def test_bad_usage(run, arguments, words):
    code, output, errors = run(*arguments)
    assert code == 2
    assert output == ""
    assert words in errors
    assert "--help" in errors


def test_a_folder_without_a_report_cannot_be_drawn_again(run):
    Path("theirs").mkdir()
    Path("theirs/notes.txt").write_text("mine")
    for folder, complaint in (("theirs", "holds no report.json, sweep.json, "), ("nowhere", "is no folder")):
        code, output, errors = run("report", folder)
        assert (code, output) == (runtime.BAD_INPUT, "")
        assert errors.startswith(f"Error: {folder} {complaint}")
        assert errors.count("\n") == 1
    Path("theirs/report.json").write_text('{"schema": 0}')
    code, _, errors = run("report", "theirs")
    assert code == runtime.BAD_INPUT
    assert "theirs has no .mixtures-report" in errors
    assert sorted(p.name for p in Path("theirs").iterdir()) == ["notes.txt", "report.json"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("report",), "cannot be read (File name too long); name another folder."),
        (("fit",), "cannot be looked for (File name too long); check the path."),
        (("audit",), "cannot be looked for (File name too long); check the path."),
    ],
)
def test_a_name_that_the_file_system_refuses_is_one_sentence(run, command, said):
    code, _, errors = run(*command, 300 * "a", *["rows.csv"] * (command == ("audit",)))
    assert code == runtime.BAD_INPUT
    assert errors == f"Error: {300 * 'a'} {said}\n"


def test_a_report_of_another_schema_cannot_be_drawn_again(run):
    replace_folder("old", lambda place: (place / "report.json").write_text('{"schema": 0}'))
    code, output, errors = run("report", "old")
    assert (code, output) == (runtime.BAD_INPUT, "")
    assert errors.startswith("Error: old/report.json has schema 0, and this version draws schema ")
