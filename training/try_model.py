"""Ask a trained model something, at once or in a conversation at the terminal.

    savia try --model-path models/herbolaria-merged --prompt "¿Qué es el susto?"
    savia try --model-path BASE --adapter RUN/final              # interactive

In Python: `model, tokenizer = load_trained_model("microsoft/phi-2", "RUN/final"); test_model(model, tokenizer, "What is a fever?")`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from assistant.backends.chat_prompt import ChatPrompt, Rendered
from assistant.backends.exact_weights import keep_weights_exact
from assistant.backends.local_model import LoadedModel, ModelRequest, Precision, Quantization, load_model, load_prompt
from assistant.backends.model_files import find_model
from assistant.messages import Message, Options, Piece
from assistant.prompts import build_messages
from retrieval.console import (
    DomainOption,
    JsonOption,
    errors,
    escape,
    print_json,
    progress_bar,
    run_command,
    say,
)
from retrieval.domain import Domain
from retrieval.errors import UsageError
from training.merge_networks import quiet_merging
from training.model_domain import find_domain
from training.model_writer import ModelWriter, Written

MAX_TOKENS: Final = 256
TINY: Final = 50_000_000  # parameters below which a model is labelled a check of the pipeline
_END: Final = ("exit", "quit", "salir")
_PROBE: Final = "xyzzy"  # a text that no template holds: what follows it opens the answer


def load_trained_model(
    base: str | Path, adapter: str | Path | None = None, quantization: Quantization = "auto", dtype: Precision = "auto"
) -> tuple[Any, Any]:
    """(model, tokenizer) of a base with its adapter, of a merged model, or of an adapter whose base is found by its name.

    Raises `BackendError` for what is missing, damaged or does not belong together.
    """
    loaded = _load(ModelRequest(str(base), str(adapter) if adapter else None, quantization, dtype))
    return loaded.network, loaded.prompt.tokenizer


def test_model(model: Any, tokenizer: Any, prompt: str, max_tokens: int = MAX_TOKENS, show: bool = True) -> str:
    """The model's answer to a prompt, printed as well; a prompt in the template's own layout is gone on with as it stands."""
    window = min(int(getattr(model.config, "max_position_embeddings", 4096)), int(tokenizer.model_max_length))
    chat = ChatPrompt(tokenizer, window)
    written = answer(ModelWriter(LoadedModel(model, chat, str(model.device), "")), prompt, None, max_tokens)
    if show:
        typer.echo(f"Prompt: {prompt}\nResponse: {written.answer}")
    return written.answer


test_model.__test__ = False  # type: ignore[attr-defined]  # its name is what people know; pytest must not run it


def answer(
    writer: ModelWriter,
    prompt: str,
    domain: Domain | None,
    max_tokens: int,
    history: Sequence[Message] = (),
    show: Callable[[Piece], None] | None = None,
) -> Written:
    """One answer: with the domain's own prompt where there is a domain."""
    options = Options(max_tokens=max_tokens)
    opening = answer_opening(writer.loaded.prompt)
    if opening and prompt.rstrip().endswith(opening.strip()) and not history:
        tokenizer = writer.loaded.prompt.tokenizer
        tokens = tuple(tokenizer(prompt.rstrip(), add_special_tokens=False, verbose=False)["input_ids"])
        return writer.go_on(Rendered(tokens, False), options, show)
    if domain is None:
        return writer.write([*history, Message("user", prompt)], options, show)
    past = [(message.role, message.content) for message in history if message.role != "system"]
    return writer.write(build_messages(domain.config, prompt, (), past), options, show)


def answer_opening(prompt: ChatPrompt) -> str:
    """What a template writes between a question and its answer, such as `\\nAssistant:`."""
    turns = [{"role": "user", "content": _PROBE}]
    text: str = prompt.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return text.rpartition(_PROBE)[2]


def command(
    model_path: Annotated[
        str,
        typer.Option("--model-path", "--model", help="A merged model, a base, or an adapter; a folder or a Hub name."),
    ],
    adapter: Annotated[str, typer.Option("--adapter", "--adapter-path", help="An adapter of that base.")] = "",
    prompt: Annotated[
        list[str] | None,
        typer.Option("--prompt", "--test-prompt", help="Repeatable; without one, a conversation.", show_default=False),
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = MAX_TOKENS,
    quantization: Annotated[Quantization, typer.Option(help="Hold the model in 4 or 8 bits.")] = "auto",
    plain: Annotated[bool, typer.Option("--plain", help="Send the prompt alone, without the domain's rules.")] = False,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a trained model something; no retrieval, no checks: `savia ask` has those."""
    request = ModelRequest(model_path, adapter or None, quantization)
    folder = find_model(model_path, adapter or None).adapter or Path(model_path)
    pack = None if plain else find_domain(domain, folder)
    with progress_bar() as report:
        loaded = _load(request, report)
    if loaded.network.num_parameters() < TINY:
        say("A tiny model: a check of the pipeline, not of answers.")
    writer = ModelWriter(loaded)
    if prompt is None:
        if as_json:
            raise UsageError("A conversation has no JSON.", "Give --prompt as well.")
        _converse(writer, pack, max_tokens)
        return
    found = [(text, answer(writer, text.replace("\\n", "\n"), pack, max_tokens)) for text in prompt]
    if as_json:
        print_json([{"prompt": text, **_as_json(written)} for text, written in found])
        return
    for text, written in found:
        if len(found) > 1:
            errors().print(f"[bold]{escape(text)}[/bold]")
        typer.echo(written.answer or "(no answer)")


def _load(request: ModelRequest, report: Callable[[str, int, int], None] | None = None) -> LoadedModel:
    with quiet_merging():
        loaded = load_model(request, load_prompt(request), report or (lambda stage, done, total: None))
    keep_weights_exact(loaded.network)
    return loaded


def _as_json(written: Written) -> dict[str, Any]:
    return {
        "answer": written.answer,
        "reasoning": written.reasoning,
        "tokens": written.tokens,
        "stopped": written.stopped,
        "tokens_per_second": round(written.tokens_per_second, 2),
    }


def _converse(writer: ModelWriter, domain: Domain | None, max_tokens: int) -> None:
    """Questions from the terminal until it ends or somebody says exit; the conversation is kept."""
    errors().print("Ask something; an empty line, exit or Ctrl-D ends.")
    history: list[Message] = []
    while True:
        try:
            question = input("> ").strip()
        except EOFError:
            return
        if not question or question.lower() in _END:
            return
        written = answer(writer, question, domain, max_tokens, history, _show)
        typer.echo("")
        history += [Message("user", question), Message("assistant", written.answer or "-")]


def _show(piece: Piece) -> None:
    if piece.kind == "answer":
        typer.echo(piece.text, nl=False)
    else:
        errors().print(escape(piece.text), style="dim", end="")


if __name__ == "__main__":
    run_command(command)
