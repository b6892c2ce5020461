"""Questions on single things that a section says: a use, a name, a warning, a link; answered by the sentences that say it.

ask_details(context, wanted=2)
"""

import re
from collections.abc import Iterator, Sequence

from training.data_preparation.answers import around
from training.data_preparation.facts import Sentence, folded, links, says, terms
from training.data_preparation.forms import fill, form_id, ranked
from training.data_preparation.grammar import Phrase, find_article, phrase_values
from training.data_preparation.section_context import Asked, Context, field_values
from training.data_preparation.sections import ParsedSection
from training.data_preparation.template_schema import Detail

MOST_MATCHED = 3  # sentences that one detail's answer is made of


def ask_details(context: Context, wanted: int) -> list[Asked]:
    """Questions on single things, each answered by other sentences, as many as wanted at most."""
    kept: list[Asked] = []
    answered: set[tuple[int, ...]] = set()
    named: set[str] = set()
    whole = len(context.sentences)
    for asked, detail in ranked(list(_all_details(context)), context.section.id, key=lambda found: found[0].key):
        if len(kept) == wanted:
            break
        places = tuple(sentence.place for sentence in asked.sentences)
        if places in answered or detail.name in named or (len(places) == whole > 2):
            continue
        answered.add(places)
        named.add(detail.name)
        kept.append(asked)
    return kept


def _all_details(context: Context) -> Iterator[tuple[Asked, Detail]]:
    for detail in context.templates.details:
        if detail.fits(context.section.type, context.section.heading, context.role):
            for match, places in _matches(detail, context):
                asked = _ask_detail(detail, match, places, context)
                if asked:
                    yield asked, detail


def _ask_detail(detail: Detail, match: str, places: list[int], context: Context) -> Asked | None:
    phrase = Phrase(match, find_article(match, context.section.text) if context.config.language == "es" else "")
    matched = {
        "match": match,
        **({} if context.config.language == "es" and not phrase.article else phrase_values("match", phrase)),
    }
    values = {**context.values(), **matched}
    values["asks"] = context.asks(detail.asks, values)
    subject = context.subject.phrase
    for text in ranked(detail.questions, f"{context.section.id}\0{match}"):
        question = fill(text, values, subject.number, subject.gender)
        if question is not None:
            places = places[:MOST_MATCHED] + _following(context.sentences, places[0], detail.following)
            sentences = around(context.sentences, sorted(set(places)), context.config.language)
            form = form_id(detail.name, text)
            return Asked(
                question, form, sentences, "full", detail.task or context.task, values, f"{form}\0{match}", False
            )
    return None


def _following(sentences: Sequence[Sentence], place: int, most: int) -> list[int]:
    block = sentences[place].block
    return [s.place for s in sentences[place + 1 : place + 1 + most] if s.block == block]


def _matches(detail: Detail, context: Context) -> Iterator[tuple[str, list[int]]]:
    """(the words found, places of the sentences that hold them)."""
    found: dict[str, list[int]] = {}
    for sentence in context.sentences:
        for match in _found_in(sentence, detail, context.section):
            found.setdefault(match, []).append(sentence.place)
    title = folded(context.section.title)
    for match, places in found.items():
        if folded(match) not in title and title not in folded(match):
            yield match, places


def _found_in(sentence: Sentence, detail: Detail, section: ParsedSection) -> list[str]:
    if detail.mark == "link":
        return links(sentence)
    if detail.mark == "term":
        return terms(sentence)
    if detail.field:
        text = folded(sentence.text)
        return [value for value in field_values(section, detail.field) if says(text, value)]
    match = detail.regex.search(sentence.text)
    if match is None:
        return []
    found = (match.group(1) if match.re.groups and match.group(1) else match.group()).strip()
    # A word that only the sentence's start gave a capital is written small inside a question.
    if match.start() == 0 and not re.match(detail.pattern, sentence.text):
        found = found[:1].lower() + found[1:]
    return [found]
