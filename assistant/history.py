"""The conversation so far, as far as the next answer needs it."""

from collections.abc import Sequence

from assistant.messages import Message
from retrieval.followups import Turn

MAX_TURNS = 12  # older turns neither help retrieval nor fit a small model's window


def recent_turns(messages: Sequence[Message]) -> list[Turn]:
    """The last question-answer turns as (role, content), oldest first; system messages are left out."""
    turns = [(message.role, message.question or message.content) for message in messages if message.role != "system"]
    return [(str(role), content) for role, content in turns[-MAX_TURNS:]]
