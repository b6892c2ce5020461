"""`savia adapt --reranker`: a cross-encoder is trained, given its weight, and judged on held-out documents; it stays only if it wins.

    trial = adapt_reranker(view, hybrid, pairs, queries, calibration_queries, RerankPlan(), folder, progress)
    if trial.kept: keep_reranker(trial, reranker_folder(models_dir, domain), folder / "candidate", embedder.fingerprint)

Three sets of documents that share nothing: most of them teach, some choose weight and depth, the held-out ones judge.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.adapt import CANDIDATE, METRIC, MORE_TO_LEARN, check_enough
from retrieval.adapt_pairs import Pair, text_hash
from retrieval.adapt_run import Progress
from retrieval.errors import UsageError, storage_errors
from retrieval.evaluate import DEPTH as LISTED
from retrieval.evaluate import Query, evaluate, make_row, section_of
from retrieval.files import replace_folder
from retrieval.rerank import (
    DEPTH,
    RECORD,
    RERANKER_MODEL,
    CrossEncoder,
    OnnxCrossEncoder,
    RerankerRecord,
    RerankRetriever,
    reorder,
)
from retrieval.rerank_train import WRONG, Group, RerankPlan, export_reranker, mine_groups, train_reranker
from retrieval.retrievers import Hit, Retriever, make_hits
from retrieval.significance import Comparison, compare
from retrieval.view import View

LEAST_GROUPS = 50  # to learn from; fewer teach chance
TUNING = 0.25  # of the documents that may be learnt from: they choose the weight, and are not taught
LEAST_TUNING = 30  # questions; where people's are fewer, those of the pairs are added
MOST_TUNING = 200  # more take time and change nothing
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.4, 2.0, 3.0)
DEPTHS = (5, 10, DEPTH)
MOST_JUDGING = 600  # questions: each is read again twenty times over, and so many show a gain of a hundredth
SHOWN = 8  # passages that an answer is written from
TIMED = 30  # questions asked for the time that one takes


@dataclass(frozen=True)
class RerankTrial:
    """A candidate and how it did on the held-out documents' questions, beside its base."""

    weight: float
    depth: int
    tuned_on: int
    questions: int
    groups: int
    before: float  # mean nDCG@10 of the base
    now: float
    gain: Comparison
    milliseconds: float  # of a reranked question, the search included; median, warm
    seconds: float  # of training

    @property
    def kept(self) -> bool:
        """Only a significant rise of what answers people counts."""
        return self.gain.significant and self.gain.difference > 0

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "kept": self.kept}


