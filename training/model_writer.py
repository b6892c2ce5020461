"""A loaded model that writes answers to messages, as the local backend does, with what happened beside the text.

writer = ModelWriter(loaded)
writer.write([Message("user", "¿Qué es el susto?")], Options(max_tokens=64)).answer
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

from assistant.backends.chat_prompt import Rendered
from assistant.backends.generation import Generator
from assistant.backends.local_model import LoadedModel
from assistant.backends.token_text import AnswerReader
from assistant.messages import Message, Options, Piece

Show = Callable[[Piece], None]


@dataclass(frozen=True, slots=True)
class Written:
    """`stopped`: the model ended its answer itself."""

    answer: str
    reasoning: str
    tokens: int
    stopped: bool
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds > 0 else 0.0


class ModelWriter:
    """One loaded model. Greedy unless the options say otherwise."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self._generator = Generator(loaded)

    def write(self, messages: Sequence[Message], options: Options, show: Show | None = None) -> Written:
        """The answer to messages. Raises `BackendError` where they do not fit the model's window."""
        prompt = self.loaded.prompt
        return self.go_on(prompt.render(messages), options, show, prompt.shared_prefix(messages))

    def go_on(
        self, rendered: Rendered, options: Options, show: Show | None = None, prefix: tuple[int, ...] = ()
    ) -> Written:
        """What the model writes after a prompt in tokens. Raises `BackendError`."""
        reader = AnswerReader(self.loaded.prompt, rendered.inside, options.stop)
        pieces: list[Piece] = []
        tokens: list[int] = []
        stop = Event()

        def take(found: list[Piece]) -> None:
            pieces.extend(found)
            for piece in found if show else ():
                show(piece)  # type: ignore[misc]

        def put(new: list[int]) -> None:
            tokens.extend(new)
            take(list(reader.feed(new)))
            if reader.stopped:
                stop.set()

        begun = time.perf_counter()
        self._generator.run(rendered.tokens, prefix, options, stop, put)
        seconds = time.perf_counter() - begun
        take(list(reader.finish()))
        return Written(
            "".join(piece.text for piece in pieces if piece.kind == "answer").strip(),
            "".join(piece.text for piece in pieces if piece.kind == "reasoning").strip(),
            len(tokens),
            reader.stopped or bool(tokens and tokens[-1] in self._ends),
            seconds,
        )

    @property
    def _ends(self) -> tuple[int, ...]:
        ends = self.loaded.network.generation_config.eos_token_id
        return (ends,) if isinstance(ends, int) else tuple(ends or ())
