"""What ask, chat, app and doctor do. Their options: assistant/cli.py."""

import sys

import typer

from assistant.answer import Answer, Assistant
from assistant.doctor import diagnose
from assistant.serve import check_port, serve_streamlit
from assistant.settings import read_assistant_settings
from assistant.terminal import print_answer, stream_answer
from assistant.wiring import build_assistant
from retrieval.commands_index import sync_with_progress
from retrieval.console import errors, escape, output, parse_where, print_json
from retrieval.errors import BackendError, CorpusMissing, IndexLocked, UsageError
from retrieval.followups import Turn
from retrieval.settings import read_settings
from retrieval.wiring import build_embedder, open_index


def ask(
    question: str,
    domain: str | None,
    where: list[str] | None,
    as_json: bool,
    backend: str | None = None,
    model: str | None = None,
    adapter: str | None = None,
) -> None:
    """Answer one question with citations."""
    assistant = build_from_settings(domain, backend, model, adapter)
    text = sys.stdin.read() if question == "-" else question
    stream = assistant.ask(text, where=parse_where(where))
    if as_json:
        print_json(stream.run().as_json())
    else:
        print_answer(stream_answer(stream))


def chat(domain: str | None, backend: str | None = None, model: str | None = None, adapter: str | None = None) -> None:
    """Talk in the terminal; Ctrl-C stops an answer and keeps the chat, an empty line or Ctrl-D ends it."""
    assistant = build_from_settings(domain, backend, model, adapter)
    output().print(
        f"[bold]{assistant.domain.config.title}[/bold]  {assistant.domain.config.disclaimer}", soft_wrap=True
    )
    history: list[Turn] = []
    while (question := _read_question()) is not None:
        try:
            answer = _answer_in_chat(assistant, question, history)
        except UsageError as error:
            errors().print(escape(str(error)), soft_wrap=True)
            continue
        history.extend([("user", question), ("assistant", answer.text)])


def _answer_in_chat(assistant: Assistant, question: str, history: list[Turn]) -> Answer:
    stream = assistant.ask(question, history)
    try:
        print_answer(stream_answer(stream))
    except KeyboardInterrupt:
        errors().print("\n(stopped)")
    except BackendError as error:  # what came is kept, and the next question may find the server back
        errors().print(f"\n[red]{escape(str(error))}[/red]", soft_wrap=True)
    return stream.answer


def _read_question() -> str | None:
    try:
        return input("\n> ").strip() or None
    except (EOFError, KeyboardInterrupt):
        return None


def serve_page(domain: str | None, host: str, port: int) -> None:
    """Open the page; brings the domain's index in step with its documents first."""
    check_port(host, port)
    settings = read_settings(domain=domain)
    index = open_index(settings)
    try:
        sync_with_progress(index, build_embedder(settings, errors().print))
    except IndexLocked as error:
        index.view()  # another process is writing: what it has published so far can be asked
        errors().print(str(error))
    except CorpusMissing as error:  # the page says what such a pack can do
        errors().print(str(error))
    serve_streamlit(host, port, settings.domain)


def doctor(as_json: bool) -> None:
    """Say what is installed, which backends can be used, and what to do next."""
    findings = diagnose(read_settings(), read_assistant_settings())
    if as_json:
        print_json([finding.as_json() for finding in findings])
    else:
        for finding in findings:
            output().print(f"{finding.mark} {finding.name:22} {finding.text}", soft_wrap=True)
    if any(finding.broken for finding in findings):
        raise typer.Exit(1)


def build_from_settings(
    domain: str | None, backend: str | None = None, model: str | None = None, adapter: str | None = None
) -> Assistant:
    """The settings' assistant; what is given here is stronger than they are. A model or adapter alone means a backend that has one."""
    chosen = backend or read_assistant_settings().backend
    if backend is None and chosen == "extractive" and (model or adapter):
        chosen = "local"
    names = {"vllm_model" if chosen == "vllm" else "model": model, "adapter": adapter}
    settings = read_settings(domain=domain)
    embedder = build_embedder(settings, errors().print)
    chosen_settings = read_assistant_settings(backend=chosen, **names)
    return build_assistant(settings.domain, settings, chosen_settings, embedder, say=errors().print)
