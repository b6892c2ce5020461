"""The shapes that ready-made rows come in, each turned into an `Example` or into the reason why not; nothing is guessed.

shape = recognise({"instruction": "...", "response": "..."})          # "instruction"
convert(row, shape, origin="import:notes")                           # Example, or ValueError with the reason
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal, get_args

from assistant.reasoning import ReasoningSplitter
from retrieval.text import strip_invisible
from training.example import Example, make_example

Shape = Literal["example", "messages", "sharegpt", "instruction", "prompt", "question"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
MOST_TEXT = 100_000  # characters of one question or answer: some ten times the longest that a small model is trained on
MOST_TURNS = 200

_ROLES = {
    "system": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant",
    "model": "assistant",
}  # fmt: skip
_PAIRS: dict[str, tuple[str, tuple[str, ...]]] = {
    "instruction": ("instruction", ("response", "output")),
    "prompt": ("prompt", ("completion",)),
    "question": ("question", ("answer",)),
}
_FACTS = ("task", "language", "safety_level", "source", "reasoning", "system")
_TYPES = ("type", "question_type", "topic")  # names that sources have for the kind of a row, the best first
_OWN = frozenset(field.name for field in fields(Example))


def recognise(row: Mapping[str, Any]) -> Shape | None:
    """The shape of a row by the names of its fields; None where none fits."""
    if {"id", "question", "answer"} <= set(row) <= _OWN and {"origin", "sections", "form", "answerable"} & set(row):
        return "example"
    if "messages" in row:
        return "messages"
    if "conversations" in row:
        return "sharegpt"
    for shape, (question, answers) in _PAIRS.items():
        if question in row and any(name in row for name in answers):
            return shape  # type: ignore[return-value]
    return None


def rename(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """A row whose `columns` (field -> column) carry our names. Raises `ValueError` for a column that it has not."""
    missing = sorted(column for column in columns.values() if column not in row)
    if missing:
        raise ValueError(f"has no column {', '.join(missing)}")
    others = {name: value for name, value in row.items() if name not in columns.values() and name not in columns}
    return {**others, **{field: row[column] for field, column in columns.items()}}


def convert(row: Mapping[str, Any], shape: Shape, origin: str, task: str = "") -> Example:
    """The example that a row is. Raises `ValueError` with the reason why it is none."""
    if shape == "example":
        return _own(row, origin)
    if shape in ("messages", "sharegpt"):
        question, answer, more = _from_turns(_turns(row, shape))
    else:
        question, answer, more = _from_pair(row, shape)
    found = {**_facts(row), **{name: value for name, value in more.items() if value}}
    if task and not found.get("task"):
        found["task"] = task
    return make_example(question, answer, origin=origin, **found)


def _own(row: Mapping[str, Any], origin: str) -> Example:
    rest = {name: value for name, value in row.items() if name not in ("id", "question", "answer", "origin")}
    for name in ("history", "sections", "parents"):
        if not isinstance(rest.get(name, []), list):
            raise ValueError(f"{name} is no list")
    return make_example(text_of(row, "question"), text_of(row, "answer"), origin=origin, **rest)


def _from_pair(row: Mapping[str, Any], shape: Shape) -> tuple[str, str, dict[str, Any]]:
    question, answers = _PAIRS[shape]
    asked = text_of(row, question)
    if shape == "instruction" and row.get("input"):
        asked = f"{asked}\n\n{text_of(row, 'input')}"
    name = next((name for name in answers if name in row), answers[0])
    reasoning, answer = split_reasoning(text_of(row, name))
    if not answer:
        raise ValueError(f"{name} holds reasoning but no answer")
    return asked, answer, {"reasoning": reasoning}


def _turns(row: Mapping[str, Any], shape: Shape) -> list[tuple[str, str]]:
    """(role, text) turns with our names for the roles."""
    name, role_key, text_key = (
        ("messages", "role", "content") if shape == "messages" else ("conversations", "from", "value")
    )
    turns = row.get(name)
    if not isinstance(turns, Sequence) or isinstance(turns, str) or not turns:
        raise ValueError(f"{name} is {'missing' if turns is None else 'no list of turns'}")
    if len(turns) > MOST_TURNS:
        raise ValueError(f"{name} holds {len(turns)} turns, more than {MOST_TURNS}")
    found = []
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, Mapping):
            raise ValueError(f"turn {number} of {name} is no object")
        role = _ROLES.get(str(turn.get(role_key)).lower())
        if role is None:
            raise ValueError(f"turn {number} has the role {str(turn.get(role_key))[:40]!r}, not one of a conversation")
        found.append((role, text_of(turn, text_key, f"turn {number} ({role})")))
    return found


def _from_turns(turns: list[tuple[str, str]]) -> tuple[str, str, dict[str, Any]]:
    """The last assistant turn is the answer, the user turn before it the question, all before them the history."""
    systems = [text for role, text in turns if role == "system"]
    talk = [(role, text) for role, text in turns if role != "system"]
    while talk and talk[-1][0] == "user":
        talk.pop()  # a question that nobody answered teaches nothing
    if len(systems) > 1 or (systems and turns[0][0] != "system"):
        raise ValueError("a system turn stands elsewhere than at the start")
    wanted = ["user", "assistant"] * (len(talk) // 2)
    if not talk or [role for role, _ in talk] != wanted:
        raise ValueError("user and assistant do not take turns" if talk else "no assistant turn")
    reasoning, answer = split_reasoning(talk[-1][1])
    if not answer:
        raise ValueError("the last assistant turn holds no answer")
    history = [(role, split_reasoning(text)[1] if role == "assistant" else text) for role, text in talk[:-2]]
    return talk[-2][1], answer, {"reasoning": reasoning, "history": history, "system": "".join(systems)}


def split_reasoning(text: str) -> tuple[str, str]:
    """(reasoning, answer) of an assistant's text, whatever tag it uses.

    >>> split_reasoning("<pensamiento>Veo.</pensamiento>Sí.")
    ('Veo.', 'Sí.')
    """
    splitter = ReasoningSplitter()
    pieces = [*splitter.feed(text), *splitter.finish()]
    reasoning = "".join(piece.text for piece in pieces if piece.kind == "reasoning")
    return reasoning.strip(), "".join(piece.text for piece in pieces if piece.kind == "answer").strip()


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says about itself; a fact that is no text is left out, since it is not what is taught."""
    metadata = row.get("metadata")
    known = {**(metadata if isinstance(metadata, Mapping) else {}), **row}
    facts: dict[str, Any] = {name: known[name].strip() for name in _FACTS if isinstance(known.get(name), str)}
    facts["type"] = next((known[name].strip() for name in _TYPES if isinstance(known.get(name), str)), "")
    focus, sections = known.get("focus"), known.get("source_sections")
    if isinstance(focus, str) and focus.strip():
        facts["parents"] = [f"focus:{focus.strip()}"]  # questions on one subject stay in one part of the split
    if isinstance(sections, list):
        facts["sections"] = sections
    return {name: value for name, value in facts.items() if value}


def text_of(row: Mapping[str, Any], name: str, called: str = "") -> str:
    """A field's text with plain line ends and without invisible characters. Raises `ValueError` when it holds none."""
    value, called = row.get(name), called or name
    if value is None:
        raise ValueError(f"{called} is missing")
    if not isinstance(value, str):
        raise ValueError(f"{called} is a {type(value).__name__}, no text")
    if len(value) > MOST_TEXT:
        raise ValueError(f"{called} is longer than {MOST_TEXT} characters")
    text = strip_invisible(value.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not text:
        raise ValueError(f"{called} is empty")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{called} holds half a character") from None
    return text
