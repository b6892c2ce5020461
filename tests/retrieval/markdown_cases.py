"""Markdown made up for property tests, and what must hold of the passages of any document.

@given(markdown_texts())
def test_...(text): assert passage_faults(document, passages, counter, cap) == []
"""

import re
from collections.abc import Sequence
from functools import cache

from hypothesis import strategies as st
from markdown_it import MarkdownIt

from retrieval.documents import Document
from retrieval.passages import Passage, TokenCounter, count_tokens

_MARK = re.compile(r"`{3,}|~{3,}")

SPECIAL = 2  # [CLS] and [SEP], which the embedder adds around every text

_WORDS = st.one_of(
    st.sampled_from(
        [
            "la",
            "raíz",
            "se",
            "hierve",
            "en",
            "agua;",
            "y",
            "luego",
            "toloache",
            "ÑANDÚ",
            "1.",
            "(ver)",
            "`hojas`",
            "**amarga**.",
            "the",
            "é",
            "L.",
        ]
    ),
    st.sampled_from(
        [
            "草药可以治病。",
            "薬草です",
            "العشب",
            "😀🌿",
            "a\u200bb",
            "\u202eabc",
            "x" * 70,
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a0",
            "añ" * 60,
            "zq9" * 400,
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12),
)
_LINES = st.lists(_WORDS, min_size=1, max_size=12).map(" ".join)
_LONG_LINES = st.tuples(_LINES, st.integers(20, 60)).map(lambda drawn: f"{drawn[0]} " * drawn[1])


def _paragraphs() -> st.SearchStrategy[list[str]]:
    return st.one_of(st.lists(_LINES, min_size=1, max_size=6), st.lists(_LONG_LINES, min_size=1, max_size=2))


@st.composite
def _tables(draw: st.DrawFn) -> list[str]:
    columns = draw(st.integers(1, 4))
    cells = st.sampled_from(["ruda", "ajenjo (Artemisia)", "amarga y fría", "", "草", "1.5", "x" * 40])
    rows = draw(st.lists(st.lists(cells, min_size=columns, max_size=columns), min_size=1, max_size=60))
    return [f"| {' | '.join(row)} |" for row in [["planta"] * columns, ["---"] * columns, *rows]]


@st.composite
def _fences(draw: st.DrawFn) -> list[str]:
    mark = draw(st.sampled_from("`~")) * draw(st.sampled_from([3, 3, 3, 4, 7]))
    info = draw(st.sampled_from(["", "", "python", "c++ title=x", "r " * 80]))
    code = st.sampled_from(
        ["x = 1", "# no heading", "", "| a | b |", "- item", "    deep(x)", "``", "print('草')", "f(" * 90]
    )
    body = draw(st.lists(code, max_size=50))
    return [f"{mark}{info}", *body, *([mark] if draw(st.integers(0, 9)) else [])]


@st.composite
def _lists(draw: st.DrawFn) -> list[str]:
    lines = []
    for _ in range(draw(st.integers(1, 12))):
        indent = "  " * draw(st.integers(0, 3))
        lines.append(f"{indent}{draw(st.sampled_from(['-', '*', '1.']))} {draw(_LINES)}")
        if draw(st.integers(0, 5)) == 0:
            lines.extend(["", *(f"{indent}  {line}" for line in draw(st.one_of(_paragraphs(), _fences())))])
    return lines


_OTHERS = st.sampled_from(
    [
        ["***"],
        ["[ruda]: plantas/ruda.md 'Ruda'"],
        ["<div>", "<p>Uso: té</p>", "</div>"],
        ["    código sangrado", "", "    otra línea"],
        ["> cita", "> sigue", "> - lista citada"],
        ["![hoja](hoja.png)"],
        ["Subtítulo", "---"],
    ]
)
_HEADINGS = st.builds(
    lambda level, words: [f"{'#' * level} {words}".rstrip()],
    st.integers(1, 6),
    st.one_of(st.sampled_from(["Usos", "Usos", "Historia", "用途", "", "¿Qué es? {#id}", "palabra " * 70]), _LINES),
)
_FRONT = st.sampled_from(
    [
        [],
        [],
        ["---", "title: Ruda", "---"],
        ["---", "title: [roto", "---"],
        ["---", "sin cerrar: sí"],
        ["+++", "title = 'x'", "+++"],
    ]
)


@st.composite
def markdown_texts(draw: st.DrawFn) -> str:
    """Documents of every kind of block with any of the three line ends; code fences nearly always closed."""
    blocks = draw(st.lists(st.one_of(_HEADINGS, _paragraphs(), _tables(), _fences(), _lists(), _OTHERS), max_size=8))
    separated = [line for block in blocks for line in [*block, *([""] if draw(st.integers(0, 5)) else [])]]
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    return end.join([*draw(_FRONT), *separated]) + draw(st.sampled_from(["", end]))


WILD_TEXTS = st.text(st.sampled_from("`~#-*>|+ \t\n\r:._=<[]()1añ字😀\\\f\u00a0\u2028"), max_size=300)
"""Characters that Markdown gives meaning to, in any order."""


def passage_faults(document: Document, passages: Sequence[Passage], counter: TokenCounter, cap: int) -> list[str]:
    """What does not hold of the passages of a document; empty when all is well."""
    faults = [
        f"{p.id} does not quote the file" for p in passages if document.text[p.start : p.end] != p.text or not p.text
    ]
    for passage in passages:
        size = count_tokens(passage.embedded_text, counter) + SPECIAL
        if size > cap:
            faults.append(f"{passage.id} has {size} tokens")
    if len({passage.id for passage in passages}) != len(passages):
        faults.append("passage ids repeat")
    if len({section.id for section in document.sections}) != len(document.sections):
        faults.append("section ids repeat")
    faults.extend(_uncovered(document, passages))
    if _all_fences_closed(document.text):
        shown = (f"{p.lead}{p.text}{p.tail}" for p in passages)
        faults.extend(f"a fence is open in {text!r}" for text in shown if open_fences(text))
    return faults


def _uncovered(document: Document, passages: Sequence[Passage]) -> list[str]:
    """Text of a section that no passage holds, and passages outside their section."""
    sections = {section.id: section for section in document.sections}
    covered = bytearray(len(document.text))
    faults = []
    for passage in passages:
        section = sections[passage.section_id]
        if not section.start <= passage.start < passage.end <= section.end:
            faults.append(f"{passage.id} leaves its section")
        covered[passage.start : passage.end] = b"\1" * (passage.end - passage.start)
    for section in document.sections:
        lost = [i for i in range(section.start, section.end) if not covered[i] and not document.text[i].isspace()]
        if lost:
            faults.append(f"{section.id}: lost {document.text[lost[0] : lost[0] + 40]!r}")
    return faults


@cache
def _commonmark() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])


def _all_fences_closed(text: str) -> bool:
    """Whether every line that looks like a fence mark is one (CommonMark reads some as text, in HTML say) and all are closed."""
    fences = [token for token in _commonmark().parse(text) if token.type == "fence"]
    marks = sum(bool(_MARK.search(line)) for line in text.splitlines())
    return not open_fences(text) and marks == 2 * len(fences)


def open_fences(text: str) -> int:
    """How many code fences are opened and never closed, as CommonMark reads the text."""
    found = 0
    for token in _commonmark().parse(text):
        if token.type == "fence" and token.map is not None:
            closed = token.map[1] - token.map[0] == token.content.count("\n") + 2
            found += not closed
    return found
