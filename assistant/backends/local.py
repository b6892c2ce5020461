"""A model on this machine: a merged one, or a base with its adapter, in the precision that the device allows.

    LocalLLM("models/herbolaria").generate("¿Para qué se usa la sábila?", context="La sábila alivia quemaduras leves.")

One process holds one such model. Questions stand in line for it; closing an answer's stream stops the model within a token.
"""

import gc
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any, Final

from assistant.backends.chat_prompt import ChatPrompt, Rendered
from assistant.backends.generation import Generator
from assistant.backends.line import Job, Line, process_line
from assistant.backends.local_model import (
    Attention,
    LoadedModel,
    ModelRequest,
    Precision,
    Progress,
    Quantization,
    load_model,
    load_prompt,
)
from assistant.backends.model_files import find_model, trained_by
from assistant.backends.text_model import TextModel
from assistant.backends.token_text import AnswerReader
from assistant.messages import Message, Options, Piece
from assistant.prompts import Budget
from retrieval.domain import DomainConfig
from retrieval.errors import BackendError

BEAT: Final = 0.25  # seconds between two looks at whether to stop
PACE: Final = 0.02  # seconds between two pieces: nobody reads faster
_SMALLER: Final = "Ask a shorter question, or set SAVIA_QUANTIZATION=4bit."

Item = Rendered | list[int] | None  # the prompt as it was read, then tokens, then None


class ModelOwner:
    """Holds this process's one local model; used by the thread of the line alone."""

    def __init__(self, keep_prefixes: bool = True) -> None:
        self._keep_prefixes = keep_prefixes
        self._request: ModelRequest | None = None
        self._generator: Generator | None = None

    @property
    def loaded(self) -> LoadedModel | None:
        """The model in memory, if there is one."""
        return self._generator.loaded if self._generator else None

    def holds(self, request: ModelRequest) -> bool:
        """Whether it is this model that is in memory."""
        return self._generator is not None and self._request == request

    def use(self, request: ModelRequest, prompt: ChatPrompt, report: Progress) -> Generator:
        """The generator of a model, which takes the place of another one. Raises `BackendError`."""
        if self._generator is None or self._request != request:
            self.free()
            self._generator = Generator(load_model(request, prompt, report), self._keep_prefixes)
            self._request = request
        return self._generator

    def free(self, request: ModelRequest | None = None) -> None:
        """Give the memory back, of this model or of whichever is there."""
        if request is not None and request != self._request:
            return
        self._generator = self._request = None
        _give_memory_back()


