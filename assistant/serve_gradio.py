"""A chat page made by Gradio, for those who know it; `savia app` has citations and passages beside the answer.

serve_gradio(assistant, "127.0.0.1", 7860)
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

from assistant.answer import AnswerStream, Assistant
from assistant.serve import check_port
from retrieval.errors import SaviaError, UsageError
from retrieval.followups import Turn
from retrieval.text import strip_invisible

Answer = Callable[[str, list[dict[str, Any]]], Iterator[str]]


def serve_gradio(assistant: Assistant, host: str, port: int) -> None:
    """Run the page until it is stopped. Raises `UsageError` where Gradio is not installed or the port is in use."""
    check_port(host, port, "The page", "savia serve --mode gradio --port")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    interface, theme = build_interface(assistant)
    interface.launch(server_name=host, server_port=port, share=False, quiet=True, theme=theme, footer_links=[])


def build_interface(assistant: Assistant) -> tuple[Any, Any]:
    """The ChatInterface and its theme, whose fonts come from the machine. Raises `UsageError` where Gradio is missing."""
    try:
        import gradio
    except ImportError as error:
        raise UsageError("Gradio is not installed.", 'Install it: pip install "savia[gradio]"') from error
    config = assistant.domain.config
    interface = gradio.ChatInterface(
        answerer(assistant),
        title=config.title,
        description=config.disclaimer,
        examples=list(config.sample_questions) or None,
        cache_examples=False,
        flagging_mode="never",
        analytics_enabled=False,
        concurrency_limit=4,
    )
    return interface, gradio.themes.Default(font=["sans-serif"], font_mono=["monospace"])


def answerer(assistant: Assistant) -> Answer:
    """What ChatInterface calls: a message and the turns before it, the growing answer back."""

    def answer(message: str, history: list[dict[str, Any]]) -> Iterator[str]:
        try:
            stream = assistant.ask(message, [turn for entry in history if (turn := _turn(entry))])
            yield from _grow(stream)
        except SaviaError as error:
            yield plain_text(str(error))

    return answer


def plain_text(text: str) -> str:
    """Text in which Markdown finds no image and no HTML: a model must not make a reader's browser fetch things."""
    return strip_invisible(text).replace("![", "[").replace("<", "&lt;")


def _grow(stream: AnswerStream) -> Iterator[str]:
    head = "".join(f"> ⚠ {plain_text(notice.message)}\n\n" for notice in stream.red_flags)
    text = ""
    try:
        for piece in stream:
            if piece.kind == "answer" and piece.text:
                text += piece.text
                yield head + plain_text(text)
    except SaviaError as error:
        yield f"{head}{plain_text(text)}\n\n**{plain_text(str(error))}**"
        return
    cited = {citation.n for citation in stream.answer.citations}
    lines = [f"- [{source.n}] {plain_text(source.label)}" for source in stream.sources if source.n in cited]
    yield head + plain_text(text) + ("\n\n" + "\n".join(lines) if lines else "")


def _turn(entry: dict[str, Any]) -> Turn | None:
    """A turn of Gradio's history, whose content is text or a list of parts."""
    role, content = entry.get("role"), entry.get("content")
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return (str(role), content) if role in ("user", "assistant") and isinstance(content, str) else None
