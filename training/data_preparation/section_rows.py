"""Rows of one section: a general question, and questions on single things that it says.

    generate_section_examples(subject, section, templates, config)

A pure function of the section, the document's title, type and fields, the templates and the pack's settings: editing another
section changes nothing here.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache

from retrieval.domain import DomainConfig
from retrieval.lexical import Analyzer
from training.data_preparation.answers import LEAST_LIST, Style, select, write_answer
from training.data_preparation.details import ask_details
from training.data_preparation.facts import folded
from training.data_preparation.forms import choose, fill, form_id, ranked
from training.data_preparation.grammar import Subject
from training.data_preparation.reasoning import compose, fact_values, missing_value
from training.data_preparation.section_context import Asked, Context, make_context, role_of
from training.data_preparation.sections import TOP, ParsedSection
from training.data_preparation.template_schema import Reasoning, Templates
from training.example import Example, make_example

VERSION = 1  # raise when rows come out differently for the same section and templates: cached rows are then made again
MOST_ROWS = 3
OPENED = 2  # of the answers that do not name their subject, one in so many begins with an opening


def section_key(subject: Subject, section: ParsedSection, templates: Templates, config: DomainConfig) -> str:
    """A hash of everything that the section's rows depend on: equal keys, equal rows."""
    rule = role_of(section.heading, config)
    parts = [VERSION, section.id, section.type, section.hash, section.fields, subject.title, subject.phrase.the]
    parts += [templates.digest, rule, config.language, config.title]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def generate_section_examples(
    subject: Subject, section: ParsedSection, templates: Templates, config: DomainConfig
) -> list[Example]:
    """One to three rows, by how much the section says; none where it says nothing in sentences."""
    context = make_context(subject, section, templates, config)
    if context is None:
        return []
    wanted = min(MOST_ROWS, 1 + (len(context.sentences) > 1) + (len(context.sentences) > 3))
    general = ask_general(context)
    chosen = [general] if general else []
    chosen += ask_details(context, wanted - len(chosen))
    if len(chosen) < wanted:
        second = ask_general(context, avoid=tuple(asked.form for asked in chosen), brief=len(context.sentences) > 2)
        chosen += [second] if second and second.question not in {asked.question for asked in chosen} else []
    return [_example(context, asked) for asked in chosen]


def ask_general(context: Context, avoid: Sequence[str] = (), brief: bool = False) -> Asked | None:
    """A question that the section as a whole answers, in the style it asks for."""
    seed = context.section.id
    values = context.values()
    for form, text, style in _general_forms(context, seed, brief):
        if form in avoid:
            continue
        filled = fill(text, values, context.subject.phrase.number, context.subject.phrase.gender)
        if filled is not None:
            sentences = select(context.sentences, style)
            return Asked(filled, form, sentences, style, context.task, values, form)
    return None


def answer_of(context: Context, asked: Asked) -> str:
    """The answer's text; some that do not name their subject at once begin with an opening."""
    seed = f"{context.section.id}\0{asked.key}"
    openings = context.group.openings
    opening = ""
    named = folded(context.subject.phrase.bare) in folded(asked.sentences[0].text)
    if openings and asked.general and asked.style == "full" and not named and choose(range(OPENED), seed) == 0:
        phrase = context.subject.phrase
        opening = fill(choose(openings, seed), asked.values, phrase.number, phrase.gender) or ""
    return write_answer(asked.sentences, asked.style, opening if _is_grounded(opening, context) else "")


def reasoning_values(context: Context, asked: Asked) -> dict[str, str]:
    """What the thinking before this answer may name."""
    seed = f"{context.section.id}\0{asked.key}"
    values = {**asked.values, **fact_values(asked.sentences, context.templates), "question": asked.question}
    values["missing"] = missing_value(context.group.missing, context.section.text, context.templates, seed)
    return values


def _example(context: Context, asked: Asked) -> Example:
    values = reasoning_values(context, asked)
    patterns = context.templates.reasoning
    steps = Reasoning(
        why=(*context.group.why, *patterns.why),
        says=patterns.says,
        limits=patterns.limits,
        concludes=patterns.concludes,
    )
    phrase = context.subject.phrase
    thinking = compose(steps, values, f"{context.section.id}\0{asked.key}", phrase.number, phrase.gender)
    return make_example(
        asked.question,
        answer_of(context, asked),
        reasoning=thinking,
        sections=(context.section.id,),
        task=asked.task,
        type=context.section.type,
        form=asked.form,
        language=context.config.language,
    )


def _general_forms(context: Context, seed: str, brief: bool) -> Iterator[tuple[str, str, Style]]:
    """(form id, pattern, style), the section's favourite first."""
    heading = context.section.heading
    if heading.endswith("?"):
        yield "heading", "{Heading}", "full"
        yield "title-heading", "{Title}: {Heading}", "full"
        return
    if heading == TOP and context.subject.title.endswith("?"):
        yield "title", "{Title}", "full"
    group = context.group
    forms: list[tuple[str, str, Style]] = [] if brief else [("q", text, "full") for text in group.questions]
    forms += [("b", text, "brief") for text in group.brief if len(context.sentences) > 2 or brief]
    if len([s for s in context.sentences if s.kind == "prose"]) >= LEAST_LIST and not brief:
        forms += [("l", text, "list") for text in group.lists]
    if brief and not forms:
        forms = [("q", text, "brief") for text in group.questions]
    for kind, text, style in ranked(forms, seed, key=lambda form: form[1]):
        yield form_id(f"{context.section.type}/{folded(heading)}/{kind}", text), text, style


def _is_grounded(opening: str, context: Context) -> bool:
    """Whether an opening says nothing that the section does not: its content words stand there or in its headings."""
    analyzer = _analyzer(context.config.language)
    return set(analyzer.terms(opening)) <= set(analyzer.terms(f"{context.section.source}\n{context.section.text}"))


@cache
def _analyzer(language: str) -> Analyzer:
    return Analyzer(language)
