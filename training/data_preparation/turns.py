"""Rows of a conversation: a question on one section of a document, its answer, and a follow-up on another section.

generate_turn_examples(document, templates, config)
"""

from itertools import permutations

from retrieval.domain import DomainConfig
from training.data_preparation.answers import select
from training.data_preparation.comparisons import ParsedDocument
from training.data_preparation.facts import clause
from training.data_preparation.forms import fill, form_id, ranked
from training.data_preparation.reasoning import compose
from training.data_preparation.section_context import Asked, Context, make_context
from training.data_preparation.section_rows import answer_of, ask_general, reasoning_values
from training.data_preparation.template_schema import Reasoning, Templates
from training.example import Example, make_example

TURNS = 2  # rows a document


def generate_turn_examples(document: ParsedDocument, templates: Templates, config: DomainConfig) -> list[Example]:
    """Up to two rows a document, each on two of its sections; which two hangs on the sections' ids alone."""
    contexts = {}
    for section in document.sections:
        context = make_context(document.subject, section, templates, config)
        if context is not None and not section.heading.endswith("?"):
            contexts[section.id] = context
    asked = [name for name, context in contexts.items() if context.group.follow_ups]
    pairs = [(first, second) for first, second in permutations(contexts, 2) if second in asked]
    rows: list[Example] = []
    used: set[str] = set()
    for first, second in ranked(pairs, document.id, key=lambda pair: "\0".join(pair)):
        if len(rows) == TURNS:
            break
        if second in used:
            continue
        row = _turn(contexts[first], contexts[second])
        if row is not None:
            rows.append(row)
            used |= {first, second}
    return rows


def _turn(first: Context, second: Context) -> Example | None:
    opening = ask_general(first, brief=True) or ask_general(first)
    asked = _follow_up(second, first.section.id)
    if opening is None or asked is None:
        return None
    values = {
        **reasoning_values(second, asked),
        "previous": clause(opening.question.strip("¿?")),
        "previous_source": first.section.source,
    }
    templates = second.templates
    steps = templates.reasoning.model_copy(update={"why": templates.follow_up_why or templates.reasoning.why})
    seed = f"{first.section.id}\0{second.section.id}"
    phrase = second.subject.phrase
    return make_example(
        asked.question,
        answer_of(second, asked),
        reasoning=compose(Reasoning(**steps.model_dump()), values, seed, phrase.number, phrase.gender),
        history=(("user", opening.question), ("assistant", answer_of(first, opening))),
        sections=(second.section.id, first.section.id),
        task="multi_turn",
        type=second.section.type,
        form=asked.form,
        language=second.config.language,
    )


def _follow_up(context: Context, previous: str) -> Asked | None:
    values = context.values()
    phrase = context.subject.phrase
    for text in ranked(context.group.follow_ups, f"{context.section.id}\0{previous}"):
        question = fill(text, values, phrase.number, phrase.gender)
        if question is not None:
            form = form_id("follow-up", text)
            return Asked(
                question, form, select(context.sentences, "full"), "full", "multi_turn", values, f"{form}\0{previous}"
            )
    return None
