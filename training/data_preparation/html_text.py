"""HTML of posts as plain text with Markdown's marks for code, lists and quotations; links keep their words alone.

html_to_text("<p>Use <code>t.test</code>.</p>")        # 'Use `t.test`.'
"""

import re
from html.parser import HTMLParser

_BLOCKS = frozenset(["p", "div", "ul", "ol", "table", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "hr"])
_HIDDEN = frozenset(("script", "style"))
_MANY_BREAKS = re.compile(r"\n{3,}")
_SPACES = re.compile(r"[ \t\n\r\f]+")


def html_to_text(html: str) -> str:
    """Text of an HTML fragment; nothing in it is run, fetched or kept as a tag."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return _MANY_BREAKS.sub("\n\n", "".join(reader.parts)).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._code = False
        self._hidden = 0
        self._quotes = 0
        self._lists: list[int] = []  # the next number of each open list; -1 for one with bullets

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag == "pre":
            self._code = True
            self._break(2)
            self.parts.append("```\n")
        elif tag == "code" and not self._code:
            self.parts.append("`")
        elif tag == "br":
            self._break(1)
        elif tag == "li":
            self._break(1)
            self.parts.append(self._mark())
        elif tag in _BLOCKS:
            self._open_block(tag)
        elif tag in ("sup", "sub"):
            self.parts.append("^" if tag == "sup" else "_")

    def _open_block(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            self._lists.append(1 if tag == "ol" else -1)
            self._break(1)
            return
        if tag == "blockquote":
            self._quotes += 1
        if not self._ends_with_mark():
            self._break(1 if tag == "tr" else 2)
        if tag.startswith("h") and tag[1:].isdigit():
            self.parts.append("#" * int(tag[1]) + " ")
        elif self._quotes and tag == "p":
            self.parts.append("> ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag == "pre" and self._code:
            self._code = False
            self.parts.append("```\n" if self._ends_line() else "\n```\n")
        elif tag == "code" and not self._code:
            self.parts.append("`")
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
            self._break(1 if self._lists else 2)
        elif tag == "blockquote":
            self._quotes = max(0, self._quotes - 1)
            self._break(2)
        elif tag in _BLOCKS:
            self._break(1 if tag in ("tr", "div") or self._lists else 2)
        elif tag in ("td", "th"):
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if self._code:
            self.parts.append(data)
            return
        text = _SPACES.sub(" ", data)
        if self._ends_line() or not self.parts:
            text = text.lstrip(" ")
        if text:
            self.parts.append(text)

    def _mark(self) -> str:
        indent = "  " * max(0, len(self._lists) - 1)
        number = self._lists[-1] if self._lists else -1
        if number < 0:
            return f"{indent}- "
        self._lists[-1] += 1
        return f"{indent}{number}. "

    def _ends_line(self) -> bool:
        return bool(self.parts) and self.parts[-1].endswith("\n")

    def _ends_with_mark(self) -> bool:
        return bool(self.parts) and bool(re.fullmatch(r"\s*(?:-|\d+\.) ", self.parts[-1]))

    def _break(self, lines: int) -> None:
        """End the line; two lines make a paragraph."""
        if not self.parts or self._code:
            return
        self.parts[-1] = self.parts[-1].rstrip(" ")
        self.parts.append("\n" * lines)
