"""Front matter: the fields between two fence lines at the very start of a file, in YAML (`---`) or TOML (`+++`).

    read_front_matter("---\\ntitle: Ruda\\n---\\nEs amarga.")     # ({"title": "Ruda"}, 20, [])

What cannot be read costs a warning, never the run: files come from anywhere, and YAML can be written to exhaust a machine.
"""

import re
import tomllib
from typing import Any

import yaml

from retrieval.text import strip_invisible

MAX_FRONT_MATTER = 65_536  # characters; longer ones are data, not metadata, and a cost to every load
MAX_FIELD_VALUES = 200  # values kept of one front-matter list
MAX_DEPTH = 20  # levels of nesting; the C loader recurses without a check and crashes the process at some thousand
MAX_MERGED_ALIASES = 32  # aliases where merge keys (<<) stand: each level of them multiplies, 50 would take minutes

FieldValue = str | tuple[str, ...]

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n|\Z)")
_YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_FENCES = {"---": ("---", "..."), "+++": ("+++",)}


def read_front_matter(text: str) -> tuple[dict[str, FieldValue], int, list[str]]:
    """Fields, the offset where the body starts, and warnings. The fence must be the whole first line."""
    first = _LINE.match(text)
    assert first is not None
    fence = first.group().rstrip()
    if fence not in _FENCES or first.end() == len(text):
        return {}, 0, []
    position = first.end()
    while position < len(text):
        line = _LINE.match(text, position)
        assert line is not None
        if line.group().rstrip() in _FENCES[fence]:
            return _parse_fields(text[first.end() : position], fence, line.end())
        position = line.end()
        if position > MAX_FRONT_MATTER:
            return {}, 0, [f"front matter is not closed within {MAX_FRONT_MATTER:,} characters; read as text"]
    return {}, 0, ["front matter is opened on line 1 and never closed; read as text"]


def _parse_fields(source: str, fence: str, body_start: int) -> tuple[dict[str, FieldValue], int, list[str]]:
    try:
        loaded = tomllib.loads(source) if fence == "+++" else load_yaml(source)
        fields = (
            {_scalar(name): _field_value(value) for name, value in loaded.items()} if isinstance(loaded, dict) else {}
        )
    except (yaml.YAMLError, tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 2}" if mark is not None else ""
        return {}, body_start, [f"front matter could not be read{where} and was skipped"]
    if loaded is None:
        return {}, body_start, []
    if not isinstance(loaded, dict):
        return {}, 0, ["front matter is no mapping of fields; read as text"]
    return {name: value for name, value in fields.items() if value not in ("", ())}, body_start, []


def load_yaml(source: str) -> Any:
    """Load YAML from anywhere, after a look at its events (half as much time again). Raises `yaml.YAMLError`."""
    depth = aliases = merges = 0
    for event in yaml.parse(source, Loader=_YAML_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        merges += isinstance(event, yaml.ScalarEvent) and event.value == "<<"
        if depth > MAX_DEPTH or (merges and aliases > MAX_MERGED_ALIASES):
            raise yaml.YAMLError("nested too deep, or too many merge keys")
    return yaml.load(source, Loader=_YAML_LOADER)


def _field_value(value: Any) -> FieldValue:
    """Scalars as text, lists of scalars as tuples; anything nested is dropped (it cannot be filtered by)."""
    if isinstance(value, list):
        scalars = [_scalar(item) for item in value[:MAX_FIELD_VALUES] if not isinstance(item, list | dict)]
        return tuple(text for text in scalars if text)
    if isinstance(value, dict) or value is None:
        return ""
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value).encode("utf-8", "replace").decode()  # YAML escapes can spell half a surrogate pair
    return strip_invisible(text).strip()
