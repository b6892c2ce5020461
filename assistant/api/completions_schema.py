"""The shapes of OpenAI's chat completions, as far as Savia reads and writes them; unknown fields of a request are ignored.

CompletionRequest(model="herbolaria/extractive", messages=[{"role": "user", "content": "¿Qué es el susto?"}])
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assistant.answer import MAX_QUESTION
from assistant.api.problems import ApiProblem
from assistant.api.schema import LONGEST_TURN, MOST_TURNS
from retrieval.followups import Turn

LONGEST_STOP = 200  # characters of a text that ends an answer
StopList = Annotated[list[Annotated[str, Field(max_length=LONGEST_STOP)]], Field(max_length=4)]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ContentPart(_Lenient):
    """A part of a message; only text can be read."""

    type: str
    text: Annotated[str | None, Field(max_length=LONGEST_TURN)] = None


class CompletionMessage(_Lenient):
    """One message. System messages are accepted and not used: the domain has its own rules."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[str, Field(max_length=LONGEST_TURN)] | list[ContentPart] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text or "" for part in self.content)
        return self.content or ""


class StreamOptions(_Lenient):
    include_usage: bool | None = False


class CompletionRequest(_Lenient):
    """A chat completion; the last message is the question."""

    model: Annotated[str, Field(max_length=200)] = ""
    messages: Annotated[list[CompletionMessage], Field(min_length=1, max_length=MOST_TURNS)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int | None, Field(ge=1, le=131_072)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1, le=131_072)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    stop: Annotated[str, Field(max_length=LONGEST_STOP)] | StopList | None = None
    n: Annotated[int | None, Field(ge=1, le=1)] = None

    def stops(self) -> tuple[str, ...]:
        """Texts that end the answer."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in given if text)

    def question(self) -> str:
        """The last message's text. Raises `ApiProblem` (422) where it is no question that can be answered."""
        last = self.messages[-1]
        if last.role != "user":
            raise ApiProblem(422, "The last message is not the user's.")
        if isinstance(last.content, list) and any(part.type != "text" for part in last.content):
            raise ApiProblem(422, "Only text can be read.")
        if len(last.text) > MAX_QUESTION:
            raise ApiProblem(422, f"The question has more than {MAX_QUESTION:,} characters.")
        return last.text

    def history(self) -> list[Turn]:
        roles = ("user", "assistant")
        return [(message.role, message.text) for message in self.messages[:-1] if message.role in roles]


class Usage(BaseModel):
    """Tokens, estimated: the backends have different tokenizers and one of them has none."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ReplyMessage(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str
    reasoning_content: str | None = None


class Choice(BaseModel):
    index: int = 0
    message: ReplyMessage
    finish_reason: Literal["stop"] = "stop"


class Completion(BaseModel):
    """A chat completion; `savia` has the sources, citations and everything else of Savia's own answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    savia: dict[str, Any]


class ModelCard(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "savia"


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelCard]
