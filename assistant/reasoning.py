"""Separates a model's reasoning from its answer while the text streams in, however it is cut.

    splitter = ReasoningSplitter()
    splitter.feed("<thi"), splitter.feed("nk>Veo.</think>Sí."), splitter.finish()

One splitter serves every backend. No tag ever reaches an answer.
"""

from collections.abc import Iterator

from assistant.messages import Piece, PieceKind

TAGS = ("think", "pensamiento")
_OPEN = tuple(f"<{tag}>" for tag in TAGS)
_CLOSE = tuple(f"</{tag}>" for tag in TAGS)
_ALL = _OPEN + _CLOSE


class ReasoningSplitter:
    """Feed text, get typed pieces. `inside` is True where the prompt already opened the reasoning tag."""

    def __init__(self, inside: bool = False) -> None:
        self._depth = 1 if inside else 0
        self._held = ""
        self._answered = False

    def feed(self, text: str) -> Iterator[Piece]:
        """Pieces that are certain; what may be the start of a tag is held back."""
        self._held += text
        while self._held:
            start = self._held.find("<")
            if start < 0:
                yield from self._emit(self._held)
                self._held = ""
                return
            if start:
                yield from self._emit(self._held[:start])
                self._held = self._held[start:]
            tag = next((tag for tag in _ALL if self._held.startswith(tag)), None)
            if tag:
                self._held = self._held[len(tag) :]
                self._switch(tag)
            elif any(tag.startswith(self._held) for tag in _ALL):
                return
            else:
                yield from self._emit("<")
                self._held = self._held[1:]

    def finish(self) -> Iterator[Piece]:
        """What was held back: an unfinished tag is dropped, anything else was text."""
        held, self._held = self._held, ""
        if held and not (len(held) > 2 and any(tag.startswith(held) for tag in _ALL)):
            yield from self._emit(held)

    def _switch(self, tag: str) -> None:
        if tag in _OPEN:
            self._depth += 1
        else:
            self._depth = max(0, self._depth - 1)

    def _emit(self, text: str) -> Iterator[Piece]:
        kind: PieceKind = "reasoning" if self._depth else "answer"
        if kind == "answer" and not self._answered:
            text = text.lstrip()  # models put blank lines between the closing tag and the answer
            self._answered = bool(text)
        if text:
            yield Piece(kind, text)
