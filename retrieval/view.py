"""The read view: one immutable folder that answers questions without Chroma; published whole, never changed.

    view = open_view(Path("data/build/herbolaria/index"))
    view.passage(0).text, view.lexical_scores(["sabil"]), view.dense_scores(vector)

A folder holds the passages (texts, spans, ids), the documents, BM25 postings, which row of the vector pool belongs to which
passage, the mean and covariance of the vectors, and the filter fields. `CURRENT` names the view in force and is replaced
atomically; everything large is memory-mapped. DESIGN of the pieces: docs/decisions/0003-read-view.md.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieval.blob import Blob
from retrieval.errors import IndexDamaged, IndexMissing, UsageError
from retrieval.files import read_json, write_atomically
from retrieval.lexical import Analyzer, Bm25, Postings, TermCounts, Vocabulary, idf, score_terms
from retrieval.moments import Moments
from retrieval.passages import Passage
from retrieval.question_terms import QuestionReader
from retrieval.text import fold_accents
from retrieval.vectors import map_vectors

FORMAT = 2  # raise when the files change: older views are rebuilt

State = Literal["lexical", "partial", "complete"]
Scores = NDArray[np.float32]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """What a view keeps of a document."""

    id: str
    path: str
    title: str
    type: str
    hash: str
    fields: dict[str, str | list[str]]
    sections: tuple[tuple[str, tuple[str, ...]], ...]  # (id, heading path) in reading order
    warnings: tuple[str, ...]


class View:
    """A published view, opened for reading. Safe to share between threads; holds no locks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meta: dict[str, Any] = read_json(folder / "view.json")
        if self.meta.get("format") != FORMAT:
            raise IndexDamaged(
                f"The index at {folder.parent.parent} has another format ({self.meta.get('format')}, this version reads {FORMAT}).",
                "Build it anew: savia index rebuild",
            )
        self.document = lru_cache(maxsize=4096)(self._document)

    def __len__(self) -> int:
        return int(self.meta["passages"])

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def state(self) -> State:
        state: State = self.meta["state"]
        return state

    @cached_property
    def ids(self) -> NDArray[np.uint64]:
        return self._load("ids", np.uint64)

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        return self._load("keys", np.uint64)

    @cached_property
    def document_rows(self) -> NDArray[np.int32]:
        return self._load("documents_of", np.int32)

    @cached_property
    def section_rows(self) -> NDArray[np.int32]:
        return self._load("sections_of", np.int32)

    @cached_property
    def spans(self) -> NDArray[np.int64]:
        return self._load("spans", np.int64)

    @cached_property
    def vector_rows(self) -> NDArray[np.int32]:
        return self._load("vector_rows", np.int32)

    @cached_property
    def texts(self) -> Blob:
        return Blob(self.folder, "texts")

    @cached_property
    def documents(self) -> Blob:
        return Blob(self.folder, "documents")

    @cached_property
    def paths(self) -> list[str]:
        """The path of each document, in row order."""
        text = (self.folder / "paths.txt").read_text(encoding="utf-8")
        return text.split("\n") if text else []

    @cached_property
    def vocabulary(self) -> Vocabulary:
        terms = (self.folder / "terms.txt").read_text(encoding="utf-8")
        return Vocabulary(terms.split("\n") if terms else [])  # "".split() would make one term of nothing

    @cached_property
    def counts(self) -> TermCounts:
        return TermCounts(
            self._load("counts_starts", np.int64), self._load("counts_terms", np.int32), self._load("counts", np.uint16)
        )

    @cached_property
    def postings(self) -> Postings:
        return Postings(
            self._load("postings_starts", np.int64),
            self._load("postings_rows", np.int32),
            self._load("postings_scores", np.float32),
        )

    @property
    def bm25(self) -> Bm25:
        """The constants that the postings were scored with."""
        return Bm25(*self.meta.get("bm25", ()))

    @cached_property
    def moments(self) -> Moments:
        with np.load(self.folder / "moments.npz") as stored:
            return Moments(int(stored["count"]), stored["total"], stored["outer"])

    @cached_property
    def analyzer(self) -> Analyzer:
        return Analyzer(self.meta["language"])

    @cached_property
    def _reader(self) -> QuestionReader:
        return QuestionReader(self.analyzer, self.known_number, self._known_terms, self.meta.get("synonyms", {}))

    def _known_terms(self) -> list[str]:
        frequency = np.diff(self.postings.starts)
        return [term for term, df in zip(self.vocabulary.terms, frequency, strict=True) if df]

    @cached_property
    def files(self) -> dict[str, dict[str, str]]:
        """Every file of the corpus: `{"hash": ...}` or `{"refused": reason}`."""
        found: dict[str, dict[str, str]] = read_json(self.folder / "files.json")
        return found

    @cached_property
    def _filters(self) -> dict[str, dict[str, list[int]]]:
        found: dict[str, dict[str, list[int]]] = read_json(self.folder / "filters.json")
        return found

    @cached_property
    def _by_id(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        order = np.argsort(self.ids)
        return order, self.ids[order]

    @cached_property
    def _pool(self) -> NDArray[np.float32]:
        pool = self.meta["pool"]
        return map_vectors(self.folder.parent.parent / "vectors" / pool["file"], pool["rows"], pool["dimension"])

    def _load(self, name: str, dtype: type[Number]) -> NDArray[Number]:
        array: NDArray[Number] = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        assert array.dtype == dtype
        return array

    def _document(self, index: int) -> DocumentInfo:
        raw = json.loads(self.documents[index])
        sections = tuple((section_id, tuple(path)) for section_id, path in raw.pop("sections"))
        return DocumentInfo(sections=sections, warnings=tuple(raw.pop("warnings")), **raw)

    def document_of(self, row: int) -> DocumentInfo:
        return self.document(int(self.document_rows[row]))

    def section_of(self, row: int) -> tuple[str, tuple[str, ...]]:
        """Section id and heading path of a passage."""
        return self.document_of(row).sections[int(self.section_rows[row])]

    def passage(self, row: int) -> Passage:
        document = self.document_of(row)
        context, lead, tail, text = self.texts[row].decode().split("\0")
        start, end = (int(value) for value in self.spans[row, :2])
        return Passage(
            f"{int(self.ids[row]):016x}",
            document.id,
            document.sections[int(self.section_rows[row])][0],
            int(self.spans[row, 2]),
            start,
            end,
            text,
            context,
            lead,
            tail,
        )

    def rows_of(self, ids: Sequence[str] | NDArray[np.uint64]) -> NDArray[np.int64]:
        """Rows of passage ids, -1 for ids that this view does not hold."""
        wanted = ids if isinstance(ids, np.ndarray) else np.array([int(text, 16) for text in ids], np.uint64)
        order, ordered = self._by_id
        if not len(ordered) or not len(wanted):
            return np.full(len(wanted), -1, np.int64)
        position = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
        return np.where(ordered[position] == wanted, order[position], -1)

    def query_terms(self, question: str) -> list[tuple[str, int]]:
        """The question's terms with their numbers, and the pack's synonyms for them; -1 for terms that no passage has,
        after spelling help."""
        return self._reader.query_terms(question)

    def plain_terms(self, question: str) -> list[str]:
        """The question's terms in order, after spelling help, without synonyms: what names are looked for in."""
        return self._reader.plain_terms(question)

    def known_number(self, term: str) -> int:
        """The term's number if any passage holds it, else -1."""
        number = self.vocabulary.numbers.get(term, -1)
        if number >= 0 and self.postings.starts[number] == self.postings.starts[number + 1]:
            return -1
        return number

    def term_idf(self, number: int) -> float:
        """idf of a term; an unknown one (-1) counts as the rarest possible."""
        frequency = 0 if number < 0 else int(self.postings.starts[number + 1] - self.postings.starts[number])
        return float(idf(frequency, len(self)))

    def lexical_scores(self, question: str) -> Scores:
        """Complete BM25 score vector, (passages,)."""
        numbers = [number for _, number in self.query_terms(question) if number >= 0]
        return score_terms(self.postings, numbers, len(self))

    def dense_scores(self, query: NDArray[np.float32]) -> Scores:
        """Complete vector of dot products, (passages,); NaN where a passage has no vector yet."""
        if not len(self._pool):
            return np.full(len(self), np.nan, np.float32)
        scores = (self._pool @ query)[np.maximum(self.vector_rows, 0)]
        if self.state != "complete":
            scores = np.where(self.vector_rows >= 0, scores, np.nan)
        return np.asarray(scores, np.float32)

    def dense_scores_at(self, query: NDArray[np.float32], rows: NDArray[np.int64]) -> Scores:
        """Dot products for some passages only; NaN where a passage has no vector yet."""
        places = np.asarray(self.vector_rows[rows])
        scores = np.full(len(rows), np.nan, np.float32)
        scores[places >= 0] = self._pool[places[places >= 0]] @ query
        return scores

    def mask(self, where: dict[str, str]) -> NDArray[np.bool_]:
        """Which passages belong to documents whose fields match all of `where` (accents and case ignored).

        Raises `UsageError` for a field that documents cannot be filtered by.
        """
        wanted = np.ones(len(self.documents), bool)
        for name, value in where.items():
            if name not in self._filters:
                raise UsageError(
                    f"There is no field {name!r} to filter by.", f"Choose one of {', '.join(self._filters)}."
                )
            matches = np.zeros(len(self.documents), bool)
            matches[self._filters.get(name, {}).get(fold_value(value), [])] = True
            wanted &= matches
        return wanted[self.document_rows]


def fold_value(value: str) -> str:
    return fold_accents(value.strip().lower())


def current_view_name(index: Path) -> str | None:
    try:
        return (index / "CURRENT").read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def publish(index: Path, name: str) -> None:
    """Make the finished view `name` the one that readers open from now on."""
    write_atomically(index / "CURRENT", f"{name}\n".encode())


def open_view(index: Path) -> View:
    """The current view. Raises `IndexMissing` when there is none and `IndexDamaged` when its files are gone."""
    for _ in range(3):  # a writer may replace the view and remove the old one between our two reads
        name = current_view_name(index)
        if name is None:
            raise IndexMissing(f"There is no index at {index}.", "Build it: savia index sync")
        try:
            return View(index / "views" / name)
        except FileNotFoundError:
            continue
        except (ValueError, KeyError) as error:
            raise IndexDamaged(
                f"The view {name} of the index at {index} cannot be read ({error}).", "Run: savia index rebuild"
            ) from error
    raise IndexDamaged(f"The index at {index} names a view that does not exist ({name}).", "Run: savia index rebuild")
