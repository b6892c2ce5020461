"""The page "Evaluation": a real run, its result, the comparison over time, the search lab, the ratings."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from assistant.answer import Assistant
from assistant.settings import AssistantSettings
from assistant.ui.evaluation import read_evaluations
from assistant.ui.evaluation_run import runs
from assistant.ui.evaluation_time import over_time
from assistant.ui.search_lab import find_hits
from assistant.wiring import build_assistant
from retrieval.evaluate import Query, make_row
from retrieval.evaluation import Evaluation, write_evaluation
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.assistant.ui.conftest import PATIENCE, OpenPage, said

ALOE, CACTUS = "¿El gel de la sábila alivia quemaduras?", "¿El nopal se come?"
GOLD = [
    {"question": ALOE, "kind": "direct", "relevant": ["plantas/sabila#usos"]},
    {"question": CACTUS, "kind": "other_words", "relevant": ["plantas/nopal#top"]},
]


def run_evaluation(assistant: "Assistant", settings: "RetrievalSettings") -> None:
    from assistant.ui.evaluation import show_evaluation
    from assistant.ui.strings import words

    show_evaluation(assistant, settings, words("es"))


def open_evaluation(index: Index) -> AppTest:
    settings = index.settings.model_copy(update={"domain": "tiny"})
    assistant = build_assistant("tiny", settings, AssistantSettings(), None)
    return AppTest.from_function(run_evaluation, default_timeout=PATIENCE, args=(assistant, settings)).run()


@pytest.fixture
def gold(tiny_index: Index) -> Index:
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in GOLD)
    (tiny_index.domain.folder / "questions.jsonl").write_text(lines, "utf-8")
    return tiny_index


def store(index: Index, made: str, found: str) -> Evaluation:
    """An evaluation of one question, in which bm25 put `found` first."""
    query = Query("1", ALOE, {"plantas/sabila#usos": 1}, "direct", "plantas")
    evaluation = Evaluation("tiny", "test", made, {"bm25": [make_row(query, [found], 1.5)]}, ("plantas/nopal#top",))
    write_evaluation(index.settings.build_dir / "tiny" / "evaluations", evaluation)
    return evaluation


def test_a_pack_without_gold_questions_says_how_to_get_some(tiny_index: Index) -> None:
    page = open_evaluation(tiny_index)
    assert "no tiene preguntas con respuesta conocida" in page.info[0].value
    assert page.code[0].value == "savia evaluate propose --domain tiny"


def test_a_run_from_the_page_is_stored_and_shown(gold: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAVIA_EMBEDDER", "none")
    page = open_evaluation(gold)
    page.multiselect(key="retrievers").set_value(["bm25"]).run()
    page.button(key="evaluate").click().run()
    assert not page.exception
    assert not runs()
    (stored,) = read_evaluations(gold.settings.build_dir / "tiny" / "evaluations")
    assert [row.text for row in stored.runs["bm25"]] == [ALOE, CACTUS]
    assert page.dataframe[0].value["recall@5"].tolist() == [1.0]


def test_an_evaluation_is_compared_with_an_earlier_one(gold: Index) -> None:
    store(gold, "2026-11-20T10:00:00", "plantas/nopal#top")
    store(gold, "2026-11-21T10:00:00", "plantas/sabila#usos")
    page = open_evaluation(gold).selectbox(key="baseline").set_value("2026-11-20T10:00:00").run()
    assert not page.exception
    changes = page.dataframe[1].value
    assert (changes["ndcg@10 antes"].tolist(), changes["ndcg@10 ahora"].tolist()) == ([0.0], [1.0])


def test_scores_over_time_are_a_row_a_retriever_oldest_first(gold: Index) -> None:
    later = store(gold, "2026-11-21T10:00:00", "plantas/sabila#usos")
    earlier = store(gold, "2026-11-20T10:00:00", "plantas/nopal#top")
    assert [row["value"] for row in over_time([later, earlier], "ndcg@10")] == [0.0, 1.0]
    page = open_evaluation(gold)
    page.session_state["evaluation part"] = "time"
    assert not page.run().exception


def test_a_bad_question_opens_in_the_laboratory(gold: Index) -> None:
    store(gold, "2026-11-21T10:00:00", "plantas/nopal#top")
    page = open_evaluation(gold).button(key="try bm25 1").click().run()
    assert not page.exception
    assert page.text_input(key="lab question").value == ALOE
    assert ":green[:material/check_circle:] **1.** Sábila" in said(page)
    assert "Responden esta pregunta: plantas/sabila" in said(page)


def test_the_laboratory_asks_the_retrievers_themselves(gold: Index) -> None:
    assistant = build_assistant("tiny", gold.settings, AssistantSettings(), None)
    settings = gold.settings.model_copy(update={"domain": "tiny"})
    assert find_hits("bm25", CACTUS, assistant, settings)[0].document.title == "Nopal"


def test_a_file_that_is_no_evaluation_is_left_out(gold: Index) -> None:
    folder = gold.settings.build_dir / "tiny" / "evaluations"
    folder.mkdir(parents=True)
    (folder / "20261121-100000.json").write_text('{"format": 7}')
    assert "ninguna evaluación" in open_evaluation(gold).info[0].value


def test_a_thumb_in_the_chat_is_listed_as_a_gold_line(gold: Index, open_page: OpenPage) -> None:
    page = open_page().chat_input(key="question").set_value(ALOE).run()
    page.feedback[0].set_value(1).run()
    assert not page.exception
    page = open_evaluation(gold)
    page.session_state["evaluation part"] = "ratings"
    page.run()
    assert "1 calificaciones, 100 % buenas." in said(page)
    assert json.loads(page.code[-1].value)["relevant"] == ["plantas/sabila#usos"]
