"""The prior's weights, learnt from a pack's calibration questions together with the weights of words and vectors.

    fitted = fit_prior(view, embedder, queries, names, config.sections)      # None: too few questions, or no headings in common
    Prior(view, names, config.sections, fitted.weights, fitted.asking)

A listwise softmax (Cao et al. 2007, "Learning to Rank: From Pairwise Approach to Listwise Approach") over seven kinds of
features of a section: its best passage's BM25 and cosine as z-scores, whether its document is named, how probable the question
makes its kind, how much of the question its document says if it is not named, how typical the question's words are of its heading,
and its role's own standing. The model that says what a question asks for never saw a question on its document.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from retrieval.asking import Asking, Sample
from retrieval.document_share import document_shares
from retrieval.domain import ROLES, SectionRule
from retrieval.embedders import Embedder
from retrieval.evaluate import Query
from retrieval.followups import Names
from retrieval.prior import AskedKinds, Prior, PriorWeights, passage_roles, remove_names, without_names
from retrieval.section_kinds import SectionKinds
from retrieval.unit_gain import best_of, sections_of
from retrieval.view import View

LEAST_QUESTIONS = 60  # fewer cannot say how kinds of sections are asked for
FOLDS = 5
CANDIDATES = 60  # sections among which a question's right ones must win
RIDGE = 0.3
FIRST_WEIGHTS = (0.9, 0.1, 3.0)  # chooses the candidates: words, meaning, subject
BEFORE_ROLES = 6  # columns before a column a role
SHARE_SCALE = 3.0  # brings a document's share to the size of the other features, for the penalty's sake


@dataclass(frozen=True)
class FittedPrior:
    """`asking` saw all questions; `asking_of[fold]` all but that fold's."""

    weight: float  # of meaning against words, as in `Fusion`
    weights: PriorWeights
    asking: Asking
    asking_of: tuple[Asking, ...]
    folds: dict[str, int]  # question id -> the fold that left its document out


def fit_prior(
    view: View, embedder: Embedder, queries: Sequence[Query], names: Names | None, rules: Mapping[str, SectionRule]
) -> FittedPrior | None:
    """Cost: a scan of the view's scores for each question and six softmax fits; on two cores five seconds for 200 questions and
    eleven headings, twenty for 1,400 and forty."""
    sections = _Sections.of(view, rules)
    asked = [(query, sections.wanted(query)) for query in queries]
    asked = [(query, wanted) for query, wanted in asked if wanted]
    samples = {query.id: _sample(query, wanted, sections, names) for query, wanted in asked}
    folds = {query.id: _fold(min(query.relevant)) for query, _ in asked}
    taught = [[sample for name, sample in samples.items() if sample and folds[name] != fold] for fold in range(FOLDS)]
    # A fold that has nothing to learn from: all are about one document, or no headings are in common.
    if len(asked) < LEAST_QUESTIONS or not all(taught):
        return None
    asking_of = tuple(map(Asking.fit, taught))
    kinds_of = [AskedKinds(sections.kinds, asking) for asking in asking_of]
    rows = []
    for query, wanted in asked:
        table = sections.features(view, embedder, query.text, names, kinds_of[folds[query.id]])
        chosen = np.union1d(np.argsort(-(table[:, :3] @ FIRST_WEIGHTS))[:CANDIDATES], wanted)
        rows.append((table[chosen], np.isin(chosen, wanted)))
    asking = Asking.fit([sample for sample in samples.values() if sample])
    found = _fit(rows)
    return FittedPrior(round(float(found[1] / (found[0] + found[1])), 2), _weights(found), asking, asking_of, folds)


@dataclass(frozen=True)
class _Sections:
    """The sections of a view as numbers."""

    numbers: dict[str, int]
    of_passage: NDArray[np.int64]
    roles: NDArray[np.int64]
    kinds: SectionKinds
    kind_of: NDArray[np.int64]  # into `kinds.names`, -1 for a rare one

    @classmethod
    def of(cls, view: View, rules: Mapping[str, SectionRule]) -> "_Sections":
        numbers, of_passage = sections_of(view)
        roles = np.full(len(numbers), len(ROLES))
        roles[of_passage] = passage_roles(view, rules)
        kinds = SectionKinds(view)
        kind_of = np.full(len(numbers), -1)
        kind_of[of_passage] = kinds.of_passages
        return cls(numbers, of_passage, roles, kinds, kind_of)

    def wanted(self, query: Query) -> list[int]:
        return [self.numbers[name] for name in query.relevant if name in self.numbers]

    def features(
        self, view: View, embedder: Embedder, text: str, names: Names | None, asked: AskedKinds
    ) -> NDArray[np.float64]:
        """(sections, 6 + roles): words, meaning, subject, log-probability of the kind, document, kind, then one column a role."""
        vector = embedder.embed_query(text)
        mean, deviation = view.moments.mean_and_deviation(vector)
        lexical = view.lexical_scores(text)
        lexical = (lexical - lexical.mean()) / (lexical.std() or 1.0)
        dense = np.nan_to_num((view.dense_scores(vector) - mean) / deviation)
        named = Prior(view, names).named(text).astype(np.float32)
        share = SHARE_SCALE * document_shares(view, text)[view.document_rows] * (1 - named)
        typical = self.kinds.scores(remove_names(text, names))
        found = (lexical, dense, named, asked.scores(without_names(text, names)), share, typical)
        words, meaning, subject, asks, document, kind = (
            best_of(np.asarray(scores, np.float32), self.of_passage, len(self.numbers)) for scores in found
        )
        roles = np.eye(len(ROLES) + 1)[self.roles][:, : len(ROLES)]
        return np.column_stack([words, meaning, subject, asks, document, kind, roles])


def _sample(query: Query, wanted: Sequence[int], sections: _Sections, names: Names | None) -> Sample | None:
    kinds = frozenset(sections.kinds.names[number] for number in sections.kind_of[list(wanted)] if number >= 0)
    return Sample(without_names(query.text, names), kinds) if kinds else None


def _fold(section_id: str) -> int:
    """Questions on one document are in one fold, whatever else is in the file."""
    return int(hashlib.sha256(section_id.partition("#")[0].encode()).hexdigest(), 16) % FOLDS


def _fit(rows: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]]) -> NDArray[np.float64]:
    """Weights that make the right sections probable among their candidates; those before the roles' are not negative."""
    width = rows[0][0].shape[1]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, slope = RIDGE / 2 * float(weights @ weights), RIDGE * weights
        for table, right in rows:
            scores = table @ weights
            scores -= scores.max()
            total = np.exp(scores).sum()
            value -= float(scores[right].mean()) - float(np.log(total))
            slope = slope - table[right].mean(axis=0) + (np.exp(scores) / total) @ table
        return value, slope

    bounds = [(1e-3, None), *[(0.0, None)] * (BEFORE_ROLES - 1), *[(None, None)] * (width - BEFORE_ROLES)]
    start = np.array([1.0, 0.1, 3.0, 0.5, *np.zeros(width - 4)])
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)


def _weights(found: NDArray[np.float64]) -> PriorWeights:
    """In deviations of the fused score, whose words and vectors weigh one together."""
    subject, asks, document, kind = (round(float(value), 4) for value in found[2:BEFORE_ROLES] / (found[0] + found[1]))
    roles: dict[str, float] = {
        role: round(float(value / (found[0] + found[1])), 4)
        for role, value in zip(ROLES, found[BEFORE_ROLES:], strict=True)
    }
    return PriorWeights(subject, asks, roles, round(SHARE_SCALE * document, 4), kind)
