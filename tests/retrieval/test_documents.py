"""Markdown files as documents: sections with exact spans, stable ids, front matter that cannot hurt."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from retrieval.corpus import parse_file, read_file, scan
from retrieval.documents import UnreadableText, clean_heading, decode_text, document_id, parse_document
from tests.retrieval.markdown_cases import WILD_TEXTS, markdown_texts

RUDA = """\
---
title: Ruda
synonyms: [Ruta, hierba de la gracia]
---
# Ruda

Hierba de olor fuerte.

## Usos

Té.

### En limpias

Se barre el cuerpo.

## Usos

Otra vez.
"""


def test_sections_quote_the_file_and_are_named_by_their_headings() -> None:
    document = parse_document("plantas/ruda.md", RUDA)
    quoted = {section.id: document.text[section.start : section.end].strip() for section in document.sections}
    assert quoted == {
        "plantas/ruda#top": "Hierba de olor fuerte.",
        "plantas/ruda#usos": "Té.",
        "plantas/ruda#usos/en-limpias": "Se barre el cuerpo.",
        "plantas/ruda#usos-2": "Otra vez.",
    }


def test_heading_paths_leave_out_the_title() -> None:
    document = parse_document("plantas/ruda.md", RUDA)
    assert [section.heading_path for section in document.sections] == [(), ("Usos",), ("Usos", "En limpias"), ("Usos",)]
    assert (document.title, document.type) == ("Ruda", "plantas")


def test_the_title_is_the_fields_or_the_first_heading_or_the_file_name() -> None:
    assert parse_document("a.md", "---\ntitle: Uno\n---\n# Dos").title == "Uno"
    assert parse_document("a.md", "texto\n\n# Dos").title == "Dos"
    assert parse_document("b/nota-3.md", "texto").title == "nota-3"


def test_an_empty_document_has_one_empty_section_at_most() -> None:
    for text in ("", "\n\n", "---\ntitle: x\n---\n"):
        document = parse_document("a.md", text)
        assert all(not document.text[section.start : section.end].strip() for section in document.sections)


def test_hash_lines_in_code_are_no_headings() -> None:
    document = parse_document("a.md", "# A\n\n```sh\n# instalar\n```\n\n    # sangrado\n")
    assert [section.id for section in document.sections] == ["a#top"]


def test_headings_are_read_as_a_reader_sees_them() -> None:
    assert clean_heading('<a name="syntax"></a>Sintaxis') == "Sintaxis"
    assert clean_heading("**Usos** de la [ruda](ruda.md) {#usos}") == "Usos de la ruda"
    assert clean_heading("snake_case y `código`") == "snake_case y código"


def test_markdown_and_other_suffixes_never_share_an_id() -> None:
    assert document_id("a/b.md") == "a/b"
    assert document_id("a/b.markdown") == "a/b.markdown"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_gives_the_same_sections(end: str) -> None:
    document = parse_document("plantas/ruda.md", RUDA.replace("\n", end))
    assert document.fields["synonyms"] == ("Ruta", "hierba de la gracia")
    assert [document.text[s.start : s.end].strip() for s in document.sections][2] == "Se barre el cuerpo."


def test_an_unclosed_front_matter_is_read_as_text() -> None:
    document = parse_document("a.md", "---\ntitle: Ruda\n\nEs amarga.")
    assert document.fields == {}
    assert document.warnings == ("front matter is opened on line 1 and never closed; read as text",)
    assert document.sections[0].start == 0


def test_broken_yaml_is_skipped_and_the_line_named() -> None:
    document = parse_document("a.md", "---\ntitle: Ruda\ntags: [a, b\n---\nEs amarga.")
    assert document.warnings == ("front matter could not be read at line 4 and was skipped",)
    assert document.text[document.sections[0].start :] == "Es amarga."


def test_toml_front_matter_is_read() -> None:
    document = parse_document("a.md", "+++\ntitle = 'Ruda'\ntags = ['a', 'b']\ndraft = true\n+++\nEs amarga.")
    assert document.fields == {"title": "Ruda", "tags": ("a", "b"), "draft": "true"}


def test_front_matter_that_is_no_mapping_is_text() -> None:
    document = parse_document("a.md", "---\nuna línea\n---\nEs amarga.")
    assert document.warnings == ("front matter is no mapping of fields; read as text",)
    assert document.fields == {}


def test_a_rule_in_the_text_opens_no_front_matter() -> None:
    assert parse_document("a.md", "texto\n\n---\ntitle: x\n---\n").fields == {}
    assert parse_document("a.md", "---- \ntitle: x\n---\n").fields == {}


def test_nested_values_are_dropped_and_scalars_become_text() -> None:
    front = "---\na: 1\nb: {c: d}\ne: [1, [2], x]\nf: 2024-05-01\ng: null\nh: yes\n---\n"
    assert parse_document("a.md", front).fields == {"a": "1", "e": ("1", "x"), "f": "2024-05-01", "h": "true"}


_LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
_MERGES = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.timeout(10)  # unguarded, these take minutes, all memory, or the whole process
@pytest.mark.parametrize(
    "front",
    [_LAUGHS, _MERGES, f"x: {'[' * 30_000}", f"x: {'- ' * 15_000}", f"x: 0x{'f' * 6_000}", f"x: {'9' * 6_000}"],
    ids=["aliases", "merge keys", "brackets", "dashes", "hexadecimal", "decimal"],
)
def test_front_matter_written_to_exhaust_the_machine_costs_a_warning_at_most(front: str) -> None:
    document = parse_document("a.md", f"---\n{front}\n---\nEs amarga.")
    assert document.text[document.sections[0].start :] == "Es amarga."


@pytest.mark.timeout(10)
def test_a_huge_integer_in_toml_costs_a_warning() -> None:
    assert parse_document("a.md", f"+++\nx = 0x{'f' * 6_000}\n+++\nEs amarga.").warnings


def test_text_is_decoded_from_utf8_and_utf16_and_nothing_else() -> None:
    assert decode_text("raíz".encode("utf-8-sig")) == decode_text("raíz".encode("utf-16")) == "raíz"
    with pytest.raises(UnreadableText, match=r"not UTF-8 \(byte 0xed at 2\)"):
        decode_text("raíz".encode("cp1252"))
    with pytest.raises(UnreadableText, match="binary content"):
        decode_text(b"a\x00b")


def test_an_edit_elsewhere_keeps_section_ids() -> None:
    before = parse_document("plantas/ruda.md", RUDA)
    after = parse_document("plantas/ruda.md", RUDA.replace("Té.", "Té.\n\n#### Nuevo\n\nAlgo."))
    assert {section.id for section in before.sections} < {section.id for section in after.sections}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(markdown_texts() | WILD_TEXTS)
def test_sections_lie_one_after_the_other_with_their_own_ids(text: str) -> None:
    document = parse_document("plantas/x.md", text)
    edges = [edge for section in document.sections for edge in (section.start, section.end)]
    assert edges == sorted(edges)
    assert len({section.id for section in document.sections}) == len(document.sections)
    assert all(s.start <= block.start <= block.end <= s.end for s in document.sections for block in s.blocks)


def test_every_nasty_file_is_parsed_or_refused_with_a_reason(datasets: Path) -> None:
    read, refused = [], {}
    for file in scan(datasets / "nasty_markdown"):
        try:
            read.append(parse_file(file, read_file(file)))
        except UnreadableText as error:
            refused[file.path] = str(error)
    assert len(read) + len(refused) == 54
    assert sorted(refused) == ["51-sample-chinese.md", "54-sample-greek.md"]
    assert all("not UTF-8" in reason for reason in refused.values())
