"""Gradio's chat: the growing answer, its citations, nothing that a reader's browser would fetch."""

import os
import subprocess
import sys

import pytest

from assistant.backends.scripted import ScriptedBackend
from assistant.serve_gradio import answerer, plain_text
from retrieval.errors import BackendError
from retrieval.index import Index
from tests.assistant.conftest import MakeAssistant
from tests.conftest import ROOT

USES = "¿Para qué se usa la ruda?"


def test_the_answer_grows_and_ends_with_what_it_cites(make_assistant: MakeAssistant) -> None:
    shown = list(answerer(make_assistant(ScriptedBackend(["<think>Veo.</think>Contra el aire [1]."])))(USES, []))
    assert shown[0].endswith("Contra ") and "Veo" not in "".join(shown)
    assert shown[-1].endswith("Contra el aire [1].\n\n- [1] Ruda › Usos")


def test_the_conversation_is_used_in_both_of_its_shapes(make_assistant: MakeAssistant) -> None:
    backend = ScriptedBackend(["No."])
    history = [
        {"role": "user", "content": USES},
        {"role": "assistant", "content": [{"type": "text", "text": "Contra el aire."}]},
    ]
    list(answerer(make_assistant(backend))("¿y en el embarazo?", history))
    assert [message.role for message in backend.asked[0]] == ["system", "user", "assistant", "user"]


def test_a_fault_is_a_sentence_in_the_chat(make_assistant: MakeAssistant) -> None:
    answer = answerer(make_assistant(ScriptedBackend([BackendError("El servidor se cayó.")])))
    assert list(answer(USES, []))[-1].endswith("**El servidor se cayó.**")
    assert list(answer("  ", []))[-1].startswith("The question is empty.")


def test_no_image_and_no_html_reaches_the_browser() -> None:
    assert plain_text("![x](http://evil/a.png) <img src=x>") == "[x](http://evil/a.png) &lt;img src=x>"


BUILD = """
from assistant.commands import build_from_settings
from assistant.serve_gradio import build_interface
interface, theme = build_interface(build_from_settings("tiny"))
print(interface.title, theme._stylesheets, interface.analytics_enabled)
"""


@pytest.mark.slow
def test_the_interface_is_built_without_fonts_from_elsewhere(three_remedies: Index) -> None:
    pytest.importorskip("gradio", reason="the gradio extra is not installed")
    settings = {"SAVIA_HOME": str(three_remedies.settings.home), "SAVIA_EMBEDDER": "none"}
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True
    )
    assert done.stdout.strip() == f"{three_remedies.domain.config.title} [] False", done.stderr
