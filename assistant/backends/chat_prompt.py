"""A conversation as a model's own chat template writes it, in tokens; and how many tokens a text takes there.

    prompt = ChatPrompt(tokenizer, window=4096)
    prompt.render(messages).tokens

What people and documents wrote cannot take the form of the template's own marks: those are broken up before rendering.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from assistant.messages import Message
from assistant.prompts import TURN_OVERHEAD, Budget
from assistant.reasoning import TAGS
from retrieval.errors import BackendError

LEAST_ROOM: Final = 2  # at least one part in so many of the window belongs to the prompt
PROBES: Final = ("a", "b")  # two questions: what their prompts begin with in common is the shared prefix
TEMPLATE: Final = "Use the tokenizer of a chat model, or one that Savia has trained."
_TAG_MARKS: Final = frozenset(mark for tag in TAGS for mark in (f"<{tag}>", f"</{tag}>"))
_OPENED: Final = re.compile(rf"<(?:{'|'.join(TAGS)})>\s*$")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt in tokens; `inside` where it ends by opening the reasoning tag."""

    tokens: tuple[int, ...]
    inside: bool


class ChatPrompt:
    """A tokenizer with its chat template. Raises `BackendError` where there is no template."""

    def __init__(self, tokenizer: Any, window: int, source: str = "The model") -> None:
        if not tokenizer.chat_template:
            raise BackendError(f"{source} has no chat template, so it cannot be asked questions.", TEMPLATE)
        self.tokenizer = tokenizer
        self.window = window
        self._source = source
        self._prefixes: dict[str, tuple[int, ...]] = {}

    def render(self, messages: Sequence[Message]) -> Rendered:
        """The prompt up to where the model goes on. Raises `BackendError` for a template that cannot hold the messages."""
        turns = [{"role": message.role, "content": self._defused(message.content)} for message in messages]
        text = self._written(turns)
        return Rendered(tuple(self._tokens(text)), bool(_OPENED.search(text)))

    def shared_prefix(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The tokens that all conversations with this system message begin with; none where there is no system message."""
        if not messages or messages[0].role != "system":
            return ()
        system = messages[0]
        if system.content not in self._prefixes:
            one, other = (self.render([system, Message("user", probe)]).tokens for probe in PROBES)
            self._prefixes[system.content] = one[: _common(one, other)]
        return self._prefixes[system.content]

    def count(self, text: str) -> int:
        """The text's own tokens."""
        return len(self._tokens(text))

    def budget(self, reserved: int) -> Budget:
        """The model's window with an exact count. The packer adds `TURN_OVERHEAD` per turn; what this template really adds
        is put right in the count."""
        extra = self.turn_overhead - TURN_OVERHEAD
        return Budget(lambda text: self.count(text) + extra, self.window, min(reserved, self.window // LEAST_ROOM))

    @cached_property
    def turn_overhead(self) -> int:
        """Tokens that the template adds to a turn, the answer's opening and the text's beginning included; rounded up."""
        system, user, reply = Message("system", "a"), Message("user", "a"), Message("assistant", "a")
        two = len(self.render([system, user]).tokens)
        four = len(self.render([system, user, reply, user]).tokens)
        word = self.count("a")
        return max(-(-(two - 2 * word) // 2), -(-(four - two - 2 * word) // 2), 0)

    @cached_property
    def end_tokens(self) -> tuple[int, ...]:
        """The special token that ends an answer in this template, beside the tokenizer's own end token."""
        text = self._written([{"role": "user", "content": "a"}, {"role": "assistant", "content": "xyz"}], opened=False)
        after = self._tokens(text.rpartition("xyz")[2].lstrip())[:1]
        own = self.tokenizer.eos_token_id
        return tuple(dict.fromkeys([*([own] if own is not None else []), *(t for t in after if t in self._special)]))

    @cached_property
    def hidden(self) -> frozenset[int]:
        """Special tokens that are no text; reasoning tags are text even where a tokenizer calls them special."""
        return frozenset(token for token, mark in self._special.items() if mark not in _TAG_MARKS)

    @cached_property
    def _special(self) -> dict[int, str]:
        added = {token: str(mark) for token, mark in self.tokenizer.added_tokens_decoder.items() if mark.special}
        named = dict(zip(self.tokenizer.all_special_ids, self.tokenizer.all_special_tokens, strict=False))
        return added | named

    @cached_property
    def _marks(self) -> re.Pattern[str] | None:
        marks = sorted({mark for mark in self._special.values() if mark not in _TAG_MARKS}, key=len, reverse=True)
        return re.compile("|".join(re.escape(mark) for mark in marks)) if marks else None

    def _defused(self, text: str) -> str:
        """The text with a sign in the place of the first one of each special token, so that it is read as plain text."""
        if self._marks is None:
            return text
        return self._marks.sub(lambda found: f"‹{found[0][1:]}", text)

    def _written(self, turns: list[dict[str, str]], opened: bool = True) -> str:
        try:
            return self._applied(turns, opened)
        except BackendError:
            if turns[0]["role"] != "system" or len(turns) < 2:
                raise
        # Templates of some models refuse a system turn: its text then opens the first question.
        first = {"role": turns[1]["role"], "content": f"{turns[0]['content']}\n\n{turns[1]['content']}"}
        return self._applied([first, *turns[2:]], opened)

    def _applied(self, turns: list[dict[str, str]], opened: bool) -> str:
        from jinja2 import TemplateError

        try:
            text: str = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=opened)
        except (TemplateError, TypeError, ValueError) as error:
            raise BackendError(f"{self._source} has a chat template that cannot be used: {error}.", TEMPLATE) from error
        return text

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return tokens


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two prompts have in common from the start."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
