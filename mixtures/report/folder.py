"""Report folders that are replaced whole, or not at all, and never at the cost of anybody else's files.

A folder written here carries a manifest of its files with their checksums. Only a folder that is empty, or holds
nothing but files of such a manifest as they were written, may be replaced; what stands in it besides is kept where only
some of its files are written anew. The new folder is written beside the old one and takes its place by renaming once it
is complete.
"""

import hashlib
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MANIFEST = ".mixtures-report"


class FolderError(ValueError):
    """An output folder that cannot be used; the message is one sentence: what is wrong with it and what to do."""


def check_folder(path: str | Path) -> Path:
    """Refuse a folder that could not be written or replaced, before any work is done for it.

    Nothing is left behind: missing parents are made only by `replace_folder`.

    Returns
    -------
    Path
        The folder with symbolic links resolved.

    Raises
    ------
    FolderError
        If `path` is a file, holds anything this program did not write, contains the current folder, is the root of a
        file system, or lies where nothing can be written.
    """
    with in_words(f"{path} cannot be written", "choose another folder"):
        folder = _resolve(path)
        _refuse_foreign(folder, path)
        parent = _existing_parent(folder)
        if not parent.is_dir():
            raise FolderError(f"{path} cannot be made, because {parent} is a file; choose another folder.")
        for place in (parent, folder) if folder.exists() else (parent,):
            _probe(place)
    return folder


