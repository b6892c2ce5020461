"""Markdown from passages and models, made harmless: parsed, then written anew with nothing but text, emphasis, lists, tables.

    st.markdown(safe_markdown(passage.text, quotes=["El gel alivia quemaduras leves."]))

HTML is shown as text, images become their description, links keep only http, https and mailto. Every character that Streamlit
or Markdown could act on (`:directives[]`, `$math$`, ...) is escaped, so that whatever parses the result sees plain words.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from urllib.parse import quote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from retrieval.text import strip_invisible

ResolveLink = Callable[[str], str | None]
"""From a link's target as it stands in a document to an address of the page, or None (then its words are shown as text)."""

Marks = Mapping[int, Sequence[bool]]
"""For each citation number, whether its first, second, ... use in the text is supported."""

MAX_NESTING = 20  # quotations in lists in quotations ...: deeper ones serve nobody
OPEN, CLOSE = (
    "\u2e28",
    "\u2e29",
)  # rare brackets, taken out of the text first, that show where a quotation starts and ends
_HIGHLIGHT = (":yellow-background[", "]")
_ESCAPED = re.compile(r"[\\`*_{}\[\]()<>!|$:~&^@]")
_AT_START = re.compile(r"^(\d{0,9})([-+=#.])")
_LINE_BREAKS = re.compile(r"\s*[\r\n\x0b\x0c\x85\u2028\u2029]\s*")
_COLON = re.compile(r":(?=[A-Za-z+_-])")  # Streamlit reads :material/home: and :smile: even where the colon is escaped
_WORD_JOINER, _NO_BREAK = "\u2060", "\u00a0"
_MARK = re.compile(r"\[(\d{1,3})\]")
_SCHEMES = ("http", "https", "mailto")


def safe_markdown(
    text: str, quotes: Sequence[str] = (), link: ResolveLink | None = None, marks: Marks | None = None
) -> str:
    """`text` as Markdown that can be handed to Streamlit: `quotes` (verbatim parts) highlighted, `[n]` marks coloured."""
    clean = strip_invisible(text.replace(OPEN, "((").replace(CLOSE, "))"))
    tree = SyntaxTreeNode(_parser().parse(_with_quotes(clean, quotes)))
    return _Writer(link, marks).blocks(tree.children)


def safe_text(text: str) -> str:
    """One line of text with every special character escaped: for titles, names and messages inside Markdown."""
    return _escape(" ".join(strip_invisible(text).split()))


@cache
def _parser() -> MarkdownIt:
    """HTML stays text; no reference definitions, which could turn a later `[1]` into a link."""
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING})
    return parser.enable(["table", "strikethrough"]).disable("reference")


def _with_quotes(text: str, quotes: Sequence[str]) -> str:
    """Put OPEN and CLOSE around the first place of each quotation; those that touch are joined."""
    spans = sorted((place, place + len(quote)) for quote in set(quotes) if quote and (place := text.find(quote)) >= 0)
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and (start <= joined[-1][1] or text[joined[-1][1] : start] == " "):
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    for start, end in reversed(joined):
        start, end = _inside_table_row(text, start, end)
        text = f"{text[:start]}{OPEN}{text[start:end]}{CLOSE}{text[end:]}"
    return text


