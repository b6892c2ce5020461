"""Where the parts of an index lie: the embedded Chroma, the vector pool, the file that marks unfinished work.

    layout = IndexLayout(folder, "herbolaria", chroma_url="")
    layout.names(fingerprint, layout.generation(fresh=False))      # ('chroma-1', 'savia-herbolaria-1-...')

A rebuild starts the next generation beside the one that still answers; the old one is removed when the new one is published.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from retrieval.embedders import Embedder
from retrieval.errors import IndexDamaged, IndexMissing
from retrieval.files import read_json, write_json
from retrieval.store import ChromaStore, PassageStore
from retrieval.vectors import VectorPool
from retrieval.view import open_view

StoreName = tuple[str, str]
"""Chroma's folder or server, and the collection in it."""


@dataclass(frozen=True)
class IndexLayout:
    """Names and places inside one index folder."""

    folder: Path
    domain: str
    chroma_url: str

    @property
    def pending(self) -> Path:
        """Stands while Chroma and the view may disagree; the next sync then asks Chroma what it holds."""
        return self.folder / "pending.json"

    def generation(self, fresh: bool) -> int:
        """Number of the Chroma folder and vector pool in use; a rebuild (`fresh`) starts the next one."""
        path = self.folder / "generation.json"
        current = int(read_json(path)["generation"]) if path.exists() else 0
        if fresh or not current:
            current += 1
            write_json(path, {"generation": current})
        return current

    def store_name(self, embedder: Embedder | None, generation: int) -> StoreName:
        """The collection's name carries the embedder's fingerprint: vectors of two models never meet."""
        fingerprint = embedder.fingerprint if embedder else "none"
        return self.chroma_url or f"chroma-{generation}", f"savia-{self.domain}-{generation}-{fingerprint}"

    def open_store(self, name: StoreName) -> PassageStore:
        """Raises `IndexDamaged` when Chroma cannot be opened."""
        where, collection = name
        if "://" in where:
            return ChromaStore.server(where, collection)
        return ChromaStore.embedded(self.folder / where, collection)

    def pool(self, embedder: Embedder, generation: int) -> VectorPool:
        return VectorPool(self.folder / "vectors", f"{embedder.fingerprint}-{generation}", embedder.dimension)

    def remove_generations(self, keep: int) -> None:
        """Remove Chroma folders and pools of other generations."""
        for folder in self.folder.glob("chroma-*"):
            if folder.name != f"chroma-{keep}":
                shutil.rmtree(folder, ignore_errors=True)
        for path in (self.folder / "vectors").glob("*"):
            if not path.stem.endswith(f"-{keep}"):
                path.unlink(missing_ok=True)

    def served_collection(self) -> StoreName | None:
        """Server and collection of the current view where it has one there: folders go by name, this one must be asked."""
        try:
            meta = open_view(self.folder).meta
        except (IndexMissing, IndexDamaged):
            return None
        return (meta["chroma"], meta["collection"]) if "://" in meta["chroma"] else None
