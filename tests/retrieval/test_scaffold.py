"""`savia init`: a folder of Markdown becomes a pack that loads, or nothing is left behind."""

from pathlib import Path

import pytest

from retrieval.check import check_domain
from retrieval.domain import load_domain
from retrieval.errors import DomainInvalid, UsageError
from retrieval.scaffold import create_pack

ENGLISH = "The tea is made from the leaves of the plant and it is given to those who have a pain in their stomach.\n"
SPANISH = "El té se hace con las hojas de la planta y se da a los que tienen un dolor en el estómago.\n"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notas"
    (folder / "plantas").mkdir(parents=True)
    for name in ("ruda", "epazote", "sábila"):
        text = f"---\nfamily: F\n---\n# {name.capitalize()}\n\n{SPANISH}\n## Usos: té & {{más}}\n\n{SPANISH}"
        (folder / "plantas" / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


def test_a_folder_becomes_a_pack_that_works(notes: Path, tmp_path: Path) -> None:
    report = create_pack("mis-notas", notes, tmp_path / "domains")
    domain = load_domain("mis-notas", tmp_path / "domains")
    assert (report.language, report.documents, report.sections, report.refused) == ("es", 3, 6, {})
    assert (domain.config.title, domain.config.language, domain.config.fields) == ("Mis notas", "es", ("family",))
    assert list(domain.config.sections) == ["Usos: té & {más}"]
    assert len(domain.config.sample_questions) == 3 and "Epazote" in domain.config.sample_questions[0]
    assert check_domain(domain).faults == []
    assert (domain.corpus / "plantas" / "sábila.md").read_bytes() == (notes / "plantas" / "sábila.md").read_bytes()


def test_the_language_of_the_notes_is_that_of_the_pack(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text(ENGLISH * 3)
    assert create_pack("notes", tmp_path / "notes", tmp_path / "domains").language == "en"
    assert load_domain("notes", tmp_path / "domains").config.refusal == "I do not find the answer in the documents."
    assert create_pack("given", tmp_path / "notes", tmp_path / "domains", language="nah").language == "nah"


def test_files_that_cannot_be_read_are_reported_and_left_out(notes: Path, tmp_path: Path) -> None:
    (notes / "vieja.md").write_bytes("raíz".encode("cp1252"))
    (notes / "fuera.md").symlink_to(tmp_path)
    report = create_pack("mis-notas", notes, tmp_path / "domains")
    assert sorted(report.refused) == ["fuera.md", "vieja.md"]
    assert sorted(path.name for path in (tmp_path / "domains" / "mis-notas" / "corpus").iterdir()) == ["plantas"]


def test_a_folder_without_readable_markdown_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "vacía").mkdir()
    (tmp_path / "vacía" / "a.md").write_bytes(b"\xff\xfea\xd8")
    with pytest.raises(UsageError, match=r"holds no readable Markdown file \(a\.md: "):
        create_pack("vacia", tmp_path / "vacía", tmp_path / "domains")
    assert list((tmp_path / "domains").iterdir()) == []


def test_a_language_that_cannot_be_leaves_nothing_behind(notes: Path, tmp_path: Path) -> None:
    with pytest.raises(DomainInvalid, match="two- or three-letter language code"):
        create_pack("mis-notas", notes, tmp_path / "domains", language="Spanish")
    assert list((tmp_path / "domains").iterdir()) == []


def test_a_pack_that_exists_is_not_touched(notes: Path, tmp_path: Path) -> None:
    create_pack("mis-notas", notes, tmp_path / "domains", title="Primera")
    with pytest.raises(UsageError, match="The domain mis-notas exists already"):
        create_pack("mis-notas", notes, tmp_path / "domains", title="Segunda")
    assert load_domain("mis-notas", tmp_path / "domains").config.title == "Primera"


@pytest.mark.parametrize("name", ["../fuera", "Mis Notas"])
def test_a_name_that_is_none_is_refused(notes: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no domain name"):
        create_pack(name, notes, tmp_path / "domains")


def test_a_source_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        create_pack("notas", tmp_path / "nada", tmp_path / "domains")
