"""One training row, and files of them.

    example = make_example(question="¿Qué es el susto?", answer="...", sections=("diccionario/s/susto#top",), origin="template")
    write_examples(path, [example]); list(read_examples(path))

A row's id is the hash of what it teaches, so the same row made twice is the same row, and an edited one is another.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from retrieval.errors import DataError
from retrieval.files import write_atomically

ID_LENGTH = 16  # hex digits: 64 bits, no clash to be expected below some hundred million rows


@dataclass(frozen=True, slots=True)
class Example:
    """`sections` are ids of the sections that ground the answer (empty: not from the corpus, or a refusal)."""

    id: str
    question: str
    answer: str
    reasoning: str = ""
    history: tuple[tuple[str, str], ...] = ()  # (role, content) turns before the question
    system: str = ""  # a system prompt that came with an imported row; empty: the domain's own
    sections: tuple[str, ...] = ()
    origin: str = "template"  # template, llm, import:<name>, review
    task: str = ""  # definition, uses, comparison, multi_turn, safety, refusal, chemicals, ...
    type: str = ""  # the document's type (plantas, diccionario, ...), or the source's own
    form: str = ""  # which question form made it (template rows)
    parents: tuple[str, ...] = ()  # ids of the rows that it was made from (paraphrases): they stay in one split
    answerable: bool = True
    language: str = ""
    safety_level: str = ""
    source: str = ""  # where an imported row says it comes from
    weight: float = 1.0


def make_example(question: str, answer: str, **rest: Any) -> Example:
    """An example with its id. The id covers question, answer, reasoning, history and system prompt."""
    lists = {name: _as_tuple(name, value) for name, value in rest.items() if name in ("history", "sections", "parents")}
    draft = Example("", question, answer, **{**rest, **lists})
    taught = [draft.system, draft.history, draft.question, draft.reasoning, draft.answer]
    digest = hashlib.sha256(json.dumps(taught, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
    return Example(digest[:ID_LENGTH], question, answer, **{**rest, **lists})


def as_row(example: Example) -> dict[str, Any]:
    """The JSON of one row; empty and default values are left out."""
    row = asdict(example)
    defaults = {field.name: field.default for field in fields(Example)}
    return {
        name: value for name, value in row.items() if name in ("id", "question", "answer") or value != defaults[name]
    }


def from_row(row: dict[str, Any]) -> Example:
    """Raises `ValueError` for a row that is no example."""
    known = {field.name for field in fields(Example)}
    unknown = set(row) - known
    if unknown or not {"id", "question", "answer"} <= set(row):
        raise ValueError(
            f"not an example: {'unknown ' + ', '.join(sorted(unknown)) if unknown else 'id, question or answer is missing'}"
        )
    values = {name: _as_tuple(name, value) for name, value in row.items()}
    return Example(**values)


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    """One JSON line a row, written whole or not at all."""
    write_rows(path, (as_row(example) for example in examples))


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_atomically(path, text.encode("utf-8", "surrogatepass"))


def read_examples(path: Path) -> Iterator[Example]:
    """Rows in the file's order. Raises `DataError` with the line that is no example."""
    for number, row in read_rows(path):
        try:
            yield from_row(row)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{path}, line {number}: {error}.", "Make the file again with its stage's command."
            ) from error


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, JSON object) of a JSONL file. Raises `DataError`."""
    if not path.is_file():
        raise DataError(f"There is no file {path}.", "Run the stage before this one, or savia dataset build.")
    with path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(
                    f"{path}, line {number} is no JSON ({error}).", "Correct or remove the line."
                ) from error
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {number} is no JSON object.", "Correct or remove the line.")
            yield number, row


def _as_tuple(name: str, value: Any) -> Any:
    if name == "history":
        return tuple((str(role), str(content)) for role, content in value)
    if name in ("sections", "parents"):
        return tuple(str(item) for item in value)
    return value
