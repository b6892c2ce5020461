"""BEIR folders (corpus.jsonl, queries.jsonl, qrels/test.tsv; plain or gzipped) as corpora that Savia can index.

data = read_beir(Path("xquad_es"))
domain = beir_domain(data, Path("data/build"))     # one Markdown file a document, so that the usual path indexes it
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from retrieval.domain import Domain, DomainConfig
from retrieval.errors import UsageError
from retrieval.files import write_atomically, write_json
from retrieval.language import detect_language_of


@dataclass(frozen=True)
class BeirData:
    """A retrieval test collection. `documents` maps id to (title, text); `qrels` query id to {document id: grade}.

    `groups` says which documents are parts of one: `metadata.document` where there is one, else the title, else the id.
    """

    folder: Path
    documents: dict[str, tuple[str, str]]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    groups: dict[str, str]


def read_beir(folder: Path) -> BeirData:
    """Read a BEIR folder. Raises `UsageError` naming the file or line that is not as it should be."""
    rows = list(_rows(folder, "corpus"))
    documents = {str(row["_id"]): (str(row.get("title", "")), str(row["text"])) for row in rows}
    groups = {str(row["_id"]): _group(row) for row in rows}
    queries = {str(row["_id"]): str(row["text"]) for row in _rows(folder, "queries")}
    return BeirData(folder, documents, queries, _read_qrels(folder / "qrels" / "test.tsv"), groups)


def beir_domain(data: BeirData, build_dir: Path) -> Domain:
    """A pack made from the collection under the build folder; made once, found again by its content's hash."""
    digest = hashlib.sha256()
    for identity, (title, text) in data.documents.items():
        digest.update(json.dumps([identity, title, text]).encode())
    name = f"beir-{digest.hexdigest()[:12]}"
    folder = build_dir / name
    if not (folder / "names.json").exists():
        names = {}
        for number, (identity, (title, text)) in enumerate(data.documents.items()):
            path = f"{number // 1000:03d}/{number:06d}.md"
            names[path.removesuffix(".md")] = identity
            target = folder / "corpus" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            heading = json.dumps(title, ensure_ascii=False)
            target.write_text(f"---\ntitle: {heading}\n---\n{text}\n", encoding="utf-8")
        write_json(folder / "names.json", names)
        write_atomically(folder / "language", detect_language_of(text for _, text in data.documents.values()).encode())
    language = (folder / "language").read_text(encoding="utf-8")
    config = DomainConfig(title=data.folder.name, language=language, persona="-", refusal="-", disclaimer="-")
    return Domain(name, folder, config)


def document_names(domain: Domain) -> dict[str, str]:
    """From our document ids to the collection's."""
    names: dict[str, str] = json.loads((domain.folder / "names.json").read_text(encoding="utf-8"))
    return names


def _rows(folder: Path, name: str) -> Iterator[dict[str, object]]:
    plain, packed = folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"
    if not plain.is_file() and not packed.is_file():
        raise UsageError(f"{folder} is no BEIR folder: it has no {plain.name} or {packed.name}.")
    path = plain if plain.is_file() else packed
    opener = gzip.open if path == packed else open
    with opener(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(_readable(file, path), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                row["_id"], row["text"]
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(f"{path}, line {number}: no JSON object with _id and text.") from error
            yield row


def _group(row: Mapping[str, object]) -> str:
    about = row.get("metadata")
    document = about.get("document") if isinstance(about, Mapping) else None
    return str(document or row.get("title") or row["_id"])


def _readable(lines: Iterator[str], path: Path) -> Iterator[str]:
    """The lines of a file that may be cut short or in another encoding."""
    try:
        yield from lines
    except (UnicodeDecodeError, EOFError, OSError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read ({error}).", "Fetch the file again.") from error


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    if not path.is_file():
        raise UsageError(f"{path.parent.parent} is no BEIR folder: it has no qrels/{path.name}.")
    qrels: dict[str, dict[str, int]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        parts = line.split("\t")
        if number == 1 and parts[-1] == "score":
            continue
        if len(parts) != 3 or not parts[2].lstrip("-").isdigit():
            raise UsageError(f"{path}, line {number}: expected query-id, corpus-id and score between tabs.")
        qrels.setdefault(parts[0], {})[parts[1]] = int(parts[2])
    return qrels
