"""The page: opens the chosen domain and puts the pages together; `savia app` (or `make app`) starts it.

streamlit run streamlit_app.py
"""

import streamlit as st

from assistant.ui.chat import show_chat
from assistant.ui.documents import show_documents
from assistant.ui.links import DOCUMENTS_PATH
from assistant.ui.shell import open_workplace
from assistant.ui.strings import words
from assistant.ui.style import show_style


def main() -> None:
    st.set_page_config(page_title="Savia", page_icon="🌿", layout="wide")
    show_style()
    workplace = open_workplace()
    say = workplace.say if workplace else words(st.context.locale)

    def chat() -> None:
        if workplace:
            show_chat(workplace.assistant, say)

    def documents() -> None:
        if workplace:
            show_documents(workplace.assistant, say)

    pages = [
        st.Page(chat, title=say["page_chat"], icon=":material/forum:", default=True),
        st.Page(documents, title=say["page_documents"], icon=":material/menu_book:", url_path=DOCUMENTS_PATH),
    ]
    st.navigation(pages, position="top").run()


if __name__ == "__main__":
    main()
