"""Asks an index in a process of its own while others write to it; prints when each question began and how long it took.

python -m benchmarks.asker HOME DOMAIN SECONDS
"""

import json
import sys
import time
from pathlib import Path

from benchmarks.latency import LIMIT, WARM_UP, questions
from retrieval.domain import load_domain
from retrieval.embedders import Embedder
from retrieval.index import Index
from retrieval.retrievers import Retriever
from retrieval.settings import read_settings
from retrieval.view import current_view_name
from retrieval.wiring import build_embedder, index_retriever

PAUSE = 0.05  # seconds between two questions: people read


class Asker:
    """Holds a retriever and makes a new one when the index has published a newer view, as the page does."""

    def __init__(self, index: Index, embedder: Embedder | None) -> None:
        self._index = index
        self._embedder = embedder
        self._name = ""
        self._retriever: Retriever | None = None

    def ask(self, question: str) -> int:
        """Number of passages found."""
        newest = current_view_name(self._index.folder) or ""
        if self._retriever is None or newest != self._name:
            view = self._index.view()
            self._retriever = index_retriever("hybrid", self._index, view, self._embedder)
            self._name = view.name
        return len(self._retriever.search(question, LIMIT))


def main(home: str, domain: str, seconds: str) -> None:
    settings = read_settings(home=Path(home), domain=domain)
    index = Index(load_domain(domain, settings.domains_dir), settings)
    asked = questions(index.view())
    asker = Asker(index, build_embedder(settings))
    for question in asked[:WARM_UP]:
        asker.ask(question)
    times: list[tuple[float, float]] = []
    faults: list[str] = []
    end = time.time() + float(seconds)
    while time.time() < end:
        began, started = time.time(), time.perf_counter()
        try:
            if not asker.ask(asked[len(times) % len(asked)]):
                faults.append("nothing found")
        except Exception as error:  # whatever goes wrong is what is counted here
            faults.append(f"{type(error).__name__}: {error}")
        times.append((began, time.perf_counter() - started))
        time.sleep(PAUSE)
    print(json.dumps({"times": times, "faults": faults}))


if __name__ == "__main__":
    main(*sys.argv[1:])
