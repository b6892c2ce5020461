"""Passages cover their sections, quote them exactly, stay under the cap and never break a table or a fence open."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.corpus import read_corpus
from retrieval.documents import parse_document
from retrieval.embedders import PackagedTokenizer, WordCounter
from retrieval.passages import Passage, split_document
from tests.retrieval.markdown_cases import WILD_TEXTS, markdown_texts, open_fences, passage_faults

SLOW_IS_FINE = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
)


@cache
def tokenizer() -> PackagedTokenizer:
    return PackagedTokenizer()


def split(text: str, cap: int = 68) -> list[Passage]:
    return split_document(parse_document("plantas/ruda.md", text), tokenizer(), cap)


@settings(SLOW_IS_FINE, max_examples=250)
@given(markdown_texts() | WILD_TEXTS, st.sampled_from([68, 100, 256]))
def test_passages_cover_the_text_quote_it_and_stay_under_the_cap(text: str, cap: int) -> None:
    document = parse_document("plantas/x.md", text)
    assert passage_faults(document, split_document(document, tokenizer(), cap), tokenizer(), cap) == []


@settings(SLOW_IS_FINE, max_examples=50)
@given(markdown_texts())
def test_the_same_holds_where_no_embedder_is_at_hand(text: str) -> None:
    document = parse_document("plantas/x.md", text)
    assert passage_faults(document, split_document(document, WordCounter(), 68), WordCounter(), 68) == []


@settings(SLOW_IS_FINE, max_examples=100)
@given(markdown_texts(), st.data())
def test_an_edit_in_one_section_keeps_the_ids_of_all_others(text: str, data: st.DataObject) -> None:
    before = parse_document("plantas/x.md", text)
    if not before.sections:
        return
    edited = data.draw(st.sampled_from(before.sections))
    after = parse_document("plantas/x.md", f"{text[: edited.start]}\n\nFrase nueva.\n\n{text[edited.start :]}")
    kept = [p.id for p in split_document(before, tokenizer(), 100) if p.section_id != edited.id]
    assert kept == [p.id for p in split_document(after, tokenizer(), 100) if p.section_id != edited.id]


def test_every_nasty_file_gives_sound_passages(datasets: Path) -> None:
    for document in read_corpus(datasets / "nasty_markdown"):
        passages = split_document(document, tokenizer(), 256)
        assert (document.path, passage_faults(document, passages, tokenizer(), 256)) == (document.path, [])


def test_a_short_section_is_one_passage_with_its_headings_as_context() -> None:
    [passage] = split("# Ruda\n\n## Usos\n\n### Té\n\nSe hierve.\n")
    assert (passage.text, passage.context, passage.ordinal) == ("Se hierve.", "Ruda › Usos › Té", 0)
    assert passage.embedded_text == "Ruda › Usos › Té\nSe hierve."


def test_a_split_table_repeats_its_header_in_what_is_embedded() -> None:
    rows = "".join(f"| planta {number} | amarga y fría |\n" for number in range(40))
    passages = split(f"# Ruda\n\n| planta | sabor |\n| --- | --- |\n{rows}")
    assert len(passages) > 5
    assert passages[0].text.startswith("| planta | sabor |")
    assert {passage.lead for passage in passages[1:]} == {"| planta | sabor |\n| --- | --- |\n"}
    assert all(line.endswith("|") for passage in passages for line in passage.text.splitlines())


def test_a_split_fence_is_opened_and_closed_in_every_passage() -> None:
    code = "".join(f"dosis[{number}] = gotas({number})\n" for number in range(40))
    passages = split(f"# Ruda\n\n```python\n{code}```\n")
    assert len(passages) > 5
    assert {(p.lead, p.tail) for p in passages[1:-1]} == {("```python\n", "\n```")}
    assert (passages[0].lead, passages[0].tail) == ("", "\n```")
    assert (passages[-1].lead, passages[-1].tail) == ("```python\n", "")


@pytest.mark.parametrize("prefix", ["> ", "  ", ">   ", "    "])
def test_a_fence_in_a_quotation_or_a_list_keeps_its_prefix(prefix: str) -> None:
    first = {"> ": "> ", "  ": "- ", ">   ": "> - ", "    ": "12. "}[prefix]
    code = "".join(f"{prefix}dosis[{number}] = gotas({number})\n" for number in range(40))
    passages = split(f"# Ruda\n\n{first}```python\n{code}{prefix}```\n")
    assert {(p.lead, p.tail) for p in passages[1:-1]} == {(f"{prefix}```python\n", f"\n{prefix}```")}
    assert not any(open_fences(p.lead + p.text + p.tail) for p in passages)


def test_a_shorter_mark_inside_a_fence_does_not_close_it() -> None:
    code = "~~~~\n" + "```\ncódigo de ejemplo\n```\n" * 20 + "~~~~\n"
    passages = split(f"# Ruda\n\n{code}")
    assert {(p.lead, p.tail) for p in passages[1:-1]} == {("~~~~\n", "\n~~~~")}


def test_a_mark_of_a_hundred_backticks_does_not_eat_the_cap() -> None:
    document = parse_document("a.md", f"{'`' * 100}\n{'código ' * 100}\n{'`' * 100}\n")
    for passage in split_document(document, tokenizer(), 68):
        assert len(tokenizer().token_ids([passage.embedded_text], 10_000)[0]) <= 68


def test_a_title_as_long_as_the_cap_leaves_room_for_the_text() -> None:
    passages = split(f"# {'Ruda ' * 200}\n\n{'Se hierve la raíz. ' * 20}")
    assert all("Ruda" in passage.context and "hierve" in passage.text for passage in passages)


def test_a_cap_too_small_for_any_text_is_refused() -> None:
    with pytest.raises(ValueError, match="a cap of 60 tokens is too small; use 68 or more"):
        split("Ruda", cap=60)


def test_list_items_are_not_cut_where_they_fit() -> None:
    items = [f"- Planta número {number}: se hierve y se cuela." for number in range(20)]
    passages = split("# Lista\n\n" + "\n".join(items))
    assert [line for passage in passages for line in passage.text.splitlines()] == items


def test_long_paragraphs_are_cut_between_sentences() -> None:
    passages = split("# Ruda\n\n" + "La hoja de la ruda se hierve en agua limpia. " * 30)
    assert len(passages) > 3
    assert all(passage.text.endswith("limpia.") for passage in passages)
