"""What `savia adapt` does. Its options: retrieval/cli.py."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.adapt import Progress, Trial, adapt, keep_adapted
from retrieval.adapt_beir import read_lesson
from retrieval.adapt_pairs import choose_held_out
from retrieval.adapt_sources import calibration_queries, held_out_queries, is_outside, training_pairs
from retrieval.adapt_train import TrainPlan
from retrieval.beir import read_beir
from retrieval.calibrate import calibrate_unlabelled, write_calibration
from retrieval.calibrate_domain import calibrate
from retrieval.console import output, print_json, progress_bar
from retrieval.domain import GoldQuestion
from retrieval.embedders import AUTO, PACKAGED, Embedder, adapted_folder, load_embedder
from retrieval.errors import UsageError
from retrieval.index import Index
from retrieval.lock import writer_lock
from retrieval.prior import Prior
from retrieval.reembedded import ReembeddedView, RememberingEmbedder
from retrieval.rerank import reranker_folder
from retrieval.rerank_train import RerankPlan
from retrieval.rerank_trial import RerankTrial, adapt_reranker, keep_reranker
from retrieval.retrievers import Fusion, HybridRetriever, Retriever
from retrieval.settings import RetrievalSettings, read_settings
from retrieval.significance import Comparison
from retrieval.tasks import beir_task
from retrieval.view import View
from retrieval.wiring import build_embedder, domain_prior, open_index, usable_embedder


@dataclass(frozen=True, slots=True)
class AdaptOptions:
    """The options of `savia adapt`; see its help."""

    held_out: float
    steps: int
    reranker: bool
    as_json: bool


def adapt_domain(domain: str | None, options: AdaptOptions) -> None:
    """Train, judge on held-out documents, keep and re-index only after a significant gain."""
    started = time.perf_counter()
    settings = read_settings(domain=domain)
    index = open_index(settings)
    view = index.view()
    base = _answering_embedder(view, settings)
    folder = settings.build_dir / settings.domain / "adapt"
    with writer_lock(folder, "savia adapt", "adaptation"), progress_bar() as progress:
        hidden = choose_held_out(view, options.held_out)
        pairs, queries = training_pairs(index, view, hidden), held_out_queries(index, view, hidden)
        make_hybrid, plan = HybridMaker(index, hidden), TrainPlan(steps=options.steps)
        trial = adapt(view, base, pairs, queries, make_hybrid, plan, folder, progress)
        if trial.kept:
            base = _switch(trial, index, view, settings, progress)
            view = index.view()
        reranked = None
        if options.reranker:
            hybrid, asked = make_hybrid(view, base), calibration_queries(index, view, hidden)
            source, plan_two = folder.with_name("rerank"), RerankPlan()
            reranked = adapt_reranker(view, hybrid, pairs, queries, asked, plan_two, source, progress)
            if reranked.kept:
                target = reranker_folder(settings.models_dir, settings.domain)
                keep_reranker(reranked, target, source / "candidate", base.fingerprint)
    kept = f"Kept: questions are answered with the adapted embedder {trial.embedder.fingerprint} from now on."
    _tell(trial, reranked, kept, time.perf_counter() - started, options.as_json)


def adapt_collection(beir: Path, output: Path | None, options: AdaptOptions) -> None:
    """The same on a BEIR folder: the judgements of its other documents teach; the model is kept in `output`."""
    started = time.perf_counter()
    settings = read_settings()
    base: Embedder = load_embedder(PACKAGED, settings.models_dir)
    task = beir_task(beir, settings, base)
    lesson = read_lesson(read_beir(beir), task, options.held_out)
    name, view, plan = task.index.domain.name, task.index.view(), TrainPlan(steps=options.steps)
    folder, target = settings.build_dir / name / "adapt", output or adapted_folder(settings.models_dir, name)
    pairs, queries = lesson.pairs, lesson.queries
    with writer_lock(folder, "savia adapt", "adaptation"), progress_bar() as progress:
        trial = adapt(view, base, pairs, queries, unlabelled_hybrid, plan, folder, progress, task.unit)
        if trial.kept:
            keep_adapted(trial, target)
            view, base = ReembeddedView(view.folder, trial.vectors), trial.embedder
        reranked = None
        if options.reranker:
            hybrid, source = unlabelled_hybrid(view, base), folder.with_name("rerank")
            reranked = adapt_reranker(
                view, hybrid, pairs, queries, [], RerankPlan(), source, progress, task.unit, lesson.group_of
            )
            if reranked.kept:
                keep_reranker(
                    reranked, reranker_folder(settings.models_dir, name), source / "candidate", base.fingerprint
                )
    kept = f"Kept in {target}. Measure with it: SAVIA_EMBEDDER={target} savia evaluate retrieval --beir {beir}"
    _tell(trial, reranked, kept, time.perf_counter() - started, options.as_json)


def unlabelled_hybrid(view: View, embedder: Embedder) -> Retriever:
    """A hybrid whose weight was learnt from the text alone."""
    return HybridRetriever(view, embedder, Fusion(calibrate_unlabelled(view, embedder).weight))


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
        return is_outside(question, self._held_out)


def _answering_embedder(view: View, settings: RetrievalSettings) -> Embedder:
    """What questions are embedded with now: the candidate has to beat it, not what was there at first."""
    if settings.embedder != AUTO:
        raise UsageError(
            f"SAVIA_EMBEDDER={settings.embedder} is set, and an adapted embedder would not be asked.", "Set it to auto."
        )
    embedder = usable_embedder(view, build_embedder(settings))
    if embedder is None:
        raise UsageError(f"The index of {settings.domain} is not up to date.", "Run savia index sync first.")
    return embedder


def _switch(trial: Trial, index: Index, view: View, settings: RetrievalSettings, progress: Progress) -> Embedder:
    """Keep the model, re-index under its fingerprint (nothing is embedded twice), calibrate for it."""
    keep_adapted(trial, adapted_folder(settings.models_dir, settings.domain))
    kept = load_embedder(AUTO, settings.models_dir, domain=settings.domain)
    index.sync(RememberingEmbedder(kept, view, trial.vectors), progress)
    write_calibration(index.folder, calibrate(index.domain, index.view(), kept))
    return kept


def _tell(trial: Trial, reranked: RerankTrial | None, kept: str, seconds: float, as_json: bool) -> None:
    found = trial.as_json()
    if as_json:
        extra: dict[str, Any] = {"reranker": reranked.as_json()} if reranked else {}
        print_json({**found, **extra, "candidate": str(trial.candidate), "seconds": round(seconds, 1)})
        return
    for name in ("dense", "hybrid"):
        _print_gain(name, found["before"][name], found["now"][name], trial.gain_of(name), found["questions"])
    text = kept if trial.kept else "Not kept: the hybrid did not gain significantly. Nothing was changed."
    if reranked:
        _print_gain("reranked", reranked.before, reranked.now, reranked.gain, reranked.questions)
        what = "Reranker kept" if reranked.kept else "Reranker not kept"
        text += f" {what}: a question takes {reranked.milliseconds:.0f} ms with it."
    output().print(f"{text} {trial.pairs} pairs, {seconds:.0f} s.", soft_wrap=True, markup=False)


def _print_gain(name: str, before: float, now: float, gain: Comparison, questions: int) -> None:
    low, high = gain.interval
    output().print(
        f"{name}: nDCG@10 on held-out documents {before:.4f} -> {now:.4f} "
        f"({gain.difference:+.4f}, {low:+.4f} to {high:+.4f}, p {gain.probability:.4f}; {questions} questions)",
        soft_wrap=True,
        markup=False,
    )
