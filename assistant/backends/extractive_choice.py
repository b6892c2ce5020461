"""Which of the scored sentences are said, and in which order, so that they read as one answer.

The best sentence leads. Others join it if they say nearly as much to the question; one that points back ("También...") brings
the sentence before it, and what stands before the lead in its section joins only when it answers almost as well.
"""

from collections.abc import Iterable, Sequence

from assistant.backends.extractive_sentences import Sentence
from retrieval.domain import Role

ENOUGH = 0.62  # a further sentence must score this share of the best one, rank included...
ECHO = 0.55  # ...and this share of what the best one itself says to the question
CAUTION = 0.45  # less is asked of a warning beside a warning: leaving one out is worse than one too many
EARLIER = 0.85  # the same for sentences that stand before the best one
ASKED = 0.5  # the share of the best one's words that a sentence of the asked role must have, if none is among the best
LEADING: tuple[Role, ...] = ("safety", "definition")  # asked for, they are said first
ELSEWHERE = 0.75  # and for those of another section, unless it has the role that was asked for
TWIN = 0.7  # two sentences sharing this share of their words say the same
CHAIN = 2  # sentences that one may bring with it


def choose(sentences: Sequence[Sentence], most: int, passages: int, role: Role | None = None) -> list[Sentence]:
    """The best sentences in reading order, each saying something new, from few passages. `sentences` are best first.

    Of the `role` that was asked for, the best one is always said if it speaks of the matter, and a
    definition or warnings come first; a question about safety gets nothing else.
    """
    lead = sentences[0]
    if role == "safety":
        section = lead.source.section_id
        sentences = [one for one in sentences if one.role == "safety" or one.source.section_id == section]
    chosen = with_what_it_leans_on(lead, sentences)
    for sentence in sentences[1:]:
        if sentence.score < ENOUGH * lead.score or len(chosen) >= most:
            break
        strays = sentence.leans and sentence.source.n != lead.source.n
        if sentence in chosen or strays or sentence.own < _least(sentence, lead, role) * lead.own:
            continue
        new = [one for one in with_what_it_leans_on(sentence, sentences) if one not in chosen]
        fits = len(chosen) + len(new) <= most and len({one.source.n for one in [*chosen, *new]}) <= passages
        if fits and not _is_said(sentence, chosen):
            chosen.extend(new)
    if role and not any(sentence.role == role for sentence in chosen):
        chosen = [*chosen[: most - 1], *_best_of(role, sentences, lead)]
    return in_order(chosen, lead, role)


def spread(sentences: Sequence[Sentence], most: int, passages: int, role: Role | None = None) -> list[Sentence]:
    """For a question about nothing in particular ("¿para qué sirve?"): a section from its beginning, then the rest.

    It is the section found first, of those of the `role` if there are any: such a question has no words to weigh sentences by.
    """
    asked = [one for one in sentences if one.role == role] or sentences
    first = min(one.source.n for one in asked)
    lead = next(one for one in asked if one.source.n == first)
    own = [one for one in sentences if one.source.section_id == lead.source.section_id and one.warning == lead.warning]
    section: list[Sentence] = []
    for sentence in in_order(own, lead):
        if len(section) < most and not _is_said(sentence, section):
            section.append(sentence)
    others = [one for one in sentences if one.source.section_id != lead.source.section_id and not one.leans]
    used = {one.source.n for one in section}
    for sentence in others:
        if len(section) == most or sentence.score < ENOUGH * lead.score or sentence.own < ECHO * lead.own:
            break
        new = len(used | {sentence.source.n}) <= passages
        if new and not _is_said(sentence, section):
            section.append(sentence)
            used.add(sentence.source.n)
    return in_order(section, lead, role)


def _best_of(role: Role, sentences: Sequence[Sentence], lead: Sentence) -> list[Sentence]:
    near = [one for one in sentences if one.score >= ENOUGH * lead.score and one.match >= ASKED * lead.match]
    return [one for one in near if one.role == role and not one.leans][:1]


def with_what_it_leans_on(sentence: Sentence, sentences: Sequence[Sentence]) -> list[Sentence]:
    """The sentence, after those of its passage that it points back to."""
    own = sorted((one for one in sentences if one.source.n == sentence.source.n), key=lambda one: one.place)
    last = own.index(sentence)
    first = last
    while own[first].leans and first > max(0, last - CHAIN) and not own[first - 1].item:
        first -= 1
    return own[first : last + 1]


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of the shorter one's words that both have."""
    return len(one & other) / max(1, min(len(one), len(other)))


def in_order(sentences: Iterable[Sentence], lead: Sentence, role: Role | None = None) -> list[Sentence]:
    """The definition or the warnings that were asked for, then the lead's section, then by rank; within a section as it is read."""
    sentences = list(sentences)
    rank: dict[str, int] = {}
    for sentence in sentences:
        section = sentence.source.section_id
        rank[section] = min(rank.get(section, sentence.source.n), sentence.source.n)

    def key(sentence: Sentence) -> tuple[bool, bool, int, int, int]:
        section = sentence.source.section_id
        return (
            role in LEADING and sentence.role != role,
            section != lead.source.section_id,
            rank[section],
            sentence.source.start,
            sentence.place,
        )

    return sorted(sentences, key=key)


def paragraph(sentences: Iterable[Sentence]) -> str:
    """The sentences with their marks."""
    return " ".join(marked(sentence) for sentence in sentences)


def marked(sentence: Sentence) -> str:
    """A sentence and the number of its passage."""
    return f"{sentence.text} [{sentence.source.n}]"


def _is_said(sentence: Sentence, said: Sequence[Sentence]) -> bool:
    return any(overlap(sentence.terms, other.terms) >= TWIN for other in said)


def _least(sentence: Sentence, lead: Sentence, role: Role | None) -> float:
    """The share of what the lead says to the question that a sentence must say to join it."""
    if sentence.source.section_id != lead.source.section_id:
        return ECHO if role is not None and sentence.role == role else ELSEWHERE
    if _is_before(sentence, lead):
        return EARLIER
    return CAUTION if role == sentence.role == "safety" else ECHO


def _is_before(sentence: Sentence, lead: Sentence) -> bool:
    return (sentence.source.start, sentence.place) < (lead.source.start, lead.place)
