"""Rows of files that others made: JSON, JSONL (also .gz), Parquet, or a `datasets` folder or name; one bad row ends nothing.

for row in read_raw_rows("questions.jsonl.gz"): row.number, row.value, row.fault
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from retrieval.errors import DataError

MOST_LINE = 2 * 2**20  # bytes of one row: a longer one is a whole file that went astray
MOST_ARRAY = 512 * 2**20  # bytes of a JSON array, unpacked: it is parsed at once and takes several times its size
MOST_ROWS = 5_000_000  # far above any set for fine-tuning; ends a packed file that never ends
SUFFIXES = (".json", ".jsonl", ".ndjson", ".parquet")
_SAVED = ("dataset_info.json", "dataset_dict.json", "state.json")


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it came: `fault` is the reason why it is none, empty otherwise. `number` is its line, or its place from 1."""

    number: int
    value: dict[str, Any]
    fault: str = ""


def read_raw_rows(source: str) -> Iterator[RawRow]:
    """All rows of a file, of a folder of such files, of a saved data set, or of a data set on the Hub, in their order.

    Raises `DataError` when the source as a whole cannot be read.
    """
    path = Path(source).expanduser()
    if path.is_file():
        yield from _read_file(path)
    elif path.is_dir():
        yield from _read_folder(path)
    elif path.suffix or source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise DataError(f"There is no file or folder {source}.", "Give a JSON or JSONL file, or a data set's name.")
    else:
        yield from _read_hub(source)


def _read_file(path: Path) -> Iterator[RawRow]:
    packed = path.suffix == ".gz"
    kind = (path.with_suffix("") if packed else path).suffix.lower()
    if kind not in SUFFIXES or (packed and kind == ".parquet"):
        raise DataError(
            f"{path} is no file of rows.", f"Give one that ends in {', '.join(SUFFIXES)}, JSON also with .gz."
        )
    if kind == ".parquet":
        yield from _read_parquet(path)
        return
    try:
        with _open(path, packed) as file:
            is_array = _first_character(file) == b"["
        with _open(path, packed) as file:
            yield from _read_array(path, file) if is_array or _is_one_object(path, kind, packed) else _read_lines(file)
    except (OSError, EOFError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        raise DataError(f"{path} cannot be read ({error}).", "Fetch or unpack the file again.") from error


def _open(path: Path, packed: bool) -> BinaryIO:
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _first_character(file: BinaryIO) -> bytes:
    return file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]


def _is_one_object(path: Path, kind: str, packed: bool) -> bool:
    """A `.json` file whose first line is not a whole object: `{"data": [...]}` over many lines."""
    if kind != ".json":
        return False
    with _open(path, packed) as file:
        first = file.readline(MOST_LINE)
    try:
        return isinstance(json.loads(first), dict) and not first.endswith(b"\n")
    except (ValueError, RecursionError):
        return True


def _read_lines(file: BinaryIO) -> Iterator[RawRow]:
    number = 0
    while line := file.readline(MOST_LINE + 1):
        number += 1
        if number > MOST_ROWS:
            raise DataError(f"There are more than {MOST_ROWS} rows.", "Split the file.")
        if len(line) > MOST_LINE:
            while line and not line.endswith(b"\n"):
                line = file.readline(MOST_LINE)
            yield RawRow(number, {}, f"longer than {MOST_LINE // 2**20} MiB")
        elif line.strip():
            yield _parse_line(number, line)


def _parse_line(number: int, line: bytes) -> RawRow:
    try:
        value = json.loads(line.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except UnicodeDecodeError as error:
        return RawRow(number, {}, f"not UTF-8 at byte {error.start}")
    except ValueError as error:
        return RawRow(number, {}, f"no JSON ({error})")
    except RecursionError:
        return RawRow(number, {}, "nested too deeply")
    return _checked(number, value)


def _checked(number: int, value: object) -> RawRow:
    if not isinstance(value, dict):
        return RawRow(number, {}, f"a {_kind(value)}, no JSON object")
    return RawRow(number, value)


def _kind(value: object) -> str:
    return {list: "list", str: "text", int: "number", float: "number", bool: "truth value"}.get(type(value), "null")


def _read_array(path: Path, file: BinaryIO) -> Iterator[RawRow]:
    content = file.read(MOST_ARRAY + 1)
    if len(content) > MOST_ARRAY:
        raise DataError(f"{path} is larger than {MOST_ARRAY // 2**20} MiB.", "Write it as JSONL, one row a line.")
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON ({error}).", "Correct the file, or write it as JSONL.") from error
    rows = value if isinstance(value, list) else _only_list(path, value)
    for number, row in enumerate(rows, 1):
        yield _checked(number, row)


def _only_list(path: Path, value: object) -> list[Any]:
    """The rows of `{"data": [...]}`; a file that is itself one row is a list of one."""
    lists = [item for item in value.values() if isinstance(item, list)] if isinstance(value, dict) else []
    if isinstance(value, dict) and len(value) == 1 and lists and not {"messages", "conversations"} & set(value):
        return lists[0]
    if isinstance(value, dict):
        return [value]
    raise DataError(f"{path} holds a {_kind(value)}, no rows.", "Give a JSON array of objects, or JSONL.")


def _read_folder(folder: Path) -> Iterator[RawRow]:
    """A folder saved by `datasets`, else its files of rows one after another; numbers run on."""
    if any((folder / name).is_file() for name in _SAVED):
        yield from _read_saved(folder)
        return
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name.removesuffix(".gz").endswith(SUFFIXES))
    if not files:
        raise DataError(f"{folder} holds no rows.", f"Give a folder with {', '.join(SUFFIXES)} or a saved data set.")
    number = 0
    for path in files:
        for row in _read_file(path):
            number += 1
            yield RawRow(number, row.value, row.fault and f"{path.name}, row {row.number}: {row.fault}")


def _read_parquet(path: Path) -> Iterator[RawRow]:
    from pyarrow import ArrowException  # type: ignore[import-untyped]
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]

    number = 0
    try:
        for batch in ParquetFile(path).iter_batches(1000):
            for value in batch.to_pylist():
                number += 1
                yield _checked(number, value)
    except (ArrowException, OSError) as error:
        raise DataError(f"{path} is no Parquet file ({_first_line(error)}).", "Fetch the file again.") from error


def _read_saved(folder: Path) -> Iterator[RawRow]:
    from datasets import load_from_disk

    try:
        loaded = load_from_disk(str(folder))
    except Exception as error:  # the library raises many types for a damaged folder
        raise DataError(
            f"{folder} is no saved data set ({_first_line(error)}).", "Save it again with save_to_disk."
        ) from error
    yield from _number(loaded)


def _read_hub(name: str) -> Iterator[RawRow]:
    from datasets import load_dataset

    try:
        loaded = load_dataset(name)
    except Exception as error:  # network, missing name, gated: all of them, as many types
        raise DataError(
            f"The data set {name!r} is neither here nor could it be fetched from the Hub ({_first_line(error)}).",
            "Check the name and the connection, or fetch it elsewhere and give the folder.",
        ) from error
    yield from _number(loaded)


def _number(loaded: Any) -> Iterator[RawRow]:
    """Rows of a data set; where it has parts, each row says in `split` which it was in."""
    number = 0
    parts = loaded.items() if isinstance(loaded, dict) else [("", loaded)]
    for split, rows in parts:
        for value in rows:
            number += 1
            yield _checked(number, {"split": split, **value} if split else value)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
