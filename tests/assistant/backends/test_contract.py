"""One contract, every backend: the quoting one, a tiny model in this process, and the same model behind a third party's server.

The server is `transformers serve`, started once; what holds here holds for whatever a person switches to in the page.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest

from assistant.answer import Assistant
from assistant.backends.base import ChatBackend, adapter_of, budget_of
from assistant.backends.local import LocalBackend
from assistant.backends.local_model import ModelRequest, load_prompt
from assistant.backends.vllm import VllmBackend
from assistant.messages import Message, Options, Piece, PieceKind
from assistant.prompts import build_messages
from assistant.reasoning import TAGS
from retrieval.errors import BackendError, SaviaError
from tests.assistant.backends.conftest import ANSWER, REASONING
from tests.assistant.conftest import MakeAssistant
from tests.fault_proxy import FaultServer, events
from tests.servers import RunningServer

NAMES = ("extractive", "local", "vllm")
WITH_MODEL = ("local", "vllm")
QUESTION = "¿Para qué se usa la ruda?"

pytestmark = pytest.mark.slow
MakeBackend = Callable[[str], ChatBackend]


@pytest.fixture(scope="module")
def server(taught: Path, transformers_server: Callable[[Path], RunningServer]) -> RunningServer:
    return transformers_server(taught)


@pytest.fixture
def make_backend(request: pytest.FixtureRequest, make_assistant: MakeAssistant, taught: Path) -> MakeBackend:
    def make(name: str) -> ChatBackend:
        if name == "extractive":
            return make_assistant().backend
        if name == "local":
            return LocalBackend(str(taught))
        running: RunningServer = request.getfixturevalue("server")
        return VllmBackend(running.url, running.model)

    return make


@pytest.fixture
def messages(make_assistant: MakeAssistant) -> list[Message]:
    """What the application asks about the three remedies."""
    assistant: Assistant = make_assistant()
    stream = assistant.ask(QUESTION)
    return build_messages(assistant.domain.config, QUESTION, stream.sources)


def read(backend: ChatBackend, messages: Sequence[Message], **options: Any) -> list[Piece]:
    return list(backend.stream(messages, Options(**options)))


def text(pieces: list[Piece], kind: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind == kind).strip()


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_in_typed_pieces_without_tags(name: str, make_backend: MakeBackend, messages: list[Message]) -> None:
    pieces = read(make_backend(name), messages)
    assert {type(piece) for piece in pieces} == {Piece}
    assert {piece.kind for piece in pieces} <= set(get_args(PieceKind))
    assert text(pieces, "answer")
    assert not any(mark in text(pieces, "answer") for tag in TAGS for mark in (f"<{tag}>", f"</{tag}>"))


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str, make_backend: MakeBackend, messages: list[Message]) -> None:
    backend = make_backend(name)
    read(backend, messages)
    assert backend.name == name
    assert backend.model and backend.model == backend.model.strip()
    assert adapter_of(backend) == ""
    budget = budget_of(backend, 512)
    assert budget is None or budget.room > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_same_messages_give_the_same_answer_and_are_left_as_they_are(
    name: str, make_backend: MakeBackend, messages: list[Message]
) -> None:
    before = list(messages)
    backend = make_backend(name)
    one, other = read(backend, messages), read(backend, messages)
    assert [text(pieces, "answer") for pieces in (one, other)] == [text(one, "answer")] * 2
    assert messages == before


@pytest.mark.parametrize("name", NAMES)
def test_closing_the_stream_ends_it_and_the_next_question_is_answered(
    name: str, make_backend: MakeBackend, messages: list[Message]
) -> None:
    backend = make_backend(name)
    stream = backend.stream(messages, Options())
    assert next(piece for piece in stream if piece.text)
    stream.close()  # type: ignore[attr-defined]
    assert list(stream) == []
    assert text(read(backend, messages), "answer")


@pytest.mark.parametrize("name", NAMES)
def test_a_conversation_with_earlier_turns_is_answered(
    name: str, make_backend: MakeBackend, messages: list[Message]
) -> None:
    past = [Message("user", "Hola", "Hola"), Message("assistant", "Buenas tardes.")]
    assert text(read(make_backend(name), [messages[0], *past, *messages[1:]]), "answer")


@pytest.mark.parametrize("name", NAMES)
def test_it_serves_the_whole_way_from_question_to_citation(
    name: str, make_backend: MakeBackend, make_assistant: MakeAssistant
) -> None:
    answer = make_assistant(make_backend(name)).ask(QUESTION).run()
    assert (answer.backend, answer.stopped, answer.abstained) == (name, False, False)
    assert [citation.n for citation in answer.citations][:1] == [1]


@pytest.mark.parametrize("name", WITH_MODEL)
def test_the_same_model_says_the_same_here_and_behind_a_server(
    name: str, make_backend: MakeBackend, messages: list[Message]
) -> None:
    pieces = read(make_backend(name), messages)
    assert (text(pieces, "reasoning"), text(pieces, "answer")) == (REASONING, ANSWER)


@pytest.mark.parametrize("name", WITH_MODEL)
def test_an_answer_cut_by_its_length_is_an_error_only_where_nothing_was_answered(
    name: str, make_backend: MakeBackend, messages: list[Message]
) -> None:
    assert text(read(make_backend(name), messages, max_tokens=8), "answer")
    with pytest.raises(BackendError, match="before it began its answer"):
        read(make_backend(name), messages, max_tokens=2)


@pytest.mark.parametrize(
    "broken", [LocalBackend("/nowhere"), VllmBackend("http://127.0.0.1:9/v1", "tiny")], ids=WITH_MODEL
)
def test_what_cannot_answer_is_one_sentence_of_the_family_with_what_mends_it(
    broken: ChatBackend, messages: list[Message]
) -> None:
    with pytest.raises(SaviaError) as caught:
        read(broken, messages)
    assert isinstance(caught.value, BackendError)
    assert caught.value.mend and "\n" not in caught.value.message


def test_the_request_to_local_and_to_a_server_is_identical(taught: Path, messages: list[Message]) -> None:
    with FaultServer([events("Sí.")]) as server:
        read(VllmBackend(server.url, "tiny"), messages)
    (body,) = server.requests
    prompt = load_prompt(ModelRequest(str(taught)))
    as_the_server_reads_it = prompt.tokenizer.apply_chat_template(
        body["messages"], tokenize=False, add_generation_prompt=True
    )
    assert prompt.tokenizer.decode(prompt.render(messages).tokens) == as_the_server_reads_it
