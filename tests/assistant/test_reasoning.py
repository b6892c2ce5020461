"""Reasoning is told from the answer wherever the stream is cut, and no tag shows in an answer."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.reasoning import TAGS, ReasoningSplitter

MARKS = re.compile("|".join(f"</?{tag}>" for tag in TAGS))

CASES = {  # text with T for the tag's name: reasoning, answer
    "closed": ("<T>Veo la hoja.</T>\n\nEs ruda.", "Veo la hoja.", "Es ruda."),
    "closed after a word": ("Pues <T>veo</T>sí.", "veo", "Pues sí."),
    "closing only": ("Es ruda.</T>", "", "Es ruda."),
    "unclosed": ("<T>Veo la hoja", "Veo la hoja", ""),
    "nested": ("<T>a<T>b</T>c</T>d", "abc", "d"),
    "twice": ("<T>a</T>b<T>c</T>d", "ac", "bd"),
    "empty": ("<T></T>Es ruda.", "", "Es ruda."),
    "quoted in the answer": ("<T>a</T>Escribe `<T>` y «</T>» así.", "a", "Escribe `` y «» así."),
    "quoted in the reasoning": ("<T>Cierro con `</T>` luego.</T>Sí.", "Cierro con `</T>` luego.", "Sí."),
    "quotation mark before the closing tag": ('<T>Dice "ruda"</T>Sí.', 'Dice "ruda"', "Sí."),
    "put together by a removal": ("Es <Tx</T> y <T</T>>ruda.", "", "Es <Tx y ruda."),
    "put together around reasoning": ("a</<T>veo</T>T>b", "veo", "ab"),
    "absent": ("1 < 2 y 3 > 2, <b>ruda</b>", "", "1 < 2 y 3 > 2, <b>ruda</b>"),
    "nothing": ("", "", ""),
}


def split(pieces: list[str], inside: bool = False) -> tuple[str, str]:
    """(reasoning, answer) of a text that arrives in pieces."""
    splitter = ReasoningSplitter(inside)
    found = [piece for text in pieces for piece in splitter.feed(text)] + list(splitter.finish())
    reasoning, answer = (
        "".join(piece.text for piece in found if piece.kind == kind) for kind in ("reasoning", "answer")
    )
    return reasoning, answer


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("case", CASES)
def test_every_cut_into_three_gives_the_same_reasoning_and_answer(case: str, tag: str) -> None:
    text, reasoning, answer = (part.replace("T", tag) for part in CASES[case])
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            assert split([text[:first], text[first:second], text[second:]]) == (reasoning, answer)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("case", CASES)
def test_letter_by_letter_gives_the_same(case: str, tag: str) -> None:
    text, reasoning, answer = (part.replace("T", tag) for part in CASES[case])
    assert split(list(text)) == (reasoning, answer)


@pytest.mark.parametrize("tag", TAGS)
def test_a_prompt_that_opened_the_tag_starts_inside(tag: str) -> None:
    text = f"Veo la hoja.</{tag}>Es ruda."
    for cut in range(len(text) + 1):
        assert split([text[:cut], text[cut:]], inside=True) == ("Veo la hoja.", "Es ruda.")


@pytest.mark.parametrize("tag", TAGS)
def test_a_stream_that_ends_within_a_tag_shows_none_of_it(tag: str) -> None:
    assert split([f"<{tag}>Veo.</{tag[:3]}"]) == ("Veo.", "")
    assert split([f"Es ruda.<{tag[:3]}"]) == ("", "Es ruda.")


@pytest.mark.parametrize("tag", TAGS)
def test_a_model_that_repeats_the_tag_its_prompt_opened_is_still_inside_once(tag: str) -> None:
    assert split([f"\n<{tag}>\nVeo.</{tag}>Es ruda."], inside=True) == ("\n\nVeo.", "Es ruda.")
    assert split([f"<{tag}>a<{tag}>b</{tag}>c</{tag}>d"], inside=True) == ("abc", "d")


def test_tags_put_together_by_removals_of_removals_do_not_show() -> None:
    assert split(["a<thi<thi</think>nk>nk>b"]) == ("", "ab")
    assert split(["<" * 20_000, "think>Sí."]) == ("Sí.", "<" * 19_999)


def test_a_lone_less_than_sign_at_the_end_is_text() -> None:
    assert split(["uno <", ""]) == ("", "uno <")


def test_text_is_passed_on_as_soon_as_it_is_certain() -> None:
    splitter = ReasoningSplitter()
    assert [piece.text for piece in splitter.feed("Es ruda. <th")] == ["Es ruda. "]
    assert [piece.text for piece in splitter.feed("ree>")] == ["<three>"]


FRAGMENTS = [
    mark for tag in TAGS for mark in (f"<{tag}>", f"</{tag}>", f"<{tag[:3]}", f"{tag[3:]}>", tag, "</", "<", ">")
]


@given(
    parts=st.lists(st.sampled_from([*FRAGMENTS, "ruda", " ", "\n", "`", '"', "a<b", "x>"]), max_size=30),
    inside=st.booleans(),
    data=st.data(),
)
def test_nothing_is_lost_and_no_tag_shows_however_it_is_cut(
    parts: list[str], inside: bool, data: st.DataObject
) -> None:
    text = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    reasoning, answer = split([*pieces, " fin"], inside)
    assert (reasoning, answer) == split([f"{text} fin"], inside)
    assert not MARKS.search(answer)
    for letter in 'rudbx`"':  # none of them is part of a tag
        assert (reasoning + answer).count(letter) == text.count(letter)
