"""Sections cut into passages: at most N tokens, quoted by exact span, tables and code kept readable.

    passages = split_document(document, counter, cap=256)
    document.text[passage.start:passage.end] == passage.text

A passage is a run of *atoms* (a block that fits, else its sentences, list items, table rows or code lines). An atom inside
a table or a code fence knows what must stand before and after it (`lead`: the table's header or the opening fence;
`tail`: the closing fence) when a passage begins or ends there. Cost is linear in the text's length.
"""

import hashlib
import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from retrieval.documents import Block, Document, Section
from retrieval.fences import Marks, closes, line_spans, read_marks
from retrieval.sentences import sentence_spans

SPLITTER_VERSION = 1  # raise when the same text gives other passages: indexes are then built anew
MAX_CONTEXT = 64  # tokens of title and headings; more would leave too little room for the passage's own text
LEAST_BUDGET = 32  # tokens of own text that a passage may always hold; a cap below twice this is refused
SPECIAL_TOKENS = 4  # what a tokenizer adds around a text ([CLS], [SEP]), with a reserve


class TokenCounter(Protocol):
    """The embedder's own tokenizer, reduced to what cutting needs."""

    additive: bool
    """Whether tokens never cross white space, so that the count of a text is the sum over its words."""

    def token_starts(self, texts: Sequence[str]) -> list[list[int]]:
        """For each text the character offset of each token, ascending, without special tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Passage:
    """The retrieval unit. `text` is the file's own text; `context`, `lead` and `tail` are embedded with it, not quoted."""

    id: str
    document_id: str
    section_id: str
    ordinal: int
    start: int
    end: int
    text: str
    context: str
    lead: str = ""
    tail: str = ""

    @property
    def embedded_text(self) -> str:
        return f"{self.context}\n{self.lead}{self.text}{self.tail}"


@dataclass(frozen=True, slots=True)
class _Atom:
    start: int
    end: int
    lead: str = ""
    tail: str = ""
    within: str = ""  # what stands before a piece that begins in the middle of the atom, if not the lead


def split_documents(documents: Sequence[Document], counter: TokenCounter, cap: int) -> list[list[Passage]]:
    """Passages of each document; tokenizes all of them in one call (the tokenizer works in parallel)."""
    if cap < 2 * LEAST_BUDGET + SPECIAL_TOKENS:
        raise ValueError(f"a cap of {cap} tokens is too small; use {2 * LEAST_BUDGET + SPECIAL_TOKENS} or more")
    starts = counter.token_starts([document.text for document in documents])
    return [_Splitter(document, found, counter, cap).split() for document, found in zip(documents, starts, strict=True)]


def split_document(document: Document, counter: TokenCounter, cap: int) -> list[Passage]:
    return split_documents([document], counter, cap)[0]


def count_tokens(text: str, counter: TokenCounter) -> int:
    return len(counter.token_starts([text])[0])


