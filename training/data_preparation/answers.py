"""Answers made of a section's own sentences: which of them, how many, in what shape.

    write_answer(sentences, "full")

Sentences are never rewritten, so export can find each of them in the answer again and put its citation mark behind it.
"""

from collections.abc import Sequence
from typing import Literal

from training.data_preparation.facts import Sentence, depends

Style = Literal["full", "brief", "list"]

MOST_ANSWER_WORDS = 120  # two to five sentences of prose: what a reader takes in at a glance
MOST_SENTENCES = 5
BRIEF_WORDS = 40
MOST_ITEMS = 12
LEAST_LIST = 3
SHORT_WORDS = 9  # a sentence below this says too little alone


def select(sentences: Sequence[Sentence], style: Style) -> list[Sentence]:
    """The sentences that answer a general question: from the start, until it is long enough."""
    most_sentences, most_words = (2, BRIEF_WORDS) if style == "brief" else (MOST_SENTENCES, MOST_ANSWER_WORDS)
    kept: list[Sentence] = []
    words = prose = 0
    for sentence in sentences:
        size = len(sentence.text.split())
        listed = sentence.kind != "prose"
        if kept and not listed and (prose >= most_sentences or words + size > most_words):
            break
        if listed and (sum(s.kind != "prose" for s in kept) >= MOST_ITEMS or (style == "brief" and not kept)):
            continue
        kept.append(sentence)
        words += size
        prose += not listed
    if not kept and style == "brief":
        return select(sentences, "full")
    return _closed(kept, sentences)


def around(sentences: Sequence[Sentence], places: Sequence[int], language: str) -> list[Sentence]:
    """The sentences at `places`, with the one before where they lean on it or are an item of its list."""
    wanted = set(places)
    for place in places:
        sentence = sentences[place]
        if sentence.kind != "prose":
            lead = _lead(sentences, place)
            wanted |= {lead} if lead is not None else set()
        elif depends(sentence, language) or len(sentence.text.split()) < SHORT_WORDS:
            wanted.add(max(0, place - 1))
    return _closed([sentences[place] for place in sorted(wanted)], sentences)


def write_answer(sentences: Sequence[Sentence], style: Style, opening: str = "") -> str:
    """Prose in one paragraph, an opening, items and rows on lines of their own; style `list` makes every sentence an item."""
    lines: list[str] = [opening] if opening else []
    prose: list[str] = []
    for sentence in sentences:
        listed = sentence.kind != "prose" or (style == "list" and not sentence.text.endswith(":"))
        if not listed:
            prose.append(sentence.text)
            continue
        if prose:
            lines.append(" ".join(prose))
            prose = []
        lines.append(f"- {sentence.text}")
    if prose:
        lines.append(" ".join(prose))
    return "\n".join(lines)


def _closed(kept: list[Sentence], sentences: Sequence[Sentence]) -> list[Sentence]:
    """A sentence that announces a list comes with its list, or not at all."""
    closed: list[Sentence] = []
    known = {sentence.place for sentence in kept}
    for sentence in kept:
        if sentence.text.endswith(":") and sentence.kind == "prose":
            items = _items_after(sentences, sentence.place)
            if not items:
                continue
            if not any(item.place in known for item in items):
                closed += [sentence, *items[:MOST_ITEMS]]
                continue
        closed.append(sentence)
    return closed or kept


def _items_after(sentences: Sequence[Sentence], place: int) -> list[Sentence]:
    items = []
    for sentence in sentences[place + 1 :]:
        if sentence.kind == "prose":
            break
        items.append(sentence)
    return items


def _lead(sentences: Sequence[Sentence], place: int) -> int | None:
    """The sentence that announces the list in which an item stands."""
    while place > 0 and sentences[place].kind != "prose":
        place -= 1
    return place if sentences[place].kind == "prose" and sentences[place].text.endswith(":") else None
