"""Markdown files as documents with sections whose character spans quote the file exactly.

    document = parse_document("plantas/sabila.md", text)
    document.sections[0].id                       # "plantas/sabila#top"
    text[section.start:section.end]               # the section's body, without its heading

Only block structure is parsed (markdown-it-py with line maps): inline content is never rewritten, so spans stay exact.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from retrieval.front_matter import FieldValue, read_front_matter
from retrieval.text import slugify, strip_invisible

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n|\Z)")  # the line ends that markdown-it counts
_TAG = re.compile(r"<[^>\n]{0,200}>")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_HEADING_ATTRIBUTES = re.compile(r"\s*\{[#.][^{}]*\}\s*$")
_EMPHASIS = re.compile(r"(\*{1,3}|`+|(?<!\w)_{1,3}|_{1,3}(?!\w))")


@dataclass(frozen=True, slots=True)
class Block:
    """One top-level Markdown block of a section: `kind` is markdown-it's token type without `_open`."""

    kind: str
    start: int
    end: int
    items: tuple[tuple[int, int], ...] = ()  # spans of list items, if it is a list
    info: str = ""  # a code fence's info string
    fences: tuple[tuple[int, int], ...] = ()  # spans of the code fences in it, its own if it is one


@dataclass(frozen=True, slots=True)
class Section:
    """One heading's text: `id` is the document's id, `#`, and the slugs of the headings below the title."""

    id: str
    heading_path: tuple[str, ...]
    start: int
    end: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file. `text` is the decoded file (without a byte order mark); all spans are offsets into it."""

    id: str
    path: str
    title: str
    text: str
    hash: str
    fields: dict[str, FieldValue]
    sections: tuple[Section, ...]
    warnings: tuple[str, ...] = field(default=())

    @property
    def type(self) -> str:
        """The first folder of its path: `plantas` for `plantas/sabila.md`, empty at the top."""
        return self.path.split("/", 1)[0] if "/" in self.path else ""


class UnreadableText(ValueError):
    """A file that is no text; the message is the reason shown to the user."""


def decode_text(data: bytes) -> str:
    """Decode UTF-8 (with or without byte order mark) or UTF-16 with one; raise `UnreadableText` for anything else."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise UnreadableText(f"broken UTF-16 at byte {error.start}") from error
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UnreadableText(
                f"not UTF-8 (byte 0x{data[error.start]:02x} at {error.start}); "
                "convert it, for example with iconv -f WINDOWS-1252 -t UTF-8"
            ) from error
    if "\x00" in text:
        raise UnreadableText(f"binary content (a NUL character at {text.index(chr(0))})")
    return text


def document_id(path: str) -> str:
    """The path inside the corpus; `.md` is dropped, any other suffix stays so that two files never share an id."""
    return path.removesuffix(".md")


