"""Follow-up questions made whole from the conversation, in Spanish and English, without a model."""

import pytest

from retrieval.domain import load_domain
from retrieval.followups import Rewriter, Turn
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack
from tests.fakes import PACK

SPANISH = {
    "manzanilla.md": "---\nsynonyms: [camomila]\n---\n# Manzanilla\n\n## Usos\n\nSe prepara en té; se toma con dolor. Niños: poco.",
    "ruda.md": "# Ruda\n\n## Usos\n\nSe usa en limpias y contra el espanto.\n\n## Toxicidad\n\nEs peligrosa en el embarazo.",
    "mal-de-ojo.md": "# Mal de ojo\n\nPadecimiento que se cura con ruda y huevo.",
}
ENGLISH = {
    "chamomile.md": "# Chamomile\n\n## Uses\n\nThe tea is used for stomach pain, also by children.",
    "power-analysis.md": "# Power analysis\n\nSample size follows from the power wanted.",
}


@pytest.fixture
def spanish(write_pack: WritePack, settings: RetrievalSettings) -> Rewriter:
    write_pack(
        SPANISH, config=f"{PACK}name_fields: [synonyms]\nsections: {{Toxicidad: {{aliases: [peligrosa, daño]}}}}\n"
    )
    return build(settings)


@pytest.fixture
def english(write_pack: WritePack, settings: RetrievalSettings) -> Rewriter:
    write_pack(ENGLISH, config=PACK.replace("language: es", "language: en"))
    return build(settings)


def build(settings: RetrievalSettings) -> Rewriter:
    domain = load_domain("tiny", settings.domains_dir)
    index = Index(domain, settings)
    index.sync(None)
    return Rewriter(index.view(), domain.config.name_fields, domain.config.sections, domain.config.fields)


def asked(*questions: str) -> list[Turn]:
    return [("user", question) for question in questions]


@pytest.mark.parametrize(
    ("question", "before", "whole"),
    [
        ("¿y para los niños?", "¿Se puede tomar la manzanilla?", "¿y para los niños? manzanilla"),
        ("¿Cómo se prepara?", "¿Para qué sirve la Manzanilla?", "¿Cómo se prepara? Manzanilla"),
        ("¿y en el embarazo es peligrosa?", "¿Para qué es la camomila?", "¿y en el embarazo es peligrosa? camomila"),
        ("¿cómo se cura eso?", "¿Qué es el mal de ojo?", "¿cómo se cura eso? mal ojo"),
        ("¿se la toman los niños?", "¿Es peligrosa la ruda?", "¿se la toman los niños? ruda"),
        ("¿y la ruda?", "¿Cómo se prepara la manzanilla?", "¿y la ruda? Cómo se prepara la"),
    ],
)
def test_a_spanish_follow_up_names_what_it_is_about(spanish: Rewriter, question: str, before: str, whole: str) -> None:
    assert spanish.rewrite(question, asked(before)) == whole


@pytest.mark.parametrize(
    ("question", "before", "whole"),
    [
        ("and for children?", "What is chamomile used for?", "and for children? chamomile"),
        ("Is it used for pain?", "Tell me about Chamomile", "Is it used for pain? Chamomile"),
        (
            "what sample size does it want?",
            "What is a power analysis?",
            "what sample size does it want? power analysis",
        ),
    ],
)
def test_an_english_follow_up_names_what_it_is_about(english: Rewriter, question: str, before: str, whole: str) -> None:
    assert english.rewrite(question, asked(before)) == whole


def test_a_question_that_stands_alone_is_not_touched(spanish: Rewriter) -> None:
    question = "¿Para qué se usa la ruda en las limpias?"
    assert spanish.rewrite(question, asked("¿Cómo se prepara la manzanilla?")) == question
    assert spanish.rewrite("¿y para los niños?", []) == "¿y para los niños?"


def test_the_latest_question_with_a_name_counts(spanish: Rewriter) -> None:
    history = asked("¿Qué es la ruda?", "¿Y la manzanilla?", "¿cómo se toma?")
    assert spanish.rewrite("¿y para los niños?", history) == "¿y para los niños? manzanilla"


def test_a_name_in_the_answer_helps_where_no_question_has_one(spanish: Rewriter) -> None:
    history = [("user", "¿Qué tomo con el dolor?"), ("assistant", "La manzanilla se toma en té.")]
    assert spanish.rewrite("¿cómo se prepara?", history) == "¿cómo se prepara? manzanilla"


def test_without_any_name_the_last_question_is_repeated(spanish: Rewriter) -> None:
    assert spanish.rewrite("¿y en té?", asked("¿Qué se toma con dolor?")) == "¿y en té? ¿Qué se toma con dolor?"


def test_words_that_ask_for_a_section_name_no_document(write_pack: WritePack, settings: RetrievalSettings) -> None:
    write_pack(
        {"daño.md": "# Daño\n\nHechizo.", **SPANISH}, config=f"{PACK}sections: {{Riesgos: {{aliases: [daño]}}}}\n"
    )
    assert build(settings).names.find("¿hace daño la ruda?") == [("rud", frozenset({3}))]


def test_the_longest_name_is_found_first(spanish: Rewriter) -> None:
    [(name, _)] = spanish.names.find("¿Qué es el mal de ojo?")
    assert name == "mal ojo"