def _inside_table_row(text: str, start: int, end: int) -> tuple[int, int]:
    """A quoted table row keeps its outer bars outside, else it would no longer be a row."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip("| ")), end - (len(piece) - len(piece.rstrip("| ")))


class _Writer:
    """Writes a parsed text as Markdown again, from a short list of harmless parts."""

    def __init__(self, link: ResolveLink | None, marks: Marks | None) -> None:
        self._link = link
        self._marks = marks
        self._seen: dict[int, int] = {}
        self._lit = False  # inside a quotation, which may have begun in an earlier block or cell
        self._in_table = False

    def blocks(self, nodes: Sequence[SyntaxTreeNode]) -> str:
        return "\n\n".join(part for part in (self._block(node) for node in nodes) if part)

    def _block(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "paragraph" | "inline":
                return self._inline_of(node)
            case "heading":
                return f"{'#' * min(6, int(node.tag[1]) + 2)} {self._inline_of(node)}"  # never above the page's own
            case "bullet_list" | "ordered_list":
                return self._list(node)
            case "blockquote":
                return _prefixed(self.blocks(node.children), "> ", "> ")
            case "fence" | "code_block":
                self._lit = node.content.rfind(OPEN) > node.content.rfind(CLOSE) or (
                    self._lit and CLOSE not in node.content
                )
                return _fenced(_without_signs(node.content))
            case "hr":
                return "---"
            case "table":
                return self._table(node)
            case _:
                return _escape(node.content)

    def _list(self, node: SyntaxTreeNode) -> str:
        first = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else 0
        items = []
        for number, item in enumerate(node.children, first):
            mark = f"{number}. " if node.type == "ordered_list" else "- "
            items.append(_prefixed(self.blocks(item.children), mark, " " * len(mark)))
        return "\n".join(items)

    def _table(self, node: SyntaxTreeNode) -> str:
        self._in_table = True
        rows = [[self._inline_of(cell) for cell in row.children] for part in node.children for row in part.children]
        self._in_table = False
        lines = [f"| {' | '.join(row)} |" for row in rows]
        return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])

    def _inline_of(self, node: SyntaxTreeNode) -> str:
        inline = node if node.type == "inline" else next((c for c in node.children if c.type == "inline"), None)
        tokens = inline.token.children if inline is not None and inline.token else None
        return self._inline(tokens or []).strip()

    def _inline(self, tokens: Sequence[Token]) -> str:
        """A block's words. Where a quotation crosses emphasis or a link, these give way to it."""
        seen, lit = dict(self._seen), self._lit
        parts = list(self._parts(tokens, formatted=True))
        if not _well_nested(parts, lit):
            self._seen, self._lit = seen, lit
            parts = list(self._parts(tokens, formatted=False))
        written = "".join(text for _, text in parts)
        written = (_HIGHLIGHT[0] if lit else "") + written + (_HIGHLIGHT[1] if self._lit else "")
        return written.replace("".join(_HIGHLIGHT), "")

    def _parts(self, tokens: Sequence[Token], formatted: bool) -> Iterator[tuple[int, str]]:
        """(nesting step, text): +1 opens, -1 closes, 0 is content; highlights step by 2."""
        closers: list[str] = []
        start = True
        for token in tokens:
            match token.type:
                case "text" | "text_special":
                    yield from self._text(token.content, start)
                case "code_inline":
                    yield from self._code(token.content)
                case "image":
                    yield from self._text(token.content, start)
                case "softbreak":
                    yield 0, " "
                case "hardbreak":
                    yield 0, "  \n"
                case "em_open" | "strong_open" | "s_open" | "link_open" if formatted:
                    opener, closer = self._format(token)
                    closers.append(closer)
                    yield 1, opener
                case "em_close" | "strong_close" | "s_close" | "link_close" if formatted:
                    yield -1, closers.pop()
            start = token.type == "hardbreak" or (start and not token.content)

    def _text(self, text: str, start: bool) -> Iterator[tuple[int, str]]:
        for piece in re.split(f"([{OPEN}{CLOSE}])", text):
            if piece in (OPEN, CLOSE):
                if self._lit != (piece == OPEN):
                    self._lit = not self._lit
                    yield (2, _HIGHLIGHT[0]) if self._lit else (-2, _HIGHLIGHT[1])
            elif piece:
                yield 0, self._words(piece, start)
                start = False

    def _words(self, text: str, start: bool) -> str:
        if self._marks is None:
            return _escape(text, start)
        parts = _MARK.split(text)
        written = ""
        for place, part in enumerate(parts):
            if place % 2 == 0:
                written += _escape(part, start and not place)
            else:  # a mark never starts a line of its own
                written = f"{written.rstrip()}{_NO_BREAK}" if written.endswith(" ") else written
                written += self._mark(int(part))
        return written

    def _mark(self, number: int) -> str:
        assert self._marks is not None
        use = self._seen.get(number, 0)
        self._seen[number] = use + 1
        supported = self._marks.get(number, ())
        good = bool(supported) and supported[min(use, len(supported) - 1)]
        return f":green[\\[{number}\\]]" if good else f":orange[\\[{number}\\]{_NO_BREAK}?]"

    def _code(self, text: str) -> Iterator[tuple[int, str]]:
        """A code span; quotations start before it or end after it, never inside."""
        if OPEN in text and not self._lit:
            self._lit = True
            yield 2, _HIGHLIGHT[0]
        content = _without_signs(text)
        yield 0, _ticked(content.replace("|", r"\|") if self._in_table else content)
        if self._lit and text.rfind(CLOSE) > text.rfind(OPEN):
            self._lit = False
            yield -2, _HIGHLIGHT[1]

    def _format(self, token: Token) -> tuple[str, str]:
        match token.type:
            case "em_open":
                return "*", "*"
            case "strong_open":
                return "**", "**"
            case "s_open":
                return "~~", "~~"
            case _:
                target = self._target(str(token.attrs.get("href", "")))
                return ("[", f"](<{target}>)") if target else ("", "")

    def _target(self, href: str) -> str:
        """An address that may be followed, or nothing."""
        try:
            scheme = urlsplit(href).scheme.lower()
        except ValueError:
            return ""
        if scheme in _SCHEMES:
            return quote(href, safe=":/?#@!&'*+,;=%~-._")
        if scheme or not self._link:
            return ""
        return self._link(href) or ""


def _well_nested(parts: Sequence[tuple[int, str]], lit: bool) -> bool:
    """Whether highlights and formatting enclose each other properly."""
    open_steps = [2] if lit else []
    for step, _ in parts:
        if step > 0:
            open_steps.append(step)
        elif step < 0 and (not open_steps or open_steps.pop() != -step):
            return False
    return 1 not in open_steps


def _escape(text: str, start: bool = True) -> str:
    """Text whose every special character is escaped; `start` also takes the power from list and heading signs."""
    text = _LINE_BREAKS.sub(" ", text)
    text = _ESCAPED.sub(r"\\\g<0>", _COLON.sub(f":{_WORD_JOINER}", text.lstrip() if start else text))
    return _AT_START.sub(r"\g<1>\\\g<2>", text) if start else text


def _ticked(text: str) -> str:
    """A code span whose fence is longer than any run of backticks in it."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    text = " ".join(text.replace(":material/", f":{_WORD_JOINER}material/").splitlines())
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}" if text.strip() else ""


def _fenced(text: str) -> str:
    """A code block without a language: some languages (math, mermaid) would be acted on."""
    text = text.replace(":material/", f":{_WORD_JOINER}material/")
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence}text\n{text.rstrip(chr(10))}\n{fence}"


def _without_signs(text: str) -> str:
    return text.replace(OPEN, "").replace(CLOSE, "")


def _prefixed(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join([first + lines[0], *((rest + line).rstrip() if line else rest.rstrip() for line in lines[1:])])
