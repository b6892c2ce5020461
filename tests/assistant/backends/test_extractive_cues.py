"""What a sentence sounds like, beside what a question turns on."""

import pytest

from assistant.backends.extractive_cues import shared_matters, speaks_of


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("traigo panza de cinco meses, ¿me cae mal?", "Se desaconseja en el embarazo por falta de datos."),
        ("estoy esperando bebé, ¿lo tomo?", "Está contraindicado en la gestación y en lactantes."),
        ("mañana entro a quirófano", "Se recomienda suspenderla antes de una cirugía."),
        ("mi perrito anda oliendo la mata", "No debe sembrarse al alcance de mascotas."),
        ("¿de dónde es originario?", "Procede de los Andes."),
        ("¿y cómo la sacan del árbol?", "La extraen los copaleros, que hacen cortes finos."),
        ("¿en qué fechas suben al volcán?", "Abre alrededor del 3 de mayo."),
        ("Is it safe while breastfeeding?", "Avoid it when breast-feeding."),
    ],
)
def test_the_answering_sentence_speaks_of_the_matter_in_other_words(question: str, sentence: str) -> None:
    language = "en" if question.startswith("Is") else "es"
    assert shared_matters(question, sentence, language) == 1.0


def test_a_sentence_about_something_else_shares_nothing() -> None:
    assert shared_matters("¿y si estoy embarazada?", "Crece en laderas secas.", "es") == 0.0
    assert shared_matters("¿qué es el susto?", "Se evita en el embarazo.", "es") == 0.0


def test_words_far_apart_are_no_turn_of_phrase() -> None:
    far = "y más " * 20
    assert shared_matters(f"traigo panza de {far}cinco meses", "Se evita en el embarazo.", "es") == 0.0
    assert shared_matters("my child is ill", f"Keep it under the {far}lid for years.", "en") == 0.0
    assert shared_matters("my child is ill", "Not for those under twelve years.", "en") == 1.0


@pytest.mark.parametrize(
    ("role", "sentence"),
    [
        ("safety", "Nunca debe ingerirse."),
        ("evidence", "En ratas los extractos bajaron la glucosa."),
        ("names", "En náhuatl se llama metl."),
        ("preparation", "La corteza se hierve en agua."),
    ],
)
def test_roles_have_turns_of_phrase(role: str, sentence: str) -> None:
    assert speaks_of(role, sentence, "es")  # type: ignore[arg-type]  # the parameters are plain strings
    assert not speaks_of(role, sentence, "de")  # type: ignore[arg-type]  # a language without patterns
