"""The local backend beside the library it stands on: what its stream costs, how soon it falls silent, what it gives back.

    python -m benchmarks local_backend

The model has random weights: its words mean nothing, its time and memory are those of a real one of its size.
"""

import gc
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from assistant.backends.base import ChatBackend
from assistant.backends.local import LocalBackend, ModelOwner
from assistant.messages import Message, Options, Piece
from assistant.settings import read_assistant_settings
from assistant.wiring import build_model_backend
from benchmarks.report import Row
from benchmarks.workspace import BenchmarkFailed, Workspace
from retrieval.errors import BackendError
from tests.servers import ModelServer, body
from training.tiny_base import build_tiny_model

HIDDEN, LAYERS, VOCABULARY = 768, 8, 4096  # 62 M parameters: 250 MB in fp32
QUICK_HIDDEN, QUICK_LAYERS = 128, 2
PAIRS, TOKENS = 7, 64
RESTLESS = 4  # with weights as small as usual, a random model only repeats the last token it read
SWAPS = 5
OVERHEAD, CANCEL_SECONDS, MEMORY_SHARE = 0.05, 1.0, 0.10
SERVED = b"".join(
    b"data: %s\n\n" % line
    for line in (
        b'{"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "tiny", '
        b'"choices": [{"index": 0, "delta": {"content": "Alivia quemaduras [1]."}, "finish_reason": "stop"}]}',
        b"[DONE]",
    )
)
PERSONA = (
    "Respondes preguntas sobre herbolaria con lo que dicen los pasajes, y con nada más. Cita cada afirmación. " * 6
)
PASSAGES = "La sábila alivia quemaduras leves; se aplica el gel de la hoja sobre la piel limpia dos veces al día. " * 14


def run(workspace: Workspace) -> Iterator[Row]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(
        1
    )  # several pools of workers on a few cores wait for one another, and their waiting is measured
    try:
        yield from _measure(_build_model(workspace))
    finally:
        torch.set_num_threads(threads)


def _measure(folder: Path) -> Iterator[Row]:
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
    yield from _measure_stream(folder, size)
    yield from _measure_cancel(folder, size)
    yield from _measure_swaps(folder, size)


def _build_model(workspace: Workspace) -> Path:
    """A Qwen3 whose end token is never the likeliest, so that every answer has its full length."""
    from safetensors.numpy import load_file, save_file
    from transformers import AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    folder = workspace.folder / "random-qwen3"
    hidden, layers = (QUICK_HIDDEN, QUICK_LAYERS) if workspace.quick else (HIDDEN, LAYERS)
    build_tiny_model("qwen3", folder, [PERSONA + PASSAGES], hidden=hidden, layers=layers, vocabulary=VOCABULARY)
    load: Any = AutoTokenizer.from_pretrained
    end = load(folder).eos_token_id
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"][end] = 0
    louder = {
        name: value * RESTLESS if value.ndim == 2 and "embed" not in name else value for name, value in weights.items()
    }
    save_file(louder, folder / "model.safetensors", {"format": "pt"})
    return folder


def _measure_stream(folder: Path, size: float) -> Iterator[Row]:
    """Pairs of the same prompt, each in turn first; the system message is new each time, so no prefix is known."""
    owner = ModelOwner()
    backend = LocalBackend(str(folder), owner=owner, dtype="float32", device="cpu")
    backend.load()
    _ask(backend, _messages(-1))
    ratios, ours, bare = [], [], []
    for number in range(PAIRS):
        messages = _messages(number)
        steps = [
            lambda m=messages: ours.append(_ask(backend, m)),
            lambda m=messages: bare.append(_in_thread(lambda: _generate(owner, m))),
        ]
        for step in steps if number % 2 else reversed(steps):
            step()
        ratios.append(ours[-1] / bare[-1] - 1)
    overhead = median(ratios)
    yield Row(
        f"local backend: our stream against bare `generate`, {size:.0f} MB model, {TOKENS} tokens",
        f"{overhead:+.1%} ({median(ours):.2f} s and {median(bare):.2f} s; median of {PAIRS} pairs)",
        f"<= {OVERHEAD:.0%}",
        overhead <= OVERHEAD,
        {"ratios": ratios, "ours": ours, "bare": bare},
    )
    yield _measure_prefix(backend)
    backend.close()


def _measure_prefix(backend: LocalBackend) -> Row:
    """Time to the first token under a system message that is new, and under one that has been read before."""
    new, known = [], []
    for number in range(PAIRS):
        new.append(_ask(backend, _messages(100 + number, long_system=True), 1))
        known.append(_ask(backend, _messages(100 + number, long_system=True), 1))
    return Row(
        "local backend: first token, system message new and known",
        f"{median(new):.3f} s and {median(known):.3f} s (median of {PAIRS})",
        "reported",
        None,
        {"new": new, "known": known},
    )


