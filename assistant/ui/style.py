"""The page's look beyond what the theme covers: widths, spacing, quiet colours. A constant, so nothing foreign gets in."""

import streamlit as st

CSS = """
<style>
.stMainBlockContainer { max-width: 84rem; padding-top: 4.5rem; padding-bottom: 2rem; }
.stBottom > div > div { max-width: 84rem; padding-bottom: 1.75rem; }
[data-testid="stSidebarUserContent"] { padding-top: 0; }
[data-testid="stMarkdownContainer"] p, [data-testid="stMarkdownContainer"] li { line-height: 1.6; }
[data-testid="stMarkdownContainer"] h3 { font-size: 1.3rem; }
.stMarkdownColoredBackground { background-color: #fdeeb3 !important; border-radius: 0.2rem; padding: 0.12em 0.1em;
  -webkit-box-decoration-break: clone; box-decoration-break: clone; }

[data-testid="stChatMessage"] { background: transparent; padding: 0.25rem 0; }
[data-testid="stChatMessage"]:has([aria-label="Chat message from user"]) p { font-weight: 600; font-size: 1.1rem; }
[class*="st-key-passages"] { font-size: 0.94rem; }
[class*="st-key-passages"] [data-testid="stMarkdownContainer"] { font-size: inherit; }
[class*="st-key-passages"] .stVerticalBlock { gap: 0.5rem; }

.st-key-welcome { max-width: 52rem; margin: 4vh auto 0; }
.st-key-welcome h1 { font-size: 2.5rem; padding-bottom: 0; }
.st-key-welcome h3 { font-size: 1.5rem; font-weight: 400; opacity: 0.75; padding-top: 0; }
.st-key-samples button { border-radius: 1.3rem; text-align: left; }
.st-key-document-list button { text-align: left; justify-content: flex-start; min-height: 1.9rem; padding: 0.1rem 0; }

@media (min-width: 60rem) {
  /* Long passages scroll beside the answer, so that question, answer and passages are seen together. */
  [class*="st-key-passages"] { max-height: calc(100vh - 13.5rem); overflow-y: auto; padding-right: 0.25rem; flex-wrap: nowrap; }
  [class*="st-key-passages"] > * { flex-shrink: 0; }
}
@media (max-width: 60rem) {
  [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"]) { flex-direction: column; }
  [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] { width: 100%; flex: 1 1 auto; min-width: 100%; }
}
</style>
"""


def show_style() -> None:
    st.html(CSS)
