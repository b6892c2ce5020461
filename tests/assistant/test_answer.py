"""From question to answer: what is known before the first piece, what stays after a stop or an error, what is handed over."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from assistant.answer import MAX_QUESTION
from assistant.backends.scripted import ScriptedBackend
from assistant.messages import Message, Options, Piece
from assistant.prompts import Budget
from retrieval.errors import BackendError, UsageError
from retrieval.index import Index
from tests.assistant.conftest import MakeAssistant

REFUSAL = "No lo encuentro en los documentos."
USES = "¿Para qué se usa la ruda?"


class FailingBackend:
    """Says two words, then fails; remembers whether its stream was closed."""

    name = "failing"
    model = "failing-1"

    def __init__(self, error: BackendError | None) -> None:
        self.error = error
        self.closed = False

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        try:
            yield Piece("reasoning", "Veo la ruda.")
            yield Piece("answer", "Contra ")
            yield Piece("answer", "el aire ")
            if self.error:
                raise self.error
            yield Piece("answer", "y el espanto [1].")
        finally:
            self.closed = True


def test_sources_and_the_decision_are_known_before_the_first_piece(make_assistant: MakeAssistant) -> None:
    backend = ScriptedBackend(["Contra el aire [1]."])
    stream = make_assistant(backend).ask(USES)
    assert stream.sources[0].section_id == "plantas/ruda#usos" and not stream.abstained and backend.asked == []


def test_red_flags_are_known_before_the_first_piece_and_stand_before_a_refusal_too(
    make_assistant: MakeAssistant,
) -> None:
    stream = make_assistant(ScriptedBackend([])).ask("¡Mi abuela no puede respirar!")
    assert [notice.message for notice in stream.red_flags] == ["Llame al 911."]
    answer = stream.run()
    assert answer.abstained and answer.red_flags == stream.red_flags


def test_an_answer_carries_all_that_explains_it(make_assistant: MakeAssistant) -> None:
    answer = (
        make_assistant(ScriptedBackend(["<think>Veo.</think>Se usa en barridas contra el aire [1]."])).ask(USES).run()
    )
    assert (answer.text, answer.reasoning) == ("Se usa en barridas contra el aire [1].", "Veo.")
    assert (answer.abstained, answer.stopped, answer.lexical_only) == (False, False, True)
    assert (answer.backend, answer.model, answer.disclaimer) == ("scripted", "scripted", "Solo con fines educativos.")
    assert [(c.n, c.section, c.supported) for c in answer.citations] == [(1, "plantas/ruda#usos", True)]
    assert set(answer.timings) == {"search", "first_piece", "total"}


def test_where_nothing_fits_the_refusal_is_said_and_no_backend_is_asked(make_assistant: MakeAssistant) -> None:
    backend = ScriptedBackend([])
    answer = make_assistant(backend).ask("¿Cuánto cuesta un coche nuevo?").run()
    assert (answer.text, answer.abstained, answer.citations, backend.asked) == (REFUSAL, True, (), [])


def test_a_model_that_replies_with_the_refusal_has_abstained(make_assistant: MakeAssistant) -> None:
    answer = make_assistant(ScriptedBackend([f"{REFUSAL}\n"])).ask(USES).run()
    assert answer.abstained and answer.citations == ()


def test_the_warning_of_the_document_asked_about_comes_first(make_assistant: MakeAssistant) -> None:
    stream = make_assistant(ScriptedBackend([])).ask("¿Para qué se usa la manzanilla?")
    assert [notice.name for notice in stream.red_flags] == ["Manzanilla"]


def test_a_list_comes_with_the_warnings_of_what_it_recommends(
    three_remedies: Index, make_assistant: MakeAssistant
) -> None:
    listed = "# Huasteca\n\n## Plantas\n\n| Planta | Uso |\n|---|---|\n| Manzanilla | dolor de panza |\n| Guayaba | diarrea |\n"
    (three_remedies.domain.corpus / "huasteca.md").write_text(listed, encoding="utf-8")
    three_remedies.sync(None)
    stream = make_assistant(ScriptedBackend([])).ask("¿qué plantas se usan en la Huasteca para la panza?")
    assert [notice.name for notice in stream.red_flags] == ["Manzanilla"]
    other = make_assistant(ScriptedBackend([])).ask("¿qué es la Huasteca?")
    assert other.red_flags == ()


def test_a_refusal_about_a_document_with_a_warning_still_warns(make_assistant: MakeAssistant) -> None:
    stream = make_assistant().ask("¿manzanilla xilofono zeppelin ferrocarril tractor bicicleta?")
    assert stream.abstained and [notice.name for notice in stream.red_flags] == ["Manzanilla"]
    other = make_assistant().ask("¿xilofono zeppelin ferrocarril?")
    assert other.abstained and other.red_flags == ()


def test_a_stop_keeps_the_text_so_far_and_ends_the_backends_work(make_assistant: MakeAssistant) -> None:
    backend = FailingBackend(None)
    stream = make_assistant(backend).ask(USES)
    pieces = iter(stream)
    for _ in range(2):
        next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert (stream.answer.text, stream.answer.reasoning, stream.answer.stopped) == ("Contra", "Veo la ruda.", True)
    assert backend.closed


def test_an_error_midway_is_raised_and_keeps_the_text_so_far(make_assistant: MakeAssistant) -> None:
    backend = FailingBackend(BackendError("El servidor se cayó."))
    stream = make_assistant(backend).ask(USES)
    with pytest.raises(BackendError, match="se cayó"):
        stream.run()
    assert (stream.answer.text, stream.answer.stopped, backend.closed) == ("Contra el aire", True, True)


def test_a_follow_up_is_searched_with_its_subject_and_asked_in_the_persons_words(make_assistant: MakeAssistant) -> None:
    backend = ScriptedBackend(["Sí [1]."])
    stream = make_assistant(backend).ask("¿y en el embarazo?", [("user", USES), ("assistant", "Contra el aire.")])
    stream.run()
    (messages,) = backend.asked
    assert "ruda" in stream.searched.lower() and stream.sources[0].section_id == "plantas/ruda#toxicidad"
    assert messages[-1].content.endswith("Pregunta: ¿y en el embarazo?") and messages[-1].question == stream.searched
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]


def test_a_filter_limits_the_sources(make_assistant: MakeAssistant) -> None:
    stream = make_assistant(ScriptedBackend([])).ask("¿Para qué se usa la hierba?", where={"family": "Asteraceae"})
    assert {source.document_id for source in stream.sources} == {"plantas/manzanilla"}


@pytest.mark.parametrize(
    ("question", "message"), [("  \n", "is empty"), ("x" * (MAX_QUESTION + 1), "4,001 characters")]
)
def test_no_question_and_a_document_for_a_question_are_refused(
    make_assistant: MakeAssistant, question: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        make_assistant().ask(question)


def test_a_window_too_small_is_said_when_the_answer_is_read(make_assistant: MakeAssistant) -> None:
    budget = Budget(lambda text: len(text.split()), window=20, reserved=0)
    stream = replace(make_assistant(ScriptedBackend(["x"])), budget=budget).ask(USES)
    with pytest.raises(UsageError, match="the model's window holds 20"):
        stream.run()


def test_json_has_the_documented_shape(make_assistant: MakeAssistant) -> None:
    shown = make_assistant().ask(USES).run().as_json()
    assert list(shown) == [
        "question", "answer", "abstained", "citations", "sources", "red_flags", "backend", "model", "disclaimer", "timings",
        "adapter", "confidence",
    ]  # fmt: skip
    assert set(shown["citations"][0]) == {"n", "passage_id", "document", "section", "quote", "supported"}
    assert set(shown["sources"][0]) == {"passage_id", "document", "section", "text", "score"}
