"""The language of a text by its stop words."""

import pytest

from retrieval.language import detect_language, detect_language_of

TEXTS = {
    "es": "Para qué se usa la ruda en las limpias y cómo se prepara el té que toman los niños con dolor.",
    "en": "What is the plant used for, and how do people prepare the tea that they give to their children?",
    "pt": "Para que serve a arruda nas limpezas e como se prepara o chá que as crianças não gostam de tomar?",
    "fr": "À quoi sert la rue dans les rituels et comment prépare-t-on la tisane que l'on donne aux enfants ?",
    "de": "Wozu dient die Raute bei den Ritualen und wie bereitet man den Tee zu, den die Kinder nicht mögen?",
    "it": "A che cosa serve la ruta nei riti e come si prepara il tè che viene dato ai bambini della famiglia?",
}


@pytest.mark.parametrize("language", TEXTS)
def test_running_text_names_its_language(language: str) -> None:
    assert detect_language(TEXTS[language]) == language


@pytest.mark.parametrize(
    "text", ["", "1234 5678", "def f(x): return x + 1", "草药可以治病", "Tlacuilolli ipan amoxtli nahuatlahtolli"]
)
def test_what_is_in_no_known_language_is_undetermined(text: str) -> None:
    assert detect_language(text) == "und"


def test_many_texts_are_told_together() -> None:
    assert detect_language_of(["# Ruda", TEXTS["es"], "x = 1", TEXTS["es"]]) == "es"
    assert detect_language_of([]) == "und"
