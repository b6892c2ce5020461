"""The card of a data set: what is in it, where it comes from, under which terms; a README that a hub can show, with plots.

write_card(folder, CardFacts(...))
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from retrieval.domain import Domain
from retrieval.files import write_atomically
from retrieval.report import write_chart
from training.dataset_config import DatasetConfig

LICENCE_FILE = "LICENSE-DATA.md"  # in a pack's folder: the terms of its texts, where they are not this project's own
OWN_LICENCE = "apache-2.0"
MOST_HASHES = 20  # documents shown in the card; all of them stand in provenance.json
LICENCE_WORDS = 400

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card tells. `counts` are rows by part; `rows` the metadata and token estimate of every row, by part."""

    domain: Domain
    config: DatasetConfig
    counts: Mapping[str, int]
    rows: Sequence[tuple[str, Mapping[str, Any], int]]
    left_out: Mapping[str, int]
    documents: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def write_card(folder: Path, facts: CardFacts) -> None:
    """README.md with its plots (plots/*.svg) in `folder`."""
    write_plots(folder / "plots", facts)
    write_atomically(folder / "README.md", card(facts).encode("utf-8", "replace"))


def card(facts: CardFacts) -> str:
    """The card as Markdown with a hub's front matter."""
    config, domain = facts.config, facts.domain
    title = f"{domain.config.title}: questions and answers"
    blocks = [
        _front_matter(facts, title),
        f"# {title}",
        f"Made by Savia from the pack `{domain.name}` (language `{domain.config.language}`). Each row is a conversation "
        "that ends with the answer to learn; rows with passages are rendered by the prompt builder that serves the model.",
        "## Rows",
        _table(["part", "rows"], [[name, f"{count:,}"] for name, count in facts.counts.items()]),
        *(_counted(name, label, facts) for name, label in _COUNTED),
        _lengths(facts),
        "![Rows by task](plots/tasks.svg)\n\n![Lengths](plots/lengths.svg)",
        "## What a prompt holds",
        _contexts(config),
        "## Left out at export",
        _table(["reason", "rows"], [[_cell(reason), count] for reason, count in facts.left_out.items()]) or "Nothing.",
        "## Provenance",
        _provenance(facts),
        "## Terms",
        licence_text(domain),
        "## Use",
        f'```python\nfrom datasets import load_from_disk\nload_from_disk("dataset")["train"][0]\n```\n\n'
        f"Format `{config.format}`, reasoning tag `{config.reasoning_tag}`, seed {config.seed}.",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


_COUNTED = (("task", "task"), ("type", "document type"), ("origin", "origin"), ("context", "prompt holds"))


def write_plots(folder: Path, facts: CardFacts) -> None:
    """Rows by task and origin, and lengths in estimated tokens, as SVG."""
    import altair

    tasks = Counter((part, metadata["task"] or "(none)") for part, metadata, _ in facts.rows)
    bars = [{"part": part, "task": task, "rows": count} for (part, task), count in sorted(tasks.items())]
    chart = altair.Chart(altair.InlineData(values=bars or [{"part": "", "task": "", "rows": 0}])).mark_bar()
    chart = chart.encode(x="rows:Q", y=altair.Y("task:N", sort="-x"), color="part:N").properties(width=560)
    write_chart(chart, folder / "tasks.svg")
    lengths = Counter((part, tokens // 100 * 100) for part, _, tokens in facts.rows)
    bins = [{"part": part, "tokens": start, "rows": count} for (part, start), count in sorted(lengths.items())]
    chart = altair.Chart(altair.InlineData(values=bins or [{"part": "", "tokens": 0, "rows": 0}])).mark_bar(size=8)
    title = "tokens of a row (estimated)"
    chart = chart.encode(x=altair.X("tokens:Q", title=title), y="rows:Q", color="part:N").properties(
        width=560, height=240
    )
    write_chart(chart, folder / "lengths.svg")


def licence_text(domain: Domain) -> str:
    """The terms of the pack's texts: its own LICENSE-DATA.md, else this project's for packs that ship with it."""
    own = domain.folder / LICENCE_FILE
    if own.is_file():
        return own.read_text(encoding="utf-8", errors="replace")[: LICENCE_WORDS * 10].strip()
    return (
        "The packs that ship with Savia: Apache-2.0, texts and rows alike (data/README.md). Rows made from other documents, "
        f"or imported, stay under the terms of those; write them into `{LICENCE_FILE}` in the pack's folder, and they are "
        f"shown here. {domain.config.disclaimer}"
    )


def _front_matter(facts: CardFacts, title: str) -> str:
    rows = sum(facts.counts.values())
    size = next((name for most, name in _SIZES if rows < most), "n>1M")
    own = not (facts.domain.folder / LICENCE_FILE).is_file()
    return "\n".join(
        [
            "---",
            f"language: [{facts.domain.config.language}]",
            f"license: {OWN_LICENCE if own else 'other'}",
            f"pretty_name: {_yaml(title)}",
            "task_categories: [text-generation, question-answering]",
            f"size_categories: [{size}]",
            "configs:",
            "- config_name: default",
            "  data_files:",
            *(f"  - split: {name}\n    path: {name}.jsonl" for name, count in facts.counts.items() if count),
            "---",
        ]
    )


def _counted(name: str, label: str, facts: CardFacts) -> str:
    counts = Counter(metadata[name] or "(none)" for _, metadata, _ in facts.rows)
    return _table([label, "rows"], [[_cell(value), f"{count:,}"] for value, count in counts.most_common()])


def _lengths(facts: CardFacts) -> str:
    tokens = sorted(count for _, _, count in facts.rows)
    if not tokens:
        return ""
    return f"Lengths in tokens (estimated, prompt and answer): median {round(median(tokens))}, longest {tokens[-1]}."


def _contexts(config: DatasetConfig) -> str:
    if not config.rag:
        return "No passages: every row is asked as it is."
    return (
        f"Up to {config.passages} passages in random order: those that hold the answer among others that the app's retriever "
        f"finds for the question. {config.without_gold:.0%} of the rows lack the answer's passages and teach to decline, "
        f"{config.closed_book:.0%} have no passages. No passage of one part's sources stands in a prompt of another part."
    )


def _provenance(facts: CardFacts) -> str:
    shown = list(facts.documents.items())[:MOST_HASHES]
    rest = len(facts.documents) - len(shown)
    table = _table(["document", "sha256"], [[f"`{_cell(name)}`", f"`{digest[:16]}`"] for name, digest in shown])
    more = f"... and {rest:,} more documents; all of them in provenance.json." if rest > 0 else ""
    files = _table(["file", "sha256"], [[f"`{name}`", f"`{digest[:16]}`"] for name, digest in facts.files.items()])
    return "\n\n".join(part for part in (table, more, files) if part) or "No documents: the rows were imported."


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [" | ".join(str(cell) for cell in row) for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *(f"| {line} |" for line in lines)])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").replace("`", "'").replace("<", "‹").split())


def _yaml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
