"""Answers in a terminal: notices first, the text as it comes, then what was cited."""

import sys

from assistant.answer import Answer, AnswerStream
from assistant.citations import Citation
from retrieval.console import errors, escape, output
from retrieval.text import strip_invisible

QUOTE = 160  # characters of a quotation shown


def stream_answer(stream: AnswerStream) -> Answer:
    """Print notices and pieces as they come; reasoning goes to stderr, dimmed, and so do the first hits while they are reranked."""
    if stream.reranks:
        found = "; ".join(dict.fromkeys(source.label for source in stream.first_sources))
        errors().print(f"[dim]Found so far: {escape(strip_invisible(found))}[/dim]", soft_wrap=True)
        _ = stream.sources
    for notice in stream.red_flags:
        output().print(f"[bold red]![/bold red] {escape(notice.message)}", soft_wrap=True)
    for piece in stream:
        text = strip_invisible(piece.text)  # a passage or model must not send escape sequences to the terminal
        if piece.kind == "reasoning":
            errors().print(f"[dim]{escape(text)}[/dim]", end="", soft_wrap=True)
        else:
            sys.stdout.write(text)
            sys.stdout.flush()
    sys.stdout.write("\n")
    return stream.answer


def print_answer(answer: Answer) -> None:
    """What follows the text: citations and the disclaimer."""
    shown: dict[tuple[int, str], Citation] = {}
    for citation in answer.citations:
        shown.setdefault((citation.n, citation.quote), citation)
    for citation in shown.values():
        mark = "" if citation.supported else "  [yellow](not found in the passage)[/yellow]"
        quote = " ".join(strip_invisible(citation.quote).split())[:QUOTE]
        output().print(rf"[dim]\[{citation.n}] {escape(citation.section)}[/dim]  {escape(quote)}{mark}", soft_wrap=True)
    if not answer.abstained:
        output().print(f"[dim]{escape(answer.disclaimer)}[/dim]", soft_wrap=True)
    if answer.lexical_only:
        errors().print("[dim]Lexical search only: vectors are missing. Run savia index sync.[/dim]")
