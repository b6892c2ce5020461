"""Trains a small cross-encoder on a domain's questions: which of the passages that the search confuses is the right one.

    groups = mine_groups(base, pairs, plan.steps * plan.batch, progress)
    model = train_reranker(groups, RerankPlan(), Path("data/build/herbolaria/rerank"), progress)

The packaged weights read question and passage together, and the logit is the cosine of what they made of either, times `SCALE`: that
ranks before the first step, where a fresh linear head was still at chance after twenty. A group is a question with its passage and wrong
ones that the base itself ranked high; the loss is the cross-entropy of picking the right one among them (Cao et al. 2007,
"Learning to Rank: From Pairwise Approach to Listwise Approach", ICML). Killed and run again, training goes on from its last checkpoint.
"""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.adapt_pairs import Pair
from retrieval.adapt_run import Progress, common_arguments, silence, telling, train_once
from retrieval.embedders import packaged_folder
from retrieval.errors import storage_errors
from retrieval.onnx_export import Graph, export_quantised
from retrieval.retrievers import Hit, Retriever

SEED = 42
SAVE_EVERY = 20  # steps; a checkpoint is 270 MB with the optimizer's state
SCALE = 20.0  # cosines to logits, as the packaged model itself was trained with
WRONG = 3  # wrong passages of a group: more of them cost time and teach less than more questions do
MOST_DRAWS = 10  # of other pairs, for passages that fill up a group
MINED_DEPTH = 20  # where the wrong passages come from: what will be reranked


@dataclass(frozen=True, slots=True)
class RerankPlan:
    """How much is trained: steps x batch questions, each with its passage and `WRONG` others. A step takes 4 s on two idle cores."""

    steps: int = 40
    batch: int = 8
    learning_rate: float = 5e-5
    tokens: int = 128  # question and passage together, in training


@dataclass(frozen=True, slots=True)
class Group:
    """A question, the text of its passage, and texts that look as if they answered it."""

    question: str
    right: str
    wrong: tuple[str, ...]


def mine_groups(base: Retriever, pairs: Sequence[Pair], most: int, progress: Progress) -> list[Group]:
    """Groups of up to `most` pairs, drawn by a fixed seed. Wrong passages are the best ones that `base` finds; a pair's own negatives
    and other pairs' passages fill up.

    Only documents that some pair is about are used: held-out ones must not even be seen as wrong.
    """
    known = {pair.document for pair in pairs}
    rights: dict[str, set[str]] = {}
    for pair in pairs:
        rights.setdefault(pair.question, set()).add(pair.positive)
    draw = random.Random(SEED)
    drawn = draw.sample(list(pairs), min(most, len(pairs)))
    groups = []
    for done, pair in enumerate(drawn, 1):
        own = rights[pair.question]
        found = _wrong_texts(base.search(pair.question, MINED_DEPTH), pair.question, own, known)
        others = (draw.choice(pairs) for _ in range(MOST_DRAWS))
        strangers = (other.positive for other in others if other.document != pair.document)
        texts = list(dict.fromkeys([*found[:WRONG], *(text for text in pair.negatives if text not in own), *strangers]))
        if len(texts) >= WRONG:
            groups.append(Group(pair.question, pair.positive, tuple(texts[:WRONG])))
        progress("Finding wrong passages", done, len(drawn))
    return groups


def _wrong_texts(hits: Sequence[Hit], question: str, rights: set[str], known: set[str]) -> list[str]:
    """Texts of the hits outside the sections of the right passages, and outside the one that a sentence was taken from."""
    sections = {
        hit.passage.section_id
        for hit in hits
        if hit.passage.embedded_text in rights or question in " ".join(hit.passage.text.split())
    }
    return [
        hit.passage.embedded_text
        for hit in hits
        if hit.passage.document_id in known and hit.passage.section_id not in sections
    ]


def train_reranker(groups: Sequence[Group], plan: RerankPlan, folder: Path, progress: Progress) -> Path:
    """The trained model's folder inside `folder`; found again if the same groups were trained on with the same plan."""

    def save(model: Any, target: Path) -> None:
        model.transformers_model.bert.save_pretrained(str(target), safe_serialization=True)

    return train_once(folder, _key(groups, plan), lambda runs: _build_trainer(groups, plan, runs, progress), save)


