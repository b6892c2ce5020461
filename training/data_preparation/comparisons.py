"""Rows over two documents of one type that share a use or an ailment in their front matter.

    for first, second, shared in pair_documents(documents, ("uses",)): generate_pair_examples(first, second, shared, ...)

Documents are paired inside small families only: were everything compared with everything, all sections would hang together and
no split could keep train and test apart.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from retrieval.domain import DomainConfig
from training.data_preparation.answers import around
from training.data_preparation.facts import Sentence, clause, folded, names, numbers, read_sentences, says
from training.data_preparation.forms import fill, form_id, ranked, score
from training.data_preparation.grammar import Phrase, Subject, find_article, phrase_values
from training.data_preparation.reasoning import MOST_NAMES, compose, missing_value
from training.data_preparation.section_context import field_values, role_of
from training.data_preparation.sections import ParsedSection
from training.data_preparation.template_schema import Reasoning, Templates
from training.example import Example, make_example

FAMILY = 4  # documents that are compared with one another: 4 of 97 is 4 % of the corpus, less than the smallest split
MOST_SHARING = 100  # documents with a value; one that nearly all have tells nothing apart
MOST_SHARED = 2  # values compared per pair
MOST_PLACES = 2  # sentences quoted from each document
# Where a use is told best; sections of other roles follow in the order of the document.
_ROLES = ("uses", "preparation", "definition", "culture", "evidence", "description", "safety")


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document's sections with what it is about."""

    subject: Subject
    sections: tuple[ParsedSection, ...]

    @property
    def id(self) -> str:
        return self.sections[0].document

    @property
    def type(self) -> str:
        return self.sections[0].type


@dataclass(frozen=True, slots=True)
class _Side:
    section: ParsedSection
    sentences: list[Sentence]
    text: str


def pair_documents(
    documents: Sequence[ParsedDocument], fields: Sequence[str]
) -> Iterator[tuple[ParsedDocument, ParsedDocument, str]]:
    """(first, second, shared value), from front matter alone: no section's text decides who is compared with whom."""
    by_id = {document.id: document for document in documents}
    shared = _shared_values(documents, fields)
    for first, second in _families(shared):
        values = sorted(shared[first, second], key=lambda value: score(f"{first}\0{second}", value))
        for value in values[:MOST_SHARED]:
            yield by_id[first], by_id[second], value


def generate_pair_examples(
    first: ParsedDocument, second: ParsedDocument, shared: str, templates: Templates, config: DomainConfig
) -> list[Example]:
    """One row, or none where either document does not say the shared word in a sentence.

    Depends on the two sections that it quotes, on both documents' titles and on the order of their sections.
    """
    one, other = _side(first, shared, config), _side(second, shared, config)
    patterns = templates.comparisons
    if one is None or other is None or not patterns.questions:
        return []
    seed = f"{one.section.id}\0{other.section.id}\0{shared}"
    values = _values(first, second, shared, one, other, config)
    values["missing"] = missing_value(patterns.missing, f"{one.section.text}\n{other.section.text}", templates, seed)
    steps = Reasoning(why=patterns.why, says=patterns.says, limits=patterns.limits, concludes=patterns.concludes)
    for text in ranked(patterns.questions, seed):
        question = fill(text, values)
        if question is not None:
            return [
                make_example(
                    question,
                    f"- {first.subject.title}: {one.text}\n- {second.subject.title}: {other.text}",
                    reasoning=compose(steps, values, seed),
                    sections=(one.section.id, other.section.id),
                    task="comparison",
                    type=first.type,
                    form=form_id("comparison", text),
                    language=config.language,
                )
            ]
    return []


def _values(
    first: ParsedDocument, second: ParsedDocument, shared: str, one: _Side, other: _Side, config: DomainConfig
) -> dict[str, str]:
    text = f"{one.section.text}\n{other.section.text}"
    phrase = Phrase(shared, find_article(shared, text) if config.language == "es" else "")
    sentences = [*one.sentences, *other.sentences]
    values = {
        **first.subject.values(),
        **phrase_values("other", second.subject.phrase),
        "pack": config.title,
        "shared": shared,
        "source": one.section.source,
        "other_source": other.section.source,
        "quote": clause(_telling(one.sentences, shared)),
        "other_quote": clause(_telling(other.sentences, shared)),
        "names": ", ".join(names(sentences)[:MOST_NAMES]),
        "numbers": ", ".join(numbers(sentences)[:MOST_NAMES]),
    }
    if phrase.article or config.language != "es":
        values.update(phrase_values("shared", phrase))
    return values


def _telling(sentences: Sequence[Sentence], shared: str) -> str:
    """The sentence that holds the shared word."""
    return next((s.text for s in sentences if says(folded(s.text), shared)), sentences[0].text)


def _side(document: ParsedDocument, shared: str, config: DomainConfig) -> _Side | None:
    for section in _by_role(document.sections, config):
        sentences = read_sentences(section.text)
        places = [s.place for s in sentences if s.kind == "prose" and says(folded(s.text), shared)]
        chosen = around(sentences, places[:MOST_PLACES], config.language) if places else []
        if chosen and all(sentence.kind == "prose" for sentence in chosen):
            return _Side(section, chosen, " ".join(sentence.text for sentence in chosen))
    return None


def _by_role(sections: Iterable[ParsedSection], config: DomainConfig) -> list[ParsedSection]:
    def rank(section: ParsedSection) -> int:
        role = role_of(section.heading, config)
        return _ROLES.index(role) if role in _ROLES else len(_ROLES)

    return sorted(sections, key=rank)


def _shared_values(documents: Sequence[ParsedDocument], fields: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Values that two documents of a type both have, by pair."""
    holders: dict[tuple[str, str], list[str]] = {}
    for document in documents:
        found = {value for name in fields for value in field_values(document.sections[0], name)}
        titles = folded(document.subject.title)
        for value in sorted(found):
            if folded(value) != titles:
                holders.setdefault((document.type, value), []).append(document.id)
    shared: dict[tuple[str, str], list[str]] = {}
    for (_, value), ids in sorted(holders.items()):
        if len(ids) <= MOST_SHARING:
            for pair in combinations(sorted(ids), 2):
                shared.setdefault(pair, []).append(value)
    return shared


def _families(shared: dict[tuple[str, str], list[str]]) -> list[tuple[str, str]]:
    """Pairs inside families: those that share most join first, and no family grows beyond its size."""
    family: dict[str, set[str]] = {}
    for pair in sorted(shared, key=lambda pair: (-len(shared[pair]), score(pair[0], pair[1]))):
        first, second = (family.setdefault(name, {name}) for name in pair)
        if first is not second and len(first) + len(second) <= FAMILY:
            first |= second
            for name in second:
                family[name] = first
    return sorted(pair for pair in shared if family[pair[0]] is family[pair[1]])
