"""A sync in a process of its own that halts before every durable write until its parent says go, so that it can be killed there.

with SteppingSync(home) as sync:
    sync.run_to("add")
    sync.kill()
"""

import subprocess
import sys
from pathlib import Path
from types import TracebackType

from retrieval.domain import load_domain
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.fakes import HashEmbedder

ROOT = Path(__file__).resolve().parents[2]


class SteppingSync:
    """The parent's side. Leaving the context kills the child if it still lives."""

    def __init__(self, home: Path, domain: str = "tiny") -> None:
        command = [sys.executable, "-m", "tests.retrieval.stepping_sync", str(home), domain]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run_to(self, name: str, times: int = 1) -> None:
        """Let it go on until it halts before the write called `name` (the n-th one of that name)."""
        assert self.process.stdout
        for line in self.process.stdout:
            times -= line.strip() == name
            if not times:
                return
            self.go()
        raise AssertionError(f"the sync ended before {name!r}")

    def go(self) -> None:
        """Release it from the write that it halts at."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> "SteppingSync":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()


def _halt(name: str) -> None:
    print(name, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    settings = RetrievalSettings(home=Path(sys.argv[1]), embedder="none", chroma_url="")
    Index(load_domain(sys.argv[2], settings.domains_dir), settings).sync(HashEmbedder(), checkpoint=_halt)
