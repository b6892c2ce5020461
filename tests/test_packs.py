"""The packs that Savia ships besides herbolaria: their documents, gold questions and ready-made rows are sound."""

import json
import math
import re
import shutil
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from assistant.safety import red_flags
from retrieval.check import check_domain
from retrieval.corpus import read_corpus
from retrieval.domain import Domain, load_domain
from tests.conftest import ROOT
from training.data_preparation.import_dataset import import_rows
from training.data_preparation.raw_rows import read_raw_rows
from training.data_preparation.templates import read_templates

PACKS = ("experimentation", "medimind", "medical-ner", "math-qa")
WITH_CORPUS = ("experimentation", "medimind")
WITHOUT_CORPUS = ("medical-ner", "math-qa")
ROWS = {
    "experimentation": ("chatml.jsonl", "messages"),
    "medimind": ("instructions.jsonl", "instruction"),
    "medical-ner": ("extraction.jsonl", "prompt"),
    "math-qa": ("math.json", "question"),
}
# An expression of numbers only, `=` or `≈`, and the number that it is said to be.
EQUATION = re.compile(r"((?:sqrt|exp|C\(|[\d.+*/^()!, -])*\d[)!]*) ([=≈]) (-?\d+(?:\.\d+)?)")


def pack(name: str) -> Domain:
    return load_domain(name, ROOT / "data" / "domains")


def rows_of(name: str) -> list[dict[str, Any]]:
    return [row.value for row in read_raw_rows(str(pack(name).datasets / ROWS[name][0]))]


# --- every pack -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_has_no_faults(name: str) -> None:
    assert check_domain(pack(name)).faults == []


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_has_twenty_critical_questions_in_several_categories(name: str) -> None:
    questions = pack(name).config.benchmark_questions
    assert len({question.question for question in questions}) == len(questions) >= 20
    assert len({question.category for question in questions}) >= 3


@pytest.mark.parametrize("name", PACKS)
def test_every_ready_made_row_is_imported_in_the_shape_that_its_users_have(name: str) -> None:
    file, shape = ROWS[name]
    imported = import_rows(read_raw_rows(str(pack(name).datasets / file)), "own")
    assert (imported.shape, imported.rejected) == (shape, [])
    assert len({example.question for example in imported.examples}) == len(imported.examples) >= 60


# --- documents and gold questions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_CORPUS)
def test_a_corpus_has_twenty_five_articles_of_three_hundred_words(name: str) -> None:
    documents = list(read_corpus(pack(name).corpus))
    assert len(documents) >= 25
    assert min(len(document.text.split()) for document in documents) >= 300
    assert all(document.fields.get("topic") and document.fields.get("aliases") for document in documents)


@pytest.mark.parametrize("name", WITH_CORPUS)
def test_gold_questions_are_of_every_kind_on_both_sides(name: str) -> None:
    questions = pack(name).questions()
    kinds = Counter((question.kind, question.split) for question in questions)
    assert len(questions) >= 60 and len(kinds) == 7 * 2


@pytest.mark.parametrize("name", WITH_CORPUS)
def test_every_article_is_asked_about(name: str) -> None:
    asked = {section.split("#")[0] for question in pack(name).questions() for section in question.relevant}
    assert {document.id for document in read_corpus(pack(name).corpus)} == asked


@pytest.mark.parametrize("name", WITH_CORPUS)
def test_the_templates_speak_of_the_headings_that_the_articles_have(name: str) -> None:
    domain = pack(name)
    headings = {
        section.heading_path[-1] for document in read_corpus(domain.corpus) for section in document.sections[1:]
    }
    own = set(read_templates(domain.folder, domain.config).sections)
    assert headings <= own and headings | {"top"} == set(domain.config.sections)


def test_every_health_article_has_its_danger_signs() -> None:
    for document in read_corpus(pack("medimind").corpus):
        names = [section.heading_path[-1] for section in document.sections[1:]]
        assert names[-3:] == ["When to see a doctor", "Emergency signs", "Children, pregnancy and older people"], (
            document.id
        )


@pytest.mark.parametrize(
    ("question", "flag"),
    [
        ("I have a crushing pain in my chest", "emergency"),
        ("my husband can't breathe", "emergency"),
        ("she passed out and won't wake up", "emergency"),
        ("I want to die", "self_harm"),
        ("my son drank bleach", "poisoning"),
        ("I took too many paracetamol tablets", "poisoning"),
        ("can I take ibuprofen while pregnant?", "pregnancy"),
        ("my 6 week old has a fever", "infants"),
        ("my daughter has an earache", "children"),
        ("can I stop taking my insulin?", "stopping_medicine"),
        ("I am on chemo and have a fever", "weak_immunity"),
    ],
)
def test_a_question_about_danger_raises_its_red_flag(question: str, flag: str) -> None:
    assert flag in [notice.name for notice in red_flags(question, pack("medimind").config)]


@pytest.mark.parametrize(
    "question",
    ["how long does a cold last?", "what is a tension headache?", "does coffee cause insomnia?", "what is asthma?"],
)
def test_an_ordinary_question_raises_no_red_flag(question: str) -> None:
    assert red_flags(question, pack("medimind").config) == []


# --- ready-made rows ------------------------------------------------------------------------------------------------------


