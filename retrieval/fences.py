"""Code fences as a passage needs them: what must stand before and after lines that are cut out of one.

    marks = read_marks("> ```py\\n> x = 1\\n> ```\\n", 0, 24)
    marks.opening, marks.closing           # ('> ```py\\n', '\\n> ```')

A fence inside a quotation or a list item keeps its container's prefix (`> `, or blanks for a list mark), so that the marks
stay where CommonMark looks for them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_OPENER = re.compile(r"(?P<prefix>[^`~\r\n]*)(?P<mark>`{3,}|~{3,})(?P<info>[^\r\n]*)")
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n|\Z)")


@dataclass(frozen=True, slots=True)
class Marks:
    """`opening` and `closing` are whole lines; `prefix` begins every line between them."""

    opening: str
    closing: str
    prefix: str

    def without_info(self) -> "Marks":
        """The same fence with an opening line that names no language."""
        return Marks(f"{self.closing[1:]}\n", self.closing, self.prefix)


def read_marks(text: str, start: int, end: int) -> Marks | None:
    """The marks of the fence whose lines are `text[start:end]`; None when there is no opener where one should be."""
    opener = _OPENER.match(text, start, end)
    if opener is None:
        return None
    prefix = re.sub(r"[^>\s]", " ", opener["prefix"])
    mark = opener["mark"]
    return Marks(f"{prefix}{mark}{opener['info'].rstrip()}\n", f"\n{prefix}{mark}", prefix)


def closes(line: str, marks: Marks) -> bool:
    """Whether `line` is the fence's closing line."""
    mark = marks.closing.strip(" \t>\n")
    found = line.strip(" \t>\r\n")
    return len(found) >= len(mark) and not found.strip(mark[0])


def line_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of the lines between two offsets, line ends included."""
    for match in _LINE.finditer(text, start, end):
        if match.group():
            yield match.start(), match.end()
