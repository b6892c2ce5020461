"""Answers that are quotations: what they pick, that each sentence stands in its passage, and what they do with odd passages."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.backends.extractive import MAX_GAP, MAX_PASSAGES, MAX_SENTENCES, ExtractiveBackend, joins
from assistant.citations import plain
from assistant.messages import Message, Options, Source
from assistant.settings import AssistantSettings
from assistant.wiring import build_assistant
from retrieval.embedders import Embedder
from retrieval.errors import BackendError
from retrieval.index import Index
from tests.assistant.conftest import MakeAssistant


def source(n: int, text: str) -> Source:
    return Source(n, f"{n:016x}", "plantas/ruda", "plantas/ruda#usos", "Ruda", ("Usos",), text, 1.0)


@pytest.mark.parametrize(
    ("question", "begins"),
    [
        ("¿Para qué se usa la ruda?", "Se usa en barridas contra el aire y el espanto"),
        ("¿Qué es el susto?", "El susto es un padecimiento que sigue a una impresión fuerte:"),
        ("¿La ruda es peligrosa en el embarazo?", "En el embarazo puede provocar sangrado y aborto"),
        ("¿Qué se toma para los cólicos?", "La infusión de las flores se toma después de comer para los cólicos"),
    ],
)
def test_the_answer_begins_with_the_sentence_that_answers(
    make_assistant: MakeAssistant, question: str, begins: str
) -> None:
    assert make_assistant().ask(question).run().text.startswith(begins)


def test_links_are_quoted_by_their_words(make_assistant: MakeAssistant) -> None:
    answer = make_assistant().ask("¿Qué tratamiento tiene el susto?").run()
    assert "barre el cuerpo con ruda y albahaca" in answer.text and "](" not in answer.text


def test_the_same_sentence_in_two_passages_is_said_once(make_assistant: MakeAssistant) -> None:
    backend = make_assistant().backend
    assert isinstance(backend, ExtractiveBackend)
    text = "Se usa en barridas contra el aire y el espanto."
    assert backend.answer("¿Para qué se usa la ruda?", [source(1, text), source(2, text)]).count("barridas") == 1


def about(n: int, document: str, text: str, heading: str = "Usos") -> Source:
    title = document.rsplit("/", 1)[-1].capitalize()
    return Source(n, f"{n:016x}", document, f"{document}#{heading.lower()}", title, (heading,), text, 2.0 - 0.1 * n)


def answer(make_assistant: MakeAssistant, question: str, *sources: Source) -> str:
    backend = make_assistant().backend
    assert isinstance(backend, ExtractiveBackend)
    return backend.answer(question, sources)


RUDA = about(1, "plantas/ruda", "Se usa en barridas contra el aire y el espanto.")
MANZANILLA = about(2, "plantas/manzanilla", "La infusión se toma para los cólicos y los gases.")


@pytest.mark.parametrize(
    "question",
    [
        "¿para qué sirven la ruda y la manzanilla?",
        "ruda, manzanilla: ¿para qué?",
        "¿qué diferencia hay entre ruda y manzanilla?",
    ],
)
def test_things_asked_about_together_get_a_paragraph_each(make_assistant: MakeAssistant, question: str) -> None:
    assert answer(make_assistant, question, MANZANILLA, RUDA) == (
        f"**Ruda**: {RUDA.text} [1]\n\n**Manzanilla**: {MANZANILLA.text} [2]"
    )


@pytest.mark.parametrize("gap", [" y ", ", ", " ,,;  y la ", "," * MAX_GAP])
def test_names_are_joined_by_what_stands_between_them(gap: str) -> None:
    assert joins(gap)


@pytest.mark.parametrize("gap", [" ", " contra el ", "," * (MAX_GAP + 1), " " + "," * 3950 + " zz "])
def test_names_far_from_each_other_or_in_relation_are_not_joined(gap: str) -> None:
    assert not joins(gap)


def test_one_thing_in_relation_to_another_is_one_question(make_assistant: MakeAssistant) -> None:
    susto = about(2, "diccionario/susto", "El susto sigue a una impresión fuerte de la persona.")
    assert answer(make_assistant, "¿La ruda sirve contra el susto?", RUDA, susto).count("\n\n") <= 1


def test_a_safety_question_gets_the_warnings_first(make_assistant: MakeAssistant) -> None:
    toxic = about(2, "plantas/ruda", "En el embarazo puede provocar sangrado y aborto.", "Toxicidad")
    text = answer(make_assistant, "¿puedo tomar ruda si estoy esperando bebé?", RUDA, toxic)
    assert text.startswith(toxic.text)


def test_a_definition_comes_before_the_warning_that_is_shown_anyway(make_assistant: MakeAssistant) -> None:
    top = "> **Advertencia:** la ruda puede causar aborto.\n\nLa ruda es una hierba de olor fuerte."
    source = Source(1, "0" * 16, "plantas/ruda", "plantas/ruda#top", "Ruda", (), top, 1.0)
    assert answer(make_assistant, "¿Qué es la ruda?", source).startswith("La ruda es una hierba")


def test_a_list_question_gets_the_rows_that_answer_it(make_assistant: MakeAssistant) -> None:
    rows = "| Planta | Uso |\n|---|---|\n| Ruda | cólicos |\n| Albahaca | aire |\n| Manzanilla | cólicos y gases |"
    text = answer(make_assistant, "¿qué plantas se toman para los cólicos?", about(1, "diccionario/susto", rows))
    assert text == "- Ruda — cólicos [1]\n- Manzanilla — cólicos y gases [1]"


def test_sentences_of_several_documents_stand_under_their_titles(make_assistant: MakeAssistant) -> None:
    ruda = about(1, "plantas/ruda", "Los cólicos después de comer ceden cuando se frota el vientre con alcohol.")
    other = about(2, "plantas/manzanilla", "Los cólicos después de comer se deben muchas veces a los gases.")
    far = replace(about(3, "diccionario/susto", "El alma se aparta del cuerpo de la persona."), score=-9.0)
    text = answer(make_assistant, "¿por qué dan cólicos después de comer?", ruda, other, far)
    assert text.startswith("**Ruda**: ") and "\n\n**Manzanilla**: " in text


def test_without_passages_there_is_nothing_to_quote(make_assistant: MakeAssistant) -> None:
    for messages in ([], [Message("user", "¿Qué es?")]):
        with pytest.raises(BackendError, match="needs passages"):
            list(make_assistant().backend.stream(messages, Options()))


def test_the_pieces_join_to_the_answer(make_assistant: MakeAssistant) -> None:
    backend = make_assistant().backend
    assert isinstance(backend, ExtractiveBackend)
    sources = (source(1, "Se usa en barridas contra el aire y el espanto. Crece en macetas junto a la puerta."),)
    message = Message("user", "", "¿Para qué se usa la ruda?", sources)
    joined = "".join(piece.text for piece in backend.stream([message], Options()))
    assert joined == backend.answer(message.question, sources)


def test_any_passage_gives_an_answer_whose_marks_name_it(make_assistant: MakeAssistant) -> None:
    backend = make_assistant().backend
    assert isinstance(backend, ExtractiveBackend)

    @given(texts=st.lists(st.text(min_size=1), min_size=1, max_size=3), question=st.text())
    def check(texts: list[str], question: str) -> None:
        answer = backend.answer(question, [source(n, text) for n, text in enumerate(texts, 1)])
        assert isinstance(answer, str)

    check()


def test_every_cited_sentence_of_the_gold_answers_stands_word_for_word(shipped: Index, embedder: Embedder) -> None:
    assistant = build_assistant("herbolaria", shipped.settings, AssistantSettings(), embedder)
    # Quotes do not depend on how the sentences are chosen: without their vectors, hundreds of answers take seconds.
    names = assistant.rewriter.names
    assistant = replace(assistant, backend=ExtractiveBackend(assistant.view, assistant.domain.config, names))
    asked = [gold.question for gold in shipped.domain.questions() if gold.answerable and not gold.history]
    answers = [answer for answer in (assistant.ask(question).run() for question in asked) if not answer.abstained]
    assert len(answers) >= 100 and all(answer.citations for answer in answers)
    for answer in answers:
        for citation in answer.citations:
            passage = answer.sources[citation.n - 1]
            claim = re.sub(
                rf"^{re.escape(plain(passage.title))}: ", "", citation.sentence
            )  # a list's line names its document
            assert claim.rstrip(".:;") in plain(passage.text) and citation.supported, (answer.question, citation)


def test_answers_are_short_and_from_few_passages(shipped: Index, embedder: Embedder) -> None:
    assistant = build_assistant("herbolaria", shipped.settings, AssistantSettings(), embedder)
    answer = assistant.ask("¿Para qué se usa la sábila?").run()
    assert 1 <= len(answer.citations) <= MAX_SENTENCES
    assert len({citation.n for citation in answer.citations}) <= MAX_PASSAGES
    assert not answer.abstained and {citation.document for citation in answer.citations} == {"plantas/sabila"}
