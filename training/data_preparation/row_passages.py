"""Which passages a row shows: those that hold its answer among distractors that the app's own retriever finds.

    finder = PassageFinder.open(index, embedder)
    choice = choose_passages(example, finder, config, allowed=lambda section: True)
    choice.kind, [source.label for source in choice.sources]

A choice is kept by row and used again as long as the row, its own sections and the settings are the same: retrieval scores
drift with every edit of the corpus, and no edit may remake rows of other sections (docs/decisions/0008-rows-that-stay.md).
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Literal

import numpy as np

from assistant.citations import LEAST_OVERLAP
from assistant.messages import Source
from assistant.prompts import make_sources
from retrieval.embedders import PACKAGED, Embedder, Vectors
from retrieval.followups import Rewriter, Turn
from retrieval.index import Index
from retrieval.retrievers import Retriever, make_hits
from retrieval.sentences import sentence_spans
from retrieval.view import View
from retrieval.wiring import domain_rewriter, index_retriever
from training.data_preparation.marks import holders_of, support
from training.dataset_config import DatasetConfig
from training.example import Example

Kind = Literal["passages", "without_gold", "refusal", "closed_book"]
"""What the prompt holds: the answer's passages among others; others alone though the corpus answers; others alone because it
does not; nothing."""

VERSION = 1  # raise when the same row would choose otherwise: earlier choices are then not used again
NEAR = 24  # hits looked at for distractors: enough for `passages` after the row's own sections are taken out
WIDE = 400  # hits looked at where these were not enough: only a tenth of the corpus may be shown in validation and test

Allowed = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Choice:
    """Passages in the order in which a prompt shows them (numbered from 1), `gold` the ids of those that hold the answer."""

    id: str
    key: str
    kind: Kind
    sources: tuple[Source, ...] = ()
    gold: tuple[str, ...] = ()


class QuestionVectors:
    """An embedder that makes the vectors of many questions in one go: a tenth of the time that one after another takes."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, Vectors] = {}
        self.name = embedder.name
        self.fingerprint = embedder.fingerprint
        self.dimension = embedder.dimension
        self.max_tokens = embedder.max_tokens
        self.counter = embedder.counter

    def prepare(self, texts: Sequence[str]) -> None:
        # Only the packaged embedder treats questions like passages; others may put a prompt before them.
        if self._embedder.name == PACKAGED and texts:
            self._known.update(zip(texts, self._embedder.embed_passages(texts), strict=True))

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.embed_passages(texts)

    def embed_query(self, text: str) -> Vectors:
        vector = self._known.get(text)
        return self._embedder.embed_query(text) if vector is None else vector


class PassageFinder:
    """The passages of an index as rows need them: by section, and as the app finds them."""

    def __init__(
        self, view: View, retriever: Retriever, rewriter: Rewriter, vectors: QuestionVectors | None = None
    ) -> None:
        self.view = view
        self.analyzer = view.analyzer
        self._retriever = retriever
        self._rewriter = rewriter
        self._vectors = vectors
        self._rows: dict[str, list[int]] = {}
        for row in range(len(view)):
            self._rows.setdefault(view.section_of(row)[0], []).append(row)

    @classmethod
    def open(cls, index: Index, embedder: Embedder | None) -> "PassageFinder":
        """Raises `IndexMissing`, `IndexDamaged`."""
        view = index.view()
        rewriter = domain_rewriter(index.domain, view)
        names = rewriter.names if index.domain.config.name_fields else None
        vectors = QuestionVectors(embedder) if embedder else None
        return cls(view, index_retriever("hybrid", index, view, vectors, names=names), rewriter, vectors)

    def prepare(self, asked: Iterable[tuple[str, Sequence[Turn]]]) -> None:
        """Make the vectors of questions that will be searched for."""
        if self._vectors:
            self._vectors.prepare(sorted({self._rewriter.rewrite(question, history) for question, history in asked}))

    @cached_property
    def passage_ids(self) -> frozenset[str]:
        """Of all passages that the index holds now."""
        return frozenset(f"{int(identity):016x}" for identity in self.view.ids)

    def holds(self, section: str) -> bool:
        return section in self._rows

    def passages(self, section: str) -> tuple[Source, ...]:
        """All passages of a section in reading order, unnumbered."""
        rows = np.array(self._rows.get(section, []), np.int64)
        return _unnumbered(make_sources(make_hits(self.view, rows, np.zeros(len(rows), np.float32), {})))

    def search(self, question: str, history: Sequence[Turn], limit: int) -> tuple[Source, ...]:
        """What the app would find for a question after these turns, best first."""
        return _unnumbered(make_sources(self._retriever.search(self._rewriter.rewrite(question, history), limit)))


