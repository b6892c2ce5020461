"""A cross-encoder reads question and passage together and reorders the first hits of another retriever.

    reranked = RerankRetriever(hybrid, OnnxCrossEncoder(folder / RERANKER_MODEL), weight=0.3)
    reranked.first("¿para qué sirve la ruda?", 8)      # the hybrid's hits at once
    reranked.search("¿para qué sirve la ruda?", 8)     # the same question, its first 20 hits in a better order

`savia adapt --reranker` trains one and keeps it only after a significant gain (retrieval/rerank_trial.py). What it costs a question
stands in each answer's timings.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders import length_sorted_batches, packaged_folder, usable_cores
from retrieval.errors import UsageError
from retrieval.files import read_json
from retrieval.retrievers import DenseRetriever, Hit, HybridRetriever, Retriever

RERANKER_MODEL = "model.onnx"
RECORD = "reranker.json"
DEPTH = 20  # hits that are read again: more cost time, and what stands lower is rarely right
TOKENS = 160  # of question and passage together: the cost of a question grows with it
QUESTION_TOKENS = 64  # a longer question leaves the passage too little room
BATCH_TOKENS = 2048  # padded tokens of a batch

Logits = NDArray[np.float32]


class CrossEncoder(Protocol):
    """Says how well each text answers a question: higher is better, only differences mean something."""

    def score(self, question: str, texts: Sequence[str]) -> Logits:
        """(n,) float32, in the order of `texts`."""
        ...


@runtime_checkable
class TwoStepRetriever(Protocol):
    """A retriever that has an order at once and a better one a little later."""

    name: str

    def first(self, query: str, limit: int, where: dict[str, str] | None = None) -> list[Hit]: ...

    def improve(self, query: str, hits: Sequence[Hit]) -> list[Hit]: ...

    def search(self, query: str, limit: int, where: dict[str, str] | None = None) -> list[Hit]: ...


class OnnxCrossEncoder:
    """A cross-encoder of MiniLM's architecture and tokenizer as int8 ONNX; no torch when asked.

    Raises `UsageError` where the file is missing or damaged.
    """

    def __init__(self, model: Path, threads: int = 0) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        from retrieval.onnx_export import is_valid

        if not is_valid(model):
            raise UsageError(
                f"The reranker at {model} is missing or damaged.",
                "Make it again with savia adapt --reranker, or set SAVIA_RERANKER=none.",
            )
        # Two tokenizers: truncation is a tokenizer's state, and several threads ask at once.
        self._tokenizer, self._plain = (
            Tokenizer.from_file(str(packaged_folder() / "tokenizer.json")) for _ in range(2)
        )
        for tokenizer in (self._tokenizer, self._plain):
            tokenizer.no_padding()
        self._tokenizer.enable_truncation(TOKENS, strategy="only_second")
        self._plain.no_truncation()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.log_severity_level = 3
        options.enable_mem_pattern = False  # every batch has another shape
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def score(self, question: str, texts: Sequence[str]) -> Logits:
        question = self._cut(question)
        encodings = self._tokenizer.encode_batch([(question, text) for text in texts])
        logits = np.empty(len(texts), np.float32)
        for batch in length_sorted_batches([len(one.ids) for one in encodings], BATCH_TOKENS):
            logits[batch] = self._run([encodings[row] for row in batch])
        return logits

    def _cut(self, question: str) -> str:
        """The question's first tokens. Cut before it is paired, so that the passage's start is always read."""
        offsets = self._plain.encode(question, add_special_tokens=False).offsets
        return question if len(offsets) <= QUESTION_TOKENS else question[: offsets[QUESTION_TOKENS - 1][1]]

    def _run(self, encodings: Sequence[Any]) -> Logits:
        width = max(len(one.ids) for one in encodings)
        inputs = {name: np.zeros((len(encodings), width), np.int64) for name in ("ids", "mask", "types")}
        for place, one in enumerate(encodings):
            inputs["ids"][place, : len(one.ids)] = one.ids
            inputs["mask"][place, : len(one.ids)] = 1
            inputs["types"][place, : len(one.ids)] = one.type_ids
        named = {"input_ids": inputs["ids"], "attention_mask": inputs["mask"], "token_type_ids": inputs["types"]}
        result: Logits = self._session.run(None, named)[0]
        return result


class RerankRetriever:
    """`base` with its first `depth` hits in the order of base score + `weight` * logit; what stands lower stays as it was.

    The logit counts as what it is, not relative to its neighbours' spread: where the encoder sees no difference, the base decides.
    """

    name = "rerank"

    def __init__(self, base: Retriever, encoder: CrossEncoder, weight: float, depth: int = DEPTH) -> None:
        self.base = base
        self.encoder = encoder
        self.weight = weight
        self.depth = depth

    def first(self, query: str, limit: int, where: dict[str, str] | None = None) -> list[Hit]:
        """The base's hits, at least as many as are read again."""
        return self.base.search(query, max(limit, self.depth), where)

    def improve(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        """The hits that `first` found, the top of them in the better order."""
        top, rest = list(hits[: self.depth]), list(hits[self.depth :])
        if len(top) < 2:
            return [*top, *rest]
        logits = self.encoder.score(query, [hit.passage.embedded_text for hit in top])
        return join(reorder(top, logits, self.weight), rest)

    def search(self, query: str, limit: int, where: dict[str, str] | None = None) -> list[Hit]:
        return self.improve(query, self.first(query, limit, where))[:limit]


def reorder(hits: Sequence[Hit], logits: Logits, weight: float) -> list[Hit]:
    """Hits by score + weight * logit, ties as they were. Scores stay comparable: the best logit adds nothing, others take away."""
    penalties = weight * (logits - logits.max(initial=-np.inf))
    order = np.argsort(-(np.array([hit.score for hit in hits]) + penalties), kind="stable")
    return [
        replace(
            hits[place],
            rank=rank,
            score=hits[place].score + float(penalties[place]),
            scores={**hits[place].scores, "rerank": float(logits[place])},
        )
        for rank, place in enumerate(order, 1)
    ]


def join(top: Sequence[Hit], rest: Sequence[Hit]) -> list[Hit]:
    """`rest` behind `top`, moved down as a whole where it begins above its end: scores never rise down the list."""
    above = max(0.0, rest[0].score - top[-1].score) if rest else 0.0
    return [*top, *(replace(hit, score=hit.score - above) for hit in rest)]


@dataclass(frozen=True, slots=True)
class RerankerRecord:
    """What was kept beside the model: how far it counts, what it was judged beside, how it did."""

    weight: float
    depth: int
    embedder: str  # fingerprint of the base's embedder: beside another one the weight means nothing
    figures: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def reranker_folder(models_dir: Path, domain: str) -> Path:
    """Where a domain's reranker lies, if one was kept."""
    return models_dir / "rerankers" / domain


def read_record(folder: Path) -> RerankerRecord | None:
    """The kept reranker's record; None where there is none. Raises `UsageError` where it cannot be read."""
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        record = RerankerRecord(**read_json(path))
        return replace(record, weight=float(record.weight), depth=int(record.depth))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"The reranker's record {path} cannot be read ({error}).",
            "Make it again with savia adapt --reranker, or set SAVIA_RERANKER=none.",
        ) from error


