"""Tokens from a loaded model, one generation at a time, stopped within a moment.

    Generator(loaded).run(tokens, prefix, Options(), stopped=Event(), put=print)

The prompt is read in parts, with a look at `stopped` between them; what all prompts of a domain begin with is read once.
"""

import copy
import inspect
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any, Final

from assistant.backends.local_model import LoadedModel
from assistant.messages import Options
from retrieval.errors import BackendError

CPU_PART, GPU_PART = 256, 4096  # tokens of a prompt read at once: below a second, and large enough to lose no speed
LEAST_PREFIX: Final = 16  # a shorter prefix is not worth a copy
PREFIXES: Final = 4  # kept: a domain each; about 0.1 MB per token with a small model


class Generator:
    """Generates with one loaded model; holds the caches of the prompts' common beginnings. For one thread at a time."""

    def __init__(self, loaded: LoadedModel, keep_prefixes: bool = True) -> None:
        self.loaded = loaded
        self._keep = keep_prefixes and _can_keep(loaded)
        self._part = CPU_PART if loaded.device == "cpu" else GPU_PART
        self._prefixes: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    def run(
        self,
        tokens: Sequence[int],
        prefix: tuple[int, ...],
        options: Options,
        stopped: Event,
        put: Callable[[list[int]], None],
    ) -> None:
        """Put each new token until the answer ends, its length is reached or `stopped` is set. Raises `BackendError`."""
        import torch
        from transformers import StoppingCriteriaList

        loaded = self.loaded
        room = loaded.prompt.window - len(tokens)
        self._check(tokens, room)
        devices = [loaded.device] if loaded.device.startswith("cuda") else []
        with torch.no_grad(), torch.random.fork_rng(devices, enabled=options.seed is not None):
            if options.seed is not None:
                torch.manual_seed(options.seed)
            ids = torch.tensor([list(tokens)], device=loaded.device)
            cache = self.read(ids, tuple(tokens), prefix, stopped)
            if stopped.is_set():
                return
            loaded.network.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                generation_config=self._settings(options, room),
                stopping_criteria=StoppingCriteriaList([_make_criterion(stopped)]),
                streamer=_TokenSink(put),
                **({} if cache is None else {"past_key_values": cache}),
            )

    def _check(self, tokens: Sequence[int], room: int) -> None:
        rows = self.loaded.network.get_input_embeddings().weight.shape[0]
        if max(tokens, default=0) >= rows:
            raise BackendError(
                f"The tokenizer and the model do not belong together: token {max(tokens)} of {rows}.",
                "Copy the model again with the tokenizer it came with.",
            )
        if room < 1:
            raise BackendError(
                f"The prompt has {len(tokens)} tokens; the model's window holds {self.loaded.prompt.window}.",
                "Ask a shorter question or begin a new conversation.",
            )

    def _settings(self, options: Options, room: int) -> Any:
        from transformers import GenerationConfig

        own = self.loaded.network.generation_config
        sampling = {"do_sample": True, "temperature": options.temperature, "top_p": options.top_p, "top_k": 0}
        make: Any = GenerationConfig
        return make(
            max_new_tokens=max(1, min(options.max_tokens, room)),
            eos_token_id=own.eos_token_id,
            pad_token_id=own.pad_token_id,
            **(sampling if options.temperature > 0 else {"do_sample": False}),
        )

    def read(self, ids: Any, tokens: tuple[int, ...], prefix: tuple[int, ...], stopped: Event) -> Any:
        """The cache of the prompt but for its last part, which `generate` reads itself; None where the model has its own."""
        if not self._keep:
            return None
        known = len(prefix) if LEAST_PREFIX <= len(prefix) < len(tokens) and tokens[: len(prefix)] == prefix else 0
        cache = self._prefix(ids[:, :known], prefix, stopped) if known else self._empty()
        left = (ids.shape[1] - 1 - cache.get_seq_length()) % self._part + 1
        return self._extend(cache, ids[:, :-left], stopped)

    def _prefix(self, ids: Any, prefix: tuple[int, ...], stopped: Event) -> Any:
        """A copy of the prefix's cache, which is made when first asked for."""
        if prefix not in self._prefixes:
            cache = self._extend(self._empty(), ids, stopped)
            if stopped.is_set():
                return cache
            self._prefixes[prefix] = cache
            if len(self._prefixes) > PREFIXES:
                self._prefixes.popitem(last=False)
        self._prefixes.move_to_end(prefix)
        return copy.deepcopy(self._prefixes[prefix])

    def _extend(self, cache: Any, ids: Any, stopped: Event) -> Any:
        """The cache after reading on from where it ends."""
        import torch

        for start in range(cache.get_seq_length(), ids.shape[1], self._part):
            if stopped.is_set():
                break
            end = min(start + self._part, ids.shape[1])
            mask = torch.ones((1, end), dtype=torch.long, device=ids.device)
            self.loaded.network(
                input_ids=ids[:, start:end],
                attention_mask=mask,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return cache

    def _empty(self) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self.loaded.network.config.get_text_config(decoder=True))


class _TokenSink:
    """Takes the tokens from `generate`, the prompt first."""

    def __init__(self, put: Callable[[list[int]], None]) -> None:
        self._put = put
        self._prompt_seen = False

    def put(self, value: Any) -> None:
        if self._prompt_seen:
            self._put(value.flatten().tolist())
        self._prompt_seen = True

    def end(self) -> None:
        """Nothing: the job's own end is what readers wait for, however it comes."""


def _make_criterion(stopped: Event) -> Any:
    import torch
    from transformers import StoppingCriteria

    class Stopped(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            return torch.full((input_ids.shape[0],), stopped.is_set(), dtype=torch.bool, device=input_ids.device)

    return Stopped()


def _can_keep(loaded: LoadedModel) -> bool:
    """Whether the model's memory of a prompt can be made apart and copied: not with states instead of keys and values."""
    base = loaded.network.get_base_model() if hasattr(loaded.network, "get_base_model") else loaded.network
    if "logits_to_keep" not in inspect.signature(base.forward).parameters:
        return False
    kinds = getattr(base.config.get_text_config(decoder=True), "layer_types", None) or ["full_attention"]
    return bool(base._supports_default_dynamic_cache()) and all(
        "attention" in kind and "linear" not in kind for kind in kinds
    )