def kind_of(example: Example, config: DatasetConfig, corpus: bool) -> Kind:
    """What a row's prompt holds: decided by the row's id and the settings' seed and shares alone."""
    if not corpus or not config.rag or example.system:
        return "closed_book"  # a row with a system prompt of its own is asked as it came
    if not example.answerable:
        return "refusal"
    if not example.sections:
        return "closed_book"
    drawn = _fraction(f"{config.seed}:{example.id}")
    if drawn < config.without_gold:
        return "without_gold"
    return "closed_book" if drawn < config.without_gold + config.closed_book else "passages"


def choice_key(example: Example, kind: Kind, finder: PassageFinder | None, config: DatasetConfig) -> str:
    """A hash of all that a choice hangs on but for the corpus around it: equal keys, and an earlier choice stands."""
    own = (
        [[name, [source.passage_id for source in finder.passages(name)]] for name in example.sections] if finder else []
    )
    parts = [VERSION, example.id, kind, config.seed, config.passages, own if kind != "closed_book" else []]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def choose_passages(example: Example, finder: PassageFinder | None, config: DatasetConfig, allowed: Allowed) -> Choice:
    """Choose anew. `allowed` says which sections may be shown beside the row's own."""
    kind = kind_of(example, config, finder is not None)
    key = choice_key(example, kind, finder, config)
    if kind == "closed_book" or finder is None:
        return Choice(example.id, key, kind)
    others = _others(example, kind, finder, config.passages, allowed)
    if kind == "without_gold" and not others:
        kind = "passages"  # a question with no passages at all is asked in other rows
    gold = _gold(example, finder, config.passages) if kind == "passages" else ()
    shown = [*gold, *others[: max(0, config.passages - len(gold))]]
    random.Random(f"{config.seed}:{example.id}").shuffle(shown)
    return Choice(example.id, key, kind, number_sources(shown), tuple(source.passage_id for source in gold))


def _others(example: Example, kind: Kind, finder: PassageFinder, most: int, allowed: Allowed) -> list[Source]:
    """The best hits of other sections that may be shown: out of the first few, or of many where these are not enough."""
    found: list[Source] = []
    for limit in (NEAR, WIDE):
        hits = finder.search(example.question, example.history, limit)
        usable = (
            source
            for source in hits
            if source.section_id not in example.sections
            and allowed(source.section_id)
            and not (kind == "without_gold" and _answers(example, source, finder))
        )
        found = list(islice(usable, most))
        if len(found) == most or len(hits) < limit:
            break
    return found


def without_last_distractor(choice: Choice) -> Choice | None:
    """The choice with one passage less; None where only passages are left that hold the answer, or one passage alone."""
    places = [place for place, source in enumerate(choice.sources) if source.passage_id not in choice.gold]
    if not places or len(choice.sources) == 1:
        return None
    kept = [source for place, source in enumerate(choice.sources) if place != places[-1]]
    return replace(choice, sources=number_sources(kept))


def number_sources(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Sources numbered from 1 in their order."""
    return tuple(replace(source, n=number) for number, source in enumerate(sources, 1))


def still_stands(choice: Choice, key: str, finder: PassageFinder | None, allowed: Allowed) -> bool:
    """Whether an earlier choice can be used again. A distractor's text may be older than the corpus; its section must be there:
    what was withdrawn from the documents is withdrawn from the rows."""
    if choice.key != key:
        return False
    others = [source.section_id for source in choice.sources if source.passage_id not in choice.gold]
    return all(finder is not None and finder.holds(section) and allowed(section) for section in others)


def _gold(example: Example, finder: PassageFinder, most: int) -> tuple[Source, ...]:
    """Passages that hold the answer's sentences; where none does word for word, the best of each section."""
    passages = number_sources([source for name in example.sections for source in finder.passages(name)])
    found = holders_of(example.answer, passages, finder.analyzer)
    if not found:
        found = [_best(example.answer, name, passages, finder) for name in example.sections]
    chosen = [source for source in passages if source.n in found[:most]]
    return tuple(chosen)


def _best(answer: str, section: str, passages: Sequence[Source], finder: PassageFinder) -> int:
    own = [source for source in passages if source.section_id == section]
    return max(own, key=lambda source: (support(answer, source.text, finder.analyzer), -source.n)).n if own else 0


def _answers(example: Example, source: Source, finder: PassageFinder) -> bool:
    """Whether a passage of another section says a sentence of the answer too: refusing beside it would be wrong."""
    spans = sentence_spans(example.answer)
    sentences = [example.answer[start:end] for start, end in spans]
    return any(support(sentence, source.text, finder.analyzer) >= LEAST_OVERLAP for sentence in sentences)


def _unnumbered(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Without number and score: what is left is the passage alone, the same whoever found it."""
    return tuple(replace(source, n=0, score=0.0) for source in sources)


def _fraction(text: str) -> float:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()) / 2**64
