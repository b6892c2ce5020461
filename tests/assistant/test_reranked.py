"""Answers over reranked hits: the first hits are there before the second look, the answer is written after it, its cost is told."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from assistant.answer import Answer, Assistant
from assistant.api.app import create_app
from assistant.api.pool import AssistantPool
from assistant.api.settings import ApiSettings
from assistant.backends.scripted import ScriptedBackend
from assistant.settings import AssistantSettings
from assistant.terminal import stream_answer
from retrieval.index import Index
from retrieval.rerank import Logits, RerankRetriever
from tests.assistant.api.conftest import serving
from tests.assistant.api.test_chat import read_events
from tests.assistant.conftest import MakeAssistant

USES = "¿Qué hierba se usa contra el aire?"
FIRST, BETTER = "plantas/ruda#usos", "plantas/manzanilla#top"


class OneSection:
    """Prefers texts with a word; counts how often it was asked."""

    def __init__(self, word: str = "flores blancas") -> None:
        self.word = word
        self.asked = 0

    def score(self, question: str, texts: Sequence[str]) -> Logits:
        self.asked += 1
        return np.array([float(self.word in text) for text in texts], np.float32)


def reranking(assistant: Assistant, encoder: OneSection) -> Assistant:
    return replace(assistant, retriever=RerankRetriever(assistant.retriever, encoder, weight=50.0))


@pytest.fixture
def encoder() -> OneSection:
    return OneSection()


@pytest.fixture
def assistant(make_assistant: MakeAssistant, encoder: OneSection) -> Assistant:
    return reranking(make_assistant(ScriptedBackend(["Una hierba de flores blancas [1]."])), encoder)


def test_the_first_hits_are_there_before_anything_is_read_again(assistant: Assistant, encoder: OneSection) -> None:
    stream = assistant.ask(USES)
    assert (stream.first_sources[0].section_id, encoder.asked, stream.reranks) == (FIRST, 0, True)
    assert stream.known_sources == stream.first_sources and encoder.asked == 0
    assert (stream.sources[0].section_id, encoder.asked) == (BETTER, 1)
    assert stream.known_sources == stream.sources


def test_the_answer_is_written_from_the_better_order_and_tells_its_cost(
    assistant: Assistant, encoder: OneSection
) -> None:
    answer = assistant.ask(USES).run()
    assert (answer.sources[0].section_id, answer.citations[0].section, encoder.asked) == (BETTER, BETTER, 1)
    assert list(answer.timings) == ["search", "rerank", "first_piece", "total"]
    assert 0 < answer.as_json()["timings"]["rerank"] + 1e-4 <= answer.timings["total"] + 1e-4


def test_a_document_that_only_the_second_look_brings_up_is_warned_of_too(assistant: Assistant) -> None:
    stream = assistant.ask(USES)
    before = [notice.name for notice in stream.red_flags]
    stream.run()
    assert before == [] and [notice.name for notice in stream.red_flags] == ["Manzanilla"]


def test_what_a_list_recommends_is_warned_of_where_only_the_second_look_brings_the_list_up(
    three_remedies: Index, make_assistant: MakeAssistant
) -> None:
    for name, plant, much in (("sierra", "Guayaba", " y aire y más aire"), ("huasteca", "Manzanilla", "")):
        text = f"# {name.title()}\n\n## Plantas\n\n| Planta | Uso |\n|---|---|\n| {plant} | contra el aire{much} |\n"
        (three_remedies.domain.corpus / f"{name}.md").write_text(text, encoding="utf-8")
    three_remedies.sync(None)
    assistant = reranking(make_assistant(ScriptedBackend(["Manzanilla [1]."])), OneSection("Manzanilla |"))
    stream = assistant.ask("¿qué plantas se usan contra el aire?")
    before = [notice.name for notice in stream.red_flags]
    assert stream.run().sources[0].section_id == "huasteca#plantas"
    assert before == [] and [notice.name for notice in stream.red_flags] == ["Manzanilla"]


def test_a_refusal_is_not_worth_a_second_look(make_assistant: MakeAssistant, encoder: OneSection) -> None:
    answer = reranking(make_assistant(), encoder).ask("¿Cuánto cuesta un coche nuevo?").run()
    assert answer.abstained and encoder.asked == 0 and "rerank" not in answer.timings


def test_an_answer_that_nobody_reads_costs_no_second_look(assistant: Assistant, encoder: OneSection) -> None:
    assert assistant.ask(USES).answer.sources[0].section_id == FIRST and encoder.asked == 0


def test_the_terminal_tells_what_was_found_first(assistant: Assistant, capsys: pytest.CaptureFixture[str]) -> None:
    answer: Answer = stream_answer(assistant.ask(USES))
    shown = capsys.readouterr()
    assert "Found so far: Ruda › Usos" in shown.err and "Found so far" not in shown.out
    assert answer.text in shown.out


class RerankingPool(AssistantPool):
    """Answers of every domain with reranked hits."""

    def ask(self, domain, backend, question, history, options):  # type: ignore[no-untyped-def]
        with self.leased(domain) as assistant:
            return reranking(assistant, OneSection()).ask(question, history)


def test_the_api_sends_the_first_sources_then_those_that_the_answer_cites(three_remedies: Index) -> None:
    import httpx2

    settings, retrieval = AssistantSettings(), three_remedies.settings.model_copy(update={"domain": "tiny"})
    app = create_app(retrieval, settings, ApiSettings(rate=0), RerankingPool(retrieval, settings))
    with serving(app) as (_, url), httpx2.Client(base_url=url, timeout=30, trust_env=False) as client:
        events = read_events(client.post("/api/v1/chat", json={"message": USES, "stream": True}).text)
    assert [name for name, _ in events][:3] == ["sources", "sources", "piece"] and events[-1][0] == "done"
    tops = [data["sources"][0]["section"] for name, data in events if name in ("sources", "done")]  # type: ignore[index]
    assert tops == [FIRST, BETTER, BETTER]


def run_chat(assistant: "Assistant") -> None:
    from assistant.ui.chat import show_chat
    from assistant.ui.exchanges import ChatPage
    from assistant.ui.strings import words

    show_chat(ChatPage(assistant, words("es")))


def test_the_page_shows_the_better_order_and_what_it_cost(assistant: Assistant) -> None:
    page = AppTest.from_function(run_chat, default_timeout=60, args=(assistant,)).run()
    page = page.chat_input(key="question").set_value(USES).run()
    captions = [str(caption.value) for caption in page.caption]
    assert any(text.startswith("1. **Manzanilla**") for text in captions)
    assert any("Reordenado: " in text for text in captions)
