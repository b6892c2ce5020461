"""Next-token training for a given time: what makes a tiny base model more than noise.

pretrain(model, tokenizer, texts, seconds=60, seed=0, report=report).loss
"""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

BATCH_TOKENS: Final = 2048  # 16 windows of 128: what two cores digest in a quarter of a second
CHUNK: Final = 128
PEAK_RATE: Final = 3e-3  # as usual for models this small
WARMUP: Final = 0.05  # share of the time in which the rate rises


@dataclass(frozen=True, slots=True)
class Pretraining:
    """What a timed pretraining did; `loss` is the mean over its last tenth, in nats per token."""

    steps: int
    tokens: int
    seconds: float
    loss: float


def pretrain(model: Any, tokenizer: Any, texts: Sequence[str], seconds: float, seed: int, report: Any) -> Pretraining:
    """Next-token training on `texts` for a given time; changes `model`. `report(stage, done, total)` shows seconds."""
    import torch

    begun = time.monotonic()
    batches = _draw_batches(tokenizer, texts, random.Random(seed))
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    losses: list[float] = []
    tokens = 0
    model.train()
    while (spent := time.monotonic() - begun) < seconds:
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * _rate(spent / seconds)
        batch = torch.tensor(next(batches))
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        tokens += batch.numel()
        report("Pretraining (seconds)", round(spent), round(seconds))
    model.eval()
    last = losses[-max(1, len(losses) // 10) :]
    return Pretraining(len(losses), tokens, time.monotonic() - begun, sum(last) / max(1, len(last)))


def _rate(progress: float) -> float:
    """A short linear rise, then a linear fall to a tenth."""
    return min(progress / WARMUP, 1.0) * (1.0 - 0.9 * progress) if progress > 0 else 0.01


def _draw_batches(tokenizer: Any, texts: Sequence[str], draw: random.Random) -> Iterator[list[list[int]]]:
    """Windows of `CHUNK` tokens at random places of all texts, one after another."""
    end = tokenizer.eos_token_id
    stream = [token for ids in tokenizer(list(texts))["input_ids"] for token in (*ids, end)]
    while len(stream) <= CHUNK:
        stream += stream
    while True:
        starts = [draw.randrange(len(stream) - CHUNK) for _ in range(BATCH_TOKENS // CHUNK)]
        yield [stream[start : start + CHUNK] for start in starts]
