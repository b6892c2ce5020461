"""`savia init`: a working pack from any folder of Markdown.

report = create_pack("my-notes", Path("~/notes"), Path("data/domains"))
"""

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from retrieval.corpus import parse_file, read_file, scan
from retrieval.documents import Document, UnreadableText
from retrieval.domain import check_name, read_config
from retrieval.errors import UsageError, storage_errors
from retrieval.language import detect_language_of

MOST_HEADINGS = 12
LEAST_SHARED = 3  # documents that must have a heading before it is a kind of section

_PROPOSALS = {
    "es": {
        "persona": "Eres un asistente que responde preguntas sobre {title} a partir de sus documentos y cita de dónde sale cada afirmación.",
        "refusal": "No encuentro la respuesta en los documentos.",
        "disclaimer": "Respuesta tomada de los documentos de {title}; compruébala en el texto citado.",
        "what": "¿Qué dicen los documentos sobre {title}?",
        "section": "¿Qué se dice de {heading} en {title}?",
    },
    "en": {
        "persona": "You answer questions about {title} from its documents and cite where each statement comes from.",
        "refusal": "I do not find the answer in the documents.",
        "disclaimer": "Answer taken from the documents of {title}; check it against the cited text.",
        "what": "What do the documents say about {title}?",
        "section": "What does {title} say about {heading}?",
    },
}


@dataclass(frozen=True)
class PackReport:
    """What was found in the folder and written into the pack."""

    folder: Path
    language: str
    documents: int
    sections: int
    refused: dict[str, str]
    headings: dict[str, int]


def create_pack(name: str, source: Path, domains_dir: Path, title: str = "", language: str = "") -> PackReport:
    """Copy the Markdown files of `source` into a new pack and write its `domain.yaml`, `templates.yaml` and README.

    Raises `UsageError` when the source holds no readable Markdown or the pack exists; a failed run leaves nothing behind.
    """
    check_name(name)
    target = domains_dir / name
    source = source.expanduser()
    if target.exists():
        raise UsageError(f"The domain {name} exists already ({target}).", "Choose another name, or remove that folder.")
    if not source.is_dir():
        raise UsageError(f"{source} is no folder.", "Give a folder with Markdown files: savia init NAME --from FOLDER")
    with storage_errors(f"write the pack {target}"):
        domains_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=domains_dir, prefix=f".{name}.") as scratch:
            draft = Path(scratch) / name
            documents, refused = _copy_corpus(source, draft / "corpus")
            if not documents:
                reasons = "; ".join(f"{path}: {reason}" for path, reason in list(refused.items())[:3])
                raise UsageError(
                    f"{source} holds no readable Markdown file{f' ({reasons})' if reasons else ''}.",
                    "Give another folder.",
                )
            language = language or detect_language_of(document.text for document in documents)
            title = title or name.replace("-", " ").capitalize()
            headings = _headings(documents)
            _write_config(draft, title, language, documents, headings)
            read_config(draft / "domain.yaml")
            draft.rename(target)
    return PackReport(
        target, language, len(documents), sum(len(d.sections) for d in documents), refused, dict(headings)
    )


def _copy_corpus(source: Path, target: Path) -> tuple[list[Document], dict[str, str]]:
    documents, refused = [], {}
    for file in scan(source):
        if file.refused:
            refused[file.path] = file.refused
            continue
        try:
            documents.append(parse_file(file, read_file(file)))
        except UnreadableText as error:
            refused[file.path] = str(error)
            continue
        copy = target / file.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.location, copy)
    return documents, refused


def _headings(documents: list[Document]) -> Counter[str]:
    """Headings that several documents share, most frequent first."""
    counted = Counter(
        heading for d in documents for heading in {s.heading_path[-1] for s in d.sections if s.heading_path}
    )
    return Counter({heading: n for heading, n in counted.most_common(MOST_HEADINGS) if n >= LEAST_SHARED})


def _write_config(folder: Path, title: str, language: str, documents: list[Document], headings: Counter[str]) -> None:
    words = _PROPOSALS.get(language, _PROPOSALS["en"])
    config = {
        "title": title,
        "language": language,
        "persona": words["persona"].format(title=title),
        "refusal": words["refusal"],
        "disclaimer": words["disclaimer"].format(title=title),
        "sample_questions": _samples(words, documents, headings),
        "fields": _filter_fields(documents),
        "sections": {heading: {"aliases": []} for heading in headings},
    }
    write_yaml(folder / "domain.yaml", config, DOMAIN_COMMENT)
    templates = {
        "sections": {
            heading: {"questions": [words["section"].format(heading=heading, title="{title}")]} for heading in headings
        }
    }
    write_yaml(
        folder / "templates.yaml",
        {"default": {"questions": [words["what"]]}, **templates},
        _TEMPLATE_COMMENT,
    )


def _filter_fields(documents: list[Document]) -> list[str]:
    """Front-matter fields worth filtering by: most documents have them, and many share a value."""
    values: dict[str, list[str]] = {}
    for document in documents:
        for name, value in document.fields.items():
            values.setdefault(name, []).extend([value] if isinstance(value, str) else value)
    return [
        name
        for name, found in sorted(values.items())
        if name != "title" and len(found) * 2 >= len(documents) and len(set(found)) * 2 <= len(found)
    ][:8]


def _samples(words: dict[str, str], documents: list[Document], headings: Counter[str]) -> list[str]:
    """Questions on documents spread over the folder, half of them on a section."""
    step = max(1, len(documents) // 4)
    questions = []
    for number, document in enumerate(documents[::step][:4]):
        own = [s.heading_path[-1] for s in document.sections if s.heading_path and s.heading_path[-1] in headings]
        own = [heading for heading in own if not heading.endswith("?")]
        key = "section" if own and number % 2 else "what"
        asked = document.title if document.title.endswith("?") else words[key]
        questions.append(asked.format(title=document.title, heading=own[0] if own else ""))
    return questions


def write_yaml(path: Path, value: object, comment: str) -> None:
    path.write_text(comment + yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=120), encoding="utf-8")


DOMAIN_COMMENT = """\
# Who answers, in which words. Proposed by `savia init`; change anything, then run `savia domains check`.
# sections: a heading's `role` (definition, uses, safety, history, ...) and `aliases` (words people use for it) help answers.
"""
_TEMPLATE_COMMENT = "# Questions to make training rows from, by section; {title} is the document's title.\n"
