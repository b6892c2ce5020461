"""A server's texts as pieces, also where the server's template opened the reasoning tag and only its end is sent.

    reader = ServedReasoning(opened=False)
    reader.feed(Part("answer", "Veo.</think>Sí.")), reader.finish()      # an answer: "Veo.Sí."
    reader.opened                                                        # True: the next answer begins as reasoning

A server with a reasoning parser sends reasoning in a field of its own; `savia serve --mode vllm` starts vLLM with one. Without it, a
template that ends in `<think>` leaves its closing tag alone in the text, after what was shown as the answer. A stream cannot take
back what it has shown, so that first answer stays as it is, without the tag; from the next one on its model is known to begin inside.
Should such an answer end without the tag, its text is the answer after all, and nothing is believed any longer.
"""

from collections.abc import Iterator

from assistant.backends.completion_stream import Part
from assistant.messages import Piece
from assistant.reasoning import ReasoningSplitter

CUT = "length"  # the server's reason for an answer that used up its tokens


class ServedReasoning:
    """One answer's texts. `opened`: whether the prompt is known to have opened the tag; afterwards, whether it is now."""

    def __init__(self, opened: bool = False) -> None:
        self.opened = opened
        self._splitter = ReasoningSplitter(inside=opened)
        self._held = ""  # what an answer that began inside has shown as reasoning
        self._finish = ""

    def feed(self, part: Part) -> Iterator[Piece]:
        """The part's pieces."""
        self._finish = self._finish or part.finish
        if part.kind == "reasoning":
            if self.opened:  # by now there is a parser
                self._splitter, self.opened = ReasoningSplitter(), False
            yield Piece("reasoning", part.text)
            return
        for piece in self._splitter.feed(part.text):
            yield self._note(piece)
        self.opened = self.opened or self._splitter.unopened

    def finish(self) -> Iterator[Piece]:
        """What was held back, and the text that was no reasoning after all."""
        for piece in self._splitter.finish():
            yield self._note(piece)
        if self.opened and self._splitter.inside and self._finish:
            self.opened = False
            if self._finish != CUT and self._held.strip():
                yield Piece("answer", self._held)

    def _note(self, piece: Piece) -> Piece:
        if self.opened and piece.kind == "reasoning":
            self._held += piece.text
        return piece
