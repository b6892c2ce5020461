"""The stages as a build runs them.

for step in STEPS:
    if not state.is_current(step.name, step.inputs(build), build.layout): step.run(build, progress)
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.commands_index import sync_with_progress
from retrieval.console import print_reasons, say
from retrieval.errors import DataError
from retrieval.index import Index
from retrieval.lexical import Analyzer
from training.build_inputs import stage_inputs, stage_outputs
from training.build_setup import Build
from training.data_preparation import augment_with_llm
from training.data_preparation.combine import combine_datasets, read_sources, write_combined
from training.data_preparation.export_dataset import read_split
from training.data_preparation.export_files import export_folder, report_counts, write_export
from training.data_preparation.export_rows import export_rows
from training.data_preparation.generate_qa import count_examples, generate_examples, spread
from training.data_preparation.import_dataset import import_rows, name_of, read_source, write_import
from training.data_preparation.kept_choices import read_choices
from training.data_preparation.leakage import check_leakage, judging_questions
from training.data_preparation.parse_documents import parse_documents
from training.data_preparation.quality import filter_examples, reason_counts, section_texts, write_filtered
from training.data_preparation.row_passages import PassageFinder
from training.data_preparation.sections import write_sections
from training.data_preparation.split import read_pins, split_examples, write_split
from training.data_preparation.templates import read_templates
from training.decisions import read_decisions
from training.example import read_examples, write_examples
from training.layout import SPLITS

Progress = Callable[[str, int, int], None]
_ID = re.compile(rb'"id": "([^"]+)"')


@dataclass(frozen=True, slots=True)
class Step:
    """A stage in a build. `inputs` hashes all that its rows hang on; `run` returns counts."""

    name: str
    inputs: Callable[[Build], str]
    outputs: Callable[[Build], Sequence[Path]]
    run: Callable[[Build, Progress], dict[str, Any]]


def _parse(build: Build, progress: Progress) -> dict[str, Any]:
    refused: dict[str, str] = {}
    found = list(parse_documents(build.domain.corpus, (), refused)) if build.corpus else []
    print_reasons("Refused", refused)
    write_sections(build.layout.sections, found)
    return {"documents": len({section.document for section in found}), "sections": len(found), "refused": len(refused)}


def _generate(build: Build, progress: Progress) -> dict[str, Any]:
    sections, config = build.sections(), build.domain.config
    examples = []
    done: set[str] = set()
    made = generate_examples(config, sections, read_templates(build.domain.folder, config)) if sections else iter(())
    for example in made:
        examples.append(example)
        done.update(example.sections)
        progress("Writing rows", len(done), len(sections))
    if build.template_samples is not None:
        examples = spread(examples, build.template_samples)
    write_examples(build.layout.examples("generate"), examples)
    counts = count_examples(examples)
    return {name: counts[name] for name in ("rows", "forms", "distinct_questions")}


def _augment(build: Build, progress: Progress) -> dict[str, Any]:
    """Ask a model where one is given; else make the rows again that earlier replies give. Nothing is paid for twice."""
    kept = build.layout.folder("augment")
    if build.llm is not None:
        augment_with_llm.command(build.domain.name, **build.llm)
    elif (kept / "settings.json").is_file() and (kept / "journal.jsonl").is_file() and build.sections():
        augment_with_llm.command(build.domain.name, offline=True)
    path = build.layout.examples("augment")
    return {"rows": sum(1 for _ in read_examples(path)) if path.is_file() else 0}


def _import(build: Build, progress: Progress) -> dict[str, Any]:
    """Take in the pack's own rows; what an earlier build took in from a file that is gone goes too."""
    rows: dict[str, int] = {}
    rejected = 0
    for path in build.pack_files():
        name = name_of(str(path))
        imported = import_rows(read_source(str(path)), name)
        write_import(build.layout, name, imported)
        rows[name], rejected = len(imported.examples), rejected + len(imported.rejected)
        print_reasons(f"Rejected in {path.name}", {f"line {row.line}": row.reason for row in imported.rejected})
    last = build.state.steps.get("import")
    for gone in set(last.counts.get("sources", {}) if last else ()) - set(rows):
        for ending in ("jsonl", "rejected.jsonl", "splits.jsonl"):
            (build.layout.folder("import") / f"{gone}.{ending}").unlink(missing_ok=True)
    return {"rows": sum(rows.values()), "rejected": rejected, "sources": rows}


