"""The page in a real Chromium: a question gets its answer, and a hostile document does nothing."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request

from docs.live_page import build_index, chromium_page, find_chromium, make_home, running_app
from retrieval.embedders import Embedder
from tests.fakes import PACK
from tests.fault_proxy import FaultServer, cut_after

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = """# Planta hostil

La planta hostil crece en la barranca. <script>window.attacked = 1</script> <img src=x onerror="window.attacked = 2">

![rastreo](http://127.0.0.1:9/rastreo.png) Se usa la planta hostil para la tos <iframe src="http://127.0.0.1:9/marco"></iframe>
y para el catarro [aquí](javascript:window.attacked=3). También :material/home: y $x^2$ y :red[rojo].
"""

# Pixels from the end of the answer to its passages, measured at one instant (the page may be scrolling).
GAP_BELOW_ANSWER = """
() => document.querySelector('[class*="st-key-passages"]').getBoundingClientRect().top
    - [...document.querySelectorAll('[data-testid="stChatMessage"]')].at(-1).getBoundingClientRect().bottom
"""


@pytest.fixture(scope="module")
def _chromium() -> None:
    if find_chromium() is None:
        reason = "chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}, and browser tests are never skipped in CI")
        pytest.skip(reason)


@pytest.fixture(scope="module")
def home(_chromium: None, embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped pack, indexed, and a hostile one beside it."""
    folder = make_home(tmp_path_factory.mktemp("home"))
    hostile = folder / "data" / "domains" / "hostile"
    (hostile / "corpus").mkdir(parents=True)
    (hostile / "domain.yaml").write_text(PACK, encoding="utf-8")
    (hostile / "corpus" / "hostil.md").write_text(HOSTILE, encoding="utf-8")
    for domain in ("herbolaria", "hostile"):
        build_index(folder, domain)
    return folder


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    with running_app(home) as running:
        yield running


@pytest.fixture
def page(_chromium: None) -> Iterator[Page]:
    with chromium_page() as opened:
        opened.set_default_timeout(30_000)
        yield opened


def ask(page: Page, question: str, answers: int = 1) -> None:
    """Ask, and wait until so many answers are whole."""
    box = page.get_by_placeholder("Escriba su pregunta…")
    box.fill(question)
    box.press("Enter")
    page.get_by_text("Motor:").nth(answers - 1).wait_for()


def choose_writer(page: Page, name: str) -> None:
    """Choose who answers, and wait until the page knows."""
    page.get_by_role("combobox", name="¿Quién responde?").click()
    page.get_by_role("option", name=name).click()
    page.get_by_text("Listo: cita" if name.startswith("Citas") else "El servidor responde.").wait_for()


def highlighted(page: Page) -> list[str]:
    """The texts of the highlighted quotations, top to bottom, once the passages are drawn below the finished answer."""
    page.locator('[class*="st-key-passages"] .stMarkdownColoredBackground').first.wait_for()
    return page.locator('[class*="st-key-passages"] .stMarkdownColoredBackground').all_inner_texts()


def test_a_typed_question_shows_answer_citation_and_highlighted_passage(page: Page, address: str) -> None:
    page.goto(address)
    ask(page, "¿Para qué se usa la sábila?")
    answer = page.get_by_test_id("stChatMessage").last.inner_text()
    assert "quemaduras" in answer
    assert "[1]" in answer
    assert (
        answer.count("Esta información es educativa") == 1
    )  # drawn while streaming and again at the end, in one place
    first = answer.split("[")[0].strip().splitlines()[-1]
    assert answer.count(first) == 1
    assert any("quemaduras" in quote for quote in highlighted(page))
    assert page.get_by_text("Pasajes citados").is_visible()


def test_a_hostile_document_executes_and_loads_nothing(page: Page, address: str) -> None:
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    page.goto(f"{address}/?domain=hostile")
    ask(page, "¿Para qué se usa la planta hostil?")
    page.get_by_text("window.attacked = 2").first.wait_for()  # shown as text
    page.goto(f"{address}/documents?domain=hostile&document=hostil")
    page.get_by_text("window.attacked = 1").first.wait_for()
    assert page.evaluate("window.attacked") is None
    assert page.locator("iframe, .katex, img[src*='rastreo'], a[href^='javascript']").count() == 0
    assert [request.url for request in requests if not request.url.startswith((address, "data:", "blob:"))] == []


def test_a_click_on_a_document_reads_it(page: Page, address: str) -> None:
    page.goto(f"{address}/documents")
    page.get_by_label("Buscar un documento").fill("susto")
    page.get_by_role("button", name="Susto", exact=True).click()
    page.get_by_role("heading", name="Susto", exact=True).wait_for()


def test_nothing_is_wider_than_a_narrow_screen(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(address)
    ask(page, "¿Qué es el susto y cómo se cura?")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.locator('[class*="st-key-passages"]').wait_for()
    assert page.evaluate(GAP_BELOW_ANSWER) >= 0


def test_a_server_that_dies_mid_answer_leaves_its_words_and_the_next_question_goes_elsewhere(
    home: Path, page: Page
) -> None:
    with ExitStack() as serving:
        server = serving.enter_context(FaultServer([cut_after("La sábila alivia ", "las quemaduras")]))
        running = serving.enter_context(running_app(home, SAVIA_VLLM_URL=server.url))
        page.goto(running)
        choose_writer(page, "Servidor: tiny")
        ask(page, "¿Para qué se usa la sábila?")
        server.stop()
        page.get_by_text("No server answers").wait_for()  # the switch looks again by itself
        choose_writer(page, "Citas de los documentos")
        ask(page, "¿Qué es el susto y cómo se cura?", answers=2)
        texts = page.get_by_test_id("stChatMessage").all_inner_texts()
    assert "La sábila alivia las quemaduras" in texts[1]
    assert "La respuesta se interrumpió" in texts[1]
    assert "Motor: extractive" in texts[3]
