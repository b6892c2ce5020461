"""Hostile Markdown comes out as plain words; harmless Markdown keeps its shape."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from assistant.ui.safe_markdown import safe_markdown, safe_text

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<iframe src="https://evil.test"></iframe>',
    "texto <svg/onload=alert(1)> texto",
    "![rastreo](https://evil.test/p.png)",
    "![rastreo][r]\n\n[r]: https://evil.test/p.png",
    "[![a](https://evil.test/a.png)](https://evil.test)",
    "[clic](javascript:alert(1))",
    "[clic](JaVaScRiPt:alert(1))",
    "[clic](&#106;avascript:alert(1))",
    "[clic](data:text/html;base64,PHNjcmlwdD4=)",
    "[clic](vbscript:x)",
    "[clic](//evil.test/x)",
    "[1]: https://evil.test\n\nSegún [1].",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "a&#10;&#10;<script>alert(1)</script>",
    "\\<script>alert(1)</script>",
    "```\n</code></pre><script>alert(1)</script>\n```",
    "> - <img src=x onerror=alert(1)>",
    "| a |\n| --- |\n| <img src=x onerror=alert(1)> |",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_survives_a_reader_that_allows_html(text: str) -> None:
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(safe_markdown(text))
    assert not re.search(
        r"<(?!/?(p|em|strong|ul|ol|li|pre|code|blockquote|table|thead|tbody|tr|th|td|a|br|hr)\b)", html
    )
    assert not re.search(r'href="(?!https?:|mailto:)', html)


@given(st.text(alphabet="<>![]()*_`:$#-|.\n\\&;/ax1 {}~\"'", max_size=80))
def test_no_text_can_become_an_image_a_directive_or_html(text: str) -> None:
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(safe_markdown(text))
    assert not re.search(r"<(img|a|script|x)\b", html)


@pytest.mark.parametrize("text", [":red[x]", ":material/home:", ":smile:", "::video[x]", ":color[x]{background='red'}"])
def test_streamlit_directives_and_icons_are_broken_up(text: str) -> None:
    assert not re.search(r"(?<!\\):[a-z]|:material|:smile", safe_markdown(text))


def test_mathematics_is_shown_as_typed() -> None:
    assert safe_markdown("cuesta $5 y $$x$$") == r"cuesta \$5 y \$\$x\$\$"


def test_an_image_becomes_its_description() -> None:
    assert safe_markdown("Vea ![flor de árnica](https://evil.test/a.png) aquí.") == "Vea flor de árnica aquí."


def test_emphasis_lists_and_tables_are_kept() -> None:
    text = "Es **amarga**, *fría*.\n\n- uno\n- dos\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert safe_markdown(text) == text


def test_a_nested_list_keeps_its_levels() -> None:
    assert safe_markdown("1. té\n   - frío\n2. baño") == "1. té\n\n   - frío\n2. baño"


def test_a_year_at_the_start_of_a_line_makes_no_list() -> None:
    assert safe_markdown("1552\\. Se escribe el códice.") == r"1552\. Se escribe el códice."


def test_a_heading_ranks_below_the_pages_own() -> None:
    assert safe_markdown("# Usos") == "### Usos"


def test_a_link_to_another_site_is_kept_and_its_address_encoded() -> None:
    assert safe_markdown("[guía](https://ejemplo.test/a_b)") == "[guía](<https://ejemplo.test/a_b>)"


def test_a_relative_link_is_resolved_or_shown_as_text() -> None:
    text = "la [árnica](arnica.md) y la [x](otra.md)"
    resolved = safe_markdown(text, link=lambda href: "documents?document=arnica" if href == "arnica.md" else None)
    assert resolved == "la [árnica](<documents?document=arnica>) y la x"


def test_a_quoted_sentence_is_highlighted() -> None:
    text = safe_markdown("Es fría. Alivia quemaduras. Nada más.", quotes=["Alivia quemaduras."])
    assert text == "Es fría. :yellow-background[Alivia quemaduras.] Nada más."


def test_quoted_sentences_that_touch_share_one_highlight() -> None:
    assert safe_markdown("Uno. Dos. Tres.", quotes=["Dos.", "Uno."]) == ":yellow-background[Uno. Dos.] Tres."


def test_a_highlight_may_hold_emphasis_and_a_link() -> None:
    text = safe_markdown(
        "Use **árnica** [aquí](https://a.test). Fin.", quotes=["Use **árnica** [aquí](https://a.test)."]
    )
    assert text == ":yellow-background[Use **árnica** [aquí](<https://a.test>).] Fin."


def test_a_highlight_that_cuts_emphasis_in_two_drops_the_emphasis() -> None:
    assert safe_markdown("*Uno. Dos.* Tres.", quotes=["Dos.* Tres."]) == "Uno. :yellow-background[Dos. Tres.]"


def test_a_quoted_table_row_is_highlighted_cell_by_cell() -> None:
    text = safe_markdown("| a | b |\n| --- | --- |\n| té | tos |", quotes=["| té | tos |"])
    assert text.splitlines()[-1] == "| :yellow-background[té] | :yellow-background[tos] |"


def test_a_quotation_cannot_smuggle_a_directive() -> None:
    assert safe_markdown("a] :red[b", quotes=["a] :red[b"]) == ":yellow-background[a\\] \\:\u2060red\\[b]"


def test_marks_show_whether_they_are_supported() -> None:
    text = safe_markdown("Uno [1]. Dos [2]. Tres [1].", marks={1: [True, False], 2: [True]})
    assert text == "Uno\u00a0:green[\\[1\\]]. Dos\u00a0:green[\\[2\\]]. Tres\u00a0:orange[\\[1\\]\u00a0?]."


def test_a_mark_without_a_source_is_never_shown_as_supported() -> None:
    assert ":orange" in safe_markdown("Dicen [7].", marks={1: [True]})


def test_a_title_with_markup_is_one_plain_line() -> None:
    assert safe_text("# Té\n**fuerte** <b>") == r"\# Té \*\*fuerte\*\* \<b\>"
