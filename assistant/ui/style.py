"""The page's look beyond what the theme covers: widths, spacing, quiet colours. A constant, so nothing foreign gets in."""

import streamlit as st

CSS = """
<style>
.stMainBlockContainer { max-width: 84rem; padding-top: 4.5rem; padding-bottom: 7rem; }
.stBottom > div > div { max-width: 84rem; }
[data-testid="stMarkdownContainer"] p, [data-testid="stMarkdownContainer"] li { line-height: 1.65; }
[data-testid="stChatMessage"] { background: transparent; padding: 0.25rem 0; }
[data-testid="stChatMessage"]:has([aria-label="Chat message from user"]) p { font-weight: 600; font-size: 1.08rem; }
.st-key-welcome { max-width: 52rem; margin: 3vh auto 0; }
.st-key-welcome h1 { font-size: 2.4rem; padding-bottom: 0; }
.st-key-welcome h3 { font-weight: 400; opacity: 0.8; padding-top: 0; }
.st-key-samples button { border-radius: 1.2rem; text-align: left; }
.st-key-document-list button { text-align: left; justify-content: flex-start; }
[data-testid="stMarkdownContainer"] .stMarkdownColoredBackground { border-radius: 0.2rem; padding: 0.1em 0.15em; }
@media (max-width: 60rem) {
  [data-testid="stHorizontalBlock"] { flex-direction: column; }
  [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] { width: 100%; flex: 1 1 auto; min-width: 100%; }
}
</style>
"""


def show_style() -> None:
    st.html(CSS)
