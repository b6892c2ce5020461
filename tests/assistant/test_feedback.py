"""Ratings of answers: appended, changed, taken back, and turned into candidates for gold questions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.answer import Answer
from assistant.feedback import append_feedback, gold_line, rate, read_feedback, share_liked
from retrieval.domain import read_questions
from retrieval.errors import DomainInvalid
from tests.assistant.conftest import MakeAssistant

ASKED = "2026-11-21T10:15:00.000"


@pytest.fixture
def answer(make_assistant: MakeAssistant) -> Answer:
    return make_assistant().ask("¿Para qué se usa la sábila?").run()


def test_a_good_answer_becomes_a_gold_line_with_the_sections_it_cites(answer: Answer, tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text(gold_line(rate(answer, ASKED, True)) + "\n", "utf-8")
    (question,) = read_questions(tmp_path / "questions.jsonl")
    assert question.question == "¿Para qué se usa la sábila?"
    assert set(question.relevant) == {citation.section for citation in answer.citations}


def test_a_bad_answers_line_is_refused_until_a_person_fills_it(answer: Answer, tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text(gold_line(rate(answer, ASKED, False)), "utf-8")
    with pytest.raises(DomainInvalid, match="needs relevant sections"):
        read_questions(tmp_path / "questions.jsonl")


def test_a_refusal_that_was_right_becomes_a_question_without_an_answer(answer: Answer) -> None:
    refused = rate(replace(answer, abstained=True, citations=()), ASKED, True)
    assert json.loads(gold_line(refused))["kind"] == "near_miss"


def test_the_last_rating_of_an_answer_counts(answer: Answer, tmp_path: Path) -> None:
    path = tmp_path / "build" / "feedback.jsonl"
    for good in (True, False):
        append_feedback(path, rate(answer, ASKED, good))
    append_feedback(path, rate(answer, "2026-11-21T10:16:00.000", True))
    assert [one.good for one in read_feedback(path)] == [True, False]
    assert share_liked(read_feedback(path)) == 1 / 2


def test_a_rating_that_was_taken_back_is_gone(answer: Answer, tmp_path: Path) -> None:
    for good in (True, None):
        append_feedback(tmp_path / "f.jsonl", rate(answer, ASKED, good))
    assert read_feedback(tmp_path / "f.jsonl") == []


def test_a_line_that_was_cut_off_costs_itself_alone(answer: Answer, tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"id": "a", "quest', "utf-8")
    append_feedback(path, rate(answer, ASKED, True))
    assert len(read_feedback(path)) == 1
