"""The rows that a run learns from: read from the export, or from any file or folder of another layout.

data = read_training_data(config, domain, build_layout)
data.train[0].messages, data.sha256
"""

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from assistant.prompts import build_messages
from retrieval.domain import Domain
from retrieval.errors import DataError
from retrieval.text import fold_accents
from training.config import TrainingConfig
from training.data_preparation.chat_rows import messages_of
from training.data_preparation.formats import convert, recognise
from training.data_preparation.raw_rows import RawRow, read_raw_rows
from training.example import Example
from training.layout import BuildLayout

MOST_FAULTS_SHOWN: Final = 3
VALIDATION_PART: Final = (
    8  # of `max_samples` training rows, one validation row for so many: as the default split has it
)
_FACTS: Final = ("task", "type", "safety_level", "source")  # kept of rows that are not our own
_VALIDATION: Final = ("validation", "val", "valid", "dev", "eval")
_LABELS: Final = ("Pregunta: ", "Question: ")  # what stands before the question when passages come first


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One conversation that ends with the answer to learn."""

    id: str
    messages: tuple[dict[str, str], ...]
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def question(self) -> str:
        """What is asked, with the questions before it, without passages: tells whether two rows ask the same."""
        turns = [message["content"] for message in self.messages if message["role"] == "user"]
        return "\n".join(_without_passages(turn) for turn in turns)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """`sha256` covers ids and texts of both parts; `source` says where they came from."""

    train: tuple[TrainingRow, ...]
    validation: tuple[TrainingRow, ...]
    source: str
    sha256: str
    held_out: bool = False  # the validation rows were taken from the training file


def read_training_data(config: TrainingConfig, domain: Domain | None, layout: BuildLayout | None) -> TrainingData:
    """The rows that a recipe names; without any, the domain's export. Raises `DataError`."""
    train_path, validation_path = _paths(config, layout)
    train = read_rows_of(train_path, domain)
    held_out = validation_path is None
    if validation_path is not None:
        validation = read_rows_of(validation_path, domain)
    else:
        train, validation = hold_out(train, max(config.dataset.ratios[1], 0.0) or 0.1, config.seed)
    if config.max_samples:
        train = _sample(train, config.max_samples, config.seed)
        validation = _sample(validation, -(-config.max_samples // VALIDATION_PART), config.seed)
    return TrainingData(
        tuple(train), tuple(validation), str(train_path), hash_rows([*train, *validation]), held_out=held_out
    )


def read_rows_of(path: Path, domain: Domain | None) -> list[TrainingRow]:
    """Rows of one file. Raises `DataError` for a missing or empty file, and for rows of no known layout."""
    rows: list[TrainingRow] = []
    faults: list[str] = []
    for raw in read_raw_rows(str(path)):
        try:
            rows.append(_read_row(raw, domain))
        except ValueError as error:
            faults.append(f"row {raw.number}: {error}")
    if faults:
        more = f" (and {len(faults) - MOST_FAULTS_SHOWN} more)" if len(faults) > MOST_FAULTS_SHOWN else ""
        raise DataError(
            f"{path} holds rows that cannot be learned from: {'; '.join(faults[:MOST_FAULTS_SHOWN])}{more}.",
            "Rows need messages, or instruction and response, prompt and completion, question and answer; savia dataset "
            "import sorts out the rest.",
        )
    if not rows:
        raise DataError(f"{path} holds no rows.", "Run savia dataset build, or give another file.")
    return rows


def hold_out(rows: Sequence[TrainingRow], share: float, seed: int) -> tuple[list[TrainingRow], list[TrainingRow]]:
    """Training and validation rows of one file: by the hash of the question, so that one question never stands in both."""

    def place(row: TrainingRow) -> float:
        digest = hashlib.sha256(f"{seed}\n{normalise(row.question)}".encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8]) / 2**64

    validation = [row for row in rows if place(row) < share]
    if not validation and len(rows) > 1:  # a handful of rows: the one nearest to the border
        nearest = normalise(min(rows, key=place).question)
        validation = [row for row in rows if normalise(row.question) == nearest]
    held = {id(row) for row in validation}
    return [row for row in rows if id(row) not in held], validation


def normalise(question: str) -> str:
    """A question as compared: no case, accents, punctuation or spacing."""
    return " ".join("".join(sign if sign.isalnum() else " " for sign in fold_accents(question).casefold()).split())


def hash_rows(rows: Iterable[TrainingRow]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([row.id, row.messages], ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _paths(config: TrainingConfig, layout: BuildLayout | None) -> tuple[Path, Path | None]:
    if config.dataset_path is not None:
        return _paths_in(config.dataset_path)
    if config.train_data is not None:
        return config.train_data, config.validation_data
    if layout is None:
        raise DataError("No training data are named.", "Give --train-data FILE, or --domain NAME.")
    train, validation = layout.exported("train"), layout.exported("validation")
    if not train.is_file():
        raise DataError(
            f"There is no data set of this domain at {train}.",
            f"Make one with savia dataset build --domain {config.domain}, or give --train-data FILE.",
        )
    return train, validation if validation.is_file() and validation.stat().st_size else None


def _paths_in(path: Path) -> tuple[Path, Path | None]:
    if not path.is_dir() or (path / "dataset_info.json").is_file():
        return path, None
    entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    train = next((entry for entry in entries if entry.name.partition(".")[0] == "train"), None)
    if train is None:
        raise DataError(f"{path} holds no train file.", "Name it train.jsonl, or give --train-data FILE.")
    validation = next((entry for entry in entries if entry.name.partition(".")[0] in _VALIDATION), None)
    return train, validation


def _read_row(raw: RawRow, domain: Domain | None) -> TrainingRow:
    if raw.fault:
        raise ValueError(raw.fault)
    shape = recognise(raw.value)
    if shape is None:
        raise ValueError(f"its columns are {', '.join(map(str, raw.value)) or 'none'}")
    if shape == "messages" and _is_plain(raw.value["messages"]):
        messages = tuple({"role": turn["role"], "content": _content(turn)} for turn in raw.value["messages"])
    elif "history" in raw.value and "metadata" in raw.value:
        messages = tuple({"role": turn["role"], "content": _content(turn)} for turn in messages_of(raw.value))
    else:
        messages = _as_messages(convert(raw.value, shape, origin="file"), domain)
    metadata = raw.value.get("metadata")
    identity = raw.value.get("id") or hashlib.sha256(json.dumps(messages).encode()).hexdigest()[:16]
    if not isinstance(metadata, dict):
        metadata = {name: raw.value[name] for name in _FACTS if isinstance(raw.value.get(name), str)}
    return TrainingRow(str(identity), messages, metadata)


def _content(turn: dict[str, Any]) -> str:
    """A turn's text, with reasoning that stands in a field of its own put where the chat template expects it."""
    reasoning = turn.get("reasoning_content")
    content = str(turn["content"])
    return f"<think>\n{reasoning}\n</think>\n\n{content}" if reasoning and "</think>" not in content else content


def _is_plain(messages: Any) -> bool:
    """Our own layout: known roles, texts, an answer last. Anything else goes through the importer."""
    return (
        isinstance(messages, list)
        and len(messages) > 1
        and all(
            isinstance(turn, dict)
            and turn.get("role") in ("system", "user", "assistant")
            and isinstance(turn.get("content"), str)
            and turn["content"].strip()
            for turn in messages
        )
        and messages[-1]["role"] == "assistant"
        and messages[-2]["role"] == "user"
    )


def _as_messages(example: Example, domain: Domain | None) -> tuple[dict[str, str], ...]:
    """A pair of texts as the conversation that is served: the domain's own prompt, unless the row brings a system prompt."""
    answer = f"<think>\n{example.reasoning}\n</think>\n\n{example.answer}" if example.reasoning else example.answer
    if domain is not None and not example.system:
        prompt = build_messages(domain.config, example.question, (), list(example.history))
        turns = [(message.role, message.content) for message in prompt]
    else:
        system = [("system", example.system)] if example.system else []
        turns = [*system, *example.history, ("user", example.question)]  # type: ignore[list-item]
    return tuple({"role": role, "content": content} for role, content in (*turns, ("assistant", answer)))


def _without_passages(content: str) -> str:
    if "</passage>" in content:
        content = content.rpartition("</passage>")[2].strip()
    for label in _LABELS:
        content = content.removeprefix(label)
    return content


def _sample(rows: list[TrainingRow], count: int, seed: int) -> list[TrainingRow]:
    """At most `count` rows, drawn once, in their own order."""
    if len(rows) <= count:
        return rows
    chosen = sorted(random.Random(seed).sample(range(len(rows)), count))
    return [rows[place] for place in chosen]
