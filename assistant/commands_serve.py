"""What `savia serve` does, mode by mode. Its options: assistant/cli.py."""

from retrieval.console import output, print_json, say
from retrieval.errors import UsageError
from retrieval.settings import read_settings

PORTS = {"api": 8000, "vllm": 8000, "gradio": 7860}


def make_key(as_json: bool) -> None:
    """A new key and the hash that the server is given; the key itself is kept nowhere."""
    from assistant.api.keys import hash_key, new_key

    key = new_key()
    if as_json:
        print_json({"key": key, "sha256": hash_key(key)})
    else:
        output().print(f"key     {key}\nsha256  {hash_key(key)}", soft_wrap=True)
        say("Give the key to who asks and the hash to the server: SAVIA_API_KEYS=NAME:HASH. The key is shown only now.")


def serve(mode: str, domain: str | None, host: str, port: int | None, plan_options: dict[str, object]) -> None:
    """Serve in one of the modes until stopped."""
    address = (host, port or PORTS.get(mode, 0))
    match mode:
        case "api":
            _serve_api(domain, *address, plan_options)
        case "vllm":
            _serve_vllm(*address, plan_options)
        case "gradio":
            _serve_gradio(domain, *address, plan_options)
        case "local":
            from assistant.commands import chat

            chat(domain, "local", _text(plan_options, "model"), _text(plan_options, "adapter"))
        case _:
            raise UsageError(f"--mode {mode!r} is none of api, vllm, local, gradio.")


def _serve_api(domain: str | None, host: str, port: int, options: dict[str, object]) -> None:
    from assistant.api.settings import read_api_settings
    from assistant.serve_api import serve_api
    from assistant.settings import read_assistant_settings

    assistant = read_assistant_settings(
        backend=options["backend"], model=options["model"] or None, adapter=options["adapter"] or None
    )
    retrieval, api = read_settings(domain=domain), read_api_settings()
    serve_api(host, port, retrieval, assistant, api, say)


def _serve_vllm(host: str, port: int, options: dict[str, object]) -> None:
    from assistant.serve_vllm import serve_vllm
    from assistant.settings import read_assistant_settings
    from assistant.vllm_command import VllmPlan, shell_line, vllm_command

    settings = read_assistant_settings()
    chosen = {name: value for name, value in options.items() if name not in ("backend", "only_print")}
    if not (chosen["model"] or chosen["adapter"]):
        chosen |= {"model": settings.model, "adapter": settings.adapter}
    plan = VllmPlan(host=host, port=port, **chosen)  # type: ignore[arg-type]
    if options["only_print"]:
        print(shell_line(vllm_command(plan)))
    else:
        key = settings.vllm_api_key.get_secret_value() if settings.vllm_api_key else ""
        serve_vllm(plan, say, key)


def _serve_gradio(domain: str | None, host: str, port: int, options: dict[str, object]) -> None:
    from assistant.commands import build_from_settings
    from assistant.serve_gradio import serve_gradio

    backend = str(options["backend"]) if options["backend"] else None
    assistant = build_from_settings(domain, backend, _text(options, "model"), _text(options, "adapter"))
    say(f"The page is at http://{host}:{port}.")
    serve_gradio(assistant, host, port)


def _text(options: dict[str, object], name: str) -> str | None:
    return str(options[name]) if options[name] else None