class LocalBackend:
    """A transformers model. Nothing is loaded before the first question, or `load`."""

    name = "local"

    def __init__(
        self,
        model: str,
        adapter: str | None = None,
        *,
        quantization: Quantization = "auto",
        dtype: Precision = "auto",
        device: str = "auto",
        attention: Attention = "auto",
        allow_base: bool = False,
        owner: ModelOwner | None = None,
        line: Line | None = None,
    ) -> None:
        self._request = ModelRequest(str(model), adapter or None, quantization, dtype, device, attention, allow_base)
        self._owner = owner or _process_owner()
        self._line = line or process_line()
        self._prompt: ChatPrompt | None = None
        self._prompt_lock = threading.Lock()
        self._jobs: weakref.WeakSet[Job] = weakref.WeakSet()
        self._adapter: str | None = None
        self.without_adapter = ""
        """Why the base model answers in place of the adapter asked for; empty where all is well."""
        self.loading: tuple[str, int, int] | None = None
        """What is being loaded, as (stage, done, total); None when nothing is."""

    @property
    def model(self) -> str:
        """The base or merged model's name; it says so where the adapter that was asked for is not in use."""
        try:
            name = find_model(self._request.model, self._request.adapter).name
        except BackendError:
            name = self._request.model
        return f"{name} (without its adapter)" if self.without_adapter else name

    @property
    def adapter(self) -> str:
        """The first digits of the hash of the adapter's weights, also of one merged into the model; empty where none is in use."""
        if self._adapter is None:
            try:
                self._adapter = trained_by(find_model(self._request.model, self._request.adapter))
            except (BackendError, OSError):
                return ""
        return self._adapter

    @property
    def queue_position(self) -> int:
        """How many questions would come before one that is asked now."""
        return len(self._line)

    @property
    def loaded(self) -> bool:
        """Whether this model, and not another one or none, is in memory."""
        return self._owner.holds(self._request)

    def load(self, progress: Progress | None = None) -> None:
        """Load the model ahead of the first question. Raises `BackendError`."""

        def work(_: Job) -> None:
            self._use(progress)

        self._finish(self._line.submit(work))

    def close(self) -> None:
        """Stop this backend's answers and give the model's memory back; the next question loads it again."""
        for job in list(self._jobs):
            job.cancel()
        self._finish(self._line.submit(lambda _: self._owner.free(self._request)))

    def budget(self, reserved: int) -> Budget:
        """The model's window, counted by its own tokenizer and template. Raises `BackendError`."""
        return self._load_prompt().budget(reserved)

    def stream(self, messages: Sequence[Message], options: Options) -> Iterator[Piece]:
        """Pieces as the model writes them; an empty one each time nothing came for a moment. Raises `BackendError`."""
        items: SimpleQueue[Item] = SimpleQueue()
        job = self._line.submit(lambda job: self._write(job, list(messages), options, items))
        self._jobs.add(job)
        try:
            yield from self._read(job, items, options)
        finally:
            job.cancel()

    def _write(self, job: Job, messages: list[Message], options: Options, items: "SimpleQueue[Item]") -> None:
        """The work in line: load, render, generate."""
        try:
            prompt = self._load_prompt()
            rendered = prompt.render(messages)
            generator = self._use(None)
            items.put(rendered)
            generator.run(rendered.tokens, prompt.shared_prefix(messages), options, job.cancelled, items.put)
        except BackendError:
            raise
        except (RuntimeError, MemoryError) as error:
            if "memory" in str(error).lower() or isinstance(error, MemoryError):
                raise BackendError(f"The question and its answer do not fit beside {self.model}.", _SMALLER) from error
            raise BackendError(f"{self.model} failed: {' '.join(str(error).split())}", "Ask again.") from error
        finally:
            items.put(None)

    def _read(self, job: Job, items: "SimpleQueue[Item]", options: Options) -> Iterator[Piece]:
        """The tokens as pieces."""
        reader: AnswerReader | None = None
        for item in _take(job, items):
            if item is None:
                yield Piece("answer", "", job.ahead)
            elif isinstance(item, Rendered):
                reader = AnswerReader(self._load_prompt(), item.inside, options.stop)
            elif reader:
                yield from reader.feed(item)
                if reader.stopped:
                    break
        if reader:
            yield from reader.finish()
        if job.error and not (reader and reader.stopped):
            raise job.error
        if not (reader and reader.answered):
            raise self._no_answer(reader.tokens if reader else 0, options)

    def _no_answer(self, count: int, options: Options) -> BackendError:
        if count >= options.max_tokens:
            return BackendError(
                f"{self.model} used up its {options.max_tokens} tokens before it began its answer.",
                "Raise SAVIA_MAX_TOKENS.",
            )
        return BackendError(f"{self.model} ended without an answer.", "Ask again or choose another backend.")

    def _use(self, progress: Progress | None) -> Generator:
        def report(stage: str, done: int, total: int) -> None:
            self.loading = (stage, done, total)
            if progress:
                progress(stage, done, total)

        try:
            generator = self._owner.use(self._request, self._load_prompt(), report)
        finally:
            self.loading = None
        self._note(generator.loaded)
        return generator

    def _note(self, loaded: LoadedModel) -> None:
        self.without_adapter, self._adapter = loaded.without_adapter, loaded.adapter

    def _load_prompt(self) -> ChatPrompt:
        with self._prompt_lock:
            if self._prompt is None:
                self._prompt = load_prompt(self._request)
            return self._prompt

    def _finish(self, job: Job) -> None:
        while not job.wait(BEAT):
            pass  # in parts, so that Ctrl-C is heard
        if job.error:
            raise job.error


class LocalLLM(TextModel):
    """A local model in a script: `LocalLLM(path).generate(query, context)`, `.generate_stream(query, context)`.

    `path` is a merged model, a base, an adapter's folder (its base is found by its name), or a model's name.
    """

    def __init__(
        self,
        path: str,
        adapter: str | None = None,
        config: DomainConfig | None = None,
        options: Options | None = None,
        **how: Any,
    ) -> None:
        super().__init__(LocalBackend(str(path), adapter, **how), config, options)


def _take(job: Job, items: "SimpleQueue[Item]") -> Iterator[Item]:
    """What the job puts, as it comes; None each time nothing came for a moment.

    Tokens that come faster than `PACE` are taken together: a reader who wakes at each of them holds the model up.
    """
    while True:
        try:
            item = items.get(timeout=BEAT)
        except Empty:
            yield None
            continue
        ended = False
        while isinstance(item, list) and not items.empty():
            following = items.get()
            ended = following is None
            item += following if isinstance(following, list) else []
        if item is not None:
            yield item
        if item is None or ended:
            job.wait()
            return
        if isinstance(item, list):
            job.wait(PACE)


def _give_memory_back() -> None:
    """Collect what was the model and return its memory to the system."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch is not None and torch.backends.mps.is_available():
        torch.mps.empty_cache()
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc keeps freed blocks otherwise
        if trim:
            trim(0)


@cache
def _process_owner() -> ModelOwner:
    return ModelOwner()
