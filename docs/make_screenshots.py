"""Makes the README's pictures from the running app: `make screenshots` writes docs/images/*.png.

python -m docs.make_screenshots
"""

import tempfile
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

from docs.live_page import ROOT, build_index, chromium_page, make_home, run_savia, running_app

IMAGES = ROOT / "docs" / "images"
QUESTION = "¿Para qué se usa la sábila?"
DANGER = "Mi hijo se tragó una semilla de higuerilla, ¿qué hago?"
UNKNOWN = "¿Cuánto cuesta un boleto de avión a Tokio?"
WIDE = ViewportSize(width=1440, height=900)
NARROW = ViewportSize(width=420, height=900)
PATIENCE_MS = 30_000
SETTLING_MS = 5_000  # plots are drawn after the page has answered


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder))
        build_index(home)
        run_savia(home, "evaluate", "retrieval")
        run_savia(home, "dataset", "build")
        with running_app(home) as address, chromium_page() as page:
            take_all(page, address)


def take_all(page: Page, address: str) -> None:
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.get_by_role("button", name=QUESTION).wait_for()
    take(page, "welcome")
    ask(page, QUESTION)
    take(page, "answer")
    page.set_viewport_size(NARROW)
    scroll_up(page)
    take(page, "narrow")
    page.set_viewport_size(WIDE)
    start_again(page)
    ask(page, DANGER)
    scroll_up(page)
    take(page, "warning")
    start_again(page)
    ask(page, UNKNOWN)
    take(page, "refusal")
    page.goto(f"{address}/documents?document=plantas/sabila")
    page.get_by_role("heading", name="Sábila", exact=True).wait_for()
    take(page, "documents")
    for name in ("evaluation", "data-set", "training"):
        page.goto(f"{address}/{name}")
        page.get_by_test_id("stStatusWidget").wait_for(state="detached")
        page.wait_for_timeout(SETTLING_MS)
        take(page, name)


def start_again(page: Page) -> None:
    page.get_by_role("button", name="Nueva conversación").click()
    page.get_by_role("button", name=QUESTION).wait_for()


def ask(page: Page, question: str) -> None:
    """Type a question and wait for the whole answer."""
    before = page.get_by_text("Motor:").count()
    box = page.get_by_placeholder("Escriba su pregunta…")
    box.fill(question)
    box.press("Enter")
    page.get_by_text("Motor:").nth(before).wait_for()
    page.get_by_test_id("stStatusWidget").wait_for(state="detached")


def scroll_up(page: Page) -> None:
    """To the question: the page follows a growing answer to its end."""
    page.wait_for_timeout(700)
    page.get_by_test_id("stChatMessage").first.evaluate("message => message.scrollIntoView({block: 'center'})")


def take(page: Page, name: str) -> None:
    page.wait_for_timeout(700)  # animations and fonts
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
