"""How surprised a model is by expected answers: the loss over the assistant's tokens, and nothing else.

    losses = measure_losses(loaded, rows, report)
    perplexity(losses)

Perplexity is exp(sum of losses / sum of tokens) over all rows, so long answers count by their length.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from assistant.backends.local_model import LoadedModel
from training.chat_layout import prepare_tokenizer
from training.rendering import IGNORED, RenderedRow, render_row
from training.rows import TrainingRow

_LARGEST: Final = 700.0  # the exponent above which a float overflows


@dataclass(frozen=True, slots=True)
class Loss:
    """One row: the sum of its losses in nats, over so many learned tokens; 0 tokens where the window does not hold it."""

    id: str
    nats: float
    tokens: int

    @property
    def mean(self) -> float:
        return self.nats / self.tokens if self.tokens else 0.0


def measure_losses(
    loaded: LoadedModel, rows: Sequence[TrainingRow], report: Callable[[int, int], None], tokenizer: Any = None
) -> list[Loss]:
    """The rows' losses in their order. `tokenizer`: another than the model's, where two models must see the same tokens."""
    tokenizer = marked_tokenizer(tokenizer or loaded.prompt.tokenizer, loaded.network.config.model_type)
    found = []
    for number, row in enumerate(rows, 1):
        found.append(_measure(loaded, render_row(tokenizer, row)))
        report(number, len(rows))
    return found


def marked_tokenizer(tokenizer: Any, model_type: str) -> Any:
    """A tokenizer whose template marks the assistant's tokens: the model's own, or a copy with ours of its kind."""
    if "generation" in (tokenizer.chat_template or ""):
        return tokenizer
    ours = copy.deepcopy(tokenizer)
    prepare_tokenizer(ours, "auto", model_type)
    return ours


def perplexity(losses: Sequence[Loss]) -> float:
    tokens = sum(loss.tokens for loss in losses)
    return math.exp(min(sum(loss.nats for loss in losses) / tokens, _LARGEST)) if tokens else float("nan")


def _measure(loaded: LoadedModel, row: RenderedRow) -> Loss:
    import torch

    if len(row.input_ids) > loaded.prompt.window or not row.learned:
        return Loss(row.id, 0.0, 0)
    ids = torch.tensor([row.input_ids], device=loaded.device)
    labels = torch.tensor([row.labels], device=loaded.device)
    first = int(
        (labels[0] != IGNORED).nonzero()[0]
    )  # logits before it are not needed: a long prompt's would fill memory
    with torch.no_grad():
        logits = loaded.network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, first - 1 : -1].float()
        nats = torch.nn.functional.cross_entropy(logits, labels[0, first:], ignore_index=IGNORED, reduction="sum")
    return Loss(row.id, float(nats), row.learned)
