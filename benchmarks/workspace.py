"""Where benchmarks work (`.bench/`, git-ignored) and how they start and measure other processes.

workspace = Workspace.make(quick=False)
finished = workspace.savia("ask", "¿Qué es el susto?", "--json")
finished.seconds, finished.peak_mb
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.settings import RetrievalSettings, read_settings

ROOT = Path(__file__).resolve().parent.parent
ARCHIVE = "markdown_es_cpp.tar.gz"
ARCHIVE_DOMAIN = "bench-archive"
SLICE_DOMAIN = "bench-slice"
SLICE_FILES = 300
QUICK_FILES = 60


class BenchmarkFailed(RuntimeError):
    """A process that was to be measured failed; the message says which and how."""


@dataclass(frozen=True)
class Finished:
    """A process that has ended well: wall time from its start to its end, and its largest resident memory."""

    seconds: float
    peak_mb: float
    output: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)


class Started:
    """A process that runs; its output goes to a file, so that nothing blocks it."""

    def __init__(self, command: Sequence[str], env: dict[str, str], folder: Path) -> None:
        self.command = list(command)
        self._output = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (read after the process ended)
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self.began = time.perf_counter()
        self.process = subprocess.Popen(self.command, env=env, cwd=folder, stdout=self._output, stderr=self._errors)

    def running(self) -> bool:
        """Looks without collecting: the resource usage is collected once, by `wait`."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait(self) -> Finished:
        """Raises `BenchmarkFailed` unless the process returned 0."""
        _, status, usage = os.wait4(self.process.pid, 0)
        seconds = time.perf_counter() - self.began
        self.process.returncode = os.waitstatus_to_exitcode(status)
        scale = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in kilobytes elsewhere
        texts = []
        for file in (self._output, self._errors):
            file.seek(0)
            texts.append(file.read())
            file.close()
        if self.process.returncode:
            last = " ".join(texts[1].strip().splitlines()[-3:])[-300:]
            raise BenchmarkFailed(f"{self._shown()} returned {self.process.returncode}: {last}")
        return Finished(seconds, usage.ru_maxrss / scale, texts[0])

    def _shown(self) -> str:
        return " ".join(Path(part).name if part.startswith("/") else part for part in self.command)[:120]


@dataclass(frozen=True)
class Workspace:
    """Folders of a run; `quick` asks for sizes that end within minutes and prove nothing but that all of it works."""

    folder: Path
    datasets: Path
    quick: bool

    @classmethod
    def make(cls, quick: bool) -> "Workspace":
        datasets = Path(os.environ.get("SAVIA_DATASETS", "../shared/datasets"))
        folder = ROOT / ".bench" / ("quick" if quick else "full")
        workspace = cls(folder, datasets if datasets.is_absolute() else ROOT / datasets, quick)
        (workspace.home / "data" / "domains").mkdir(parents=True, exist_ok=True)
        models = workspace.home / "models"
        if (ROOT / "models").is_dir() and not models.exists():
            models.symlink_to(ROOT / "models")  # the exported embedder: made once, wherever it was made first
        return workspace

    @property
    def home(self) -> Path:
        """Savia's home: nothing of the person's own packs or indexes is touched."""
        return self.folder / "home"

    def settings(self, domain: str = "herbolaria") -> RetrievalSettings:
        return read_settings(home=self.home, domain=domain)

    def environment(self) -> dict[str, str]:
        """The person's environment without their Savia settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SAVIA_")}
        return {**kept, "SAVIA_HOME": str(self.home), "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}

    def start(self, *command: str) -> Started:
        return Started(command, self.environment(), self.home)

    def start_savia(self, *arguments: str) -> Started:
        return self.start(sys.executable, "-m", "savia", *arguments)

    def savia(self, *arguments: str) -> Finished:
        """Run a command of the command line to its end."""
        return self.start_savia(*arguments).wait()

    def program(self, name: str, *arguments: str) -> Finished:
        """Run a module of this package in a fresh process."""
        return self.start(sys.executable, "-m", f"benchmarks.{name}", *arguments).wait()

    def remove_index(self, domain: str) -> None:
        shutil.rmtree(self.home / "data" / "build" / domain, ignore_errors=True)

    def copy_herbolaria(self) -> None:
        """The shipped pack as it is now, with an index of its own."""
        target = self.home / "data" / "domains" / "herbolaria"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(ROOT / "data" / "domains" / "herbolaria", target)
        self.remove_index("herbolaria")
        self.savia("index", "sync", "--domain", "herbolaria")

    def unpack_archive(self, *domains: str) -> int:
        """The Spanish archive, its fixed slice, or both as fresh packs without an index. Returns the archive's number of files.

        Raises `FileNotFoundError` where the archive is absent.
        """
        source = self.datasets / ARCHIVE
        if not source.is_file():
            raise FileNotFoundError(f"no {ARCHIVE} in SAVIA_DATASETS")
        unpacked = self.folder / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        with tarfile.open(source) as archive:
            archive.extractall(unpacked, filter="data")
        top = next(path for path in unpacked.iterdir() if path.is_dir())
        files = sorted(path.relative_to(top) for path in top.rglob("*.md"))
        whole = every(files, SLICE_FILES) if self.quick else files
        chosen = {ARCHIVE_DOMAIN: whole, SLICE_DOMAIN: every(files, QUICK_FILES if self.quick else SLICE_FILES)}
        for domain in domains:
            self._make_pack(domain, top, chosen[domain])
        shutil.rmtree(unpacked)
        return len(whole)

    def _make_pack(self, name: str, source: Path, files: Sequence[Path]) -> None:
        pack = self.home / "data" / "domains" / name
        shutil.rmtree(pack, ignore_errors=True)
        for file in files:
            target = pack / "corpus" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / file, target)
        (pack / "domain.yaml").write_text(
            f"title: {name}\nlanguage: es\npersona: Responde con los documentos.\nrefusal: No está en los documentos.\n"
            "disclaimer: Documentos de prueba.\nfields: [ms.date]\n",
            encoding="utf-8",
        )
        self.remove_index(name)


def every(files: Sequence[Path], count: int) -> list[Path]:
    """`count` files spread evenly over a sorted list: the same ones every time."""
    return [files[place * len(files) // count] for place in range(min(count, len(files)))]
