"""The shipped pack's gold questions are what they claim to be: enough of each kind, and those in other words really are."""

from collections import Counter

from retrieval.documents import parse_document
from retrieval.domain import load_domain
from retrieval.lexical import Analyzer
from tests.conftest import ROOT

MOST_SHARED = 0.3  # of a question's content words, by stem, with a section that answers it
DOMAIN = load_domain("herbolaria", ROOT / "data" / "domains")


def test_there_are_enough_of_every_kind_in_both_halves() -> None:
    questions = DOMAIN.questions()
    kinds = Counter(question.kind for question in questions)
    assert len(questions) >= 360 and kinds["other_words"] >= 120 and kinds["misspelled"] >= 30
    assert kinds["follow_up"] >= 25 and kinds["several"] >= 30 and kinds["near_miss"] + kinds["off_topic"] >= 50
    assert {question.split for question in questions} == {"calibration", "test"}
    assert all(question.history for question in questions if question.kind == "follow_up")


def test_questions_in_other_words_share_few_with_the_sections_that_answer_them() -> None:
    analyzer, words = Analyzer("es"), {}
    for path in DOMAIN.corpus.rglob("*.md"):
        document = parse_document(path.relative_to(DOMAIN.corpus).as_posix(), path.read_text(encoding="utf-8"))
        for section in document.sections:
            words[section.id] = set(analyzer.terms(document.text[section.start : section.end]))
    close = [
        question.id
        for question in DOMAIN.questions()
        if question.kind == "other_words"
        for section in question.relevant
        if (asked := set(analyzer.terms(question.question))) and len(asked & words[section]) > MOST_SHARED * len(asked)
    ]
    assert close == []
