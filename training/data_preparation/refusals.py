"""Rows whose answer is the pack's refusal: near misses, names that no document has, and questions about something else.

list(generate_refusal_examples(documents, templates, config))

That the documents do not answer is checked, not assumed: a near miss is asked only where its pattern matches nowhere in the
document, a name only where no document holds it.
"""

from collections.abc import Iterator, Sequence

from retrieval.domain import DomainConfig
from training.data_preparation.comparisons import ParsedDocument
from training.data_preparation.facts import folded, says
from training.data_preparation.forms import capitalized, choose, fill, form_id, ranked
from training.data_preparation.grammar import Phrase, phrase_values
from training.data_preparation.reasoning import first_filled
from training.data_preparation.template_schema import AbsentName, NearMiss, Templates
from training.example import Example, make_example

NEAR_MISSES = 1  # rows a document
MOST_NEAR_MISSES = 400  # of a pack: refusing must stay a small part of what is learned
FORMS_PER_NAME = 2
MOST_HEADINGS = 3


def generate_refusal_examples(
    documents: Sequence[ParsedDocument], templates: Templates, config: DomainConfig
) -> Iterator[Example]:
    """Near misses by document, then absent names, then other subjects."""
    asked = ranked(documents, "near misses", key=lambda document: document.id)[:MOST_NEAR_MISSES]
    kept = {document.id for document in asked}
    for document in documents:
        if document.id in kept:
            yield from generate_near_misses(document, templates, config)
    yield from _absent_names(documents, templates, config)
    yield from _off_topic(templates, config)


def generate_near_misses(document: ParsedDocument, templates: Templates, config: DomainConfig) -> list[Example]:
    """What could be asked about the document and stands nowhere in it. Depends on its headings and on what it lacks."""
    text = "\n".join(section.text for section in document.sections)
    lacking = [
        near
        for near in templates.refusals.near_misses
        if (not near.types or document.type in near.types) and not near.regex.search(text)
    ]
    rows = []
    for near in ranked(lacking, document.id, key=lambda near: near.about)[:NEAR_MISSES]:
        row = _near_miss(near, document, templates, config)
        if row is not None:
            rows.append(row)
    return rows


def _near_miss(near: NearMiss, document: ParsedDocument, templates: Templates, config: DomainConfig) -> Example | None:
    phrase = document.subject.phrase
    headings = [section.heading_path[-1] for section in document.sections if section.heading_path]
    place = next((heading for heading in headings if folded(heading) == folded(near.place)), "")
    values = {
        **document.subject.values(),
        "pack": config.title,
        "about": near.about,
        "place": " › ".join(part for part in (document.subject.title, place) if part),
        "headings": ", ".join(dict.fromkeys(ranked(headings, document.id)[:MOST_HEADINGS])),
    }
    for text in ranked(near.questions, document.id):
        question = fill(text, values, phrase.number, phrase.gender)
        if question is not None:
            seed = f"{document.id}\0{near.about}"
            thinking = _think(templates.refusals.near_reasoning, values, seed)
            return _refusal(question, thinking, form_id("near-miss", text), document.type, config)
    return None


def _absent_names(documents: Sequence[ParsedDocument], templates: Templates, config: DomainConfig) -> Iterator[Example]:
    absent = templates.refusals.absent
    corpus = [folded(f"{d.subject.title}\n{section.text}") for d in documents for section in d.sections]
    fields = {folded(value) for d in documents for value in _all_values(d)}
    for name in absent.names if documents else ():
        if any(says(text, name.name) for text in (*corpus, *fields)):
            continue
        for form in ranked(absent.forms, name.name, key=lambda form: form.asks)[:FORMS_PER_NAME]:
            values = {**_name_values(name), "pack": config.title}
            values["asks"] = fill(form.asks, values) or name.name
            text = choose(form.questions, name.name)
            thinking = _think(absent.reasoning, values, f"{name.name}\0{form.asks}")
            yield _refusal(fill(text, values) or text, thinking, form_id("absent", text), "", config)


def _off_topic(templates: Templates, config: DomainConfig) -> Iterator[Example]:
    for other in templates.refusals.off_topic:
        values = {"about": other.about, "pack": config.title}
        thinking = _think(templates.refusals.off_topic_reasoning, values, other.question)
        yield _refusal(other.question, thinking, form_id("off-topic", other.question), "", config)


def _think(patterns: tuple[str, ...], values: dict[str, str], seed: str) -> str:
    found = first_filled(patterns, values, seed)
    return capitalized(found[1]) if found else ""


def _refusal(question: str, reasoning: str, form: str, kind: str, config: DomainConfig) -> Example:
    return make_example(
        question,
        config.refusal,
        reasoning=reasoning,
        task="refusal",
        type=kind,
        form=form,
        answerable=False,
        language=config.language,
    )


def _name_values(name: AbsentName) -> dict[str, str]:
    return phrase_values("name", Phrase(name.name, name.article))


def _all_values(document: ParsedDocument) -> Iterator[str]:
    for value in document.sections[0].fields.values():
        yield from (value,) if isinstance(value, str) else value
