"""Everything that a pack's calibration questions teach its search: weights, where to look, when to refuse.

    calibration = calibrate(domain, view, embedder)
    write_calibration(index_folder, calibration)

What judges a question never saw a question on its document. A pack with few questions gets what its text alone teaches.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from retrieval.asking import Asking
from retrieval.bm25_constants import choose_bm25
from retrieval.calibrate import (
    LEAST_LABELS,
    Calibration,
    calibrate_gold,
    calibrate_unlabelled,
    pseudo_questions,
    standard_dense,
)
from retrieval.candidates import MOST_QUESTIONS, choose_candidates
from retrieval.confidence import TOP, Confidence, signs
from retrieval.domain import Domain, DomainConfig, GoldQuestion, SectionRule
from retrieval.embedders import Embedder
from retrieval.evaluate import Query, gold_queries
from retrieval.fit_prior import FittedPrior, fit_prior
from retrieval.followups import Names, Rewriter
from retrieval.lexical import DEFAULT_BM25, Bm25
from retrieval.prior import Prior, PriorWeights, without_names
from retrieval.retrievers import Fusion, HybridRetriever, zscore
from retrieval.view import Scores, View
from retrieval.wording import Wording

PARTS = 10  # in which wordings are learnt and judged
MOST_WORDINGS = (
    1_000  # questions, evenly taken: the cost of a fit grows with their cube, and more ways of asking are rare
)


def calibrate_bm25(domain: Domain, view: View, embedder: Embedder, learnt: Calibration) -> Bm25:
    """BM25's constants beside everything else that was learnt on the view, by the pack's calibration questions; the usual ones where
    these are few. The rest is to be learnt anew where others come out."""
    gold = [question for question in domain.questions() if question.split == "calibration"]
    config = domain.config
    rewriter = Rewriter(view, config.name_fields, config.sections, config.fields)
    queries = gold_queries(gold, lambda question: rewriter.rewrite(question.question, question.history))
    if len(queries) < LEAST_LABELS:
        return DEFAULT_BM25
    names = rewriter.names if config.name_fields else None
    weights = PriorWeights(**learnt.prior) if learnt.prior else PriorWeights()
    prior = Prior(view, names, config.sections, weights, Asking.from_json(learnt.asking) if learnt.asking else None)

    def fused(query: Query) -> Callable[[Scores], Scores]:
        rest = learnt.weight * standard_dense(view, embedder.embed_query(query.text))
        rest = rest + prior.scores(query.text, prior.named(query.text))
        return lambda lexical: np.asarray((1 - learnt.weight) * zscore(lexical) + rest, np.float32)

    return choose_bm25(view, queries, fused)


def calibrate(
    domain: Domain, view: View, embedder: Embedder, use: Callable[[GoldQuestion], bool] = lambda question: True
) -> Calibration:
    """Weights and abstention from the pack's calibration questions (those that `use` admits); what they are too few for comes
    from the text alone. The pack's pairs teach where to look beside them; only the questions measure and teach when to refuse.
    """
    gold = [question for question in domain.questions() if question.split == "calibration" and use(question)]
    pairs = [pair for pair in domain.pairs() if use(pair)]
    config = domain.config
    rewriter = Rewriter(view, config.name_fields, config.sections, config.fields)
    names = rewriter.names if config.name_fields else None

    def rewrite(question: GoldQuestion) -> str:
        return rewriter.rewrite(question.question, question.history)

    answerable = gold_queries(gold, rewrite)
    if len(answerable) < LEAST_LABELS:
        found = calibrate_unlabelled(view, embedder)
        prior = Prior(view, names) if names else None
        enough = choose_candidates(
            view, embedder, Fusion(found.weight), pseudo_questions(view, MOST_QUESTIONS), lambda place: prior
        )
        return replace(found, bm25=view.bm25, candidates=enough)
    fitted = fit_prior(view, embedder, [*answerable, *gold_queries(pairs, rewrite)], names, config.sections)
    priors = _Priors(view, names, config.sections, fitted)
    found = calibrate_gold(view, embedder, answerable, lambda query: priors.of(query.id))
    if fitted:  # words and vectors are weighed with the rest: a weight chosen afterwards does worse on other documents
        found = replace(found, weight=fitted.weight, pairs=len(pairs))
    texts, fusion = [query.text for query in answerable], Fusion(found.weight)
    enough = choose_candidates(view, embedder, fusion, texts, lambda place: priors.of(answerable[place].id))
    found = replace(found, bm25=view.bm25, candidates=enough)
    if fitted:
        found = replace(found, prior=asdict(fitted.weights), asking=fitted.asking.as_json())
    if len(gold) - len(answerable) < LEAST_LABELS // 2:
        return found
    samples = [_Sample(question.id, rewrite(question), question.answerable, _about(question)) for question in gold]
    samples += _declared(config)
    wordings = _Wordings(samples, rewriter.names)
    rows = []
    for sample in samples:
        retriever = HybridRetriever(view, embedder, Fusion(found.weight), prior=priors.of(sample.id))
        rows.append(signs(view, sample.text, retriever.search(sample.text, TOP), rewriter, wordings.of(sample)))
    confidence = Confidence.fit(rows, [sample.answerable for sample in samples])
    return replace(found, threshold=replace(confidence, wording=wordings.of_all).as_json())


@dataclass(frozen=True, slots=True)
class _Sample:
    """A question that teaches when to refuse; those with one `about` are in one part."""

    id: str
    text: str
    answerable: bool
    about: str

    @property
    def part(self) -> int:
        return int(hashlib.sha256(self.about.encode()).hexdigest(), 16) % PARTS


def _about(question: GoldQuestion) -> str:
    return question.relevant[0].partition("#")[0] if question.relevant else question.id


def _declared(config: DomainConfig) -> list[_Sample]:
    """What the pack shows people as questions that it answers."""
    texts = (*config.sample_questions, *(one.question for one in config.benchmark_questions))
    return [_Sample("", text, True, text) for text in dict.fromkeys(texts)]


class _Wordings:
    """A model of wordings for each part of the questions, which saw none of that part, and one that saw all."""

    def __init__(self, samples: Sequence[_Sample], names: Names) -> None:
        taught = samples[:: max(1, len(samples) // MOST_WORDINGS)]
        rows = [(sample.part, without_names(sample.text, names), sample.answerable) for sample in taught]
        self._of_part = [
            Wording.fit([row[1] for row in rows if row[0] != part], [row[2] for row in rows if row[0] != part])
            for part in range(PARTS)
        ]
        self.of_all = Wording.fit([row[1] for row in rows], [row[2] for row in rows])

    def of(self, sample: _Sample) -> Wording:
        return self._of_part[sample.part]


class _Priors:
    """A prior for each fold, made once; the last one, which saw all questions, is for those that no fold left out."""

    def __init__(
        self, view: View, names: Names | None, rules: Mapping[str, SectionRule], fitted: FittedPrior | None
    ) -> None:
        self._folds = fitted.folds if fitted else {}
        if fitted:
            models = (*fitted.asking_of, fitted.asking)
            self._priors: list[Prior | None] = [Prior(view, names, rules, fitted.weights, asking) for asking in models]
        else:
            self._priors = [Prior(view, names) if names else None]

    def of(self, question_id: str) -> Prior | None:
        return self._priors[self._folds.get(question_id, -1)]
