"""Chroma behind five verbs: embedded, by a real server, and when it is not there or broken."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from retrieval.domain import load_domain
from retrieval.errors import IndexDamaged
from retrieval.index import Index
from retrieval.retrievers import DenseRetriever
from retrieval.settings import RetrievalSettings
from retrieval.store import ChromaStore
from retrieval.wiring import index_retriever
from tests.conftest import WritePack
from tests.fakes import HashEmbedder


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChromaStore]:
    store = ChromaStore.embedded(tmp_path / "chroma", "savia-test")
    yield store
    store.close()


def test_rows_added_are_counted_listed_and_deleted(store: ChromaStore) -> None:
    store.add(["aa", "bb"], np.stack([unit(1, 0), unit(0, 1)]), ["uno", "dos"], [{"document": "a"}, {"document": "b"}])
    assert (store.count(), store.ids()) == (2, {"aa", "bb"})
    store.delete(["aa"])
    assert (store.count(), store.ids()) == (1, {"bb"})


def test_a_query_gives_cosines_best_first(store: ChromaStore) -> None:
    store.add(["aa", "bb"], np.stack([unit(1, 0), unit(3, 4)]), ["uno", "dos"], [{"n": 1}, {"n": 2}])
    ids, scores = store.query(unit(0, 1), 2)
    assert ids == ["bb", "aa"] and scores == pytest.approx([0.8, 0.0], abs=1e-6)


def test_more_rows_than_chroma_takes_at_once_are_added_and_deleted(store: ChromaStore) -> None:
    ids = [f"{number:016x}" for number in range(6_000)]
    store.add(ids, np.tile(unit(1, 1), (6_000, 1)), ids, [{"n": number} for number in range(6_000)])
    assert store.count() == 6_000 == len(store.ids())
    store.delete(ids[1:])
    assert store.ids() == {ids[0]}


def test_rows_outlive_the_process_that_wrote_them(tmp_path: Path) -> None:
    for _ in range(2):
        store = ChromaStore.embedded(tmp_path / "chroma", "savia-test")
        if not store.count():
            store.add(["aa"], unit(1, 0)[None], ["uno"], [{"n": 1}])
        store.close()
    again = ChromaStore.embedded(tmp_path / "chroma", "savia-test")
    assert again.ids() == {"aa"}
    again.close()


def test_a_folder_that_is_no_chroma_names_the_rebuild(tmp_path: Path) -> None:
    (tmp_path / "chroma").mkdir()
    (tmp_path / "chroma" / "chroma.sqlite3").write_bytes(b"this is no database " * 100)
    with pytest.raises(IndexDamaged, match=r"cannot be opened.*savia index rebuild"):
        ChromaStore.embedded(tmp_path / "chroma", "savia-test")


def test_a_server_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(
        IndexDamaged, match=r"Chroma at http://127.0.0.1:9 cannot be opened.*If it is a server, start it"
    ):
        ChromaStore.server("http://127.0.0.1:9", "savia-test")


class Server:
    """A real `chroma run` on a free loopback port."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        chroma = str(Path(sys.executable).parent / "chroma")
        command = [chroma, "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._wait(port)

    def _wait(self, port: int) -> None:
        """Until it listens; it says where before it does."""
        while self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
        raise AssertionError(f"chroma run ended: {self.process.communicate()[0]}")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()  # type: ignore[union-attr]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "server")
    yield server
    server.stop()


@pytest.fixture
def served(server: Server, write_pack: WritePack, tmp_path: Path) -> Index:
    """The index of a pack whose vectors lie on the server."""
    write_pack({"ruda.md": "# Ruda\n\n## Usos\n\nBarre el espanto.\n", "epazote.md": "# Epazote\n\nQuita los gases.\n"})
    settings = RetrievalSettings(home=tmp_path, embedder="none", chroma_url=server.url)
    return Index(load_domain("tiny", settings.domains_dir), settings)


def test_a_server_holds_the_rows_and_answers_the_questions(served: Index) -> None:
    assert served.sync(HashEmbedder()).state == "complete"
    assert served.verify().sound and not list(served.folder.glob("chroma-*"))
    retriever = index_retriever("dense", served, served.view(), HashEmbedder())
    assert isinstance(retriever, DenseRetriever)
    assert retriever.search("gases", 1)[0].passage.document_id == "epazote"
    retriever.store.close()


def test_a_rebuild_leaves_only_the_new_collection_on_the_server(served: Index, server: Server) -> None:
    served.sync(HashEmbedder())
    served.rebuild(HashEmbedder())
    assert served.verify().sound
    found = httpx.get(f"{server.url}/api/v2/tenants/default_tenant/databases/default_database/collections").json()
    assert [collection["name"] for collection in found] == ["savia-tiny-2-hash-1"]


def test_questions_go_on_by_the_scan_when_the_server_is_gone(served: Index, server: Server) -> None:
    served.sync(HashEmbedder())
    server.stop()
    retriever = index_retriever("dense", served, served.view(), HashEmbedder())
    assert retriever.name == "exact"
    assert retriever.search("gases", 1)[0].passage.document_id == "epazote"


def test_a_server_that_goes_away_between_questions_is_a_sentence(served: Index, server: Server) -> None:
    served.sync(HashEmbedder())
    store = served.store(served.view())
    server.stop()
    with pytest.raises(IndexDamaged, match="failed"):
        store.query(HashEmbedder().embed_query("gases"), 1)
    store.close()
    with pytest.raises(IndexDamaged, match="start it"):
        served.rebuild(HashEmbedder())