def adapt_reranker(
    view: View,
    base: Retriever,
    pairs: Sequence[Pair],
    queries: Sequence[Query],
    calibration_queries: Sequence[Query],
    plan: RerankPlan,
    folder: Path,
    progress: Progress,
    unit: Callable[[Hit], str] = section_of,
    group_of: Mapping[str, str] | None = None,
) -> RerankTrial:
    """Train a candidate for `base` on `pairs` and judge it by `queries` (about documents that no pair is of).

    `calibration_queries` are about documents of the pairs; those about its tuning part choose the weight. `group_of` maps documents
    to the larger thing that they are parts of, as in `build_pairs`. The exported model lies in `folder / "candidate"`. Raises `UsageError` where there is too little to learn
    from, to tune with or to judge by.
    """
    check_enough(pairs, queries)
    tuning = tuning_documents(pairs, group_of or {})
    taught = [pair for pair in pairs if pair.document not in tuning]
    tuned_on = tuning_queries(view, pairs, calibration_queries, tuning, unit)
    groups = mine_groups(base, taught, plan.steps * plan.batch, progress)
    _check_taught(groups, tuned_on, plan)
    started = time.perf_counter()
    model = train_reranker(groups, plan, folder, progress)
    seconds = time.perf_counter() - started
    target = folder / CANDIDATE / RERANKER_MODEL
    export_reranker(model, target)
    encoder = OnnxCrossEncoder(target)
    weight, depth = choose_weight(base, encoder, tuned_on, unit, progress)
    judging = queries[:: max(1, len(queries) // MOST_JUDGING)]
    judged = _judge(RerankRetriever(base, encoder, weight, depth), judging, unit)
    return RerankTrial(weight, depth, len(tuned_on), len(judging), len(groups), *judged, round(seconds, 1))


def tuning_documents(pairs: Sequence[Pair], group_of: Mapping[str, str]) -> frozenset[str]:
    """A fixed share of the documents that the pairs are about, by the hash of their (or their group's) ids.

    Of two groups or more, at least one weighs and at least one teaches.
    """
    limit = int(TUNING * 2**32)
    documents = {pair.document for pair in pairs}
    hashes = {group: text_hash(f"tuning {group}") for group in {group_of.get(one, one) for one in documents}}
    in_order = sorted(hashes, key=lambda group: (hashes[group], group))
    wanted = sum(value < limit for value in hashes.values())
    chosen = set(in_order[: min(max(wanted, 1), len(in_order) - 1)])
    return frozenset(one for one in documents if group_of.get(one, one) in chosen)


def tuning_queries(
    view: View,
    pairs: Sequence[Pair],
    asked: Sequence[Query],
    documents: frozenset[str],
    unit: Callable[[Hit], str],
) -> list[Query]:
    """Questions whose answers all stand in `documents`: people's, and where these are few those of the pairs as well."""
    document_of: dict[str, str] = {}
    unit_of: dict[str, str] = {}
    for hit in make_hits(view, np.arange(len(view)), np.zeros(len(view), np.float32), {}):
        document_of[unit(hit)] = hit.passage.document_id
        unit_of[hit.passage.embedded_text] = unit(hit)
    found = [query for query in asked if all(document_of.get(one) in documents for one in query.relevant)]
    if len(found) < LEAST_TUNING:
        taken = (pair for pair in pairs if pair.document in documents and pair.positive in unit_of)
        found += [Query(f"pair:{n}", pair.question, {unit_of[pair.positive]: 1}) for n, pair in enumerate(taken)]
    step = max(1, len(found) // MOST_TUNING)
    return found[::step]


def choose_weight(
    base: Retriever, encoder: CrossEncoder, queries: Sequence[Query], unit: Callable[[Hit], str], progress: Progress
) -> tuple[float, int]:
    """The weight and depth with the best nDCG@10; 0 where reading again helps nobody, and the least work among equals."""
    totals = dict.fromkeys(((weight, depth) for weight in WEIGHTS for depth in DEPTHS), 0.0)
    for done, query in enumerate(queries, 1):
        hits = base.search(query.text, LISTED)
        logits = encoder.score(query.text, [hit.passage.embedded_text for hit in hits[:DEPTH]])
        for weight, depth in totals:
            order = [*reorder(hits[:depth], logits[:depth], weight), *hits[depth:]]
            ranking = tuple(dict.fromkeys(unit(hit) for hit in order))
            totals[weight, depth] += make_row(query, ranking, 0.0).metrics[METRIC]
        progress("Weighing the reranker", done, len(queries))
    return max(totals, key=lambda chosen: (round(totals[chosen], 6), -chosen[0], -chosen[1]))


def keep_reranker(trial: RerankTrial, target: Path, source: Path, embedder: str) -> None:
    """Put the candidate where `rerank` finds it; the last one stays until the new one is whole."""
    record = RerankerRecord(trial.weight, trial.depth, embedder, trial.as_json())
    with storage_errors(f"keep the reranker at {target}"):
        replace_folder(source, target, RECORD, record.as_json())


def _judge(
    reranked: RerankRetriever,
    queries: Sequence[Query],
    unit: Callable[[Hit], str],
) -> tuple[float, float, Comparison, float]:
    """nDCG@10 of the base and of the reranked hits, their comparison, and the time of a reranked question."""
    before = [row.metrics[METRIC] for row in evaluate(reranked.base, queries, unit)]
    now = [row.metrics[METRIC] for row in evaluate(reranked, queries, unit)]
    times = []
    for query in queries[:TIMED]:  # everything is warm by now; as many hits as an answer needs
        started = time.perf_counter()
        reranked.search(query.text, SHOWN)
        times.append((time.perf_counter() - started) * 1000)
    return float(np.mean(before)), float(np.mean(now)), compare(now, before), float(np.median(times))


def _check_taught(groups: Sequence[Group], tuned_on: Sequence[Query], plan: RerankPlan) -> None:
    least = min(LEAST_GROUPS, plan.steps * plan.batch)
    if len(groups) < least or not tuned_on:
        raise UsageError(
            f"Too few documents teach a reranker: {len(groups)} questions with {WRONG} wrong passages each ({least} are needed), "
            f"and {len(tuned_on)} to choose its weight by (1 is).",
            MORE_TO_LEARN,
        )
