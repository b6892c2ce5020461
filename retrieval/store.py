"""Chroma, the store of record of passages, metadata and vectors, behind five verbs.

    store = ChromaStore.embedded(index / "chroma-1", "savia-herbolaria-minilm-53aa51172d14-2")
    store.add(ids, vectors, texts, metadatas); store.query(vector, 200)

Existing ids are never updated (84 to 112 rows a second): changed passages have new ids. One writing process at a time.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexDamaged, SaviaError, StorageError

Metadata = Mapping[str, str | int]

# ef_search above the 200 candidates that fusion asks for: below it, HNSW cannot return them at full recall.
HNSW = {"space": "cosine", "ef_construction": 128, "ef_search": 256, "max_neighbors": 16}
PAGE = 20_000  # ids read at once when all of them are asked for
LEAST_FREE = 2**20  # bytes: Chroma does not always say that the disk is full, so that less than this says it


class PassageStore(Protocol):
    """What syncing, verifying and dense search need of a store."""

    def ids(self) -> set[str]: ...
    def count(self) -> int: ...
    def add(
        self, ids: Sequence[str], vectors: NDArray[np.float32], texts: Sequence[str], metadatas: Sequence[Metadata]
    ) -> None: ...
    def delete(self, ids: Sequence[str]) -> None: ...
    def query(self, vector: NDArray[np.float32], limit: int) -> tuple[list[str], NDArray[np.float32]]: ...
    def close(self) -> None: ...


class ChromaStore:
    """A collection in an embedded Chroma (a folder) or on a Chroma server."""

    def __init__(self, client: Any, collection: str, where: str = "") -> None:
        self._client = client
        self._where = where
        self._collection = client.get_or_create_collection(
            collection, configuration={"hnsw": HNSW}, embedding_function=None
        )
        self._batch = min(client.get_max_batch_size(), 5_000)

    @classmethod
    def embedded(cls, folder: Path, collection: str) -> "ChromaStore":
        return cls._open(
            lambda chroma, settings: chroma.PersistentClient(str(folder), settings=settings), collection, str(folder)
        )

    @classmethod
    def server(cls, url: str, collection: str) -> "ChromaStore":
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 8000)

        def connect(chroma: Any, settings: Any) -> Any:
            return chroma.HttpClient(parts.hostname, port, ssl=parts.scheme == "https", settings=settings)

        return cls._open(connect, collection, url)

    @classmethod
    def _open(cls, connect: Any, collection: str, where: str) -> "ChromaStore":
        os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
        import chromadb
        from chromadb.config import Settings

        try:
            return cls(connect(chromadb, Settings(anonymized_telemetry=False)), collection, where)
        except SaviaError:
            raise
        except Exception as error:  # Chroma raises many types, ValueError for "cannot connect" among them
            raise _fault(error, where, "cannot be opened") from error

    def ids(self) -> set[str]:
        found: set[str] = set()
        while True:
            with _chroma_faults(self._where):
                page = self._collection.get(limit=PAGE, offset=len(found), include=[])["ids"]
            found.update(page)
            if len(page) < PAGE:
                return found

    def count(self) -> int:
        with _chroma_faults(self._where):
            return int(self._collection.count())

    def add(
        self, ids: Sequence[str], vectors: NDArray[np.float32], texts: Sequence[str], metadatas: Sequence[Metadata]
    ) -> None:
        for start in range(0, len(ids), self._batch):
            end = start + self._batch
            with _chroma_faults(self._where):
                self._collection.add(
                    ids=list(ids[start:end]),
                    embeddings=np.asarray(vectors[start:end]),
                    documents=list(texts[start:end]),
                    metadatas=[dict(metadata) for metadata in metadatas[start:end]],
                )

    def delete(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), self._batch):
            with _chroma_faults(self._where):
                self._collection.delete(ids=list(ids[start : start + self._batch]))

    def query(self, vector: NDArray[np.float32], limit: int) -> tuple[list[str], NDArray[np.float32]]:
        """Ids and cosine similarities of the nearest rows, best first."""
        with _chroma_faults(self._where):
            found = self._collection.query(query_embeddings=[vector], n_results=limit, include=["distances"])
        return found["ids"][0], 1.0 - np.array(found["distances"][0], np.float32)

    @classmethod
    def drop(cls, url: str, collection: str) -> None:
        """Remove a collection from a server."""
        store = cls.server(url, collection)
        try:
            with _chroma_faults(url):
                store._client.delete_collection(collection)
        finally:
            store.close()

    def close(self) -> None:
        self._client.close()
        # Chroma 1.5.9 leaves its two connections to a server open.
        for client in (self._client, getattr(self._client, "_admin_client", None)):
            session = getattr(getattr(client, "_server", None), "_session", None)
            if session is not None:
                session.close()


@contextmanager
def _chroma_faults(where: str) -> Iterator[None]:
    """Chroma's and its connection's errors as ours; anything else is a fault of this program and stays what it is."""
    from chromadb.errors import ChromaError
    from httpx import HTTPError

    try:
        yield
    except (ChromaError, HTTPError) as error:
        raise _fault(error, where, "failed") from error


def _fault(error: Exception, where: str, what: str) -> SaviaError:
    """A full disk, else a store that cannot be used."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    full = Path(where).is_dir() and shutil.disk_usage(where).free < LEAST_FREE
    if full or "disk is full" in reason:
        return StorageError(
            f"Could not write Chroma at {where}: the disk is full.", "Free space, then run the same command again."
        )
    return IndexDamaged(
        f"Chroma at {where} {what}: {reason}",
        "If it is a server, start it; if it is a folder, run: savia index rebuild",
    )
