"""A pack is checked whole when it is loaded: every fault at once, each naming its place."""

import json
from pathlib import Path

import pytest

from retrieval.domain import check_name, list_domains, load_domain, read_config, read_questions
from retrieval.errors import DomainInvalid, DomainNotFound, UsageError
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack
from tests.fakes import PACK


def config_faults(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "domain.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DomainInvalid) as caught:
        read_config(tmp_path / "domain.yaml")
    assert all(fault in str(caught.value) for fault in caught.value.faults)
    return caught.value.faults


def question_faults(tmp_path: Path, *lines: str) -> list[str]:
    (tmp_path / "questions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DomainInvalid) as caught:
        read_questions(tmp_path / "questions.jsonl")
    return caught.value.faults


def question(**changes: object) -> str:
    row = {"id": "q1", "question": "¿Qué es?", "kind": "direct", "relevant": ["ruda#top"], "split": "test"}
    return json.dumps({**row, **changes}, ensure_ascii=False)


def test_a_pack_is_found_by_its_name(write_pack: WritePack, settings: RetrievalSettings) -> None:
    write_pack({"ruda.md": "# Ruda"})
    domain = load_domain("tiny", settings.domains_dir)
    assert (domain.config.title, domain.config.language, domain.questions()) == ("Plantas", "es", [])
    assert list_domains(settings.domains_dir) == ["tiny"]


def test_an_unknown_name_is_answered_with_the_nearest(write_pack: WritePack, settings: RetrievalSettings) -> None:
    write_pack({}, name="herbolaria")
    with pytest.raises(DomainNotFound, match=r"Did you mean herbolaria\?.*savia init erbolaria --from FOLDER"):
        load_domain("erbolaria", settings.domains_dir)


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc", ".", "..", "", "A", "a b", "-a", "a\n", "ñ", "a" * 65, "a\\b"])
def test_names_that_could_be_paths_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no domain name"):
        check_name(name)


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    broken = PACK.replace("language: es", "language: Spanish").replace(
        "refusal: No lo encuentro en los documentos.\n", ""
    )
    faults = config_faults(
        tmp_path, f"{broken}sample_qestions: []\nred_flags: [{{name: x, patterns: ['(a'], message: y}}]\n"
    )
    assert len(faults) == 4
    assert "language: must be a two- or three-letter language code such as es (found 'Spanish')" in faults
    assert "refusal: is missing" in faults
    assert "sample_qestions: unknown key (did you mean sample_questions?)" in faults
    assert any(fault.startswith("red_flags.0.patterns: '(a' is no regular expression") for fault in faults)


def test_an_unknown_key_below_another_names_its_neighbours(tmp_path: Path) -> None:
    text = (
        f"{PACK}sections: {{Usos: {{alias: [té]}}}}\nred_flags: [{{name: x, pattern: a, patterns: [b], message: y}}]\n"
    )
    assert config_faults(tmp_path, text) == [
        "sections.Usos.alias: unknown key (did you mean aliases?)",
        "red_flags.0.pattern: unknown key (did you mean patterns?)",
    ]


def test_a_pattern_too_long_to_be_meant_is_a_fault(tmp_path: Path) -> None:
    [fault] = config_faults(tmp_path, f"{PACK}red_flags: [{{name: x, patterns: ['{'a' * 301}'], message: y}}]\n")
    assert "pattern is longer than 300 characters" in fault


@pytest.mark.parametrize("text", ["title: [a", "a: *b", "\t- x"])
def test_what_is_no_yaml_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "domain.yaml").write_text(text)
    with pytest.raises(DomainInvalid, match="is no valid YAML"):
        read_config(tmp_path / "domain.yaml")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "texto"])
def test_yaml_that_is_no_mapping_is_a_fault(tmp_path: Path, text: str) -> None:
    assert config_faults(tmp_path, text) == ["the file holds no mapping of settings"]


def test_a_config_that_is_not_utf8_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "domain.yaml").write_bytes("title: raíz".encode("cp1252"))
    with pytest.raises(DomainInvalid, match="is no valid YAML"):
        read_config(tmp_path / "domain.yaml")


def test_question_faults_name_their_lines(tmp_path: Path) -> None:
    faults = question_faults(
        tmp_path,
        question(id="a"),
        "",
        "{no json",
        question(id="b", kind="trick"),
        question(id="c", split="train"),
        question(id="d", question="  "),
        question(id="e", kind="off_topic"),
        question(id="f", relevant=[]),
        '{"id": "g", "kind": "direct", "relevant": ["x#top"]}',
        '["a list"]',
        question(id="h", relevant="ruda#top"),
        question(id="i", history=[{"role": "user"}]),
        question(id="a"),
    )
    assert [fault.split(":")[0] for fault in faults] == [
        *(f"line {n}" for n in range(3, 13)),
        "id a stands more than once",
    ]
    assert faults[1].startswith("line 4: kind 'trick' is none of direct")
    assert faults[3] == "line 6: question is empty"
    assert faults[4] == "line 7: kind off_topic must have no relevant sections"
    assert faults[5] == "line 8: kind direct needs relevant sections"
    assert faults[6] == "line 9: 'question' is missing"
    assert faults[8] == "line 11: relevant is no list of section ids"


def test_questions_keep_their_history_and_unicode_line_separators(tmp_path: Path) -> None:
    history = [{"role": "user", "content": "¿Y la ruda?\u2028"}]
    (tmp_path / "questions.jsonl").write_text(
        question(question="¿Qué\u0085es?", history=history) + "\r\n", encoding="utf-8"
    )
    [found] = read_questions(tmp_path / "questions.jsonl")
    assert found.question == "¿Qué\u0085es?"
    assert found.history == (("user", "¿Y la ruda?\u2028"),)
    assert found.answerable


def test_questions_that_are_not_utf8_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_bytes(question().encode("cp1252"))
    with pytest.raises(DomainInvalid, match="not UTF-8"):
        read_questions(tmp_path / "questions.jsonl")
