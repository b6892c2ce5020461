"""Links between documents become addresses of the page."""

from assistant.ui.links import link_resolver, linked_document


def test_a_link_to_a_neighbour_folder_names_its_document() -> None:
    assert linked_document("plantas/sabila", "../diccionario/l/limpia.md#rito") == "diccionario/l/limpia"


def test_a_link_that_leaves_the_corpus_leads_nowhere() -> None:
    assert linked_document("plantas/sabila", "../../etc/notas.md") is None
    assert linked_document("plantas/sabila", "/etc/notas.md") is None


def test_a_link_to_something_else_than_markdown_leads_nowhere() -> None:
    assert linked_document("plantas/sabila", "hoja.png") is None


def test_an_address_names_the_domain_and_the_document() -> None:
    resolve = link_resolver("herbolaria", "plantas/sabila")
    assert resolve("flor%20roja.md") == "documents?domain=herbolaria&document=plantas/flor%20roja"


def test_a_document_that_is_not_there_is_not_linked() -> None:
    assert link_resolver("herbolaria", "plantas/sabila", {"plantas/nopal"})("arnica.md") is None