def _measure_cancel(folder: Path, size: float) -> Iterator[Row]:
    """From closing the stream to the model's silence: while it writes, and while it reads a prompt of 3,500 tokens."""
    backend = LocalBackend(str(folder), dtype="float32", device="cpu")
    backend.load()
    long = [Message("system", "Hablas."), Message("user", PASSAGES * 12)]
    for what, messages, waits in (("writing", _messages(0), True), ("reading a long prompt", long, False)):
        times = []
        for _ in range(5):
            stream = backend.stream(messages, Options(max_tokens=2_000))
            next(piece for piece in stream if piece.text or not waits)
            started = time.perf_counter()
            stream.close()  # type: ignore[attr-defined]
            while backend.queue_position:
                time.sleep(0.001)
            times.append(time.perf_counter() - started)
        yield Row(
            f"local backend: cancel to silence while {what}",
            f"{max(times) * 1000:.0f} ms (largest of {len(times)})",
            f"<= {CANCEL_SECONDS:g} s",
            max(times) <= CANCEL_SECONDS,
            {"seconds": times},
        )
    backend.close()


def _measure_swaps(folder: Path, size: float) -> Iterator[Row]:
    """The same question to the local model and to a server in turn, each built as the app builds it; what stays of the model.

    The server streams over real HTTP. While it answers, the network must be gone and memory as it was in the first round.
    """
    import psutil

    process, loaded, freed, alive = psutil.Process(), [], [], 0
    with ModelServer(lambda *_: body(SERVED, {"content-type": "text/event-stream"})) as server:
        settings = read_assistant_settings(model=str(folder), dtype="float32", device="cpu", vllm_url=server.url)
        served = build_model_backend("vllm", settings)
        local = build_model_backend("local", settings)
        _ask(served, _messages(0), 8)  # the client's library stays in memory, whichever backend answers
        for number in range(SWAPS + 1):
            _ask(local, _messages(0), 8)
            networks = _living_networks()
            if len(networks) != 1:
                raise BenchmarkFailed(f"{len(networks)} models are loaded after a question")
            loaded.append(process.memory_info().rss / 1e6)
            if number == SWAPS:  # local -> vllm -> local: it ends as it began
                break
            local.close()  # type: ignore[attr-defined]
            _ask(served, _messages(0), 8)
            alive += sum(network() is not None for network in networks)
            freed.append(process.memory_info().rss / 1e6)
        local.close()  # type: ignore[attr-defined]
        asked = len(server.arrivals)
    yield _swap_row(size, alive, loaded, freed, asked)


def _swap_row(size: float, alive: int, loaded: list[float], freed: list[float], asked: int) -> Row:
    drift = max(max(loaded) / loaded[0], max(freed) / freed[0]) - 1
    return Row(
        f"local backend: local -> vllm -> local {SWAPS} times, {size:.0f} MB model",
        f"{alive} models left alive, memory {drift:+.1%} ({loaded[0]:.0f} MB with, {freed[0]:.0f} MB without the model at first; "
        f"{loaded[-1]:.0f} and {freed[-1]:.0f} MB at last)",
        f"0 alive, memory within {MEMORY_SHARE:.0%}",
        not alive and drift <= MEMORY_SHARE,
        {"loaded_mb": loaded, "freed_mb": freed, "asked_of_the_server": asked},
    )


def _living_networks() -> list["weakref.ref[Any]"]:
    """Weak references to every language model of this process, whoever holds it."""
    from transformers import PreTrainedModel

    networks: list[Any] = [thing for thing in gc.get_objects() if issubclass(type(thing), PreTrainedModel)]
    return [weakref.ref(network) for network in networks if network.can_generate()]


def _messages(number: int, long_system: bool = False) -> list[Message]:
    system = f"{number}. {PERSONA * (4 if long_system else 1)}"
    return [Message("system", system), Message("user", f"{PASSAGES}\n\n¿Para qué se usa la planta {number}?")]


def _ask(backend: ChatBackend, messages: list[Message], tokens: int = TOKENS) -> float:
    """Seconds until the whole answer was read."""
    started = time.perf_counter()
    pieces: list[Piece] = []
    try:
        pieces.extend(backend.stream(messages, Options(max_tokens=tokens)))
    except BackendError as error:
        if "before it began its answer" not in error.message:  # a random model may write nothing but space
            raise
    return time.perf_counter() - started


def _in_thread(work: Callable[[], float]) -> float:
    """The work's result, from a thread of its own: torch's workers belong to the thread that calls them, so both sides need one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def _generate(owner: ModelOwner, messages: list[Message]) -> float:
    """Seconds of the library's own `generate` on the same prompt, from messages to text."""
    import torch

    assert owner.loaded
    network, prompt = owner.loaded.network, owner.loaded.prompt
    started = time.perf_counter()
    turns = [{"role": message.role, "content": message.content} for message in messages]
    text = prompt.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    ids = torch.tensor([prompt.tokenizer(text, add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        output = network.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False
        )
    prompt.tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)
    if output.shape[1] - ids.shape[1] != TOKENS:
        raise BenchmarkFailed(f"{output.shape[1] - ids.shape[1]} tokens were generated in place of {TOKENS}")
    return time.perf_counter() - started
