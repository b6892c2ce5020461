"""The reading room: filter, choose, read, follow a link."""

from streamlit.testing.v1 import AppTest

from assistant.answer import Assistant
from assistant.settings import AssistantSettings
from assistant.ui.documents import filter_documents
from assistant.wiring import build_assistant
from retrieval.index import Index
from tests.assistant.ui.conftest import PATIENCE, said


def run_documents(assistant: "Assistant") -> None:
    from assistant.ui.documents import show_documents
    from assistant.ui.strings import words

    show_documents(assistant, words("es"))


def open_documents(index: Index, document: str = "") -> AppTest:
    assistant = build_assistant("tiny", index.settings, AssistantSettings(), None)
    page = AppTest.from_function(run_documents, default_timeout=PATIENCE, args=(assistant,))
    if document:
        page.query_params["document"] = document
    return page.run()


def test_all_documents_are_listed_by_title(tiny_index: Index) -> None:
    page = open_documents(tiny_index)
    assert [button.label for button in page.button] == ["Nopal", "Sábila", "Susto"]


def test_the_filter_ignores_accents_and_reads_front_matter(tiny_index: Index) -> None:
    view = tiny_index.view()
    infos = {info.id: info for info in map(view.document, range(3))}
    assert [info.id for info in filter_documents(infos, "sabila", "")] == ["plantas/sabila"]
    assert [info.id for info in filter_documents(infos, "asphodel", "plantas")] == ["plantas/sabila"]
    assert filter_documents(infos, "sábila", "diccionario") == []


def test_typing_narrows_the_list(tiny_index: Index) -> None:
    page = open_documents(tiny_index)
    page.text_input(key="document filter").set_value("sust").run()
    assert [button.label for button in page.button] == ["Susto"]


def test_a_chosen_document_is_shown_section_by_section(tiny_index: Index) -> None:
    page = open_documents(tiny_index).button(key="document plantas/sabila").click().run()
    assert not page.exception
    assert "## Sábila" in said(page)
    assert "### Usos" in said(page)
    assert "**Familia:** Asphodelaceae" in said(page)
    assert page.warning[0].value == "El látex amarillo es purgante."


def test_an_address_opens_its_document(tiny_index: Index) -> None:
    assert "## Susto" in said(open_documents(tiny_index, "diccionario/susto"))


def test_a_link_between_documents_leads_to_the_other_one(tiny_index: Index) -> None:
    page = open_documents(tiny_index, "plantas/sabila")
    assert "[nopal](<documents?domain=tiny&document=plantas/nopal>)" in said(page)
    assert "## Nopal" in said(page.button(key="related plantas/nopal").click().run())


def test_a_document_that_is_gone_is_said(tiny_index: Index) -> None:
    page = open_documents(tiny_index, "../../etc/passwd")
    assert "ya no está en la carpeta" in page.warning[0].value
