"""Template rows: what the shipped corpus yields, that every word of an answer is grounded, and what an edit remakes."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.citations import plain
from retrieval.lexical import Analyzer
from retrieval.sentences import sentence_spans
from retrieval.text import fold_accents
from tests.conftest import WritePack
from tests.training.data_preparation.corpora import (
    CONFIG,
    NOPAL,
    SABILA,
    examples_of,
    herbolaria,
    sections_of,
    shipped_examples,
    shipped_sections,
)
from training.data_preparation.generate_qa import command, generate_examples, group_documents, spread
from training.data_preparation.reasoning import missing_value
from training.data_preparation.section_rows import section_key
from training.data_preparation.templates import read_templates
from training.example import Example, as_row, read_examples

MOST_OF_A_FORM = 0.03
MOST_OF_A_RUN = 0.05
RUN = 8  # words of reasoning
LATIN = re.compile(r"\*{1,2}([A-Z][a-z]+ [a-z]{3,}(?: [a-z]{3,})?)\*{1,2}")


def ground(example: Example) -> str:
    """What a row may say: the text of its sections and where they stand."""
    sections = {section.id: section for section in shipped_sections()}
    return plain("\n".join(f"{sections[name].source}\n{sections[name].text}" for name in example.sections))


def masked(text: str, example: Example) -> str:
    """The text with the names of what its documents are about replaced by X."""
    documents = {name.split("#")[0] for name in example.sections}
    names: set[str] = set()
    for section in shipped_sections():
        if section.document in documents:
            names.add(section.title)
            for field in ("botanical_name", "synonyms"):
                value = section.fields.get(field, ())
                names |= {value} if isinstance(value, str) else set(value)
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(name)}\b", "X", text, flags=re.IGNORECASE)
    return text


def grounded() -> list[Example]:
    return [example for example in shipped_examples() if example.answerable]


def test_the_shipped_corpus_yields_enough_rows_of_every_task() -> None:
    tasks = Counter(example.task for example in shipped_examples())
    assert len(shipped_examples()) >= 1900
    assert min(tasks["comparison"], tasks["multi_turn"], tasks["safety"], tasks["refusal"]) >= 100
    assert sum(example.form.startswith("comparison") for example in shipped_examples()) == tasks["comparison"]


def test_every_section_of_the_shipped_corpus_has_one_to_three_rows_of_its_own() -> None:
    own = Counter(example.sections[0] for example in shipped_examples() if len(example.sections) == 1)
    assert set(own) == {section.id for section in shipped_sections()}
    assert set(own.values()) <= {1, 2, 3}


def test_ids_are_unique_and_questions_distinct() -> None:
    examples = shipped_examples()
    assert len({example.id for example in examples}) == len(examples)
    assert len({example.question for example in examples}) >= 0.95 * len(examples)


def test_questions_have_many_forms_and_none_is_frequent() -> None:
    for forms in (
        Counter(example.form for example in shipped_examples()),
        Counter(masked(example.question, example) for example in shipped_examples()),
    ):
        assert len(forms) >= 150
        assert max(forms.values()) <= MOST_OF_A_FORM * len(shipped_examples())


def test_no_eight_words_of_reasoning_return_in_many_rows() -> None:
    rows = [re.findall(r"\w+", masked(example.reasoning, example).lower()) for example in shipped_examples()]
    runs = Counter(run for row in rows for run in {tuple(row[at : at + RUN]) for at in range(len(row) - RUN + 1)})
    assert max(runs.values()) <= MOST_OF_A_RUN * len(rows)


def test_reasoning_names_the_passages_it_uses() -> None:
    sources = {section.id: section.source for section in shipped_sections()}
    assert all(sources[example.sections[0]] in example.reasoning for example in grounded())
    assert all(example.reasoning for example in shipped_examples())


def test_every_content_word_of_an_answer_stands_in_its_sections() -> None:
    analyzer = Analyzer("es")
    for example in grounded():
        said = analyzer.terms(example.answer)
        there = set(analyzer.terms(ground(example)))
        assert sum(term in there for term in said) >= 0.95 * len(said), example


def test_every_number_of_a_row_stands_in_its_sections() -> None:
    for example in grounded():
        numbers = re.findall(r"\d+", f"{example.question} {example.reasoning} {example.answer}")
        there = ground(example)
        assert [number for number in numbers if not re.search(rf"(?<!\d){number}(?!\d)", there)] == [], example


def test_every_latin_name_of_a_row_stands_in_its_sections() -> None:
    known = {name for section in shipped_sections() for name in LATIN.findall(section.text)}
    assert len(known) > 100
    names = re.compile(rf"\b({'|'.join(re.escape(name) for name in sorted(known, key=len, reverse=True))})\b")
    for example in grounded():
        there = ground(example)
        text = f"{example.question} {example.reasoning} {example.answer}"
        assert all(name in there for name in names.findall(text)), example


def test_what_reasoning_quotes_stands_in_the_sections() -> None:
    for example in grounded():
        there = fold_accents(re.sub(r"[«»“”]", "", f"{ground(example)} {example.question} {example.history}").lower())
        quotes = re.findall(r"«([^»]{25,})»", example.reasoning)
        assert all(fold_accents(re.sub(r"[“”…]", "", quote).lower()) in there for quote in quotes), example


def test_each_sentence_of_an_answer_stands_word_for_word_in_a_section() -> None:
    for example in grounded():
        there = ground(example)
        lines = [line.removeprefix("- ") for line in example.answer.split("\n") if not line.endswith(":")]
        if example.task != "comparison":
            assert all(line[start:end] in there for line in lines for start, end in sentence_spans(line)), example


def test_only_what_a_section_lacks_is_said_to_be_missing() -> None:
    templates = read_templates(Path("none"), CONFIG)
    assert missing_value(["cifras"], "Mide mucho.", templates, "seed") == "cifras exactas"
    assert missing_value(["cifras"], "Mide 3 metros.", templates, "seed") == ""


def test_refusals_answer_with_the_packs_sentence_and_cite_nothing() -> None:
    refusals = [example for example in shipped_examples() if example.task == "refusal"]
    assert {example.answer for example in refusals} == {herbolaria().config.refusal}
    assert not any(example.answerable or example.sections for example in refusals)
    assert {form.form.split("/")[0] for form in refusals} == {"near-miss", "absent", "off-topic"}


def test_follow_ups_come_after_an_answered_question_on_another_section_of_the_document() -> None:
    for example in (example for example in shipped_examples() if example.task == "multi_turn"):
        assert [role for role, _ in example.history] == ["user", "assistant"]
        first, second = example.sections
        assert first != second and first.split("#")[0] == second.split("#")[0]


def test_comparisons_stay_in_small_families_so_that_a_split_can_keep_them_apart() -> None:
    family: dict[str, set[str]] = {}
    for example in shipped_examples():
        if example.task == "comparison":
            first, second = (family.setdefault(n.split("#")[0], {n.split("#")[0]}) for n in example.sections)
            first |= second
            family.update(dict.fromkeys(first, first))
    assert max(len(documents) for documents in family.values()) <= 4


def test_the_same_input_gives_the_same_bytes() -> None:
    domain = herbolaria()
    again = generate_examples(domain.config, shipped_sections(), read_templates(domain.folder, domain.config))
    assert [as_row(example) for example in again] == [as_row(example) for example in shipped_examples()]


@pytest.mark.parametrize("edited", ["plantas/sabila#toxicidad", "diccionario/s/susto#top", "plantas/nopal#historia"])
def test_an_edited_section_remakes_its_own_rows_only(edited: str) -> None:
    domain = herbolaria()
    sections = [
        replace(section, text=f"{section.text} Una frase nueva la completa hoy.", hash="new")
        if section.id == edited
        else section
        for section in shipped_sections()
    ]
    after = list(generate_examples(domain.config, sections, read_templates(domain.folder, domain.config)))
    untouched = [as_row(example) for example in shipped_examples() if edited not in example.sections]
    assert [as_row(example) for example in after if edited not in example.sections] == untouched


def test_a_sections_key_changes_with_the_section_and_with_nothing_else() -> None:
    def keys(documents: dict[str, str]) -> dict[str, str]:
        templates = read_templates(Path("none"), CONFIG)
        return {
            section.id: section_key(document.subject, section, templates, CONFIG)
            for document in group_documents(sections_of(documents), "es")
            for section in document.sections
        }

    before, after = keys({"a.md": SABILA}), keys({"a.md": SABILA.replace("diarrea", "cólicos")})
    assert [name for name in before if before[name] != after[name]] == ["a#toxicidad"]


def test_documents_that_share_a_use_are_compared_in_their_own_words() -> None:
    [row] = [example for example in examples_of({"a.md": SABILA, "b.md": NOPAL}) if example.task == "comparison"]
    assert "tos" in row.question
    assert "- Nopal: El jarabe de nopal se toma para la tos." in row.answer
    assert row.sections == ("a#usos", "b#usos")


def test_a_row_whose_document_went_away_is_withdrawn() -> None:
    rows = examples_of({"a.md": SABILA})
    assert not [example for example in rows if example.task == "comparison" or "opal" in example.question]


def test_a_pack_without_templates_gets_rows_in_its_language() -> None:
    english = CONFIG.model_copy(update={"language": "en", "title": "Tests"})
    text = "# Power\n\nPower is a chance.\n\n## Sample size\n\nMore users give more power. It grows slowly, such as at 80%."
    rows = examples_of({"power.md": text}, english)
    assert any("power" in example.question for example in rows)
    assert {"More users give more power.", "Power is a chance."} <= {
        sentence for example in rows for sentence in re.split(r"(?<=\.) ", example.answer)
    }


@pytest.mark.parametrize(
    "text", ["", "# Solo título", "# T\n\n```\ncode\n```", "# T\n\n![](a.png)", "# T\n\n| a |\n|---|\n"]
)
def test_documents_that_say_nothing_make_no_rows_of_their_own(text: str) -> None:
    assert not [example for example in examples_of({"a.md": text}) if example.answerable]


def test_a_question_as_title_is_asked_as_it_is() -> None:
    rows = examples_of({"faq.md": "# ¿Cómo riego la sábila?\n\nLa sábila se riega poco. Le basta una vez al mes."})
    assert "¿Cómo riego la sábila?" in [example.question for example in rows]


def test_fewer_rows_are_spread_over_the_whole() -> None:
    rows = list(shipped_examples())
    few = spread(rows, 10)
    assert len(few) == 10
    assert few[0] == rows[0]
    assert few[9] == rows[9 * len(rows) // 10]


def test_the_command_writes_rows_and_prints_their_counts(
    tmp_path: Path, write_pack: WritePack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pack({"plantas/sabila.md": SABILA})
    monkeypatch.setenv("SAVIA_HOME", str(tmp_path))
    command(domain="tiny", as_json=True)
    counted = json.loads(capsys.readouterr().out)
    rows = list(read_examples(tmp_path / "data/build/tiny/generate/examples.jsonl"))
    assert counted["rows"] == len(rows) == sum(counted["tasks"].values())
