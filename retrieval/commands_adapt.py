"""What `savia adapt` does. Its options: retrieval/cli.py."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from retrieval.adapt import HELD_OUT, Progress, Trial, adapt, keep_adapted
from retrieval.adapt_pairs import Asked, Pair, build_pairs, choose_held_out, heading_questions, sentence_questions
from retrieval.adapt_train import TrainPlan
from retrieval.calibrate import calibrate, write_calibration
from retrieval.console import output, print_json, progress_bar, say
from retrieval.domain import GoldQuestion
from retrieval.embedders import PACKAGED, Embedder, adapted_folder, load_embedder
from retrieval.errors import UsageError
from retrieval.evaluate import Query, gold_queries
from retrieval.index import Index
from retrieval.lock import writer_lock
from retrieval.prior import Prior
from retrieval.reembedded import RememberingEmbedder
from retrieval.retrievers import Fusion, HybridRetriever, Retriever
from retrieval.settings import RetrievalSettings, read_settings
from retrieval.view import View
from retrieval.wiring import domain_prior, domain_rewriter, open_index

MOST_PAIRS = 4_000  # more add minutes and no quality
ENOUGH_GOLD = 50  # people's questions that can show a gain of a few hundredths by themselves
FEW_ROWS = 200  # questions of the training set below which sentences are used as questions too


def adapt_domain(domain: str | None, steps: int, as_json: bool) -> None:
    """Train, judge on held-out documents, keep and re-index only after a significant gain."""
    started = time.perf_counter()
    settings = read_settings(domain=domain)
    index = open_index(settings)
    view = index.view()
    base = load_embedder(PACKAGED, settings.models_dir)
    folder = settings.build_dir / settings.domain / "adapt"
    with writer_lock(folder, "savia adapt", "adaptation"), progress_bar() as progress:
        held_out = choose_held_out(view, HELD_OUT)
        pairs, queries = training_pairs(index, view, held_out), held_out_queries(index, view, held_out)
        make_hybrid = HybridMaker(index, held_out)
        trial = adapt(view, base, pairs, queries, make_hybrid, TrainPlan(steps=steps), folder, progress)
        if trial.kept:
            _switch(trial, index, view, settings, folder, progress)
    if as_json:
        print_json({**trial.as_json(), "seconds": round(time.perf_counter() - started, 1)})
        return
    _print(trial, time.perf_counter() - started)


def training_pairs(index: Index, view: View, held_out: frozenset[str]) -> list[Pair]:
    """Pairs of the documents that are not held out: the built training set's questions, the pack's `pairs.jsonl`, headings
    with names, and sentences where there are few questions."""
    config = index.domain.config
    rows = list(read_asked(index.settings.build_dir / index.domain.name / "split" / "train.jsonl"))
    rows += read_pack_pairs(index.domain.folder / "pairs.jsonl")
    if not rows:
        say("No training set has been built (savia dataset build); learning from headings and sentences alone.")
    asked = [*rows, *heading_questions(view, config.sections, config.name_fields)]
    pairs = build_pairs(view, asked, held_out)
    if len(rows) < FEW_ROWS:
        pairs.extend(sentence_questions(view, held_out))
    step = max(1, len(pairs) // MOST_PAIRS)
    return pairs[::step]


def held_out_queries(index: Index, view: View, held_out: frozenset[str]) -> list[Query]:
    """Gold questions whose sections all stand in held-out documents; where they are few, the training set's questions as well.

    People's questions alone judge where there are enough of them: on herbolaria, rows from templates rose by 0.035 nDCG@10 where
    people's questions did not move.
    """
    rewriter = domain_rewriter(index.domain, view)

    def rewrite(question: GoldQuestion) -> str:
        return rewriter.rewrite(question.question, question.history)

    def is_held_out(query: Query) -> bool:
        return all(unit.partition("#")[0] in held_out for unit in query.relevant)

    gold = [query for query in gold_queries(index.domain.questions(), rewrite) if is_held_out(query)]
    if len(gold) >= ENOUGH_GOLD:
        return gold
    split = index.settings.build_dir / index.domain.name / "split"
    rows = [
        Query(f"{name}:{number}", one.question, dict.fromkeys(one.sections, 1), "row")
        for name in ("train", "validation", "test")
        for number, one in enumerate(read_asked(split / f"{name}.jsonl"))
    ]
    return [*gold, *(query for query in rows if is_held_out(query))]


def read_asked(path: Path) -> Iterator[Asked]:
    """Questions that can stand alone, with their sections, of one part of the training set; nothing where it was not built."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").split("\n"):
        row = json.loads(line) if line.strip() else {}
        if row.get("sections") and not row.get("history") and len(row["sections"]) == 1:
            yield Asked(str(row["question"]), tuple(row["sections"]))


def read_pack_pairs(path: Path) -> list[Asked]:
    """People's questions with the sections that answer them, which the pack keeps for learning and never measures with."""
    if not path.is_file():
        return []
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        return [Asked(str(row["question"]), tuple(row["relevant"])) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} has a line that is no pair ({error}).", 'Write {"question": ..., "relevant": [ids]}.'
        ) from error


class HybridMaker:
    """The domain's hybrid over any view and embedder, calibrated on questions about documents that are not held out."""

    def __init__(self, index: Index, held_out: frozenset[str]) -> None:
        self._index = index
        self._held_out = held_out

    def __call__(self, view: View, embedder: Embedder) -> Retriever:
        found = calibrate(self._index.domain, view, embedder, self._judges)
        prior: Prior | None = domain_prior(self._index.domain, view, found)
        return HybridRetriever(view, embedder, Fusion(found.weight), prior=prior)

    def _judges(self, question: GoldQuestion) -> bool:
        return not any(section.partition("#")[0] in self._held_out for section in question.relevant)


def _switch(
    trial: Trial, index: Index, view: View, settings: RetrievalSettings, folder: Path, progress: Progress
) -> None:
    """Keep the model, re-index under its fingerprint (nothing is embedded twice), calibrate for it."""
    target = adapted_folder(settings.models_dir, settings.domain)
    keep_adapted(trial, target, folder / "candidate")
    kept = load_embedder("auto", settings.models_dir, domain=settings.domain)
    index.sync(RememberingEmbedder(kept, view, trial.vectors), progress)
    write_calibration(index.folder, calibrate(index.domain, index.view(), kept))


def _print(trial: Trial, seconds: float) -> None:
    for name, gain in (("dense", trial.dense_gain), ("hybrid", trial.gain)):
        low, high = gain.interval
        output().print(
            f"{name}: nDCG@10 on held-out documents {trial.before[name]:.4f} -> {trial.now[name]:.4f} "
            f"({gain.difference:+.4f}, {low:+.4f} to {high:+.4f}, p {gain.probability:.4f}; {trial.questions} questions)",
            soft_wrap=True,
            markup=False,
        )
    if trial.kept:
        text = f"Kept: questions are answered with the adapted embedder {trial.embedder.fingerprint} from now on."
    else:
        text = "Not kept: the hybrid did not gain significantly. Nothing was changed."
    output().print(f"{text} {trial.pairs} pairs, {seconds:.0f} s.", soft_wrap=True, markup=False)
