"""One sync in a fresh process, timed from after the imports: what there is to do beyond starting Python.

python -m benchmarks.sync_once HOME DOMAIN [--edit]        # --edit: a sentence is added to one document first
"""

import json
import sys
import time
from pathlib import Path

import bm25s.stopwords
import chromadb
import scipy.sparse

from retrieval.domain import load_domain
from retrieval.index import Index
from retrieval.settings import read_settings
from retrieval.wiring import build_embedder

IMPORTED_BEFORE_THE_CLOCK = (bm25s.stopwords, chromadb, scipy.sparse)  # Savia imports them when they are needed


def main(home: str, domain: str, *options: str) -> None:
    settings = read_settings(home=Path(home), domain=domain)
    if "--edit" in options:
        _edit(settings.domains_dir / domain / "corpus")
    started = time.perf_counter()
    index = Index(load_domain(domain, settings.domains_dir), settings)
    embedder = build_embedder(settings)
    report = index.sync(embedder)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "sync_seconds": report.seconds, "embedded": report.embedded}))


def _edit(corpus: Path) -> None:
    files = sorted(corpus.rglob("*.md"))
    with files[len(files) // 3].open("a", encoding="utf-8") as file:
        file.write(f"\nEsta frase se añadió en el momento {time.time_ns()}.\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
