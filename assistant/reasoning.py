"""Separates a model's reasoning from its answer while the text streams in, however it is cut.

    splitter = ReasoningSplitter()
    splitter.feed("<thi"), splitter.feed("nk>Veo.</think>Sí."), splitter.finish()

One splitter serves every backend. No tag ever reaches an answer, and of everything else nothing is lost:

- a tag between two quotation marks or backticks is spoken of, not used: it divides nothing (an answer shows the marks alone);
- a closing tag without an opening one divides only where the prompt opened the tag (`inside`): without that, what came
  before it was shown as answer already, so the tag alone goes;
- where taking a tag out lets the text on both sides form another one (`<thi</think>nk>`), that one goes as well.
"""

from collections.abc import Iterator

from assistant.messages import Piece, PieceKind

TAGS = ("think", "pensamiento")
_OPEN = tuple(f"<{tag}>" for tag in TAGS)
_CLOSE = tuple(f"</{tag}>" for tag in TAGS)
_ALL = _OPEN + _CLOSE
_QUOTES = {"`": "`", '"': '"', "'": "'", "«": "»", "“": "”", "‘": "’"}
_BLOCK = 4096  # characters looked at together: keeps a text of nothing but `<` from taking time squared
_CUT_SHORT = 3  # letters from which a tag that the stream's end cut off is taken for one: `<` and `</` are text


class ReasoningSplitter:
    """Feed text, get typed pieces. `inside` is True where the prompt already opened the reasoning tag."""

    def __init__(self, inside: bool = False) -> None:
        self._depth = 1 if inside else 0
        self._opened_by_prompt = inside
        self.unopened = False
        """Whether a closing tag has come that nothing had opened: the prompt may have, unknown to us."""
        self._held = ""
        self._last = ""  # the character before what is held
        self._answer = _AnswerText()

    @property
    def inside(self) -> bool:
        """Whether what comes next is reasoning."""
        return self._depth > 0

    def feed(self, text: str) -> Iterator[Piece]:
        """Pieces that are certain; what may be the start of a tag is held back."""
        for start in range(0, len(text), _BLOCK):
            yield from self._feed(text[start : start + _BLOCK])

    def finish(self) -> Iterator[Piece]:
        """What was held back: an unfinished tag is dropped, anything else was text."""
        held, self._held = self._held, ""
        if held and not _is_cut_tag(held) and held not in _ALL:
            yield from self._emit(held)
        rest = self._answer.finish()
        if rest:
            yield Piece("answer", rest)

    def _feed(self, text: str) -> Iterator[Piece]:
        self._held += text
        while self._held:
            start = self._held.find("<")
            if start:
                yield from self._emit(self._take(start if start > 0 else len(self._held)))
                continue
            tag = next((tag for tag in _ALL if self._held.startswith(tag)), "")
            if not tag and any(tag.startswith(self._held) for tag in _ALL):
                return
            closing = _QUOTES.get(self._last)
            if tag and closing and self._held == tag:
                return  # the next character tells whether the tag is quoted
            if not tag:
                yield from self._emit(self._take(1))
            elif closing and self._held[len(tag)] == closing:
                yield from self._quote(self._take(len(tag)))
            else:
                self._switch(self._take(len(tag)))

    def _take(self, length: int) -> str:
        taken, self._held = self._held[:length], self._held[length:]
        self._last = taken[-1]
        return taken

    def _switch(self, tag: str) -> None:
        if tag in _CLOSE:
            self.unopened = self.unopened or not self._depth
            self._depth = max(0, self._depth - 1)
        elif not self._opened_by_prompt:  # some models repeat the tag that their prompt ended with
            self._depth += 1
        self._opened_by_prompt = False

    def _quote(self, tag: str) -> Iterator[Piece]:
        if self._depth:
            yield from self._emit(tag)

    def _emit(self, text: str) -> Iterator[Piece]:
        kind: PieceKind = "reasoning" if self._depth else "answer"
        if text.strip():
            self._opened_by_prompt = False
        if kind == "answer":
            text = self._answer.feed(text)
        if text:
            yield Piece(kind, text)


class _AnswerText:
    """An answer's text without leading space and without tags that only the removal of other tags has put together.

    `_begun` holds unfinished tags, each inside the one before it: once one is complete and gone, the one before goes on.
    """

    def __init__(self) -> None:
        self._begun: list[str] = []
        self._started = False

    def feed(self, text: str) -> str:
        if not self._begun and "<" not in text:
            return self._show(text)
        return self._show("".join(self._certain(letter) for letter in text))

    def finish(self) -> str:
        rest, self._begun = [begun for begun in self._begun if not _is_cut_tag(begun)], []
        return self._show("".join(rest))

    def _certain(self, letter: str) -> str:
        """What one more letter makes certain to be text."""
        if letter == "<":
            self._begun.append(letter)
            return ""
        if not self._begun:
            return letter
        longer = self._begun[-1] + letter
        if longer in _ALL:
            self._begun.pop()
            return ""
        if any(tag.startswith(longer) for tag in _ALL):
            self._begun[-1] = longer
            return ""
        text, self._begun = "".join(self._begun) + letter, []
        return text

    def _show(self, text: str) -> str:
        if not self._started:
            text = text.lstrip()  # models put blank lines between the closing tag and the answer
            self._started = bool(text)
        return text


def _is_cut_tag(text: str) -> bool:
    return len(text) >= _CUT_SHORT and any(tag.startswith(text) for tag in _ALL)
