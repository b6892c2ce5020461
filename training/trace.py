"""Provenance, either way: from a document to its sections, passages, rows and training runs, and back.

savia trace plantas/sabila
savia trace plantas/sabila#historia --json
savia trace 5d41402abc4b2a76                       # a row, or a passage
savia trace models/herbolaria/20261121_101500      # a run, its adapter's folder, or the adapter's hash
"""

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from assistant.backends.model_files import hash_adapter
from retrieval.console import DomainOption, JsonOption, output, print_json, run_command
from retrieval.domain import Domain, load_domain
from retrieval.errors import IndexProblem, UsageError
from retrieval.index import Index
from retrieval.settings import RetrievalSettings, read_settings
from retrieval.view import View
from training.build_plan import compare
from training.data_preparation.parse_documents import parse_documents
from training.data_preparation.sections import ParsedSection
from training.export_history import find_export
from training.layout import BuildLayout
from training.ledger import Ledger, read_ledger
from training.run_folder import RunFolder, list_runs

MOST_SHOWN = 20  # rows or sections printed; --json has all

_ROW = re.compile(r"([0-9a-f]{16})(?:#\d+)?")
_ADAPTER = re.compile(r"[0-9a-f]{8,64}")


class Tracer:
    """One pack's documents as they are now, its stages' files and its training runs."""

    def __init__(self, domain: Domain, settings: RetrievalSettings) -> None:
        self.domain = domain
        self.layout = BuildLayout(settings.build_dir / domain.name)
        self.models = settings.models_dir
        self.ledger: Ledger = read_ledger(self.layout)
        found = parse_documents(domain.corpus) if domain.corpus.is_dir() else ()
        self.now: dict[str, ParsedSection] = {section.id: section for section in found}
        self.view: View | None = None
        with suppress(IndexProblem):  # passages are then left out
            self.view = Index(domain, settings).view()

    def trace(self, identity: str) -> dict[str, Any]:
        """What is known of an id of any kind. Raises `UsageError` for one that nothing carries."""
        run = self._find_run(identity)
        if run:
            return self.trace_run(run)
        row = _ROW.fullmatch(identity)
        if row and (row[1] in self.ledger.made or row[1] in self.ledger.exported):
            return self.trace_row(row[1])
        if row and (section := self._section_of_passage(row[1])):
            return {**self.trace_section(section), "kind": "passage", "id": row[1], "section": section}
        name = identity.removeprefix("corpus/")
        if name in self.now or name in self.ledger.sections:
            return self.trace_section(name)
        document = name.removesuffix(".md")
        if self._sections_of(document):
            return self.trace_document(document)
        raise UsageError(
            f"Nothing of {self.domain.name} is called {identity!r}.",
            "Give the id of a document (plantas/sabila), a section (plantas/sabila#historia), a row or a passage (16 hex "
            "digits), or a run's folder; after a change of documents: savia dataset build.",
        )

    def trace_document(self, document: str) -> dict[str, Any]:
        """A document's sections, how each stands to the last build, and the rows that come from them."""
        sections = self._sections_of(document)
        rows = self.ledger.rows_of(set(sections))
        return {
            "kind": "document",
            "id": document,
            "path": next((self._section(name).path for name in sections), ""),
            "sections": [
                {"id": name, "state": self.state_of(name), "rows": len(self.ledger.rows_of({name}))}
                for name in sections
            ],
            "rows": [self._row_line(name) for name in rows],
            "runs": self._runs_with(rows),
        }

    def trace_section(self, name: str) -> dict[str, Any]:
        """A section's passages, the rows that come from it, and how many prompts show it."""
        section = self._section(name)
        rows = self.ledger.rows_of({name})
        passages = self._passages_of(name)
        shown = set(self.ledger.showing(set(passages))) - set(rows)
        return {
            "kind": "section",
            "id": name,
            "document": section.document,
            "source": section.source,
            "path": section.path,
            "hash": section.hash,
            "state": self.state_of(name),
            "passages": passages,
            "rows": [self._row_line(row) for row in rows],
            "shown_in_other_rows": len(shown),
            "runs": self._runs_with(rows),
        }

    def trace_row(self, identity: str) -> dict[str, Any]:
        """A row's sections and documents, which stage made it, what became of it, and the runs that learned from it."""
        stage, example = self.ledger.made.get(identity, ("", None))
        about = self.ledger.exported.get(identity, {})
        sections = list(example.sections) if example else list(about.get("source_sections", ()))
        drop = self.ledger.drops.get(identity)
        return {
            "kind": "row",
            "id": identity,
            "question": example.question if example else "",
            "answer": example.answer if example else "",
            "made_by": stage,
            "origin": example.origin if example else about.get("origin", ""),
            "form": example.form if example else about.get("form", ""),
            "task": example.task if example else about.get("task", ""),
            "source": example.source if example else about.get("source", ""),
            "sections": [{"id": name, "state": self.state_of(name)} for name in sections],
            "documents": list(dict.fromkeys(name.partition("#")[0] for name in sections)),
            "parents": list(example.parents) if example else list(about.get("parents", ())),
            "children": self.ledger.children_of(identity),
            "state": self.ledger.state_of(identity),
            "left_out": {"stage": drop.stage, "reason": drop.reason, "duplicate_of": drop.duplicate_of}
            if drop
            else None,
            "context": about.get("context", ""),
            "passages": [{"id": p, "section": self._section_of_passage(p)} for p in about.get("passages", ())],
            "runs": self._runs_with([identity]),
        }

    def trace_run(self, run: RunFolder) -> dict[str, Any]:
        """The data a run learned from, and the documents that changed since."""
        data = run.read_state().get("data", {})
        export = find_export(self.layout.folder("export"), str(data.get("sha256", "")))
        changed = compare(export["sections"], self._hashes(export["sections"])) if export else None
        return {
            "kind": "run",
            "id": run.root.name,
            "folder": str(run.root),
            "adapter": _adapter_of(run),
            "state": run.read_state().get("state", ""),
            "data": data,
            "known": export is not None,
            "rows": export["rows"] if export else {},
            "documents": sorted({name.partition("#")[0] for name in export["sections"]}) if export else [],
            "changed_since": changed.changed if changed else [],
            "removed_since": changed.removed if changed else [],
        }

    def state_of(self, name: str) -> str:
        """How a section stands to the last build: same, changed, new, removed."""
        now, then = self.now.get(name), self.ledger.sections.get(name)
        if now is None or then is None:
            return "removed" if now is None else "new"
        return "same" if now.hash == then.hash else "changed"

    def _hashes(self, names: Mapping[str, str]) -> dict[str, str]:
        return {name: self.now[name].hash for name in names if name in self.now}

    def _section(self, name: str) -> ParsedSection:
        return self.now.get(name) or self.ledger.sections[name]

    def _sections_of(self, document: str) -> list[str]:
        return [name for name in {**self.now, **self.ledger.sections} if name.partition("#")[0] == document]

    def _row_line(self, identity: str) -> dict[str, Any]:
        stage, example = self.ledger.made[identity]
        return {
            "id": identity,
            "question": example.question,
            "task": example.task,
            "made_by": stage,
            "state": self.ledger.state_of(identity),
        }

    def _passages_of(self, section: str) -> list[str]:
        if self.view is None:
            return []
        rows = (row for row in range(len(self.view)) if self.view.section_of(row)[0] == section)
        return [f"{int(self.view.ids[row]):016x}" for row in rows]

    def _section_of_passage(self, identity: str) -> str:
        if self.view is None:
            return ""
        (row,) = self.view.rows_of([identity])
        return self.view.section_of(int(row))[0] if row >= 0 else ""

    def _runs_with(self, rows: list[str]) -> list[str]:
        """Names of the runs that learned from one of the rows."""
        wanted = set(rows)
        found = []
        for run in list_runs(self.models, self.domain.name) if wanted else ():
            digest = str(run.read_state().get("data", {}).get("sha256", ""))
            export = find_export(self.layout.folder("export"), digest)
            if export and not wanted.isdisjoint(name.partition("#")[0] for name in export["ids"].get("train", ())):
                found.append(run.root.name)
        return found

    def _find_run(self, identity: str) -> RunFolder | None:
        """A run by its folder, a folder within it, its name, or the hash of its adapter."""
        path = Path(identity)
        for folder in (path, *path.parents[:1]):
            if (folder / "run.json").is_file():
                return RunFolder(folder)
        runs = list_runs(self.models, self.domain.name)
        named = next((run for run in runs if run.root.name == identity), None)
        if named or not _ADAPTER.fullmatch(identity):
            return named
        return next((run for run in runs if (own := _adapter_of(run)) and own.startswith(identity[: len(own)])), None)


