"""BEIR folders, plain or gzipped, as packs; broken ones name the file and line."""

import gzip
import json
from pathlib import Path

import pytest

from retrieval.beir import beir_domain, document_names, read_beir
from retrieval.corpus import read_corpus
from retrieval.errors import UsageError

DOCUMENTS = [
    {"_id": "d/1", "title": 'Ruda: "amarga" 😀', "text": "La ruda se usa para las limpias que se hacen en el pueblo."},
    {"_id": "d2", "title": "", "text": "---\nno: es\n---\n# Título\n\nEl té de epazote se da a los niños con dolor."},
    {"_id": "d3", "text": "Uno\u2028dos"},
]
QUERIES = [{"_id": "q1", "text": "¿para qué la ruda?", "metadata": {}}]


def write_beir(folder: Path, packed: bool = False) -> Path:
    (folder / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", DOCUMENTS), ("queries", QUERIES)):
        data = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()
        path = folder / f"{name}.jsonl{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(data) if packed else data)
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td/1\t2\nq1\td3\t0\n")
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_documents_queries_and_judgements_are_read(tmp_path: Path, packed: bool) -> None:
    data = read_beir(write_beir(tmp_path / "set", packed))
    assert data.documents["d3"] == ("", "Uno\u2028dos")
    assert data.queries == {"q1": "¿para qué la ruda?"}
    assert data.qrels == {"q1": {"d/1": 2, "d3": 0}}


def test_a_collection_becomes_a_pack_whose_documents_keep_title_and_text(tmp_path: Path) -> None:
    domain = beir_domain(read_beir(write_beir(tmp_path / "set")), tmp_path / "build")
    documents = {document_names(domain)[document.id]: document for document in read_corpus(domain.corpus)}
    assert documents["d/1"].title == 'Ruda: "amarga" 😀'
    for row in DOCUMENTS:
        document = documents[row["_id"]]
        assert document.warnings == ()
        assert row["text"] in document.text[document.sections[0].start - 100 if row["_id"] == "d2" else 0 :]
    assert domain.config.language == "es"


def test_the_pack_of_a_collection_is_made_once(tmp_path: Path) -> None:
    data = read_beir(write_beir(tmp_path / "set"))
    first = beir_domain(data, tmp_path / "build")
    before = (first.folder / "names.json").stat().st_mtime_ns
    assert beir_domain(data, tmp_path / "build").folder == first.folder
    assert (first.folder / "names.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        (
            "corpus.jsonl",
            b'{"_id": "a", "text": "b"}\n{"text": "b"}\n',
            r"corpus\.jsonl, line 2: no JSON object with _id",
        ),
        ("queries.jsonl", b"[]\n", r"queries\.jsonl, line 1: no JSON object with _id"),
        ("queries.jsonl", b'{"_id": "a", "text": "\xed"}\n', r"queries\.jsonl cannot be read"),
        ("qrels/test.tsv", b"q1\td1\tmucho\n", r"test\.tsv, line 1: expected query-id"),
        ("qrels/test.tsv", b"q1 d1 1\n", r"test\.tsv, line 1: expected query-id"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, path: str, content: bytes, message: str) -> None:
    folder = write_beir(tmp_path / "set")
    (folder / path).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_beir(folder)


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_folder_that_lacks_a_file_is_no_beir_folder(tmp_path: Path, name: str) -> None:
    folder = write_beir(tmp_path / "set")
    (folder / name).unlink()
    with pytest.raises(UsageError, match="is no BEIR folder"):
        read_beir(folder)


def test_a_gzip_file_cut_short_is_named(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "set", packed=True)
    path = folder / "corpus.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UsageError, match=r"corpus\.jsonl\.gz cannot be read"):
        read_beir(folder)
