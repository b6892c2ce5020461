"""Histories of an index over a real embedded Chroma: whatever is edited and wherever a sync dies, questions find an answer.

    SAVIA_HISTORIES=200 pytest tests/retrieval/test_index_histories.py     # `make test` runs 30, always the same ones

Hypothesis adds, edits, deletes and renames documents, syncs, lets a sync die before its n-th write, and opens anew.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from retrieval.domain import load_domain
from retrieval.index import Index
from retrieval.retrievers import Bm25Retriever, DenseRetriever, ExactRetriever
from retrieval.settings import RetrievalSettings
from retrieval.view import View
from tests.fakes import PACK, HashEmbedder

HISTORIES = int(os.environ.get("SAVIA_HISTORIES", "30"))
STEPS = 12
LAST_CHECKPOINT = 7  # a sync of these small corpora writes at most this often

TITLES = ("Ruda", "Epazote", "Susto")  # few, so that documents share texts
SENTENCES = (
    "Quita los gases y el empacho.",
    "Se barre el cuerpo con sus ramas.",
    "En el embarazo provoca sangrado.",
    "Crece en macetas junto a la puerta.",
    "El alma se aparta del cuerpo.",
)
NAMES = tuple(f"{folder}{name}.md" for folder in ("", "plantas/") for name in ("uno", "dos", "tres"))

names = st.sampled_from(NAMES)
Content = tuple[str, tuple[str, ...]]
"""A document's title and its sentences, each of which is a section."""

contents = st.tuples(st.sampled_from(TITLES), st.lists(st.sampled_from(SENTENCES), max_size=3).map(tuple))


class _Killed(Exception):
    """Stands for the process dying: nothing of the product knows this type."""


class _Countdown:
    """A checkpoint that lets `writes` of them pass and dies at the next."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    def __call__(self, name: str) -> None:
        if not self.left:
            raise _Killed(name)
        self.left -= 1


class IndexHistories(RuleBasedStateMachine):
    """The model is a dictionary from file names to contents; the system is a folder, a Chroma and views on disk."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="savia-history-"))
        self.settings = RetrievalSettings(home=self.home, embedder="none", chroma_url="")
        self.files: dict[str, Content] = {}
        self.clean = False  # whether the index was synced since the last change
        self.looked_at: str | None = None  # the view whose rows were compared with Chroma

    def teardown(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    @initialize(first=st.dictionaries(names, contents, min_size=2))
    def start(self, first: dict[str, Content]) -> None:
        folder = self.settings.domains_dir / "tiny"
        (folder / "corpus").mkdir(parents=True)
        (folder / "domain.yaml").write_text(PACK, encoding="utf-8")
        self.corpus = folder / "corpus"
        self.reopen()
        self.write_documents(first)

    @rule()
    def reopen(self) -> None:
        self.index = Index(load_domain("tiny", self.settings.domains_dir), self.settings)
        self.embedder = HashEmbedder()

    @rule(documents=st.dictionaries(names, contents, min_size=1, max_size=3))
    def write_documents(self, documents: dict[str, Content]) -> None:
        """Adds documents, and edits those that are there."""
        for name, content in documents.items():
            (self.corpus / name).parent.mkdir(exist_ok=True)
            (self.corpus / name).write_text(_markdown(*content), encoding="utf-8")
        self.files.update(documents)
        self.clean = False

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def delete_document(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.files)))
        (self.corpus / name).unlink()
        del self.files[name]
        self.clean = False

    @precondition(lambda self: self.files)
    @rule(data=st.data(), new=names)
    def rename_document(self, data: st.DataObject, new: str) -> None:
        old = data.draw(st.sampled_from(sorted(self.files)))
        (self.corpus / new).parent.mkdir(exist_ok=True)
        (self.corpus / old).replace(self.corpus / new)
        self.files[new] = self.files.pop(old)
        self.clean = False

    @rule()
    def sync(self) -> None:
        self.index.sync(self.embedder)
        self.clean = True

    @rule(documents=st.dictionaries(names, contents, max_size=2), writes=st.integers(0, LAST_CHECKPOINT))
    def sync_that_dies(self, documents: dict[str, Content], writes: int) -> None:
        self.write_documents(documents)
        try:
            self.index.sync(self.embedder, checkpoint=_Countdown(writes))
            self.clean = True
        except _Killed:
            self.looked_at = None

    @invariant()
    def the_published_view_answers(self) -> None:
        if not hasattr(self, "index") or not (self.index.folder / "CURRENT").exists():
            return
        view = self.index.view()
        if view.name == self.looked_at:
            return
        self.looked_at = view.name
        _every_document_is_found(view)
        _every_vector_is_in_chroma(self.index, view)

    @invariant()
    def a_clean_sync_is_sound(self) -> None:
        if not self.clean:
            return
        self.clean = False
        report = self.index.verify()
        assert report.sound, report
        view = self.index.view()
        assert _shown(view) == {name: _wanted(content) for name, content in self.files.items()}
        assert {name: entry["hash"] for name, entry in view.files.items()} == self._hashes()
        _engines_agree(self.index, view, self.embedder)
        self.embedder.embedded.clear()
        assert self.index.sync(self.embedder).embedded == 0 and not self.embedder.embedded
        assert self.index.view().name == view.name

    def _hashes(self) -> dict[str, str]:
        return {name: hashlib.sha256((self.corpus / name).read_bytes()).hexdigest() for name in self.files}


def _markdown(title: str, sentences: tuple[str, ...]) -> str:
    sections = [f"## Parte {number}\n\n{sentence}\n" for number, sentence in enumerate(sentences)]
    return "\n".join([f"# {title}\n", *sections])


def _wanted(content: Content) -> tuple[str, list[str]]:
    return content[0], list(content[1])


def _shown(view: View) -> dict[str, tuple[str, list[str]]]:
    """What the view says of each file: its title and the texts of its passages, without the heading lines."""
    found: dict[str, tuple[str, list[str]]] = {}
    for number in range(len(view.documents)):
        document = view.document(number)
        rows = np.flatnonzero(np.asarray(view.document_rows) == number)
        lines = [line for row in rows for line in view.passage(int(row)).text.splitlines()]
        found[document.path] = (document.title, [line for line in lines if line and not line.startswith("#")])
    return found


def _every_document_is_found(view: View) -> None:
    retriever = Bm25Retriever(view)
    for number in range(len(view.documents)):
        passages = int((np.asarray(view.document_rows) == number).sum())
        hits = retriever.search(view.document(number).title, len(view) + 1)
        assert sum(hit.document.path == view.document(number).path for hit in hits) == passages


def _every_vector_is_in_chroma(index: Index, view: View) -> None:
    rows = np.flatnonzero(np.asarray(view.vector_rows) >= 0)
    if not len(rows):
        return
    store = index.store(view)
    try:
        assert {view.passage(int(row)).id for row in rows} <= store.ids()
    finally:
        store.close()


def _engines_agree(index: Index, view: View, embedder: HashEmbedder) -> None:
    if not len(view):
        return
    store = index.store(view)
    try:
        dense = DenseRetriever(view, embedder, store).search(SENTENCES[0], len(view))
        exact = ExactRetriever(view, embedder).search(SENTENCES[0], len(view))
    finally:
        store.close()
    assert {hit.passage.id for hit in dense} == {hit.passage.id for hit in exact}
    assert np.allclose([hit.score for hit in dense], [hit.score for hit in exact], atol=1e-5)


TestIndexHistories = pytest.mark.timeout(3600)(IndexHistories.TestCase)
TestIndexHistories.settings = settings(
    max_examples=HISTORIES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize="SAVIA_HISTORIES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
