"""What people thought of answers, kept as candidates for gold questions; never a training row by itself.

    append_feedback(feedback_path(build_folder), rate(answer, asked="2026-11-21T10:15:00", good=True))
    gold_line(read_feedback(path)[0])          # a line for the pack's questions.jsonl, to be checked by a person

An append-only file of JSON lines; the last line about an answer counts, so a rating can be changed or taken back.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from assistant.answer import Answer
from retrieval.errors import storage_errors

FILE = "feedback.jsonl"
MOST_READ = 5_000  # lines from the end: more than anybody reviews


@dataclass(frozen=True, slots=True)
class Feedback:
    """One rating of one answer. `good` is None where it was taken back; `searched` is the question as one that stands alone."""

    id: str
    question: str
    searched: str
    good: bool | None
    sections: tuple[str, ...]
    abstained: bool
    backend: str
    model: str
    adapter: str
    asked: str


def feedback_path(build: Path) -> Path:
    return build / FILE


def rate(answer: Answer, asked: str, good: bool | None) -> Feedback:
    """A rating of an answer; its sections are those that the answer cites and that bear it out."""
    sections = tuple(dict.fromkeys(c.section for c in answer.citations if c.supported))
    about = "\n".join((answer.question, answer.backend, answer.model, asked))
    name = hashlib.sha256(about.encode("utf-8", "replace")).hexdigest()[:12]
    return Feedback(
        name, answer.question, answer.searched, good, sections, answer.abstained,
        answer.backend, answer.model, answer.adapter, asked,
    )  # fmt: skip


def append_feedback(path: Path, feedback: Feedback) -> None:
    """Add a line; one that was cut off before is ended first. Raises `StorageError`."""
    line = (json.dumps(asdict(feedback), ensure_ascii=False) + "\n").encode("utf-8", "replace")
    with storage_errors(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def read_feedback(path: Path) -> list[Feedback]:
    """The ratings that stand, newest first; lines that cannot be read are left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[-MOST_READ:]
    found = {feedback.id: feedback for line in lines if (feedback := _read_line(line))}
    standing = [feedback for feedback in found.values() if feedback.good is not None]
    return sorted(standing, key=lambda feedback: feedback.asked, reverse=True)


def gold_line(feedback: Feedback) -> str:
    """A line for `questions.jsonl`.

    Where the answer was bad its sections are not believed: `relevant` is empty, and the pack's check refuses the line until a
    person has filled it.
    """
    row = {
        "id": f"f-{feedback.id}",
        "question": feedback.searched or feedback.question,
        "kind": "near_miss" if feedback.abstained and feedback.good else "direct",
        "relevant": list(feedback.sections) if feedback.good else [],
        "split": "test",
    }
    return json.dumps(row, ensure_ascii=False)


def share_liked(feedback: Sequence[Feedback]) -> float:
    """The share of good ratings; 0 where there is none."""
    return sum(one.good is True for one in feedback) / len(feedback) if feedback else 0.0


def _read_line(line: str) -> Feedback | None:
    try:
        stored = json.loads(line)
        feedback = Feedback(**{**stored, "sections": tuple(map(str, stored["sections"]))})
    except (ValueError, TypeError, KeyError):
        return None
    texts = (feedback.id, feedback.question, feedback.searched, feedback.asked)
    return feedback if all(isinstance(text, str) for text in texts) else None
