"""`savia init NAME --from FILE.json|.jsonl`: a pack from questions and answers alone, without a corpus.

report = create_pack_from_rows("math-qa", Path("questions.json"), Path("data/domains"))

The file is copied into the pack's `datasets/` as it is; which of its rows can be used is said when it is imported.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.domain import check_name, read_config
from retrieval.errors import UsageError, storage_errors
from retrieval.language import detect_language_of
from retrieval.scaffold import DOMAIN_COMMENT, write_yaml

SUFFIXES = (".json", ".jsonl")
MOST_BYTES = 512 * 2**20
SAMPLES = 4

_QUESTIONS = ("question", "instruction", "prompt")
_ANSWERS = ("answer", "response", "output", "completion")
_TURNS = {"messages": ("role", "content"), "conversations": ("from", "value")}

_PROPOSALS = {
    "es": {
        "persona": "Eres un asistente que responde preguntas sobre {title}. Si no sabes algo, lo dices.",
        "refusal": "No sé la respuesta.",
        "disclaimer": "Respuesta de un modelo, sin documentos que citar; compruébala antes de usarla.",
    },
    "en": {
        "persona": "You answer questions about {title}. Where you do not know, you say so.",
        "refusal": "I do not know the answer.",
        "disclaimer": "A model's answer, with no documents to cite; check it before you use it.",
    },
}


@dataclass(frozen=True, slots=True)
class RowsReport:
    """What was found in the file: rows that are objects, and how many of them show a question and an answer."""

    folder: Path
    language: str
    rows: int
    answered: int


def create_pack_from_rows(
    name: str, source: Path, domains_dir: Path, title: str = "", language: str = ""
) -> RowsReport:
    """Copy `source` into a new pack and write its `domain.yaml`. A failed run leaves nothing behind.

    Raises `UsageError` when the file holds no questions with answers or the pack exists.
    """
    check_name(name)
    target, source = domains_dir / name, source.expanduser()
    if target.exists():
        raise UsageError(f"The domain {name} exists already ({target}).", "Choose another name, or remove that folder.")
    rows = _read_rows(source)
    pairs = [pair for pair in map(_pair, rows) if pair]
    if not pairs:
        raise UsageError(
            f"None of the {len(rows)} rows of {source} has a question with an answer under a known name.",
            "Make a pack from a folder of Markdown, then: savia dataset import FILE --map question=COLUMN --map answer=COLUMN",
        )
    language = language or detect_language_of(f"{question}\n{answer}" for question, answer in pairs)
    with storage_errors(f"write the pack {target}"):
        domains_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=domains_dir, prefix=f".{name}.") as scratch:
            draft = Path(scratch) / name
            (draft / "datasets").mkdir(parents=True)
            shutil.copyfile(source, draft / "datasets" / f"rows{source.suffix.lower()}")
            write_yaml(draft / "domain.yaml", _config(name, title, language, pairs), DOMAIN_COMMENT)
            read_config(draft / "domain.yaml")
            draft.rename(target)
    return RowsReport(target, language, len(rows), len(pairs))


def _config(name: str, title: str, language: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    title = title or name.replace("-", " ").capitalize()
    words = _PROPOSALS.get(language, _PROPOSALS["en"])
    short = [question for question, _ in pairs if len(question) <= 200 and "\n" not in question]
    step = max(1, len(short) // SAMPLES)
    return {
        "title": title,
        "language": language,
        "persona": words["persona"].format(title=title),
        "refusal": words["refusal"],
        "disclaimer": words["disclaimer"],
        "sample_questions": list(dict.fromkeys(short[::step]))[:SAMPLES],
    }


def _read_rows(source: Path) -> list[dict[str, Any]]:
    """The objects of a JSON array or of JSON lines; lines that are none are left to the import to report."""
    if source.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{source} is neither a folder nor a .json or .jsonl file.", "Give one of these with --from.")
    if source.stat().st_size > MOST_BYTES:
        raise UsageError(f"{source} is larger than {MOST_BYTES // 2**20} MiB.", "Give a part of it.")
    try:
        text = source.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{source} is not UTF-8 (byte {error.start}).", "Save it as UTF-8.") from error
    found = _loads(text)
    if isinstance(found, dict) and len(found) == 1 and isinstance(next(iter(found.values())), list):
        found = next(iter(found.values())) if not set(found) & set(_TURNS) else [found]
    if found is None:
        found = [_loads(line) for line in text.split("\n") if line.strip()]
    return [row for row in (found if isinstance(found, list) else [found]) if isinstance(row, dict)]


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _pair(row: dict[str, Any]) -> tuple[str, str] | None:
    """Question and answer of a row, the first turns of a conversation; None where either is empty."""
    for name, (role, text) in _TURNS.items():
        if isinstance(row.get(name), list):
            turns = [turn for turn in row[name] if isinstance(turn, dict)]
            row = {
                "question": _said(turns, role, text, "user", "human"),
                "answer": _said(turns, role, text, "assistant", "gpt"),
            }
    question = next((row[name].strip() for name in _QUESTIONS if isinstance(row.get(name), str)), "")
    answer = next((row[name].strip() for name in _ANSWERS if isinstance(row.get(name), str)), "")
    return (question, answer) if question and answer else None


def _said(turns: list[dict[str, Any]], role: str, text: str, *roles: str) -> str:
    return next((str(turn.get(text, "")) for turn in turns if turn.get(role) in roles), "")
