"""The files of a corpus: which are there, which changed, which are refused and why. No file can fail the run.

for file in scan(Path("data/domains/herbolaria/corpus")): ...
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from retrieval.documents import Document, UnreadableText, decode_text, document_id, parse_document

SUFFIXES = (".md", ".markdown")
MAX_FILE = 20 * 2**20  # bytes; a longer "document" is a data dump and would take the memory of the whole run


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """One file: `refused` is the reason why it is not read, empty otherwise. `path` is relative, with slashes."""

    path: str
    location: Path
    size: int = 0
    mtime_ns: int = 0
    refused: str = ""


def scan(corpus: Path) -> Iterator[CorpusFile]:
    """All Markdown files below `corpus`, sorted; hidden folders are left out, links are followed inside the corpus only."""
    root = corpus.resolve()
    yield from sorted(_scan(root, root, ""), key=lambda file: file.path)


def _scan(folder: Path, root: Path, prefix: str) -> Iterator[CorpusFile]:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        yield CorpusFile(prefix.rstrip("/"), folder, refused=f"folder cannot be read ({error.strerror})")
        return
    for entry in entries:
        path = prefix + entry.name
        if entry.name.startswith("."):
            continue
        if not _is_printable(path):
            if entry.name.lower().endswith(SUFFIXES):
                reason = "holds a line break" if "\n" in path or "\r" in path else "is not valid UTF-8"
                yield CorpusFile(ascii(path), Path(entry.path), refused=f"file name {reason}")
        elif entry.is_symlink():
            yield from _scan_link(entry, path, root)
        elif entry.is_dir(follow_symlinks=False):
            yield from _scan(Path(entry.path), root, f"{path}/")
        elif entry.name.lower().endswith(SUFFIXES):
            yield _regular(Path(entry.path), path, entry.stat(follow_symlinks=False))


def _scan_link(entry: "os.DirEntry[str]", path: str, root: Path) -> Iterator[CorpusFile]:
    """A link to a file inside the corpus is read; one that leads out, to a folder or nowhere is refused."""
    location = Path(entry.path)
    try:
        target = location.resolve(strict=True)
    except (OSError, RuntimeError):
        if entry.name.lower().endswith(SUFFIXES):
            yield CorpusFile(path, location, refused="symbolic link that leads nowhere")
        return
    if not target.is_relative_to(root):
        yield CorpusFile(path, location, refused="symbolic link out of the corpus")
    elif target.is_dir():
        yield CorpusFile(path, location, refused="symbolic link to a folder (its files are read where they are)")
    elif entry.name.lower().endswith(SUFFIXES):
        yield _regular(target, path, target.stat())


def _regular(location: Path, path: str, stat: os.stat_result) -> CorpusFile:
    if not S_ISREG(stat.st_mode):  # reading a pipe would wait for ever
        return CorpusFile(path, location, refused="not a regular file")
    if stat.st_size > MAX_FILE:
        return CorpusFile(
            path, location, stat.st_size, stat.st_mtime_ns, f"larger than {MAX_FILE // 2**20} MiB; split it"
        )
    return CorpusFile(path, location, stat.st_size, stat.st_mtime_ns)


def _is_printable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return "\n" not in path and "\r" not in path


def read_file(file: CorpusFile) -> bytes:
    """The file's bytes. Raises `UnreadableText` with the reason when it cannot be read."""
    try:
        return file.location.read_bytes()
    except OSError as error:
        raise UnreadableText(f"cannot be read ({error.strerror})") from error


def content_hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def parse_file(file: CorpusFile, data: bytes) -> Document:
    """Decode and parse. Raises `UnreadableText`."""
    return parse_document(file.path, decode_text(data))


def read_corpus(corpus: Path) -> Iterator[Document]:
    """Parse every readable document of a corpus, one at a time."""
    for file in scan(corpus):
        if file.refused:
            continue
        try:
            yield parse_file(file, read_file(file))
        except UnreadableText:
            continue


def find_document(corpus: Path, identity: str) -> Document | None:
    """The document with this id, if it is there."""
    for file in scan(corpus):
        if not file.refused and document_id(file.path) == identity:
            try:
                return parse_file(file, read_file(file))
            except UnreadableText:
                return None
    return None