def _combine(build: Build, progress: Progress) -> dict[str, Any]:
    sources = read_sources(build.layout)
    unknown = sorted(set(build.config.weights) - set(sources))
    if unknown:
        say(f"The recipe weighs {', '.join(unknown)}, which has no rows here; savia dataset import brings them in.")
    weights = {name: weight for name, weight in build.config.weights.items() if name in sources}
    config = build.config.model_copy(update={"weights": weights})
    combined = combine_datasets(sources, config, read_decisions(build.layout.decisions))
    write_combined(build.layout, combined)
    left_out = len(combined.left_out)
    shown = sum(report.shown for report in combined.sources.values())
    return {"rows": len(combined.examples), "shown": shown, "left_out": left_out}


def _filter(build: Build, progress: Progress) -> dict[str, Any]:
    domain, layout = build.domain, build.layout
    kept, drops = filter_examples(
        list(read_examples(layout.examples("combine"))),
        section_texts(build.sections()),
        build.config,
        language=domain.config.language,
        allowed=f"{domain.config.disclaimer}\n{domain.config.refusal}",
        embedder=build.embedder,
        cache=layout.folder("filter") / "vectors",
        progress=progress,
    )
    if not kept:
        reasons = "; ".join(f"{count} times: {reason}" for reason, count in list(reason_counts(drops).items())[:3])
        raise DataError(
            f"No row passes the filter ({reasons}).", "Read filter/rejected.jsonl, and add documents or rows."
        )
    write_filtered(kept, drops, layout.examples("filter"), layout.rejected("filter"))
    return {"rows": len(kept), "dropped": len(drops), "reasons": reason_counts(drops)}


def _split(build: Build, progress: Progress) -> dict[str, Any]:
    layout, config, language = build.layout, build.config, build.domain.config.language
    gold = judging_questions(build.domain)
    split = split_examples(
        list(read_examples(layout.examples("filter"))),
        gold,
        language=language,
        ratios=config.ratios,
        seed=config.seed,
        pinned=read_pins(layout),
    )
    check_leakage(split.parts, gold, Analyzer(language))
    write_split(layout, split)
    return {**{name: len(rows) for name, rows in split.parts.items()}, "dropped": len(split.drops)}


def _export(build: Build, progress: Progress) -> dict[str, Any]:
    finder = None
    if build.with_passages:
        index = Index(build.domain, build.settings)
        sync_with_progress(index, build.embedder)
        finder = PassageFinder.open(index, build.embedder)
    folder = export_folder(build.layout, build.config)
    earlier = {} if build.redraw else read_choices(folder)
    before = _line_hashes(folder)
    exported = export_rows(read_split(build.layout), build.domain, build.config, finder, earlier, progress=progress)
    write_export(folder, exported, build.domain, build.config, build.layout, finder)
    build.changes = compare_rows(before, _line_hashes(folder))
    counts = report_counts(exported, folder)
    return {name: counts[name] for name in ("rows", "contexts", "older", "left_out")}


def _line_hashes(folder: Path) -> dict[str, int]:
    """A hash of each exported line, by row id; a damaged line counts for nothing."""
    paths = [folder / f"{name}.jsonl" for name in SPLITS]
    lines = (line for path in paths if path.is_file() for line in path.read_bytes().split(b"\n"))
    found = ((match[1].decode("utf-8", "replace"), line) for line in lines if (match := _ID.search(line)))
    return {name: hash(line) for name, line in found}


def compare_rows(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """How many rows are new, changed, withdrawn and the same, byte for byte."""
    return {
        "new": len(set(after) - set(before)),
        "changed": sum(name in before and before[name] != value for name, value in after.items()),
        "withdrawn": len(set(before) - set(after)),
        "same": sum(before.get(name) == value for name, value in after.items()),
    }


def _step(name: str, run: Callable[[Build, Progress], dict[str, Any]]) -> Step:
    return Step(name, lambda build: stage_inputs(name, build), lambda build: stage_outputs(name, build), run)


STEPS = tuple(
    _step(name, run)
    for name, run in (
        ("parse", _parse), ("generate", _generate), ("augment", _augment), ("import", _import),
        ("combine", _combine), ("filter", _filter), ("split", _split), ("export", _export),
    )
)  # fmt: skip