def parse_document(path: str, text: str) -> Document:
    """Parse decoded text. Never raises on hostile Markdown: what could not be read becomes a warning.

    >>> parse_document("a/b.md", "# Title\\n\\nIntro.\\n\\n## Uses\\n\\nTea.").sections[1].id
    'a/b#uses'
    """
    fields, body_start, warnings = read_front_matter(text)
    lines = _line_offsets(text)
    first_line = lines.index(body_start) if body_start < len(text) else len(lines) - 1
    try:
        tokens = _parser().parse(text[body_start:])
    except (RecursionError, ValueError, IndexError) as error:  # a parser fault must cost one document's structure only
        warnings.append(f"Markdown could not be parsed ({type(error).__name__}); indexed as plain text")
        tokens = []
    identity = document_id(path)
    headings, blocks = _read_tokens(tokens, lines, first_line, text)
    if not tokens and text[body_start:].strip():
        blocks = [Block("paragraph", body_start, len(text))]
    title = _title(fields, headings, path)
    sections = _build_sections(identity, headings, blocks, body_start, len(text))
    digest = hashlib.sha256(f"{path}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()
    return Document(identity, path, title, text, digest, fields, tuple(sections), tuple(warnings))


def clean_heading(raw: str) -> str:
    """A heading as a reader sees it: no anchors, emphasis marks, links' targets or `{#id}` attributes."""
    text = _TAG.sub("", raw)
    text = _HEADING_ATTRIBUTES.sub("", text)
    text = _LINK.sub(r"\1", text)
    return " ".join(strip_invisible(_EMPHASIS.sub("", text)).split())


@dataclass(frozen=True, slots=True)
class _Heading:
    level: int
    text: str
    start: int
    end: int


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": 20}).enable("table")
    return parser.disable(["inline", "text_join"])


def _line_offsets(text: str) -> list[int]:
    """Offset of each line's first character, with the text's length at the end."""
    offsets = [match.start() for match in _LINE.finditer(text) if match.end() > match.start()]
    return [*offsets, len(text)]


def _read_tokens(
    tokens: list[Token], lines: list[int], first_line: int, text: str
) -> tuple[list[_Heading], list[Block]]:
    headings: list[_Heading] = []
    blocks: list[Block] = []
    last = len(lines) - 1

    def offset(line: int) -> int:
        return lines[min(first_line + line, last)]

    for position, token in enumerate(tokens):
        if token.map is None:
            continue
        start, end = offset(token.map[0]), offset(token.map[1])
        if token.level == 0:
            if token.type == "heading_open":
                inline = tokens[position + 1].content
                headings.append(_Heading(int(token.tag[1]), clean_heading(inline), start, end))
            else:
                kind = token.type.removesuffix("_open")
                items = _list_items(tokens, position, offset) if kind in ("bullet_list", "ordered_list") else ()
                fences = ((start, end),) if kind == "fence" else _fences(tokens, position, offset)
                blocks.append(Block(kind, start, end, items, token.info.strip(), fences))
    return headings, blocks


def _list_items(tokens: list[Token], position: int, offset: Any) -> tuple[tuple[int, int], ...]:
    inside = _inside(tokens, position)
    return tuple(
        (offset(token.map[0]), offset(token.map[1]))
        for token in inside
        if token.type == "list_item_open" and token.level == 1 and token.map is not None
    )


def _fences(tokens: list[Token], position: int, offset: Any) -> tuple[tuple[int, int], ...]:
    inside = _inside(tokens, position)
    return tuple((offset(t.map[0]), offset(t.map[1])) for t in inside if t.type == "fence" and t.map is not None)


def _inside(tokens: list[Token], position: int) -> Iterator[Token]:
    """The tokens between the opening token at `position` and its closing one."""
    if tokens[position].nesting != 1:
        return
    for number in range(position + 1, len(tokens)):
        if tokens[number].level == 0:
            return
        yield tokens[number]


def _title(fields: dict[str, FieldValue], headings: list[_Heading], path: str) -> str:
    given = fields.get("title", "")
    if isinstance(given, str) and given.strip():
        return " ".join(given.split())
    for heading in headings:
        if heading.level == 1 and heading.text:
            return heading.text
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _build_sections(
    identity: str, headings: list[_Heading], blocks: list[Block], body_start: int, body_end: int
) -> list[Section]:
    """Cut the body at its headings; a leading level-1 heading is the title and stays out of the paths."""
    sections: list[Section] = []
    used: dict[str, int] = {}
    stack: list[_Heading] = []
    starts = [(body_start, None), *((heading.end, heading) for heading in headings)]
    ends = [*(heading.start for heading in headings), body_end]
    title_heading = headings[0] if headings and headings[0].level == 1 else None
    remaining = iter(blocks)
    block = next(remaining, None)
    for (start, heading), end in zip(starts, ends, strict=True):
        if heading is not None and heading is not title_heading:
            stack = [above for above in stack if above.level < heading.level]
            stack.append(heading)
        own = []
        while block is not None and block.start < end:
            own.append(block)
            block = next(remaining, None)
        if heading is None and not own and headings:
            continue  # nothing stands before the first heading
        path = tuple(above.text for above in stack)
        slugs = "/".join(slugify(text) or "section" for text in path) or "top"
        sections.append(Section(_unique(f"{identity}#{slugs}", used), path, start, end, tuple(own)))
    return sections


def _unique(section_id: str, used: dict[str, int]) -> str:
    used[section_id] = used.get(section_id, 0) + 1
    if used[section_id] == 1:
        return section_id
    return _unique(f"{section_id}-{used[section_id]}", used)