def build_reranker(folder: Path, domain: str, base: Retriever, embedder: str) -> RerankRetriever:
    """The domain's kept reranker over `base`. Raises `UsageError` where there is none, none for this embedder, or where `base` does
    not give the scores that its weight was learnt beside."""
    record = read_record(folder)
    if record is None:
        raise UsageError(
            f"No reranker has been kept for the domain {domain}.",
            f"Train one: savia adapt --domain {domain} --reranker",
        )
    if isinstance(base, HybridRetriever) and base.fusion.method != "zscore":
        raise UsageError(
            f"The reranker's weight was learnt beside z-scores, and the fusion is {base.fusion.method}.",
            "Set SAVIA_FUSION=zscore, or SAVIA_RERANKER=none.",
        )
    if record.embedder != embedder:
        raise UsageError(
            f"The reranker of the domain {domain} was judged beside the embedder {record.embedder or 'none'}, and {embedder or 'none'} "
            "is used.",
            f"Train it again: savia adapt --domain {domain} --reranker",
        )
    return RerankRetriever(base, OnnxCrossEncoder(folder / RERANKER_MODEL), record.weight, record.depth)


def close_retriever(retriever: Retriever) -> None:
    """Let go of Chroma; everything else is memory."""
    base = retriever.base if isinstance(retriever, RerankRetriever) else retriever
    dense = base.dense if isinstance(base, HybridRetriever) else base
    if isinstance(dense, DenseRetriever):
        dense.store.close()
