"""What `savia domains check` finds; and that the shipped packs have no faults."""

import json
from pathlib import Path

import pytest

from retrieval.check import CheckReport, check_domain
from retrieval.domain import list_domains, load_domain
from tests.conftest import ROOT, WritePack
from tests.fakes import PACK

RUDA = "# Ruda\n\nHierba amarga.\n\n## Usos\n\nLimpias.\n\n### Té frío\n\nSe toma.\n"


def check(folder: Path) -> CheckReport:
    return check_domain(load_domain(folder.name, folder.parent))


def write_questions(folder: Path, *rows: dict[str, object]) -> None:
    common = {"question": "¿Qué es?", "kind": "direct", "split": "test"}
    lines = [json.dumps({**common, "id": f"q{number}", **row}) for number, row in enumerate(rows, 1)]
    (folder / "questions.jsonl").write_text("\n".join(lines), encoding="utf-8")


def test_a_sound_pack_has_no_faults(write_pack: WritePack) -> None:
    folder = write_pack({"ruda.md": RUDA})
    write_questions(folder, {"relevant": ["ruda#top"]}, {"question": "¿Para qué?", "relevant": ["ruda#usos"]})
    report = check(folder)
    assert (report.faults, report.documents, report.sections, report.questions) == ([], 1, 3, 2)
    assert report.notes == ["no gold question asks about 1 of 3 sections (most: Té frío 1)"]


@pytest.mark.parametrize(
    "link",
    [
        "ruda.md",
        "./ruda.md#usos",
        "/plantas/ruda.md",
        "../plantas/ruda.md#té-frío",
        "ruda.md#ruda",
        "https://x.org/a.md",
    ],
)
def test_links_that_lead_somewhere_are_no_faults(write_pack: WritePack, link: str) -> None:
    folder = write_pack({"plantas/ruda.md": RUDA, "plantas/otra.md": f"# Otra\n\nVéase [ruda]({link} 'Ruda').\n"})
    assert check(folder).faults == []


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("rruda.md", "leads to no document"),
        ("../../fuera.md", "leads to no document"),
        ("ruda.md#historia", "names a heading that plantas/ruda.md does not have"),
    ],
)
def test_a_broken_link_is_a_fault(write_pack: WritePack, link: str, fault: str) -> None:
    folder = write_pack({"plantas/ruda.md": RUDA, "plantas/otra.md": f"# Otra\n\nVéase [ruda]({link}).\n"})
    assert check(folder).faults == [f"plantas/otra.md: the link {link} {fault}"]


def test_links_shown_in_code_are_no_links(write_pack: WritePack) -> None:
    folder = write_pack({"a.md": "# A\n\n```md\n[x](no-hay.md)\n```\n\nSe escribe `[x](tampoco.md)`.\n"})
    assert check(folder).faults == []


def test_gold_that_names_no_section_is_a_fault(write_pack: WritePack) -> None:
    folder = write_pack({"ruda.md": RUDA})
    write_questions(folder, {"relevant": ["ruda#uso"]})
    assert check(folder).faults == ["questions.jsonl: q1 names the section ruda#uso, which does not exist"]


def test_questions_asked_twice_or_in_both_halves_are_faults(write_pack: WritePack) -> None:
    folder = write_pack({"ruda.md": RUDA})
    write_questions(folder, {"relevant": ["ruda#top"]}, {"relevant": ["ruda#usos"], "split": "calibration"})
    assert check(folder).faults == [
        "questions.jsonl: the question '¿Qué es?' stands 2 times",
        "questions.jsonl: ruda is the first source of questions in both halves",
    ]


def test_pairs_that_name_nothing_or_give_away_what_is_measured_are_faults(write_pack: WritePack) -> None:
    folder = write_pack({"ruda.md": RUDA, "menta.md": "# Menta\n\nHuele."})
    write_questions(folder, {"relevant": ["ruda#top"], "split": "test"})
    lines = [
        {"question": "¿huele?", "relevant": ["menta#top"]},
        {"question": "¿huele mal?", "relevant": ["menta#usos"]},
        {"question": "¿Qué es?", "relevant": ["menta#top"]},
        {"question": "¿y la ruda?", "relevant": ["ruda#top"]},
    ]
    (folder / "pairs.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    assert check(folder).faults == [
        "pairs.jsonl: line 2 names the section menta#usos, which does not exist",
        "pairs.jsonl: line 3 asks a question of questions.jsonl",
        "pairs.jsonl: line 4 is about ruda, which questions of the test half are about",
    ]
    (folder / "pairs.jsonl").write_text("{", encoding="utf-8")
    assert check(folder).faults[0].startswith("pairs.jsonl: line 1:")


def test_broken_questions_and_unreadable_files_are_faults(write_pack: WritePack) -> None:
    folder = write_pack({"ruda.md": RUDA})
    (folder / "questions.jsonl").write_text("{\n")
    (folder / "corpus" / "vieja.md").write_bytes("raíz".encode("cp1252"))
    faults = check(folder).faults
    assert faults[0].startswith("vieja.md: not UTF-8") and faults[1].startswith("questions.jsonl: line 1:")


def test_near_duplicates_are_noted(write_pack: WritePack) -> None:
    text = " ".join(f"palabra{number}" for number in range(60))
    other = " ".join(f"distinta{number}" for number in range(60))
    folder = write_pack({"a.md": f"# A\n\n{text}", "b.md": f"# B\n\n{text} y poco más", "c.md": f"# C\n\n{other}"})
    [note] = [note for note in check(folder).notes if "near-duplicates" in note]
    assert note.startswith("a.md and b.md are near-duplicates (9")


def test_another_language_and_unused_settings_are_noted(write_pack: WritePack) -> None:
    english = "# Rue\n\nThis is the plant that people use for the tea which they give to their children. " * 4
    folder = write_pack({"rue.md": english}, config=f"{PACK}fields: [family]\nsections: {{Usos: {{}}}}\n")
    notes = check(folder).notes
    assert "rue.md: looks like en, the domain's language is es" in notes
    assert "domain.yaml names the field family, which no document has" in notes
    assert "domain.yaml describes the section 'Usos', which no document has" in notes


def test_front_matter_that_could_not_be_read_is_noted(write_pack: WritePack) -> None:
    folder = write_pack({"a.md": "---\ntitle: [x\n---\n# A\n\nTexto."})
    assert any(note.startswith("a.md: front matter could not be read") for note in check(folder).notes)


@pytest.mark.parametrize("name", list_domains(ROOT / "data" / "domains"))
def test_a_shipped_pack_has_no_faults(name: str) -> None:
    assert check_domain(load_domain(name, ROOT / "data" / "domains")).faults == []
