"""The whole page, run by AppTest: a question and its answer, and a clear sentence for everything that can be missing."""

import pytest

from assistant.ui.building import builds
from retrieval.domain import load_domain
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.assistant.ui.conftest import PATIENCE, OpenPage, said
from tests.conftest import WritePack

QUESTION = "¿El gel de la sábila alivia quemaduras?"


def test_an_empty_chat_offers_the_packs_sample_questions(tiny_index: Index, open_page: OpenPage) -> None:
    page = open_page()
    assert not page.exception
    assert page.button(key="sample 0").label == QUESTION
    assert "3 documentos" in said(page)


def test_a_sample_question_is_answered_with_its_passage(tiny_index: Index, open_page: OpenPage) -> None:
    page = open_page().button(key="sample 0").click().run()
    assert not page.exception
    assert "alivia quemaduras leves.\u00a0:green[\\[" in said(page)
    assert ":yellow-background[El gel de la sábila alivia quemaduras leves.]" in said(page)
    assert "**Sábila** › Usos" in said(page)


def test_an_answer_carries_disclaimer_backend_and_model(tiny_index: Index, open_page: OpenPage) -> None:
    page = open_page().chat_input(key="question").set_value(QUESTION).run()
    assert "Solo con fines educativos." in said(page)
    assert "Motor: extractive · Modelo: extractive" in said(page)


def test_the_search_is_shown_as_a_finished_step(tiny_index: Index, open_page: OpenPage) -> None:
    page = open_page().chat_input(key="question").set_value(QUESTION).run()
    assert page.status[0].state == "complete"
    assert page.status[0].label.endswith("encontrados") or page.status[0].label == "1 pasaje encontrado"


def test_search_by_words_alone_is_said(tiny_index: Index, open_page: OpenPage) -> None:
    page = open_page().chat_input(key="question").set_value(QUESTION).run()
    assert said(page).count("Solo búsqueda por palabras") == 2  # in the sidebar and below the answer


def test_a_refusal_is_a_box_of_its_own(tiny_index: Index, open_page: OpenPage) -> None:
    page = open_page().chat_input(key="question").set_value("¿Quién ganó el mundial de futbol?").run()
    assert "No lo encuentro en los documentos." in page.info[0].value
    assert ":green[\\[" not in said(page)


def test_a_red_flag_comes_in_red_before_the_answer(tiny_index: Index, open_page: OpenPage) -> None:
    page = open_page().chat_input(key="question").set_value("Mi hijo no respira, ¿le doy gel de sábila?").run()
    assert "Llame al 911." in page.error[0].value


def test_a_documents_warning_comes_in_yellow(tiny_index: Index, open_page: OpenPage) -> None:
    page = open_page().chat_input(key="question").set_value(QUESTION).run()
    assert page.warning[0].value == "**Sábila.** El látex amarillo es purgante."


def test_a_new_chat_forgets_the_old_one(tiny_index: Index, open_page: OpenPage) -> None:
    page = open_page().chat_input(key="question").set_value(QUESTION).run()
    next(button for button in page.button if button.label == "Nueva conversación").click().run()
    assert not page.chat_message
    assert page.button(key="sample 0")


def test_a_newly_published_view_is_opened(tiny_index: Index, open_page: OpenPage) -> None:
    page = open_page()
    (tiny_index.domain.corpus / "ruda.md").write_text("# Ruda\n\nLa ruda es una hierba de olor fuerte.", "utf-8")
    tiny_index.sync(None)
    assert "4 documentos" in said(page.run())


def test_the_domain_can_be_switched(tiny_index: Index, write_pack: WritePack, open_page: OpenPage) -> None:
    write_pack(
        {"a.md": "# A\n\nText."}, "other", "title: Other things\nlanguage: en\npersona: p\nrefusal: r\ndisclaimer: d\n"
    )
    page = open_page().selectbox(key="domain").set_value("other").run()
    assert not page.exception
    assert "has no index yet" in page.warning[0].value


def test_a_missing_index_is_said_with_a_button_that_builds_it(
    settings: RetrievalSettings, write_pack: WritePack, open_page: OpenPage
) -> None:
    write_pack({"sabila.md": "# Sábila\n\nEl gel alivia quemaduras leves."})
    page = open_page()
    assert page.warning[0].value == "El tema «tiny» todavía no tiene índice, así que aún no puede responder."
    assert page.code[0].value == "savia index sync --domain tiny"
    page.button(key="build").click().run()
    assert not page.exception
    assert "1 documentos" in said(page)
    building = builds().get(settings.index_dir("tiny"))  # gone already where the page saw it end
    assert building is None or building.wait(PATIENCE) == 0
    assert len(Index(load_domain("tiny", settings.domains_dir), settings).view()) == 1


def test_a_corpus_without_documents_says_where_to_put_them(write_pack: WritePack, open_page: OpenPage) -> None:
    folder = write_pack({})
    page = open_page()
    assert page.info[0].value == "El tema «tiny» no tiene documentos todavía."
    assert str(folder / "corpus") in page.code[0].value


def test_an_index_of_nothing_says_so_too(
    settings: RetrievalSettings, write_pack: WritePack, tiny_index: Index, open_page: OpenPage
) -> None:
    for path in tiny_index.domain.corpus.rglob("*.md"):
        path.unlink()
    tiny_index.sync(None)
    assert open_page().info[0].value == "El tema «tiny» no tiene documentos todavía."


def test_an_unknown_domain_is_named_with_those_that_exist(
    tiny_index: Index, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAVIA_DOMAIN", "tini")
    page = open_page()
    assert page.error[0].value == "There is no subject “tini”."
    assert "tiny" in said(page)
    assert not page.exception


def test_from_an_unknown_domain_one_can_choose_another(
    tiny_index: Index, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAVIA_DOMAIN", "tini")
    page = open_page().selectbox(key="domain").set_value("tiny").run()
    assert page.button(key="sample 0")


def test_a_domain_name_that_is_a_path_is_refused(
    tiny_index: Index, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAVIA_DOMAIN", "../tiny")
    assert "is no domain name" in open_page().error[0].value


def test_every_fault_of_a_broken_pack_is_listed(write_pack: WritePack, open_page: OpenPage) -> None:
    write_pack({}, config="title: Plantas\nlanguage: español\ncolour: red\n")
    faults = open_page().error[0].value
    assert all(word in faults for word in ("persona", "refusal", "disclaimer", "language", "colour"))


def test_an_index_that_cannot_be_read_is_said(tiny_index: Index, open_page: OpenPage) -> None:
    (tiny_index.folder / "CURRENT").write_text("gone\n")
    page = open_page()
    assert "no se puede leer" in page.warning[0].value
    assert page.code[0].value == "savia index rebuild --domain tiny"


@pytest.mark.slow  # it imports sentence-transformers to find that there is no such model
def test_an_embedder_that_is_missing_costs_a_sentence_not_the_answer(
    tiny_index: Index, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAVIA_EMBEDDER", "/no/such/model")
    page = open_page().chat_input(key="question").set_value(QUESTION).run()
    assert not page.exception
    assert "El modelo de vectores no está disponible" in said(page)
    assert "alivia quemaduras leves" in said(page)


def test_a_setting_that_cannot_be_read_is_said(
    tiny_index: Index, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAVIA_BACKEND", "oracle")
    page = open_page()
    assert "SAVIA" in page.error[0].value
    assert not page.exception