def _adapter_of(run: RunFolder) -> str:
    return hash_adapter(run.final) if (run.final / "adapter_model.safetensors").is_file() else ""


def command(
    identity: Annotated[str, typer.Argument(metavar="ID", help="A document, section, row, passage, run or adapter.")],
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a document to rows and runs, or a row, run or adapter back to its documents."""
    settings = read_settings(domain=domain)
    found = Tracer(load_domain(settings.domain, settings.domains_dir), settings).trace(identity.strip())
    if as_json:
        print_json(found)
    else:
        _print_trace(found)


def _print_trace(found: dict[str, Any]) -> None:
    _line(f"{found['kind']} {found['id']}")
    for name, value in found.items():
        if name in ("kind", "id") or value in ("", [], {}, None):
            continue
        if isinstance(value, list) and value and isinstance(value[0], dict):
            _print_records(name, value)
        elif isinstance(value, list):
            _line(f"  {name}: {', '.join(map(str, value[:MOST_SHOWN]))}{_more(value)}")
        elif isinstance(value, dict):
            _line(f"  {name}: {', '.join(f'{key} {one}' for key, one in value.items() if one != '')}")
        else:
            _line(f"  {name}: {' '.join(str(value).split())}")


def _print_records(name: str, records: list[dict[str, Any]]) -> None:
    states = Counter(record.get("state", "") for record in records)
    counted = ", ".join(f"{count} {state}" for state, count in states.items() if state)
    _line(f"  {name} ({len(records)}{': ' + counted if counted else ''})")
    for record in records[:MOST_SHOWN]:
        _line("    " + "  ".join(str(value) for value in record.values() if value != ""))
    if len(records) > MOST_SHOWN:
        _line(f"    ...{_more(records)}")


def _more(values: list[Any]) -> str:
    return f" and {len(values) - MOST_SHOWN} more" if len(values) > MOST_SHOWN else ""


def _line(text: str) -> None:
    output().print(text, soft_wrap=True, markup=False)


if __name__ == "__main__":
    run_command(command)
