"""templates.yaml: what is refused and how it is named, what is completed, how patterns are filled and titles read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import DomainInvalid
from tests.training.data_preparation.corpora import CONFIG, SABILA, examples_of, herbolaria
from training.data_preparation.facts import clause, folded, read_sentences
from training.data_preparation.forms import choose, fill, ranked
from training.data_preparation.grammar import make_subject
from training.data_preparation.templates import check_templates, read_templates


def faults_of(tmp_path: Path, text: str) -> str:
    (tmp_path / "templates.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DomainInvalid) as caught:
        read_templates(tmp_path, CONFIG)
    return str(caught.value)


def test_an_unknown_key_is_named_with_its_place_and_the_nearest_one(tmp_path: Path) -> None:
    said = faults_of(tmp_path, "sections: {Usos: {question: [¿Para qué?]}}")
    assert "sections.Usos.question: unknown key (did you mean questions?)" in said


def test_an_unknown_placeholder_is_named_with_its_place_and_the_nearest_one(tmp_path: Path) -> None:
    said = faults_of(tmp_path, "sections: {Usos: {questions: ['¿Para qué sirve {the_titel}?']}}")
    assert "sections.Usos.questions.0: unknown placeholder {the_titel} (did you mean the_title?)" in said


def test_reasoning_that_would_fit_any_document_is_refused(tmp_path: Path) -> None:
    assert "reasoning.why.0" in faults_of(tmp_path, "reasoning: {why: [Voy a pensar paso a paso.]}")


def test_an_unknown_aspect_is_named(tmp_path: Path) -> None:
    said = faults_of(tmp_path, "default: {questions: ['¿{title}?'], missing: [cifra]}")
    assert "default.missing: there is no aspect 'cifra' (did you mean cifras?)" in said


def test_a_detail_needs_exactly_one_way_to_be_found(tmp_path: Path) -> None:
    assert "exactly one of pattern, field, mark" in faults_of(
        tmp_path, "details: [{name: a, questions: ['¿{match}?']}]"
    )


@pytest.mark.parametrize("text", ["sections: [", "- a", "details: [{name: a, pattern: '(', questions: ['¿?']}]"])
def test_a_file_that_cannot_be_read_is_one_sentence_and_no_traceback(tmp_path: Path, text: str) -> None:
    (tmp_path / "templates.yaml").write_text(text, encoding="utf-8")
    assert check_templates(tmp_path, CONFIG)


def test_the_shipped_and_the_built_in_templates_have_no_faults() -> None:
    assert check_templates(herbolaria().folder, herbolaria().config) == []
    assert check_templates(Path("none"), CONFIG) == []
    assert check_templates(Path("none"), CONFIG.model_copy(update={"language": "en"})) == []


def test_a_few_questions_of_a_pack_are_completed_with_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "templates.yaml").write_text("sections: {Usos: {questions: ['¿Y {the_title}?']}}", encoding="utf-8")
    [group, *_] = read_templates(tmp_path, CONFIG).groups("plantas", "usos", "")
    assert group.questions[0] == "¿Y {the_title}?"
    assert len(group.questions) > 4


def test_a_packs_own_four_questions_stand_alone(tmp_path: Path) -> None:
    own = ["¿A {title}?", "¿B {title}?", "¿C {title}?", "¿D {title}?"]
    (tmp_path / "templates.yaml").write_text(f"sections: {{Usos: {{questions: {own}}}}}", encoding="utf-8")
    asked = [e.question for e in examples_of({"a.md": SABILA}, folder=tmp_path) if e.form.startswith("/usos/q")]
    assert set(asked) <= {question.format(title="sábila") for question in own}
    assert asked


def test_the_narrowest_group_comes_first() -> None:
    domain = herbolaria()
    templates = read_templates(domain.folder, domain.config)
    assert "¿Dónde viven {the_title}?" in templates.groups("pueblos-indigenas", "Ubicación", "place")[0].questions
    assert templates.groups("hongos", "Nada", "safety")[0].task == "safety"


def test_a_title_takes_its_article_from_the_text() -> None:
    values = make_subject("Susto", ["El susto se cura. Los signos del susto son muchos."], "es").values()
    assert (values["the_title"], values["of_title"], values["to_title"]) == ("el susto", "del susto", "al susto")
    assert make_subject("Mixtecos", ["Entre los mixtecos hay parteras."], "es").phrase.number == 1


def test_a_title_that_the_text_never_says_is_quoted() -> None:
    assert make_subject("Cap. 3", ["Aquí empieza."], "es").values()["of_title"] == "de «Cap. 3»"


def test_alternatives_follow_number_and_gender() -> None:
    assert fill("{es/son}", {}, number=1) == "son"
    assert [fill("{o/a/os/as}", {}, number=n, gender=g) for n in (0, 1) for g in (0, 1)] == ["o", "a", "os", "as"]


def test_a_pattern_without_its_value_is_not_filled() -> None:
    assert fill("¿{match}?", {}) is None
    assert fill("¿{match}?", {"match": ""}) is None


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.text())
def test_a_new_option_takes_over_or_leaves_the_choice_as_it_was(options: list[str], seed: str) -> None:
    before = choose(options[:-1] or options, seed)
    assert choose(options, seed) in (before, options[-1])
    assert sorted(ranked(options, seed)) == sorted(options)


@given(st.text(max_size=400))
def test_sentences_of_any_text_are_plain_and_numbered(text: str) -> None:
    sentences = read_sentences(text)
    assert [sentence.place for sentence in sentences] == list(range(len(sentences)))
    assert all(sentence.text == sentence.text.strip() and sentence.text for sentence in sentences)


@given(st.text(max_size=300))
def test_a_clause_is_never_longer_than_asked(text: str) -> None:
    assert len(clause(text, most=8).split()) <= 8
    assert "«" not in clause(text)


def test_lists_and_tables_are_statements_and_captions_are_not() -> None:
    text = "**Aloe vera** — Liliaceae\n\nSignos:\n\n- fiebre alta;\n- tos.\n\n| Planta | Uso |\n|---|---|\n| *Larrea* | baños |\n"
    assert [(s.kind, s.text) for s in read_sentences(text)] == [
        ("item", "fiebre alta;"),
        ("item", "tos."),
        ("row", "Larrea — baños"),
    ]


def test_folding_keeps_ñ() -> None:
    assert folded("Ñandú RAÍZ") == "ñandu raiz"
