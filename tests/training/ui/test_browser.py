"""The pages "Data set" and "Training" in a real Chromium: a build outlives the page, a hostile row does nothing."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Request

from docs.live_page import chromium_page, find_chromium, running_app
from tests.training.data_preparation.exporting import CONFIG, DOCUMENTS
from training.layout import BuildLayout

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE = 90_000  # milliseconds: a build in a fresh process, on a busy machine

HOSTILE = {
    "question": "<script>window.attacked = 1</script> ¿Qué es?",
    "answer": "<img src=x onerror='window.attacked = 2'> ![a](http://127.0.0.1:9/a.png) [b](javascript:window.attacked=3) $x^2$",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a small pack that holds a hostile row of its own."""
    if find_chromium() is None:
        reason = "chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}, and browser tests are never skipped in CI")
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("home")
    pack = folder / "data" / "domains" / "tiny"
    for name, text in DOCUMENTS.items():
        path = pack / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (pack / "domain.yaml").write_text(CONFIG, "utf-8")
    return folder


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    with running_app(home, SAVIA_DOMAIN="tiny", SAVIA_EMBEDDER="none") as running:
        yield running


def test_a_build_goes_on_when_the_page_is_closed(home: Path, address: str) -> None:
    with chromium_page() as page:
        page.set_default_timeout(PATIENCE)
        page.goto(f"{address}/data-set")
        page.get_by_role("button", name="Construir los datos").click()
        page.get_by_role("button", name="Detener").wait_for()
    with chromium_page() as page:  # another browser: nothing of the first is left
        page.set_default_timeout(PATIENCE)
        page.goto(f"{address}/data-set")
        page.get_by_text("El conjunto de datos está al día.").wait_for()
    assert BuildLayout(home / "data" / "build" / "tiny").exported("train").is_file()


def test_a_hostile_row_executes_and_loads_nothing(home: Path, address: str) -> None:
    layout = BuildLayout(home / "data" / "build" / "tiny")
    layout.split("train").parent.mkdir(parents=True, exist_ok=True)
    row = {"id": "0123456789abcdef", "task": "<b>t</b>", **HOSTILE}
    layout.split("train").write_text(json.dumps(row) + "\n", "utf-8")
    requests: list[Request] = []
    with chromium_page() as page:
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: requests.append(request))
        page.goto(f"{address}/data-set")
        page.get_by_text("Revisar").click()
        page.get_by_text("window.attacked = 2").first.wait_for()  # shown as text
        page.get_by_text("Cifras").click()
        page.locator("canvas, svg.marks").first.wait_for()
        assert page.evaluate("window.attacked") is None
        assert page.locator("iframe, .katex, img[src*='a.png'], a[href^='javascript']").count() == 0
    assert [request.url for request in requests if not request.url.startswith((address, "data:", "blob:"))] == []
