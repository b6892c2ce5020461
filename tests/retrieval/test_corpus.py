"""The files of a corpus: found in order, refused with a reason, never a way out of the folder."""

import os
from pathlib import Path

import pytest

from retrieval.corpus import MAX_FILE, find_document, read_corpus, scan


def refused(folder: Path) -> dict[str, str]:
    return {file.path: file.refused for file in scan(folder) if file.refused}


def read(folder: Path) -> list[str]:
    return [file.path for file in scan(folder) if not file.refused]


def test_markdown_is_found_in_order_and_hidden_folders_are_left_out(tmp_path: Path) -> None:
    for path in ("b.md", "a/c.markdown", "a/B.MD", ".git/x.md", ".oculto.md", "imagen.png", "a/nota.txt"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("# X")
    assert read(tmp_path) == ["a/B.MD", "a/c.markdown", "b.md"]
    assert refused(tmp_path) == {}


def test_links_out_of_the_corpus_are_refused(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (tmp_path / "secreto.md").write_text("# Secreto")
    (corpus / "fuera.md").symlink_to(tmp_path / "secreto.md")
    (corpus / "carpeta").symlink_to(tmp_path)
    (corpus / "relativo.md").symlink_to("../secreto.md")
    assert refused(corpus) == dict.fromkeys(["carpeta", "fuera.md", "relativo.md"], "symbolic link out of the corpus")
    assert list(read_corpus(corpus)) == []


def test_a_folder_that_only_begins_like_the_corpus_is_outside(tmp_path: Path) -> None:
    for name in ("corpus", "corpus-privado"):
        (tmp_path / name).mkdir()
    (tmp_path / "corpus-privado" / "x.md").write_text("# X")
    (tmp_path / "corpus" / "x.md").symlink_to(tmp_path / "corpus-privado" / "x.md")
    assert refused(tmp_path / "corpus") == {"x.md": "symbolic link out of the corpus"}


def test_links_inside_the_corpus_are_read_and_loops_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "ruda.md").write_text("# Ruda")
    (tmp_path / "alias.md").symlink_to("a/ruda.md")
    (tmp_path / "a" / "arriba").symlink_to("..")
    (tmp_path / "uno.md").symlink_to("dos.md")
    (tmp_path / "dos.md").symlink_to("uno.md")
    assert read(tmp_path) == ["a/ruda.md", "alias.md"]
    assert refused(tmp_path) == {
        "a/arriba": "symbolic link to a folder (its files are read where they are)",
        "dos.md": "symbolic link that leads nowhere",
        "uno.md": "symbolic link that leads nowhere",
    }


def test_a_corpus_that_is_itself_a_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "notas").mkdir()
    (tmp_path / "notas" / "a.md").write_text("# A")
    (tmp_path / "corpus").symlink_to("notas")
    assert read(tmp_path / "corpus") == ["a.md"]


def test_a_file_too_large_to_be_a_document_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "datos.md").open("wb") as file:
        file.truncate(MAX_FILE + 1)
    assert refused(tmp_path) == {"datos.md": "larger than 20 MiB; split it"}


@pytest.mark.timeout(20)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tubo.md")
    (tmp_path / "enlace.md").symlink_to("tubo.md")
    assert list(read_corpus(tmp_path)) == []
    assert refused(tmp_path) == {"enlace.md": "not a regular file", "tubo.md": "not a regular file"}


def test_file_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/ra\xedz.md")).write_text("# X")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    (tmp_path / "dos\nlíneas.md").write_text("# X")
    assert set(refused(tmp_path).values()) == {"file name is not valid UTF-8", "file name holds a line break"}


def test_unreadable_text_costs_its_own_file_only(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes("raíz".encode("cp1252"))
    (tmp_path / "b.md").write_text("# Ruda")
    assert [document.title for document in read_corpus(tmp_path)] == ["Ruda"]
    assert find_document(tmp_path, "a") is None
    found = find_document(tmp_path, "b")
    assert found is not None and found.path == "b.md"


def test_a_folder_that_is_not_there_is_said_to_be_unreadable(tmp_path: Path) -> None:
    assert [file.refused for file in scan(tmp_path / "nada")] == ["folder cannot be read (No such file or directory)"]
