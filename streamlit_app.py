"""The page: opens the chosen domain and puts the pages together; `savia app` (or `make app`) starts it.

streamlit run streamlit_app.py
"""

import streamlit as st

from assistant.ui.chat import show_chat
from assistant.ui.documents import show_documents
from assistant.ui.evaluation import show_evaluation
from assistant.ui.links import DOCUMENTS_PATH
from assistant.ui.shell import open_workplace
from assistant.ui.strings import words
from assistant.ui.style import show_style
from training.ui.data_set import show_data_set
from training.ui.place import open_place
from training.ui.strings import words as training_words
from training.ui.training_page import show_training


def main() -> None:
    st.set_page_config(page_title="Savia", page_icon="🌿", layout="wide")
    show_style()
    workplace = open_workplace()
    say = workplace.say if workplace else words(st.context.locale)
    place = open_place()
    teach = place.say if place else training_words(st.context.locale)

    def chat() -> None:
        if workplace:
            show_chat(workplace.page, workplace.writers())

    def documents() -> None:
        if workplace:
            show_documents(workplace.assistant, say)

    def data_set() -> None:
        if place:
            show_data_set(place)

    def training() -> None:
        if place:
            show_training(place)

    def evaluation() -> None:
        if workplace:
            show_evaluation(workplace.assistant, workplace.retrieval, say)

    pages = [
        st.Page(chat, title=say["page_chat"], icon=":material/forum:", default=True),
        st.Page(documents, title=say["page_documents"], icon=":material/menu_book:", url_path=DOCUMENTS_PATH),
        st.Page(evaluation, title=say["page_evaluation"], icon=":material/query_stats:", url_path="evaluation"),
        st.Page(data_set, title=teach["page_data_set"], icon=":material/dataset:", url_path="data-set"),
        st.Page(training, title=teach["page_training"], icon=":material/model_training:", url_path="training"),
    ]
    st.navigation(pages, position="top").run()


if __name__ == "__main__":
    main()
