"""`savia adapt`: the embedder learns the domain's own words, and stays only if it finds held-out documents' sections better.

    trial = adapt(index, base, trained_on, judged, plan, folder, progress)
    if trial.kept: keep_adapted(trial, models_dir / "embedders" / domain)

A fixed quarter of the documents is held out: no pair of theirs is trained on, and only questions about them judge. The candidate is
measured on a view in memory; the index and the model that answer stay as they are until it has won.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from retrieval.adapt_pairs import Pair
from retrieval.adapt_run import Progress
from retrieval.adapt_train import TrainPlan, train_embedder
from retrieval.embedders import ADAPTED_MODEL, Embedder, OnnxEmbedder, Vectors
from retrieval.errors import UsageError, storage_errors
from retrieval.evaluate import Query, evaluate, section_of
from retrieval.files import replace_folder
from retrieval.onnx_export import export_model
from retrieval.reembedded import ReembeddedView, embed_all
from retrieval.retrievers import Bm25Retriever, ExactRetriever, Hit, Retriever
from retrieval.significance import Comparison, compare
from retrieval.view import View

LEAST_PAIRS = 100  # fewer teach chance
LEAST_QUESTIONS = 20  # on held-out documents; fewer can show no significant gain
METRIC = "ndcg@10"
MORE_TO_LEARN = "Add documents, or questions: a domain's with savia dataset build, a collection's in qrels/test.tsv."
MORE_TO_JUDGE = (
    "Add questions: a domain's with savia evaluate propose or savia dataset build, a collection's in qrels/test.tsv."
)
ADAPTED_RECORD = "adapted.json"  # how a kept embedder did on its trial, beside it
CANDIDATE = "candidate"  # the folder inside the build's, until the next trial

MakeHybrid = Callable[[View, Embedder], Retriever]
"""The retriever that answers people, over a view with an embedder's vectors: calibrated for that embedder."""


@dataclass(frozen=True)
class Trial:
    """A candidate and how it did on the held-out documents' questions against what answers now.

    `before` and `now` hold each retriever's nDCG@10, question by question.
    """

    embedder: Embedder
    candidate: Path  # its folder, kept or not
    vectors: Vectors
    pairs: int
    before: Mapping[str, Sequence[float]]
    now: Mapping[str, Sequence[float]]

    @property
    def kept(self) -> bool:
        """Only a significant rise of what answers people counts."""
        return self.gain.significant and self.gain.difference > 0

    @cached_property
    def gain(self) -> Comparison:
        return self.gain_of("hybrid")

    def gain_of(self, retriever: str) -> Comparison:
        return compare(self.now[retriever], self.before[retriever])

    def as_json(self) -> dict[str, Any]:
        before, now = best_of(self.before), best_of(self.now)
        best = compare(self.now[now], self.before[before])
        return {
            "kept": self.kept,
            "questions": len(self.now["hybrid"]),
            "pairs": self.pairs,
            "before": {name: mean(rows) for name, rows in self.before.items()},
            "now": {name: mean(rows) for name, rows in self.now.items()},
            "best": {"before": before, "now": now, **asdict(best)},
            **{name: asdict(self.gain_of(name)) for name in ("hybrid", "dense")},
            "fingerprint": self.embedder.fingerprint,
        }


def mean(rows: Sequence[float]) -> float:
    return sum(rows) / len(rows)


def best_of(rows: Mapping[str, Sequence[float]]) -> str:
    """The retriever with the highest mean."""
    return max(rows, key=lambda name: mean(rows[name]))


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
    check_enough(pairs, queries)
    model = train_embedder(pairs, plan, folder, progress)
    candidate = export_candidate(model, folder)
    vectors = embed_all(view, candidate, progress)
    changed = ReembeddedView(view.folder, vectors)
    words = measure(Bm25Retriever(view), queries, unit)
    before = {"bm25": words, **_measure_both(view, base, make_hybrid, queries, unit)}
    now = {"bm25": words, **_measure_both(changed, candidate, make_hybrid, queries, unit)}
    return Trial(candidate, folder / CANDIDATE, vectors, len(pairs), before, now)


def check_enough(pairs: Sequence[Pair], queries: Sequence[Query]) -> None:
    """Raise `UsageError` where there is too little to learn from or to judge by."""
    if len(pairs) < LEAST_PAIRS:
        raise UsageError(
            f"There are {len(pairs)} pairs to learn from; {LEAST_PAIRS} are needed.",
            MORE_TO_LEARN,
        )
    if len(queries) < LEAST_QUESTIONS:
        raise UsageError(
            f"Only {len(queries)} questions are about held-out documents; {LEAST_QUESTIONS} are needed to tell a gain from chance.",
            MORE_TO_JUDGE,
        )


def export_candidate(model: Path, folder: Path) -> OnnxEmbedder:
    """The trained model in the fast runtime."""
    target = folder / CANDIDATE / ADAPTED_MODEL
    with storage_errors(f"export the adapted embedder to {target.parent}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        export_model(model, target)
    return OnnxEmbedder(target, "adapted")


def keep_adapted(trial: Trial, target: Path) -> None:
    """Put the candidate where `auto` finds it; the last one stays until the new one is whole."""
    with storage_errors(f"keep the adapted embedder at {target}"):
        replace_folder(trial.candidate, target, ADAPTED_RECORD, trial.as_json())


def measure(retriever: Retriever, queries: Sequence[Query], unit: Callable[[Hit], str]) -> list[float]:
    """nDCG@10 of each question."""
    return [row.metrics[METRIC] for row in evaluate(retriever, queries, unit)]


def _measure_both(
    view: View, embedder: Embedder, make_hybrid: MakeHybrid, queries: Sequence[Query], unit: Callable[[Hit], str]
) -> dict[str, list[float]]:
    return {
        "dense": measure(ExactRetriever(view, embedder), queries, unit),
        "hybrid": measure(make_hybrid(view, embedder), queries, unit),
    }
