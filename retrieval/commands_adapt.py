"""What `savia adapt` does. Its options: retrieval/cli.py."""

from dataclasses import dataclass
from pathlib import Path

from retrieval.adapt import ADAPTED_RECORD, CANDIDATE, Trial, adapt, keep_adapted
from retrieval.adapt_beir import Lesson, read_lesson
from retrieval.adapt_pairs import choose_held_out
from retrieval.adapt_report import reporting
from retrieval.adapt_run import Progress
from retrieval.adapt_sources import calibration_queries, held_out_queries, is_outside, training_pairs
from retrieval.adapt_train import TrainPlan
from retrieval.beir import read_beir
from retrieval.calibrate import calibrate_unlabelled, write_calibration
from retrieval.calibrate_domain import calibrate
from retrieval.console import progress_bar
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
from retrieval.tasks import Task, beir_task
from retrieval.view import View
from retrieval.wiring import build_embedder, domain_prior, open_index, usable_embedder


@dataclass(frozen=True, slots=True)
class AdaptOptions:
    """The options of `savia adapt`; see its help. `reranker` is None where none is wanted."""

    held_out: float
    steps: int
    reranker: RerankPlan | None
    as_json: bool


def adapt_domain(domain: str | None, options: AdaptOptions) -> None:
    """Train, judge on held-out documents, keep and re-index only after a significant gain."""
    settings = read_settings(domain=domain)
    index = open_index(settings)
    view = index.view()
    base = _answering_embedder(view, settings)
    folder = settings.build_dir / settings.domain / "adapt"
    with writer_lock(folder, "savia adapt", "adaptation"), reporting(options.as_json) as report:
        hidden = choose_held_out(view, options.held_out)
        with progress_bar() as progress:
            pairs, queries = training_pairs(index, view, hidden), held_out_queries(index, view, hidden)
            make_hybrid, plan = HybridMaker(index, hidden), TrainPlan(steps=options.steps)
            trial = adapt(view, base, pairs, queries, make_hybrid, plan, folder, progress)
            if trial.kept:
                base = _switch(trial, index, view, settings, progress)
                view = index.view()
        report.embedder(trial, f"questions are answered with {base.fingerprint} from now on")
        if options.reranker:
            hybrid, asked = make_hybrid(view, base), calibration_queries(index, view, hidden)
            source, target = folder.with_name("rerank"), reranker_folder(settings.models_dir, settings.domain)
            with progress_bar() as progress:
                reranked = adapt_reranker(view, hybrid, pairs, queries, asked, options.reranker, source, progress)
                if reranked.kept:
                    keep_reranker(reranked, target, source / CANDIDATE, base.fingerprint)
            report.reranker(reranked, target, "the first hits are reordered from now on")


def adapt_collection(beir: Path, output: Path | None, options: AdaptOptions) -> None:
    """The same on a BEIR folder: the judgements of its other documents teach; the model is kept in `output`."""
    kept_in = check_output(output) if output else None
    settings = read_settings()
    base: Embedder = load_embedder(PACKAGED, settings.models_dir)
    task = beir_task(beir, settings, base)
    name, view, plan = task.index.domain.name, task.index.view(), TrainPlan(steps=options.steps)
    folder, target = settings.build_dir / name / "adapt", kept_in or adapted_folder(settings.models_dir, name)
    with writer_lock(folder, "savia adapt", "adaptation"), reporting(options.as_json) as report:
        with progress_bar() as progress:
            lesson = read_lesson(read_beir(beir), task, options.held_out, progress)
            trial = adapt(
                view, base, lesson.pairs, lesson.queries, unlabelled_hybrid, plan, folder, progress, task.unit
            )
            if trial.kept:
                keep_adapted(trial, target)
                view, base = ReembeddedView(view.folder, trial.vectors), trial.embedder
        measured = f"SAVIA_EMBEDDER={target if trial.kept else PACKAGED} savia evaluate retrieval --beir {beir}"
        report.embedder(trial, f"it lies in {target}; measure with it: {measured}")
        if options.reranker:
            source, lies_in = folder.with_name("rerank"), reranker_folder(settings.models_dir, name)
            with progress_bar() as progress:
                reranked = _rerank_collection(lesson, view, base, task, options.reranker, source, progress)
                if reranked.kept:
                    keep_reranker(reranked, lies_in, source / CANDIDATE, base.fingerprint)
            report.reranker(reranked, lies_in, f"measure with it: {measured} --retriever rerank")


def check_together(domain: str | None, beir: Path | None, output: Path | None) -> None:
    """Raise `UsageError` for options that would be passed over in silence."""
    if output and not beir:
        raise UsageError(
            f"--output {output} is for a BEIR folder; a domain's embedder lies where its questions find it.",
            "Leave it out, or name the collection with --beir.",
        )
    if domain and beir:
        raise UsageError(f"--domain {domain} and --beir {beir} are two things to adapt to.", "Choose one of them.")


def check_output(output: Path) -> Path:
    """The whole path of a folder that a model may take the place of: new, empty, or with a model of `savia adapt`.

    Raises `UsageError` for any other: what is in it would be deleted.
    """
    target = output.resolve()
    if Path.cwd().is_relative_to(target):
        raise UsageError(f"--output {output} holds the folder that you are in.", "Name a new folder.")
    if target.is_dir() and ((target / ADAPTED_RECORD).is_file() or not any(target.iterdir())):
        return target
    if target.exists():
        raise UsageError(f"--output {output} exists and is no folder of an adapted embedder.", "Name a new folder.")
    return target


def _rerank_collection(
    lesson: Lesson, view: View, base: Embedder, task: Task, plan: RerankPlan, folder: Path, progress: Progress
) -> RerankTrial:
    hybrid = unlabelled_hybrid(view, base)
    return adapt_reranker(
        view, hybrid, lesson.pairs, lesson.queries, [], plan, folder, progress, task.unit, lesson.group_of
    )


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