def replace_folder(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Fill a folder with what `write` makes, whole or not at all.

    Parameters
    ----------
    path
        The folder; made with its parents if missing, replaced if this program wrote it.
    write
        Writes the files, without sub-folders, into the folder it is given, which lies beside the final one.

    Returns
    -------
    Path
        The folder with symbolic links resolved.

    Raises
    ------
    FolderError
        As `check_folder`. Whatever `write` raises comes through, and leaves the old folder as it was.
    """
    folder = check_folder(path)
    with parents_of(folder):
        fresh = _beside(folder)
        try:
            fresh.mkdir()
            if folder.exists():
                shutil.copymode(folder, fresh)
            write(fresh)
            _write_manifest(fresh)
            check_folder(path)  # somebody may have put a file there in the meantime
            _swap(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


def check_own(path: str | Path) -> Path:
    """Refuse a folder of which no files can be written anew, before any work is done for it.

    Returns
    -------
    Path
        The folder with symbolic links resolved.

    Raises
    ------
    FolderError
        If this program did not write the folder, one of its files has been changed since, or it cannot be read.
    """
    with in_words(f"{path} cannot be read", "make its files readable, or name another folder"):
        folder = _resolve(path)
        written = _read_manifest(folder)
        if not written:
            raise FolderError(
                f"{path} has no {MANIFEST}, by which this program knows its own files; make the report anew."
            )
        name = _changed(folder, written)
    if name is not None:
        remedy = "restore it or fit again" if name.endswith(".json") else "move it elsewhere, and draw the report again"
        raise FolderError(f"{path} holds {name}, changed since this program wrote it; {remedy}.")
    return folder


def update_folder(path: str | Path, texts: dict[str, str]) -> Path:
    """Write some text files of a folder anew, all or none, and keep whatever else is there.

    Returns
    -------
    Path
        The folder with symbolic links resolved.

    Raises
    ------
    FolderError
        As `check_own`, or if one of `texts` would take the place of a file that this program did not write, or nothing
        can be written.
    """
    folder = check_own(path)
    fresh = _beside(folder)
    with in_words(f"{path} cannot be written", "copy it to another place first"):
        written = _read_manifest(folder)
        for name in texts:
            if name not in written and (folder / name).exists():
                raise FolderError(f"{path} holds the file {name}, which this program did not write; move it elsewhere.")
        try:
            shutil.copytree(folder, fresh, symlinks=True)
            write_texts(fresh, texts)
            _write_manifest(fresh, {*written, *texts})
            _swap(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


def write_texts(folder: Path, texts: dict[str, str]) -> None:
    """Write text files by name."""
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _resolve(path: str | Path) -> Path:
    folder = Path(path).expanduser().resolve()
    if folder.is_symlink():
        raise FolderError(f"{path} is a symbolic link that leads nowhere; choose another folder.")
    if folder == Path.cwd() or folder in Path.cwd().parents:
        raise FolderError(
            f"{path} is or contains the current folder, which cannot be replaced; name a folder inside it."
        )
    if folder.exists() and folder.is_mount():
        raise FolderError(f"{path} is a mount point, which cannot be replaced; name a folder inside it.")
    return folder


def _refuse_foreign(folder: Path, path: str | Path) -> None:
    """Refuse a file, or a folder with anything but untouched files of its manifest."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FolderError(f"{path} is a file; choose a folder for the report.")
    written = _read_manifest(folder)
    for entry in sorted(folder.iterdir()):
        if entry.name == MANIFEST and written:
            continue
        if entry.is_symlink() or not entry.is_file() or entry.name not in written:
            kind = "the folder" if entry.is_dir() else "the file"
            raise FolderError(
                f"{path} holds {kind} {entry.name}, which this program did not write; choose another folder."
            )
    if name := _changed(folder, written):
        raise FolderError(
            f"{path} holds {name}, changed since this program wrote it; move it away or choose another folder."
        )


def _changed(folder: Path, written: dict[str, str]) -> str | None:
    """The first file of a manifest that is not as it was written; those that are gone are no loss."""
    for name, checksum in sorted(written.items()):
        file = folder / name
        if file.is_symlink() or (file.exists() and not (file.is_file() and _checksum(file) == checksum)):
            return name
    return None


def _write_manifest(folder: Path, names: Collection[str] = ()) -> None:
    """List files of these names, or all."""
    files = [folder / name for name in names] or folder.iterdir()
    lines = [f"{_checksum(file)}  {file.name}\n" for file in sorted(files) if file.exists()]
    (folder / MANIFEST).write_text("".join(lines), encoding="utf-8")


def _read_manifest(folder: Path) -> dict[str, str]:
    """Checksums by file name, as `sha256sum` writes them; empty if there is no sound manifest."""
    manifest = folder / MANIFEST
    if manifest.is_symlink() or not manifest.is_file():
        return {}
    with suppress(UnicodeDecodeError, ValueError):
        lines = manifest.read_text(encoding="utf-8").splitlines()
        return {name: checksum for checksum, name in (line.split("  ", 1) for line in lines)}
    return {}


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _existing_parent(folder: Path) -> Path:
    return next(parent for parent in folder.parents if parent.exists())


def _probe(folder: Path) -> None:
    """Make and remove a file in a new folder, as writing the report will: permission bits alone do not tell."""
    place = _beside(folder / "probe")
    try:
        place.mkdir()
        (place / "probe").touch()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _beside(folder: Path) -> Path:
    return folder.with_name(f".mixtures-{secrets.token_hex(8)}")


@contextmanager
def parents_of(folder: Path) -> Iterator[None]:
    """Make missing parents, and remove those made here if the block fails."""
    missing = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for parent in missing:
            with suppress(OSError):  # not empty: somebody else uses it by now
                parent.rmdir()
        raise


def _swap(fresh: Path, folder: Path) -> None:
    """Put `fresh` in the place of `folder`, or leave both as they were."""
    if not folder.exists():
        fresh.rename(folder)
        return
    old = _beside(folder)
    try:
        folder.rename(old)
        fresh.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def in_words(what: str, remedy: str) -> Iterator[None]:
    """Make one sentence of whatever the file system refuses."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # the latter of links that go round, before Python 3.13
        cause = getattr(error, "strerror", None) or str(error)
        raise FolderError(f"{what} ({cause}); {remedy}.") from error