def test_chat_rows_have_three_turns_and_some_think_first() -> None:
    turns = [row["messages"] for row in rows_of("experimentation")]
    assert {tuple(turn["role"] for turn in messages) for messages in turns} == {("system", "user", "assistant")}
    thinking = [messages[-1]["content"] for messages in turns if "<think>" in messages[-1]["content"]]
    assert len(thinking) >= 15
    assert all(re.fullmatch(r"<think>\n.+\n</think>\n\n\S.+", text, re.DOTALL) for text in thinking)


def test_health_rows_say_how_dangerous_the_matter_is() -> None:
    rows = rows_of("medimind")
    assert {row["source"] for row in rows} == {"savia"}
    assert min(Counter(row["safety_level"] for row in rows)[level] for level in ("safe", "caution", "emergency")) >= 15
    urgent = [row["response"] for row in rows if row["safety_level"] == "emergency"]
    assert all(re.search(r"emergency|hospital", text) for text in urgent)


def test_extraction_rows_name_what_stands_in_the_text_in_its_order() -> None:
    rows = rows_of("medical-ner")
    assert min(Counter(row["task"] for row in rows)[task] for task in ("chemicals", "diseases", "relations")) >= 20
    for row in rows:
        text = row["prompt"].split("Text: ", 1)[1]
        if row["task"] != "relations" and row["completion"] != "none":
            places = [re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in row["completion"].split("; ")]
            starts = [place.start() for place in places if place]
            assert len(starts) == len(places) and starts == sorted(starts), row["completion"]


def test_related_names_are_among_the_names_of_the_same_text() -> None:
    by_text: dict[str, dict[str, str]] = {}
    for row in rows_of("medical-ner"):
        by_text.setdefault(row["text_id"], {})[row["task"]] = row["completion"]
    assert sum(found["relations"] == "none" for found in by_text.values()) >= 2
    for found in by_text.values():
        for line in found["relations"].splitlines():
            if line != "none":
                chemical, disease = line.split(" -> ")
                assert chemical in found["chemicals"].split("; ") and disease in found["diseases"].split("; ")


def value_of(expression: str) -> float:
    """The value of an expression that a row writes: digits, signs, `^`, `!`, `C(n,k)`, `sqrt`, `exp`."""
    assert re.fullmatch(r"(?:sqrt|exp|C|[\d.+*/^()!, -])+", expression)
    python = re.sub(r"(\d+)!", r"factorial(\1)", expression.lstrip(" ,.)*")).replace("^", "**")
    names = {"C": math.comb, "factorial": math.factorial, "sqrt": math.sqrt, "exp": math.exp}
    return float(eval(python, {"__builtins__": {}}, names))


@pytest.mark.parametrize("row", rows_of("math-qa"), ids=lambda row: row["question"][:40])
def test_every_number_of_a_worked_answer_is_right(row: dict[str, str]) -> None:
    found = EQUATION.findall(row["answer"])
    for expression, sign, number in found:
        decimals = len(number.partition(".")[2])
        tolerance = 1e-9 if sign == "=" else 0.5 * 10**-decimals + 1e-12
        assert abs(value_of(expression) - float(number)) <= tolerance, f"{expression} {sign} {number}"
    final = re.search(r"\n#### (\S+)$", row["answer"])
    if final:  # a fraction was rounded where it was worked out; a needed number of people was rounded up
        last = float(Fraction(final[1]))
        assert any(abs(last - float(number)) < 1e-3 or math.ceil(float(number)) == last for _, _, number in found)


# --- packs without documents ----------------------------------------------------------------------------------------------


@pytest.fixture
def rows_only(tmp_path: Path) -> Path:
    """A home whose pack math-qa has ready-made rows and no corpus."""
    shutil.copytree(ROOT / "data" / "domains" / "math-qa", tmp_path / "data" / "domains" / "math-qa")
    return tmp_path


def run_savia(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {"SAVIA_HOME": str(home), "SAVIA_EMBEDDER": "none", "SAVIA_DOMAIN": "math-qa", "COLUMNS": "300"}
    command = [sys.executable, "-m", "savia", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    "command", [("ask", "What is 3 + 4?"), ("search", "sum"), ("index", "sync")], ids=lambda c: c[0]
)
def test_a_pack_without_documents_says_what_it_can_do(rows_only: Path, command: tuple[str, ...]) -> None:
    done = run_savia(rows_only, *command)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "has ready-made rows to train with" in done.stderr and "answers no questions from passages" in done.stderr
    assert "savia dataset build --domain math-qa" in done.stderr


def test_a_pack_without_documents_is_listed_and_checked_without_faults(rows_only: Path) -> None:
    assert json.loads(run_savia(rows_only, "domains", "list", "--json").stdout)[0]["index"] == "no documents"
    done = run_savia(rows_only, "domains", "check", "math-qa")
    assert done.returncode == 0 and "answers nothing from passages" in done.stdout


def test_the_page_says_what_a_pack_without_documents_can_do(rows_only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOME": str(rows_only), "EMBEDDER": "none", "DOMAIN": "math-qa"}.items():
        monkeypatch.setenv(f"SAVIA_{name}", value)
    page = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60).run()
    assert not page.exception
    assert "has training rows but no documents" in page.info[0].value
    assert "savia dataset build --domain math-qa" in page.code[0].value
