"""Text from tokens as they come: never half a character, and nothing from a stop sequence on.

reader = TokenText(tokenizer)
reader.feed([1042, 77]), reader.finish()
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from assistant.backends.chat_prompt import ChatPrompt
from assistant.messages import Piece
from assistant.reasoning import ReasoningSplitter

BROKEN: Final = "\ufffd"  # how a decoder shows bytes that are no character yet
LONGEST_CHARACTER: Final = 4  # bytes, each perhaps a token of its own
MOST_HELD: Final = 12  # tokens; a longer run without the end of a character is none


class AnswerReader:
    """The pieces of one answer. `inside` is True where the prompt opened the reasoning tag."""

    def __init__(self, prompt: ChatPrompt, inside: bool, stop: Sequence[str] = ()) -> None:
        self._text = TokenText(prompt.tokenizer, prompt.hidden)
        self._stop = StopText(stop)
        self._splitter = ReasoningSplitter(inside)
        self.tokens = 0
        self.answered = False

    @property
    def stopped(self) -> bool:
        """Whether a stop sequence was written."""
        return self._stop.stopped

    def feed(self, tokens: Sequence[int]) -> Iterator[Piece]:
        self.tokens += len(tokens)
        yield from self._noted(self._splitter.feed(self._stop.feed(self._text.feed(tokens))))

    def finish(self) -> Iterator[Piece]:
        """What was held back."""
        rest = self._stop.feed(self._text.finish()) + self._stop.finish()
        yield from self._noted(self._splitter.feed(rest))
        yield from self._noted(self._splitter.finish())

    def _noted(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            self.answered = self.answered or (piece.kind == "answer" and bool(piece.text.strip()))
            yield piece


class TokenText:
    """Decodes a growing list of tokens. Special tokens are left out, save those that are reasoning tags.

    A token is decoded together with the ones before it, since tokenizers put spaces and accents together across tokens.
    """

    def __init__(self, tokenizer: Any, hidden: frozenset[int] = frozenset()) -> None:
        self._tokenizer = tokenizer
        self._hidden = hidden
        self._tokens: list[int] = []
        self._context = 0  # decoded again, so that the next text joins on
        self._shown = 0  # tokens whose text has been given out

    def feed(self, tokens: Sequence[int]) -> str:
        """The text that is certain now."""
        self._tokens += [token for token in tokens if token not in self._hidden]
        if len(self._tokens) == self._shown:
            return ""
        everything = len(self._tokens)
        for end in range(everything, max(everything - LONGEST_CHARACTER, self._shown), -1):
            text = self._decode(end)
            if not text.endswith(BROKEN):
                return self._advance(text, end)
        return self.finish() if everything - self._shown >= MOST_HELD else ""

    def finish(self) -> str:
        """What was held back."""
        end = len(self._tokens)
        return self._advance(self._decode(end), end) if end > self._shown else ""

    def _advance(self, text: str, end: int) -> str:
        new = text[len(self._decode(self._shown)) :]
        self._context, self._shown = self._shown, end
        return new

    def _decode(self, end: int) -> str:
        text: str = self._tokenizer.decode(
            self._tokens[self._context : end], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text


class StopText:
    """Lets text through up to the first of some stop sequences; what may be the start of one is held back."""

    def __init__(self, sequences: Sequence[str]) -> None:
        self._sequences = [sequence for sequence in sequences if sequence]
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        if self.stopped or not self._sequences:
            return "" if self.stopped else text
        self._held += text
        places = [place for sequence in self._sequences if (place := self._held.find(sequence)) >= 0]
        if places:
            self.stopped = True
            return self._take(min(places))
        return self._take(len(self._held) - self._begun())

    def finish(self) -> str:
        return "" if self.stopped else self._take(len(self._held))

    def _begun(self) -> int:
        """Characters at the end of the text that begin one of the sequences."""
        longest = max(len(sequence) for sequence in self._sequences) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(sequence.startswith(self._held[-length:]) for sequence in self._sequences):
                return length
        return 0

    def _take(self, length: int) -> str:
        taken, self._held = self._held[:length], self._held[length:]
        return taken
