"""How well a sentence answers a question, from seven signs: its words, its nearness in meaning, the role of its section, the
turns of phrase of that role, whether it names several documents, its place, and the rank of its passage.

sentences = Scorer(view, config, names, embedder).score(question, intent, sources)      # best first
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from assistant.backends.extractive_cues import shared_matters, speaks_of
from assistant.backends.extractive_sentences import Sentence, read_sentences
from assistant.intent import Intent
from assistant.messages import Source
from retrieval.domain import DomainConfig, Role
from retrieval.embedders import Embedder
from retrieval.followups import Names
from retrieval.prior import section_role
from retrieval.view import View

# The rank carries most: the retriever knows the pack's subjects, sections and words; a sentence's vector alone knows little.
WEIGHTS = {
    "words": 0.8,
    "meaning": 0.25,
    "role": 0.3,
    "cue": 0.3,
    "matter": 0.55,
    "first": 0.12,
    "names": 0.5,
    "item": 0.3,
    "document": 0.5,
    "rank": 1.0,
}
OWN_NAME = 0.3  # a document's own name stands in half of its sentences and tells little about one of them
LEAST_MATCH = 0.6  # of the rarest word's idf; a best sentence that matches less matches only partly


@dataclass(frozen=True)
class Scorer:
    """Scores the sentences of the sources of one question."""

    view: View
    config: DomainConfig
    names: Names
    embedder: Embedder | None = None

    def score(self, question: str, intent: Intent, sources: Sequence[Source]) -> list[Sentence]:
        """Sentences with their scores, best first; of the documents that the question names, if it names any."""
        about = list(sources) if intent.kind == "list" else self._about(question, sources)
        sentences = [sentence for source in about for sentence in read_sentences(source, self.view.analyzer)]
        weights = self._weights(question, about)
        matches = [
            sum(weight for term, weight in weights[one.source.document_id].items() if term in one.terms)
            for one in sentences
        ]
        best = max([LEAST_MATCH * self.view.term_idf(-1), *matches])
        wanted = self._roles(intent, about)
        meaning = self._meaning(question, sentences)
        scored = [
            self._valued(sentence, match / best, near, question, replace(intent, roles=wanted), about)
            for sentence, match, near in zip(sentences, matches, meaning, strict=True)
        ]
        return sorted(scored, key=lambda sentence: -sentence.score)

    def _about(self, question: str, sources: Sequence[Source]) -> list[Source]:
        """The sources of the documents that the question names, and what was found before any of them."""
        subjects = {self.view.document(n).id for _, documents in self.names.find(question) for n in documents}
        named = [place for place, source in enumerate(sources) if source.document_id in subjects]
        if not named:
            return list(sources)
        return [source for place, source in enumerate(sources) if place < named[0] or place in named]

    def _weights(self, question: str, about: Sequence[Source]) -> dict[str, dict[str, float]]:
        """What each of the question's words is worth in a document: nothing if it is the document's name, which is in half of
        its sentences; the name of another document counts."""
        terms = {term: self.view.term_idf(n) for term, n in self.view.query_terms(question) if n >= 0}
        found = [(name, {self.view.document(n).id for n in documents}) for name, documents in self.names.find(question)]
        weights = {}
        for identity in {source.document_id for source in about}:
            own = {term for name, documents in found if identity in documents for term in name.split()}
            weights[identity] = {term: weight * (OWN_NAME if term in own else 1) for term, weight in terms.items()}
        return weights

    def _roles(self, intent: Intent, about: Sequence[Source]) -> tuple[Role, ...]:
        """The roles that the wording asks for, with that of the best passage, which was found by more than the wording; a question
        about safety stays one, and a passage that only says what a thing is overrules no wording."""
        found = self._role(about[0]) if about else None
        others = [role for role in intent.roles if role != found]
        place = 1 if found == "definition" or others[:1] == ["safety"] else 0
        return (*others[:place], found, *others[place:]) if found else intent.roles

    def _valued(
        self,
        sentence: Sentence,
        match: float,
        near: float,
        question: str,
        intent: Intent,
        about: Sequence[Source],
    ) -> Sentence:
        role = "safety" if sentence.warning else self._role(sentence.source)
        cue = next((_share(place) for place, one in enumerate(intent.roles) if self._speaks(one, sentence)), 0.0)
        own = (
            WEIGHTS["words"] * match
            + WEIGHTS["matter"] * shared_matters(question, sentence.text, self.config.language)
            + WEIGHTS["meaning"] * near
            + WEIGHTS["role"] * (_share(intent.roles.index(role)) if role in intent.roles else 0.0)
            + WEIGHTS["cue"] * cue
            + WEIGHTS["first"] * (sentence.opens and not _goes_on(sentence.source, about))
        )
        if intent.kind == "list":
            own += WEIGHTS["item"] * sentence.item
            own += WEIGHTS["names"] * min(1.0, max(0, len(self.names.find(sentence.text)) - 1) / 2)
        high, low = about[0].score, about[-1].score
        first = sentence.source.document_id == about[0].document_id
        rank = (sentence.source.score - low) / (high - low) if high > low else 1.0
        return replace(
            sentence, role=role, match=match, own=own, score=own + WEIGHTS["rank"] * rank + WEIGHTS["document"] * first
        )

    def _meaning(self, question: str, sentences: Sequence[Sentence]) -> list[float]:
        """Cosine of each sentence (with its title) to the question, scaled to 0..1 over the candidates."""
        if self.embedder is None or not sentences:
            return [0.0] * len(sentences)
        texts = [f"{sentence.source.label}\n{sentence.text}" for sentence in sentences]
        vectors = self.embedder.embed_passages([question, *texts])
        cosines = vectors[1:] @ vectors[0]
        spread = float(np.ptp(cosines)) or 1.0
        return [float(value) for value in (cosines - cosines.min()) / spread]

    def _speaks(self, role: Role, sentence: Sentence) -> bool:
        return (sentence.warning and role == "safety") or speaks_of(role, sentence.text, self.config.language)

    def _role(self, source: Source) -> Role | None:
        return section_role(source.heading_path, self.config.sections)


def _goes_on(source: Source, about: Sequence[Source]) -> bool:
    """Whether the passage goes on where another one of its section ended."""
    return any(other.section_id == source.section_id and other.start < source.start for other in about)


def _share(place: int) -> float:
    """1 for the first wanted role, less for the later ones."""
    return 1.0 - 0.25 * min(place, 3)
