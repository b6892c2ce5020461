"""A model's text as checked values: the shapes that are asked for, and a reader that trusts nothing.

parse_output('```json\\n{"suitable": true, "question": "..."}\\n```', Phrasing)

Size and depth are capped before anything is parsed; nothing in it is ever run or followed.
"""

import json
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from retrieval.text import strip_invisible

LONGEST_OUTPUT = 60_000  # characters; the longest row that training takes is a tenth of it
DEEPEST = 8  # levels of brackets; the shapes below have one
MOST_STARTS = 50  # opening brackets that are tried as the start of the object


class _Output(BaseModel):
    """Every field is asked for, so that servers which hold a model to a schema can hold it to this one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Draft(_Output):
    """A row as the model proposes it; `suitable` is false where its source gives no such question."""

    suitable: bool
    question: str
    reasoning: str
    answer: str


class Phrasing(_Output):
    """A question put in other words."""

    suitable: bool
    question: str


class Verdict(_Output):
    """What a judge finds about a row."""

    grounded: bool
    self_contained: bool
    right_language: bool
    reason: str


Output = TypeVar("Output", bound=BaseModel)


class Unusable(ValueError):
    """A text that is not the object asked for; the message says why, for the journal and for the repair."""


def parse_output(text: str, shape: type[Output]) -> Output:
    """The last object of that shape in a model's text: behind its reasoning, in a code fence. Raises `Unusable`."""
    if len(text) > LONGEST_OUTPUT:
        raise Unusable(f"longer than {LONGEST_OUTPUT} characters")
    found: Output | None = None
    fault = ""
    for value in _find_objects(text):
        try:
            found = shape.model_validate(value)
        except ValidationError as error:
            fault = "; ".join(_fault(entry) for entry in error.errors()[:3])
    if found is None:
        raise Unusable(fault or ("broken JSON" if "{" in text else "no JSON object" if text.strip() else "empty"))
    return found.model_copy(update={name: _clean(value) for name, value in found.model_dump().items()})


def schema_of(shape: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema that a server is given; titles only cost tokens."""
    schema = shape.model_json_schema()
    properties = {
        name: {key: value for key, value in field.items() if key != "title"}
        for name, field in schema["properties"].items()
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _find_objects(text: str) -> Iterator[Any]:
    """Every JSON object that stands in the text for itself."""
    decoder = json.JSONDecoder()
    place = text.find("{")
    for _ in range(MOST_STARTS):
        if place < 0:
            return
        _check_depth(text, place)
        try:
            value, place = decoder.raw_decode(text, place)
            yield value
        except (ValueError, RecursionError):
            place += 1
        place = text.find("{", place)


def _check_depth(text: str, start: int) -> None:
    """Brackets inside strings are text and do not count."""
    depth, quoted, escaped = 0, False, False
    for letter in text[start:]:
        if quoted:
            quoted, escaped = escaped or letter != '"', letter == "\\" and not escaped
        elif letter == '"':
            quoted = True
        elif letter in "{[":
            depth += 1
            if depth > DEEPEST:
                raise Unusable(f"nested deeper than {DEEPEST} levels")
        elif letter in "}]":
            depth -= 1
            if depth <= 0:
                return


def _clean(value: Any) -> Any:
    """Text without half characters, invisible ones and foreign line ends."""
    if not isinstance(value, str):
        return value
    plain = value.encode("utf-8", "ignore").decode("utf-8")
    return strip_invisible(plain.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _fault(fault: Any) -> str:
    place = ".".join(str(part)[:40] for part in fault["loc"])
    return f"{place}: {fault['msg']}" if place else str(fault["msg"])
