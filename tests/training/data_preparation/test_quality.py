"""The filter: what is wrong with a row is said, and what is right stays."""

from pathlib import Path

import pytest

from retrieval.lexical import Analyzer
from training.data_preparation.grounding import check_grounding, numbers_in
from training.data_preparation.quality import filter_examples, reason_counts, section_texts, write_filtered
from training.data_preparation.row_checks import check_format, check_language, check_length, estimate_tokens
from training.data_preparation.sections import ParsedSection
from training.dataset_config import DatasetConfig
from training.example import Example, make_example, read_examples, read_rows

SECTION = "La ruda (*Ruta graveolens*) se toma en té: 2 hojas en 1,500 ml de agua, según Francisco Hernández."
SPANISH = Analyzer("es")


def row(answer: str, question: str = "¿Cómo se toma la ruda?", **rest: object) -> Example:
    return make_example(question, answer, **{"sections": ["plantas/ruda#usos"], **rest})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Se toma en té con 2 hojas en 1500 ml de agua [1].", ""),
        ("1. Se toma en té, según Francisco Hernández.", ""),
        ("Se toma en té con 20 hojas.", "the number 20 is not in its sections"),
        ("Se toma en té con 1.5 ml de agua.", "the number 1.5 is not in its sections"),
        ("La planta (*Aloe vera*) se toma en té.", "the name Aloe vera is not in its sections"),
        ("Se toma en té, según Sahagún.", "the name Sahagún is not in its sections"),
        ("Combate bacterias, virus y hongos gracias a compuestos.", "only 0% of its content words are in its sections"),
    ],
)
def test_an_answer_says_what_its_sections_say(answer: str, reason: str) -> None:
    assert check_grounding(answer, SECTION, SPANISH) == reason


def test_numbers_are_the_same_however_they_are_written() -> None:
    assert list(numbers_in("1,500 1.500 1500 0,5 0.50 3.0 [7] 007")) == ["1500", "0.5", "3", "7"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Yes, `a < b` holds.", ""),
        ("What is it", "answer equals question"),
        ("<think>hm</think> Yes.", "answer holds the tag <think>"),
        ("Yes.<|im_end|>", "answer holds the tag <|im_end|>"),
        ("Yes.\nUser: and then?", "answer holds the role word User:"),
        ("```\na = 1", "answer leaves a code fence open"),
        ("It is {title}.", "answer holds the placeholder {title}"),
        (" ", "answer is empty"),
    ],
)
def test_a_format_that_would_be_learnt_is_refused(answer: str, reason: str) -> None:
    assert check_format(make_example("What is it?", answer)) == reason


def test_lengths_are_counted_in_tokens() -> None:
    words = lambda text: len(text.split())  # noqa: E731
    assert check_length(row("tres palabras más"), words, 9, 99) == "shorter than 9 tokens"
    assert check_length(row("tres palabras más", reasoning="x " * 99), words, 1, 99) == "longer than 99 tokens"
    assert check_length(row("tres palabras más"), words, 8, 99) == "" and estimate_tokens("abcdef") == 2


def test_a_row_in_another_language_is_told() -> None:
    english = "You should take it as a tea in the morning, and it is said that the leaves are good for the stomach."
    spanish = "Se toma en té por la mañana, y se dice que las hojas son buenas para el estómago de los que la usan."
    assert check_language(row(english), "es") == "in the language en, not es"
    assert [check_language(row(spanish), "es"), check_language(row("aspirin; ibuprofen"), "es")] == ["", ""]
    assert check_language(row(english), "nah") == ""


def test_every_drop_has_its_reason_and_a_duplicate_both_ids(tmp_path: Path) -> None:
    good, copy = row("Se toma en té con 2 hojas."), row("se toma en TÉ con 2 hojas")
    gone, refused = (
        row("Se toma en té.", sections=["plantas/otra#usos"]),
        row("No lo dicen los documentos.", answerable=False),
    )
    urgent = row("Se toma en té con agua y hojas.", safety_level="urgent")
    config = DatasetConfig(drop_safety_levels=("urgent",))
    sections = {"plantas/ruda#usos": SECTION}
    kept, drops = filter_examples([good, copy, gone, refused, urgent], sections, config, language="es")
    assert kept == [good, refused]
    assert reason_counts(drops) == {
        "duplicate": 1, "its section plantas/otra#usos is not in the corpus": 1, "safety level urgent": 1,
    }  # fmt: skip
    write_filtered(kept, drops, tmp_path / "a.jsonl", tmp_path / "rejected.jsonl")
    first = next(read_rows(tmp_path / "rejected.jsonl"))[1]
    assert (first["id"], first["duplicate_of"], first["reason"]) == (copy.id, good.id, "duplicate")
    assert list(read_examples(tmp_path / "a.jsonl")) == kept


def test_rows_of_a_pack_without_a_corpus_are_not_compared_with_anything() -> None:
    kept, drops = filter_examples([row("Se toma con 20 hojas de otra planta.")], {}, DatasetConfig(), language="es")
    assert len(kept) == 1 and drops == []


def test_a_section_counts_with_its_title_and_fields() -> None:
    section = ParsedSection("a#b", "a", "Ruda", "plantas", "a.md", ("Usos",), "Té.", "", {"family": "Rutaceae"})
    assert section_texts([section])["a#b"] == "Ruda › Usos\nTé.\nRutaceae"
