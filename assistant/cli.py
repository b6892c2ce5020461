"""Commands of the middle floor: their options and help. What they do stands in commands.py, imported when a command runs."""

from typing import Annotated

import typer

from retrieval.console import DomainOption, JsonOption, WhereOption, normalize

BackendOption = Annotated[
    str | None,
    typer.Option(help="Who writes: extractive, local or vllm; default SAVIA_BACKEND.", show_default=False),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "--model-path", help="The model's folder or name; with vllm, its served name.", show_default=False
    ),
]
AdapterOption = Annotated[
    str | None, typer.Option(help="A LoRA adapter's folder, for local and for serve --mode vllm.", show_default=False)
]

app = typer.Typer(context_settings={"token_normalize_func": normalize})


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotes; - reads it from standard input.")],
    domain: DomainOption = None,
    where: WhereOption = None,
    as_json: JsonOption = False,
    backend: BackendOption = None,
    model: ModelOption = None,
    adapter: AdapterOption = None,
) -> None:
    """Answer one question with citations."""
    from assistant.commands import ask

    ask(question, domain, where, as_json, backend, model, adapter)


@app.command()
def chat(
    domain: DomainOption = None,
    backend: BackendOption = None,
    model: ModelOption = None,
    adapter: AdapterOption = None,
) -> None:
    """Talk in the terminal; Ctrl-C stops an answer and keeps the chat, an empty line or Ctrl-D ends it."""
    from assistant.commands import chat

    chat(domain, backend, model, adapter)


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


@app.command()
def serve(
    mode: Annotated[str, typer.Option(help="api, vllm, local (a session in the terminal) or gradio.")] = "api",
    domain: DomainOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on; others than this machine need keys.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="8000; gradio: 7860.", show_default=False)] = None,
    backend: BackendOption = None,
    model: ModelOption = None,
    adapter: AdapterOption = None,
    only_print: Annotated[bool, typer.Option("--print", help="vllm: show the command and start nothing.")] = False,
    max_model_len: Annotated[int, typer.Option(min=0, help="vllm: the window in tokens; 0: the model's own.")] = 0,
    gpu_memory_utilization: Annotated[
        float, typer.Option(min=0, max=1, help="vllm: share of the GPU's memory; 0: vLLM's default.")
    ] = 0.0,
    tensor_parallel_size: Annotated[int, typer.Option(min=1, help="vllm: GPUs that share each layer.")] = 1,
    pipeline_parallel_size: Annotated[int, typer.Option(min=1, help="vllm: GPUs that share the layers out.")] = 1,
    vllm_python: Annotated[str, typer.Option(help="vllm: the Python of the environment that vLLM is in.")] = "",
    new_key: Annotated[bool, typer.Option("--new-key", help="api: print a new API key and its hash.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Serve answers (api, gradio, local) or a model (vllm) until stopped."""
    from assistant.commands_serve import make_key, serve

    if new_key:
        make_key(as_json)
        return
    options: dict[str, object] = {
        "backend": backend,
        "model": model or "",
        "adapter": adapter or "",
        "only_print": only_print,
        "max_model_len": max_model_len,
        "gpu_memory_utilization": gpu_memory_utilization,
        "tensor_parallel_size": tensor_parallel_size,
        "pipeline_parallel_size": pipeline_parallel_size,
        "python": vllm_python,
    }
    serve(mode, domain, host, port, options)
