"""What the peers share: the same files, the same weights, as many chunks as Savia has texts, so about the same tokens.

    python loop.py FILES_FOLDER MODEL_FOLDER EMPTY_FOLDER CHUNKS

These programs run in an environment of their own, without Savia. The clock starts when everything is imported and the
chunk size is known; it stops when the last row is in Chroma.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

MAX_TOKENS = 256  # what the model reads of a text
NEAR_ENOUGH = 0.02  # the search for the chunk size stops here
TRIES = 9

Files = list[tuple[str, str]]
Split = Callable[[Files, int], list[str]]


@dataclass(frozen=True)
class Task:
    """One run: `files` are (name, text) without front matter, to be cut into about `chunks` without overlap."""

    files: Files
    model: Path
    folder: Path
    chunks: int


def read_task() -> Task:
    files, model, folder, chunks = sys.argv[1:]
    return Task(read_files(Path(files)), Path(model), Path(folder), int(chunks))


def read_files(folder: Path) -> Files:
    return [(path.name, without_front_matter(path.read_text("utf-8"))) for path in sorted(folder.rglob("*.md"))]


def without_front_matter(text: str) -> str:
    parts = text.removeprefix("\ufeff").split("---\n", 2)
    return parts[2] if len(parts) == 3 and not parts[0] else text


def fit_size(task: Task, split: Split, low: int, high: int) -> int:
    """The chunk size between `low` and `high` that gives about the wanted number of chunks; smaller ones give more."""
    best, least = high, float("inf")
    for _ in range(TRIES):
        size = (low + high) // 2
        off = len(split(task.files, size)) / task.chunks - 1
        if abs(off) < least:
            best, least = size, abs(off)
        if abs(off) <= NEAR_ENOUGH or low >= high - 1:
            break
        low, high = (size, high) if off > 0 else (low, size)
    return best


def count_tokens(texts: list[str], model: Path) -> int:
    """Tokens that the model reads, special ones included."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return sum(len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts))


def run(task: Task, split: Split, size: int, ingest: Callable[[], int]) -> None:
    """Time `ingest`, which returns the number of rows, and print what was done."""
    started, cpu = time.perf_counter(), time.process_time()
    rows = ingest()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    tokens = count_tokens(split(task.files, size), task.model)
    found = {"seconds": seconds, "cpu_seconds": cpu_seconds, "rows": rows, "tokens": tokens, "chunk_size": size}
    print(json.dumps(found))
