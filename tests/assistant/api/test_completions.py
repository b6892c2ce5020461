"""Public clients that know nothing of Savia: the official openai client and huggingface_hub's, streaming and not."""

from collections.abc import Iterator

import openai
import pytest
from huggingface_hub import InferenceClient
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from assistant.backends.scripted import ScriptedBackend
from retrieval.errors import BackendError
from tests.assistant.api.conftest import Serve, Served
from tests.assistant.api.test_chat import DyingBackend

USES = "¿Para qué se usa la ruda?"
QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Ignored: the domain has its own rules."},
    {"role": "user", "content": USES},
]


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve({"local": ScriptedBackend(["<think>Veo.</think>Contra el aire [1]."] * 2), "vllm": DyingBackend()})


@pytest.fixture
def client(served: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_the_models_are_the_domains_with_their_backends(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["savia", "tiny/extractive", "tiny/local", "tiny/vllm"]


def test_a_completion_has_the_answer_and_savias_own_field(client: OpenAI, served: Served) -> None:
    completion = client.chat.completions.create(model="savia", messages=QUESTION)
    own = served.ask(USES).json()
    assert completion.choices[0].message.content == own["answer"] and completion.choices[0].finish_reason == "stop"
    savia = (completion.model_extra or {})["savia"]
    assert savia["sources"] == own["sources"] and savia["citations"] == own["citations"]
    assert completion.model == "tiny/extractive" and completion.usage and completion.usage.completion_tokens > 0


def test_a_streamed_completion_is_the_same_text_with_sources_first(client: OpenAI, served: Served) -> None:
    stream = client.chat.completions.create(
        model="tiny", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.strip() == served.ask(USES).json()["answer"]
    assert (chunks[0].model_extra or {})["savia"]["sources"][0]["section"] == "plantas/ruda#usos"
    assert chunks[-1].usage and not chunks[-1].choices and chunks[-2].choices[0].finish_reason == "stop"


def test_reasoning_has_the_field_that_other_servers_use(client: OpenAI) -> None:
    message = client.chat.completions.create(model="tiny/local", messages=QUESTION).choices[0].message
    assert (message.content, (message.model_extra or {})["reasoning_content"]) == ("Contra el aire [1].", "Veo.")
    deltas = [
        chunk.choices[0].delta
        for chunk in client.chat.completions.create(model="local", messages=QUESTION, stream=True)
    ]
    assert "".join((delta.model_extra or {}).get("reasoning_content", "") for delta in deltas) == "Veo."


def test_text_parts_and_the_conversation_are_read(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model="savia",
        messages=[
            {"role": "user", "content": USES},
            {"role": "assistant", "content": "Contra el aire."},
            {"role": "user", "content": [{"type": "text", "text": "¿y en el embarazo?"}]},
        ],
    )
    assert (completion.model_extra or {})["savia"]["sources"][0]["section"] == "plantas/ruda#toxicidad"


def test_a_warning_stands_above_the_answer(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model="savia", messages=[{"role": "user", "content": "¿Para qué se usa la manzanilla?"}]
    )
    savia = (completion.model_extra or {})["savia"]
    content = completion.choices[0].message.content or ""
    warnings = "".join(f"> ⚠ {notice['message']}\n\n" for notice in savia["red_flags"])
    assert warnings and content == warnings + savia["answer"]


def test_wrong_requests_are_the_clients_own_errors(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="There is no model 'gpt-x'"):
        client.chat.completions.create(model="gpt-x", messages=QUESTION)
    with pytest.raises(openai.UnprocessableEntityError, match="last message is not the user's"):
        client.chat.completions.create(model="savia", messages=[{"role": "assistant", "content": "x"}])
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    with pytest.raises(openai.UnprocessableEntityError, match="Only text can be read"):
        client.chat.completions.create(model="savia", messages=[{"role": "user", "content": [picture]}])  # type: ignore[list-item]


def test_a_backend_that_dies_is_an_error_after_what_came(client: OpenAI) -> None:
    stream, text = client.chat.completions.create(model="vllm", messages=QUESTION, stream=True), ""
    with pytest.raises(openai.APIError, match="The server broke off"):
        for chunk in stream:
            text += chunk.choices[0].delta.content or ""
    assert text == "Contra el"
    with pytest.raises(openai.InternalServerError, match="The server broke off"):
        client.chat.completions.create(model="vllm", messages=QUESTION)


def test_options_of_the_client_reach_the_backend(serve: Serve) -> None:
    class Noting(ScriptedBackend):
        def stream(self, messages, options):  # type: ignore[no-untyped-def]
            self.options = options
            return super().stream(messages, options)

    backend = Noting(["Sí."])
    with OpenAI(base_url=f"{serve({'vllm': backend}).url}/v1", api_key="none") as client:
        client.chat.completions.create(model="vllm", messages=QUESTION, max_tokens=7, temperature=0.5, seed=3)
    assert (backend.options.max_tokens, backend.options.temperature, backend.options.seed) == (7, 0.5, 3)


def test_the_hubs_client_works_unchanged(served: Served) -> None:
    client, expected = InferenceClient(base_url=f"{served.url}/v1", api_key="none"), served.ask(USES).json()["answer"]
    messages = [{"role": "user", "content": USES}]
    whole = client.chat_completion(messages, model="savia", max_tokens=200)
    assert whole.choices[0].message.content == expected
    chunks = client.chat_completion(messages, model="savia", max_tokens=200, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).strip() == expected


def test_a_script_of_savias_own_can_ask_another_savia(served: Served) -> None:
    from assistant.backends.vllm import VllmBackend
    from assistant.messages import Message, Options

    backend = VllmBackend(served.url, "tiny/extractive")
    pieces = backend.stream([Message("user", USES)], Options())
    assert "".join(piece.text for piece in pieces).startswith("Se usa en barridas")
    with pytest.raises(BackendError, match="does not serve 'other'; it serves savia, tiny/extractive"):
        list(VllmBackend(served.url, "other").stream([Message("user", USES)], Options()))
