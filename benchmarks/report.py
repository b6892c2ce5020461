"""Rows of the benchmark table: a figure, its bound, whether it holds; kept in results.json and shown in README.md.

report = Report.load(Path("benchmarks"))
report.replace("commands", rows)
report.write()
"""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

START = "<!-- table: written by `make bench` -->"
END = "<!-- end of table -->"
SHOWN_VERSIONS = ("chromadb", "onnxruntime", "numpy", "scipy", "tokenizers", "markdown-it-py")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `met` is None where nothing is promised or nothing could be measured."""

    what: str
    figure: str
    bound: str = ""
    met: bool | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    benchmark: str = ""
    date: str = ""

    @property
    def verdict(self) -> str:
        return {True: "ok", False: "**NOT MET**", None: ""}[self.met]


def missing(what: str, bound: str, reason: str) -> Row:
    """A row that says why it was not measured."""
    return Row(what, f"not measured: {reason}", bound)


@dataclass
class Report:
    """All rows of the last run of each benchmark."""

    folder: Path
    rows: list[Row]

    @classmethod
    def load(cls, folder: Path) -> "Report":
        path = folder / "results.json"
        stored = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
        return cls(folder, [Row(**row) for row in stored])

    def replace(self, benchmark: str, rows: Iterable[Row], order: Iterable[str]) -> None:
        """Put in the rows of one benchmark in place of its older ones; `order` is that of the table."""
        today = datetime.now(UTC).date().isoformat()
        new = [replace(row, benchmark=benchmark, date=today) for row in rows]
        kept = [row for row in self.rows if row.benchmark != benchmark]
        places = {name: place for place, name in enumerate(order)}
        known = [row for row in [*kept, *new] if row.benchmark in places]
        self.rows = sorted(known, key=lambda row: places[row.benchmark])

    def write(self) -> None:
        """Write results.json, and README.md's table where README.md is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {"machine": machine(), "versions": versions(), "rows": [asdict(row) for row in self.rows]}
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        (self.folder / "results.json").write_text(text, encoding="utf-8")
        readme = self.folder / "README.md"
        if readme.exists():
            readme.write_text(with_table(readme.read_text(encoding="utf-8"), self.rows), encoding="utf-8")


def with_table(text: str, rows: Iterable[Row]) -> str:
    """`text` with the table between its two markers made anew.

    >>> with_table(START + "old" + END, []).count("old")
    0
    """
    before, _, rest = text.partition(START)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"the text has no {START} ... {END}")
    lines = ["| what | measured | bound | | date |", "|---|---|---|---|---|"]
    lines += [
        f"| {_cell(row.what)} | {_cell(row.figure)} | {_cell(row.bound)} | {row.verdict} | {row.date} |" for row in rows
    ]
    about = f"Machine: {machine_line()}."
    return f"{before}{START}\n{about}\n\n" + "\n".join(lines) + f"\n{END}{after}"


def machine() -> dict[str, Any]:
    """What the figures depend on; no name of a host or a user."""
    import psutil

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def machine_line() -> str:
    about = machine()
    parts = ", ".join(f"{name} {number}" for name, number in versions().items())
    return (
        f"{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB of memory, {about['system']}, "
        f"Python {about['python']}; {parts}"
    )


def versions() -> dict[str, str]:
    return {name: version(name) for name in SHOWN_VERSIONS}


def _processor() -> str:
    """The processor's name; platform knows it on some systems only."""
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
