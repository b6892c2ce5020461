"""Commands of the middle floor: their options and help. What they do stands in commands.py, imported when a command runs."""

from typing import Annotated

import typer

from retrieval.console import DomainOption, JsonOption, WhereOption, normalize

app = typer.Typer(context_settings={"token_normalize_func": normalize})


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotes; - reads it from standard input.")],
    domain: DomainOption = None,
    where: WhereOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer one question with citations."""
    from assistant.commands import ask

    ask(question, domain, where, as_json)


@app.command()
def chat(domain: DomainOption = None) -> None:
    """Talk in the terminal; Ctrl-C stops an answer and keeps the chat, an empty line or Ctrl-D ends it."""
    from assistant.commands import chat

    chat(domain)


@app.command("app")
def serve_page(
    domain: DomainOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
) -> None:
    """Open the page; brings the domain's index in step with its documents first."""
    from assistant.commands import serve_page

    serve_page(domain, host, port)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what is installed, which backends can be used, and what to do next."""
    from assistant.commands import doctor

    doctor(as_json)