def _build_trainer(groups: Sequence[Group], plan: RerankPlan, runs: Path, progress: Progress) -> Any:
    from datasets import Dataset
    from sentence_transformers import CrossEncoderTrainer, CrossEncoderTrainingArguments

    model = _fresh_model(plan.tokens)
    order = list(groups)
    random.Random(SEED).shuffle(order)
    columns = {"question": [one.question for one in order], "right": [one.right for one in order]}
    columns |= {f"wrong_{place}": [one.wrong[place] for one in order] for place in range(WRONG)}
    arguments = CrossEncoderTrainingArguments(
        **common_arguments(runs, plan.steps, SAVE_EVERY, plan.learning_rate, SEED),
        per_device_train_batch_size=min(plan.batch, len(order)),
        bf16=False,
    )
    loss, tell = _picking_loss(model), telling("Training the reranker", progress)
    data = Dataset.from_dict(columns)
    return silence(CrossEncoderTrainer(model, arguments, train_dataset=data, loss=loss, callbacks=[tell]))


def _picking_loss(model: Any) -> Any:
    """Cross-entropy over a group's logits; all passages of a batch go through the model at once."""
    import torch

    class PickTheRightOne(torch.nn.Module):
        def forward(self, inputs: list[list[str]], labels: Any = None, **_: Any) -> torch.Tensor:
            questions, columns = inputs[0], inputs[1:]
            pairs = [(question, text) for column in columns for question, text in zip(questions, column, strict=True)]
            read = model.preprocess(pairs)
            found = score_pairs(
                model.transformers_model.bert, read["input_ids"], read["attention_mask"], read["token_type_ids"]
            )
            logits = found.view(len(columns), len(questions)).T
            return torch.nn.functional.cross_entropy(logits, torch.zeros(len(questions), dtype=torch.long))

    return PickTheRightOne()


def score_pairs(bert: Any, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
    """Logits of encoded pairs: the cosine of the question's and the passage's mean, both of which have seen the other."""
    import torch

    hidden = bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state
    of_passage = (attention_mask * token_type_ids).unsqueeze(-1).to(hidden.dtype)
    of_question = (attention_mask * (1 - token_type_ids)).unsqueeze(-1).to(hidden.dtype)
    question = torch.nn.functional.normalize((hidden * of_question).sum(1), dim=1)
    passage = torch.nn.functional.normalize((hidden * of_passage).sum(1), dim=1)
    return SCALE * (question * passage).sum(1)


def _fresh_model(tokens: int) -> Any:
    """The packaged weights; that the library's own head, which is not used, has none is no news."""
    import torch
    from sentence_transformers import CrossEncoder

    torch.manual_seed(SEED)
    with _quiet():
        return CrossEncoder(
            str(packaged_folder()),
            num_labels=1,
            max_length=tokens,
            device="cpu",
            model_kwargs={"use_safetensors": True, "dtype": "float32"},
            local_files_only=True,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's report on weights that it did not expect, and without its bars."""
    import transformers

    tell: Any = transformers.utils.logging
    verbosity, shown = tell.get_verbosity(), tell.is_progress_bar_enabled()
    tell.set_verbosity_error()
    tell.disable_progress_bar()
    try:
        yield
    finally:
        tell.set_verbosity(verbosity)
        if shown:
            tell.enable_progress_bar()


def export_reranker(source: Path, target: Path) -> None:
    """The trained model in the fast runtime. No fidelity check: the trial judges the int8 file itself."""
    import torch
    from transformers import BertModel

    with _quiet():
        bert = BertModel.from_pretrained(
            str(source), attn_implementation="eager", dtype=torch.float32, add_pooling_layer=False, use_safetensors=True
        )

    class Scored(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
        ) -> torch.Tensor:
            return torch.as_tensor(score_pairs(self.bert, input_ids, attention_mask, token_type_ids))

    ones = torch.ones(2, 16, dtype=torch.long)
    examples = {"input_ids": ones, "attention_mask": ones.clone(), "token_type_ids": ones.clone()}
    with storage_errors(f"export the reranker to {target.parent}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        export_quantised(Graph(Scored().eval(), examples, "logit"), target, lambda full, small: None)


def _key(groups: Sequence[Group], plan: RerankPlan) -> str:
    digest = hashlib.sha256(repr(plan).encode())
    for group in groups:
        digest.update(json.dumps([group.question, group.right, group.wrong]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:12]
