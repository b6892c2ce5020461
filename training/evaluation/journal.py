"""What models answered, kept as it comes: one JSON line an answer or a loss, so that an evaluation goes on where it was stopped.

    with open_journal(folder / "answers.jsonl") as journal:
        journal.find(key) or journal.keep(key, {...})

A key holds the model's hash, the prompt and the settings: another adapter, row or template is another key. A last line that was
torn is cut off; one process writes at a time.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from filelock import FileLock, Timeout

from assistant.backends.model_files import ADAPTER_WEIGHTS, ModelFiles
from retrieval.errors import DataError, storage_errors
from training.data_preparation.journal import mend_last_line

KEY_LENGTH: Final = 24  # hexadecimal digits
_TELLING: Final = (
    "config.json",
    "tokenizer.json",
    "chat_template.jinja",
    "tokenizer_config.json",
    "adapter_config.json",
)


class Journal:
    """Values by key; each is on disk before it is used."""

    def __init__(self, file: BinaryIO, values: dict[str, Any]) -> None:
        self._file = file
        self._values = values

    def find(self, key: str) -> Any | None:
        return self._values.get(key)

    def keep(self, key: str, value: Any) -> Any:
        line = json.dumps({"key": key, "value": value}, ensure_ascii=False) + "\n"
        with storage_errors("write the evaluation's journal"):
            self._file.write(line.encode("utf-8", "replace"))
            self._file.flush()
        self._values[key] = value
        return value


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Raises `DataError` while another process writes it, or for a damaged line."""
    with storage_errors(f"open the journal {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise DataError(f"{path} is being written by another evaluation.", "Wait until it ends.") from error
        try:
            mend_last_line(path)
            values = dict(_read(path))
            with path.open("ab") as file:
                yield Journal(file, values)
                file.flush()
                os.fsync(file.fileno())
        finally:
            lock.release()


def make_key(model: str, kind: str, tokens: Sequence[int], settings: Any = None) -> str:
    """The name of one measurement."""
    content = json.dumps([model, kind, list(tokens), settings], default=str).encode()
    return hashlib.sha256(content).hexdigest()[:KEY_LENGTH]


def hash_model(files: ModelFiles) -> str:
    """A model by what it is: its weights' files (whole for an adapter, many samples of a base), tokenizer and template."""
    digest = hashlib.sha256()
    for folder in [place for place in (files.folder, files.adapter) if place]:
        for path in sorted(folder.glob("*.safetensors")):
            digest.update(f"{path.name} {path.stat().st_size}".encode())
            _feed(digest, path, whole=path.name == ADAPTER_WEIGHTS)
        for name in _TELLING:
            if (folder / name).is_file():
                digest.update((folder / name).read_bytes())
    if files.folder is None:
        digest.update(files.base.encode())
    return digest.hexdigest()[:KEY_LENGTH]


_SAMPLES: Final = 64
_SAMPLE_BYTES: Final = (
    65_536  # read from a base's weights at as many places: a changed layer shows, a large model costs nothing
)


def _feed(digest: Any, path: Path, whole: bool) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        if whole or size <= _SAMPLES * _SAMPLE_BYTES:
            while block := file.read(1 << 20):
                digest.update(block)
            return
        for place in range(_SAMPLES):
            file.seek(size * place // _SAMPLES)
            digest.update(file.read(_SAMPLE_BYTES))


def _read(path: Path) -> Iterator[tuple[str, Any]]:
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                yield str(row["key"]), row["value"]
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{path}, line {number} is no line of an evaluation's journal.",
                    "Remove that line: its answer is written again.",
                ) from error