class _Splitter:
    """Cuts one document; holds the token offsets of its text so that any span is counted by bisection."""

    def __init__(self, document: Document, starts: list[int], counter: TokenCounter, cap: int) -> None:
        self.document = document
        self.text = document.text
        self.starts = starts
        self.counter = counter
        self.cap = cap
        self._extras: dict[str, int] = {"": 0}
        self._context_starts: dict[str, list[int]] = {}

    def split(self) -> list[Passage]:
        contexts = [self._heading_line(section) for section in self.document.sections]
        self._context_starts = dict(zip(contexts, self.counter.token_starts(contexts), strict=True))
        passages: list[Passage] = []
        for section in self.document.sections:
            passages.extend(self._split_section(section))
        return passages

    def _count(self, start: int, end: int) -> int:
        return bisect_left(self.starts, end) - bisect_left(self.starts, start)

    def _extra(self, part: str) -> int:
        """Tokens of a lead or tail; the same few stand at every line of a table or fence, so each is counted once."""
        if part not in self._extras:
            self._extras[part] = count_tokens(part, self.counter)
        return self._extras[part]

    def _split_section(self, section: Section) -> Iterator[Passage]:
        if not self.text[section.start : section.end].strip():
            return
        context, used = self._context(section)
        budget = self.cap - SPECIAL_TOKENS - used
        atoms = [
            atom
            for start, end, block in _covering(section, self.text)
            for atom in self._atoms(start, end, block, budget)
            if not self.text[atom.start : atom.end].isspace()
        ]
        for ordinal, run in enumerate(self._pack(atoms, budget)):
            yield self._passage(section, ordinal, context, run)

    def _heading_line(self, section: Section) -> str:
        return " › ".join([self.document.title, *section.heading_path])

    def _context(self, section: Section) -> tuple[str, int]:
        """Title and headings as one line, and its token count; long ones lose their last words."""
        context = self._heading_line(section)
        starts = self._context_starts[context]
        most = min(MAX_CONTEXT, self.cap - SPECIAL_TOKENS - LEAST_BUDGET)
        if len(starts) > most:
            context = context[: starts[most]].rstrip()
            return context, count_tokens(context, self.counter)
        return context, len(starts)

    def _atoms(self, start: int, end: int, block: Block | None, budget: int) -> list[_Atom]:
        if self._count(start, end) <= budget:
            return [_Atom(start, end)]
        kind = block.kind if block else "paragraph"
        if kind in ("bullet_list", "ordered_list") and block and len(block.items) > 1:
            return self._list_atoms(block, budget)
        if kind == "table":
            atoms = self._table_atoms(start, end, budget)
        elif kind in ("paragraph", "html_block"):
            atoms = [_Atom(start + a, start + b) for a, b in sentence_spans(self.text[start:end])]
        else:
            atoms = self._line_atoms(start, end, block, budget)
        return [piece for atom in atoms for piece in self._fit(atom, budget)]

    def _list_atoms(self, block: Block, budget: int) -> list[_Atom]:
        ends = [*(start for start, _ in block.items[1:]), block.end]
        atoms: list[_Atom] = []
        for (start, _), end in zip(block.items, ends, strict=True):
            atoms.extend(self._atoms(start, end, Block("list_item", start, end, fences=block.fences), budget))
        return atoms

    def _table_atoms(self, start: int, end: int, budget: int) -> list[_Atom]:
        lines = list(line_spans(self.text, start, end))
        header = self.text[start : lines[1][1]] if len(lines) > 2 else ""
        if not header or count_tokens(header, self.counter) > budget // 3:
            header = ""  # a header that would fill the passages is worth less than the rows
        first = _Atom(start, lines[min(2, len(lines) - 1)][1])
        return [first, *(_Atom(a, b, header) for a, b in lines[3:])]

    def _line_atoms(self, start: int, end: int, block: Block | None, budget: int) -> list[_Atom]:
        """Lines; those of a code fence carry the fence marks that keep a passage of them closed."""
        atoms: list[_Atom] = []
        position = start
        for fence_start, fence_end in block.fences if block else ():
            if start <= fence_start and fence_end <= end:
                atoms.extend(_Atom(a, b) for a, b in line_spans(self.text, position, fence_start))
                atoms.extend(self._fence_atoms(fence_start, fence_end, budget))
                position = fence_end
        return [*atoms, *(_Atom(a, b) for a, b in line_spans(self.text, position, end))]

    def _fence_atoms(self, start: int, end: int, budget: int) -> list[_Atom]:
        lines = list(line_spans(self.text, start, end))
        marks = self._affordable_marks(start, end, budget)
        if marks is None:
            return [_Atom(a, b) for a, b in lines]
        within = f"{marks.opening}{marks.prefix}"
        atoms = [_Atom(a, b, marks.opening, marks.closing, within) for a, b in lines]
        atoms[0] = _Atom(*lines[0], "", marks.closing, within)
        if len(lines) > 1 and closes(self.text[slice(*lines[-1])], marks):
            atoms[-1] = _Atom(*lines[-1], marks.opening, "", within)
        return atoms

    def _affordable_marks(self, start: int, end: int, budget: int) -> Marks | None:
        """The fence's marks if they leave half of the budget to the code; a mark of a hundred backticks does not."""
        marks = read_marks(self.text, start, end)
        for tried in (marks, marks.without_info()) if marks else ():
            if count_tokens(f"{tried.opening}{tried.prefix}{tried.closing}", self.counter) <= budget // 2:
                return tried
        return None

    def _fit(self, atom: _Atom, budget: int) -> list[_Atom]:
        """An atom that is still too long becomes its sentences, then windows of tokens cut at white space."""
        room = self._room(atom, budget)
        if self._count(atom.start, atom.end) <= room:
            return [atom]
        pieces: list[tuple[int, int]] = []
        for a, b in self._sentences(atom) or [(atom.start, atom.end)]:
            pieces.extend(self._windows(a, b, room))
        (a, b), *rest = pieces
        within = atom.within or atom.lead
        return [_Atom(a, b, atom.lead, atom.tail), *(_Atom(a, b, within, atom.tail) for a, b in rest)]

    def _sentences(self, atom: _Atom) -> list[tuple[int, int]]:
        if atom.tail:
            return []  # code has no sentences
        spans = [(atom.start + a, atom.start + b) for a, b in sentence_spans(self.text[atom.start : atom.end])]
        # The first keeps its indentation: without it a line of code can read as a fence or a heading.
        return [(atom.start, end) if start == spans[0][0] else (start, end) for start, end in spans]

    def _room(self, atom: _Atom, budget: int) -> int:
        extra = self._extra(atom.within or atom.lead) + self._extra(atom.tail)
        return max(LEAST_BUDGET // 2, budget - extra)

    def _windows(self, start: int, end: int, room: int) -> Iterator[tuple[int, int]]:
        while start < end and self._count(start, end) > room:
            cut = self._cut(start, room)
            while cut > start + 1 and count_tokens(self.text[start:cut], self.counter) > room:
                cut = start + (cut - start) * 3 // 4  # a word cut in two can have more tokens than it had whole
            if cut <= start:
                break
            yield start, cut
            start = cut
        # The rest starts inside what was one run of tokens: count it on its own.
        if start < end and count_tokens(self.text[start:end], self.counter) > room and end - start > 1:
            middle = start + (end - start) // 2
            yield from self._windows_by_half(start, middle, room)
            yield from self._windows_by_half(middle, end, room)
        elif start < end:
            yield start, end

    def _windows_by_half(self, start: int, end: int, room: int) -> Iterator[tuple[int, int]]:
        if count_tokens(self.text[start:end], self.counter) <= room or end - start <= 1:
            yield start, end
            return
        middle = start + (end - start) // 2
        yield from self._windows_by_half(start, middle, room)
        yield from self._windows_by_half(middle, end, room)

    def _cut(self, start: int, room: int) -> int:
        """The last token start after white space in the final third of the window, else the last token start."""
        first = bisect_left(self.starts, start)
        last = min(first + room, len(self.starts) - 1)
        for index in range(last, first + room * 2 // 3, -1):
            if self.text[self.starts[index] - 1].isspace():
                return self.starts[index]
        return self.starts[last]

    def _pack(self, atoms: list[_Atom], budget: int) -> Iterator[tuple[_Atom, _Atom]]:
        """Runs of atoms of about equal size, each within the budget with its lead and tail."""
        total = self._count(atoms[0].start, atoms[-1].end)
        target = total / max(1, math.ceil(total / budget))
        run: list[_Atom] = []
        for atom in atoms:
            if run and (self._size(run[0], atom) > budget or self._count(run[0].start, run[-1].end) >= target):
                yield run[0], run[-1]
                run = []
            run.append(atom)
        yield run[0], run[-1]

    def _size(self, first: _Atom, last: _Atom) -> int:
        extra = self._extra(first.lead) + self._extra(last.tail)
        span = self._count(first.start, last.end)
        if not self.counter.additive:
            span = count_tokens(self.text[first.start : last.end], self.counter)
        return span + extra

    def _passage(self, section: Section, ordinal: int, context: str, run: tuple[_Atom, _Atom]) -> Passage:
        first, last = run
        start, end = _trim(self.text, first.start, last.end)
        text = self.text[start:end]
        key = "\0".join([self.document.id, section.id, str(ordinal), context, first.lead, text, last.tail])
        identity = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return Passage(
            identity, self.document.id, section.id, ordinal, start, end, text, context, first.lead, last.tail
        )


def _covering(section: Section, text: str) -> Iterator[tuple[int, int, Block | None]]:
    """The section's blocks, with what lies between them (link definitions have no block of their own)."""
    position = section.start
    for block in section.blocks:
        start, end = max(block.start, position), min(block.end, section.end)
        if text[position:start].strip():
            yield position, start, None
        if text[start:end].strip():
            yield start, end, block
        position = max(position, end)
    if text[position : section.end].strip():
        yield position, section.end, None


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Drop blank lines before and white space after; the first line keeps its indentation."""
    piece = text[start:end]
    end = start + len(piece.rstrip())
    body = piece.lstrip()
    lead = piece[: len(piece) - len(body)]
    last_break = max(lead.rfind("\n"), lead.rfind("\r"))
    return start + last_break + 1, end
