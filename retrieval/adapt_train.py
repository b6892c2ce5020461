"""Fine-tunes the packaged embedder on a domain's pairs with the sentence-transformers trainer, and exports it to the fast runtime.

    model = train_embedder(pairs, TrainPlan(steps=80), Path("data/build/herbolaria/adapt"), progress)
    export_candidate(model, Path("data/build/herbolaria/adapt"))     # retrieval/adapt.py

In-batch negatives (Henderson et al. 2017, "Efficient Natural Language Response Suggestion for Smart Reply", section 4.4), sections
of one document among them. Killed and run again, it goes on from its last checkpoint. Cost on two cores: about 2 s a step, half of
that where the processor has bfloat16 instructions.
"""

import hashlib
import json
import timeit
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.adapt_batches import SEED, order_pairs
from retrieval.adapt_pairs import Pair
from retrieval.adapt_run import Progress, common_arguments, silence, telling, train_once
from retrieval.embedders import PACKAGED_TOKENS, packaged_folder

SAVE_EVERY = 30  # steps: about a minute's work; a checkpoint is 270 MB with the optimizer's state
PROBE, PROBES = 512, 5  # a product of this width takes some milliseconds; the fastest of so many counts
BFLOAT16_GAIN = 0.75


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """How much is trained. Some 400 pairs bring most of the gain; more steps on one corpus bring little."""

    steps: int = 80
    batch: int = 32
    learning_rate: float = 5e-5
    tokens: int = 128  # passages are cut to this in training; embedding later uses the model's own window


def train_embedder(pairs: Sequence[Pair], plan: TrainPlan, folder: Path, progress: Progress) -> Path:
    """The trained model's folder inside `folder`; found again if the same pairs were trained on with the same plan."""

    def save(model: Any, target: Path) -> None:
        model.max_seq_length = PACKAGED_TOKENS
        model.save_pretrained(str(target), safe_serialization=True, create_model_card=False)

    return train_once(folder, _key(pairs, plan), lambda runs: _build_trainer(pairs, plan, runs, progress), save)


def _build_trainer(pairs: Sequence[Pair], plan: TrainPlan, runs: Path, progress: Progress) -> Any:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    model = _fresh_model(plan.tokens)
    order = order_pairs(pairs, plan.steps, plan.batch)
    columns = {"question": [pair.question for pair in order], "positive": [pair.positive for pair in order]}
    arguments = SentenceTransformerTrainingArguments(
        **common_arguments(runs, plan.steps, SAVE_EVERY, plan.learning_rate, SEED),
        per_device_train_batch_size=len(order) // plan.steps,
        bf16=is_bfloat16_faster(),
        batch_sampler=_in_order,
    )
    loss = MultipleNegativesRankingLoss(model, similarity_fct=_cosines)
    tell = telling("Training the embedder", progress)
    data = Dataset.from_dict(columns)
    return silence(SentenceTransformerTrainer(model, arguments, train_dataset=data, loss=loss, callbacks=[tell]))


def _fresh_model(tokens: int) -> Any:
    """The packaged weights, read without a bar."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    bars: Any = logging
    bars.disable_progress_bar()
    weights = {"use_safetensors": True, "dtype": "float32"}
    model = SentenceTransformer(str(packaged_folder()), device="cpu", model_kwargs=weights)
    model.max_seq_length = tokens
    return model


def _in_order(dataset: Any, **options: Any) -> Any:
    """Batches as `order_pairs` made them."""
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from torch.utils.data import SequentialSampler

    return DefaultBatchSampler(SequentialSampler(dataset), **options)


def is_bfloat16_faster() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32: twice as fast where it has instructions for it, a third as
    fast where it has none."""
    import torch

    def seconds(kind: Any) -> float:
        matrix = torch.ones(PROBE, PROBE, dtype=kind)
        return min(timeit.repeat(lambda: matrix @ matrix, number=1, repeat=PROBES))

    return seconds(torch.bfloat16) < BFLOAT16_GAIN * seconds(torch.float32)


def _cosines(one: Any, other: Any) -> Any:
    """Cosines in float32: in bfloat16, neighbours above 0.5 would be 0.004 apart."""
    import torch

    with torch.autocast("cpu", enabled=False):
        return torch.nn.functional.normalize(one.float()) @ torch.nn.functional.normalize(other.float()).T


def _key(pairs: Sequence[Pair], plan: TrainPlan) -> str:
    digest = hashlib.sha256(repr(plan).encode())
    for pair in pairs:
        digest.update(json.dumps([pair.question, pair.positive, pair.group]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:12]
