"""One first ingest by Savia in a fresh process, timed as the peers are: imports done, nothing else.

python -m benchmarks.ingest_once HOME DOMAIN
"""

import json
import sys
import time
from pathlib import Path

import bm25s.stopwords
import chromadb
import onnxruntime
import scipy.sparse

from retrieval.domain import load_domain
from retrieval.embedders import PackagedTokenizer, load_embedder
from retrieval.index import Index
from retrieval.settings import read_settings
from retrieval.view import View

IMPORTED_BEFORE_THE_CLOCK = (bm25s.stopwords, chromadb, onnxruntime, scipy.sparse)


def main(home: str, domain: str) -> None:
    settings = read_settings(home=Path(home), domain=domain)
    started, cpu = time.perf_counter(), time.process_time()
    embedder = load_embedder(settings.embedder, settings.models_dir)
    index = Index(load_domain(domain, settings.domains_dir), settings)
    report = index.sync(embedder)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    tokens = embedded_tokens(index.view(), embedder.max_tokens)
    counts = {"rows": report.passages, "texts": report.embedded, "tokens": tokens}
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, **counts}))


def embedded_tokens(view: View, most: int) -> int:
    """Tokens that went through the model: each distinct text once, special tokens included."""
    texts = {view.passage(row).embedded_text for row in range(len(view))}
    return sum(len(ids) for ids in PackagedTokenizer().token_ids(sorted(texts), most))


if __name__ == "__main__":
    main(*sys.argv[1:])
