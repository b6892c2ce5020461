"""`savia adapt`: the embedder learns the domain's own words, and stays only if it finds held-out documents' sections better.

    trial = adapt(index, base, trained_on, judged, plan, folder, progress)
    if trial.kept: keep_adapted(trial, models_dir / "embedders" / domain)

A fixed quarter of the documents is held out: no pair of theirs is trained on, and only questions about them judge. The candidate is
measured on a view in memory; the index and the model that answer stay as they are until it has won.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrieval.adapt_pairs import Pair
from retrieval.adapt_train import TrainPlan, train_embedder
from retrieval.embedders import ADAPTED_MODEL, Embedder, OnnxEmbedder, Vectors
from retrieval.errors import UsageError, storage_errors
from retrieval.evaluate import Query, evaluate, section_of
from retrieval.files import sync_folder, write_json
from retrieval.onnx_export import export_model
from retrieval.reembedded import ReembeddedView, embed_all
from retrieval.retrievers import ExactRetriever, Hit, Retriever
from retrieval.significance import Comparison, compare
from retrieval.view import View

HELD_OUT = 0.25  # of the documents: enough questions to judge by, most documents still taught
LEAST_PAIRS = 100  # fewer teach chance
LEAST_QUESTIONS = 20  # on held-out documents; fewer can show no significant gain
METRIC = "ndcg@10"

Progress = Callable[[str, int, int], None]
MakeHybrid = Callable[[View, Embedder], Retriever]
"""The retriever that answers people, over a view with an embedder's vectors: calibrated for that embedder."""


@dataclass(frozen=True)
class Trial:
    """A candidate and how it did on the held-out documents' questions against what answers now."""

    embedder: Embedder
    model: Path
    vectors: Vectors
    questions: int
    pairs: int
    before: dict[str, float]  # retriever -> nDCG@10
    now: dict[str, float]
    gain: Comparison  # of the hybrid
    dense_gain: Comparison

    @property
    def kept(self) -> bool:
        """Only a significant rise of what answers people counts."""
        return self.gain.significant and self.gain.difference > 0

    def as_json(self) -> dict[str, Any]:
        return {
            "kept": self.kept,
            "questions": self.questions,
            "pairs": self.pairs,
            "before": self.before,
            "now": self.now,
            "hybrid": asdict(self.gain),
            "dense": asdict(self.dense_gain),
            "fingerprint": self.embedder.fingerprint,
        }


def adapt(
    view: View,
    base: Embedder,
    pairs: Sequence[Pair],
    queries: Sequence[Query],
    make_hybrid: MakeHybrid,
    plan: TrainPlan,
    folder: Path,
    progress: Progress,
    unit: Callable[[Hit], str] = section_of,
) -> Trial:
    """Train a candidate on `pairs` and judge it by `queries` (about documents that no pair is of).

    Raises `UsageError` where there is too little to learn from or to judge by.
    """
    if len(pairs) < LEAST_PAIRS:
        raise UsageError(
            f"There are {len(pairs)} pairs to learn from; {LEAST_PAIRS} are needed.",
            "Add documents, or make the training set first: savia dataset build",
        )
    if len(queries) < LEAST_QUESTIONS:
        raise UsageError(
            f"Only {len(queries)} questions are about held-out documents; {LEAST_QUESTIONS} are needed to tell a gain from chance.",
            "Add gold questions (savia evaluate propose), or make the training set first: savia dataset build",
        )
    model = train_embedder(pairs, plan, folder, progress)
    candidate = export_candidate(model, folder)
    vectors = embed_all(view, candidate, progress)
    changed = ReembeddedView(view.folder, vectors)
    rows = {
        "before": _measure(ExactRetriever(view, base), make_hybrid(view, base), queries, unit),
        "now": _measure(ExactRetriever(changed, candidate), make_hybrid(changed, candidate), queries, unit),
    }
    means = {name: {label: sum(found) / len(found) for label, found in one.items()} for name, one in rows.items()}
    gain = compare(rows["now"]["hybrid"], rows["before"]["hybrid"])
    dense = compare(rows["now"]["dense"], rows["before"]["dense"])
    return Trial(candidate, model, vectors, len(queries), len(pairs), means["before"], means["now"], gain, dense)


def export_candidate(model: Path, folder: Path) -> OnnxEmbedder:
    """The trained model in the fast runtime."""
    target = folder / "candidate" / ADAPTED_MODEL
    with storage_errors(f"export the adapted embedder to {target.parent}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        export_model(model, target)
    return OnnxEmbedder(target, "adapted")


def keep_adapted(trial: Trial, target: Path, source: Path) -> None:
    """Put the candidate where `auto` finds it; the last one stays until the new one is whole."""
    with storage_errors(f"keep the adapted embedder at {target}"):
        staged = target.with_name(f".{target.name}.new")
        shutil.rmtree(staged, ignore_errors=True)
        shutil.copytree(source, staged)
        write_json(staged / "adapted.json", trial.as_json())
        old = target.with_name(f".{target.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        staged.rename(target)
        sync_folder(target.parent)
        shutil.rmtree(old, ignore_errors=True)


def _measure(
    dense: Retriever, hybrid: Retriever, queries: Sequence[Query], unit: Callable[[Hit], str]
) -> dict[str, list[float]]:
    return {
        name: [row.metrics[METRIC] for row in evaluate(retriever, queries, unit)]
        for name, retriever in (("dense", dense), ("hybrid", hybrid))
    }
