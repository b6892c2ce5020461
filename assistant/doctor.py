"""`savia doctor`: what is installed, what can answer, what to do next. Looks at metadata only; loads no model."""

import importlib.metadata
import platform
import shutil
from dataclasses import dataclass
from typing import Any, Literal

from assistant.backends.model_files import check_model, find_model
from assistant.backends.served import served_names
from assistant.backends.vllm import TimeLimits, VllmBackend
from assistant.settings import AssistantSettings
from retrieval.domain import list_domains, load_domain
from retrieval.embedders import AUTO, PACKAGED, packaged_folder, usable_cores
from retrieval.errors import EmbedderUnavailable, SaviaError
from retrieval.index import Index
from retrieval.settings import RetrievalSettings

STACK = (
    "torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "accelerate", "streamlit", "chromadb",
    "sentence-transformers", "openai",
)  # fmt: skip
LEAST_FREE = 2 * 2**30  # bytes of disk under which an index of a large corpus may not fit
SERVER_SECONDS = 2.0  # that a server is given to say that it is there

Level = Literal["good", "note", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `next` is a command where something can be done."""

    name: str
    level: Level
    text: str

    @property
    def mark(self) -> str:
        return {"good": "[green]ok  [/green]", "note": "[yellow]note[/yellow]", "broken": "[red]no  [/red]"}[self.level]

    @property
    def broken(self) -> bool:
        return self.level == "broken"

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "level": self.level, "text": self.text}


def diagnose(settings: RetrievalSettings, assistant: AssistantSettings) -> list[Finding]:
    """All findings, from the machine up to the domain that would be asked."""
    return [_machine(), _disk(settings), *_packages(), _embedder(settings), *_backends(assistant), *_domains(settings)]


def _machine() -> Finding:
    gpu = "no NVIDIA GPU found" if shutil.which("nvidia-smi") is None else "NVIDIA GPU driver found"
    return Finding("machine", "good", f"Python {platform.python_version()}, {usable_cores()} cores, {gpu}")


def _disk(settings: RetrievalSettings) -> Finding:
    free = shutil.disk_usage(settings.home).free
    text = f"{free / 2**30:.1f} GiB free at {settings.home}"
    return (
        Finding("disk", "good", text)
        if free >= LEAST_FREE
        else Finding("disk", "note", f"{text}: a large corpus may not fit")
    )


def _packages() -> list[Finding]:
    versions, missing = [], []
    for name in STACK:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    findings = [Finding("packages", "good", ", ".join(versions))]
    if missing:
        findings.append(Finding("missing packages", "broken", f"{', '.join(missing)}: pip install {' '.join(missing)}"))
    return findings


def _embedder(settings: RetrievalSettings) -> Finding:
    if settings.embedder == "none":
        return Finding("embedder", "note", "switched off (SAVIA_EMBEDDER=none): BM25 alone answers")
    if settings.embedder not in (AUTO, PACKAGED):
        return Finding("embedder", "good", f"sentence-transformers model {settings.embedder} (loaded when first used)")
    try:
        packaged_folder()
    except EmbedderUnavailable as error:
        return Finding("embedder", "broken", str(error))
    cached = list((settings.models_dir / "embedder").glob("model-*.onnx"))
    state = "exported" if cached else "will be exported on first use (about ten seconds)"
    return Finding("embedder", "good", f"packaged all-MiniLM-L6-v2, int8, {state}")


def _backends(settings: AssistantSettings) -> list[Finding]:
    """Each backend that can be chosen, the default one marked; a model's files are looked at, a server is asked."""
    checks = {"extractive": _extractive, "local": _local, "vllm": _server}
    findings = []
    for name in dict.fromkeys((*settings.offered_backends, *checks)):
        chosen = "the default; " if name == settings.backend else ""
        try:
            level, text = checks[name](settings)
        except SaviaError as error:
            level, text = ("broken" if chosen else "note"), str(error)
        findings.append(Finding(f"backend {name}", level, chosen + text))
    return findings


def _extractive(settings: AssistantSettings) -> tuple[Level, str]:
    return "good", "ready: quotes the documents, needs no model"


def _local(settings: AssistantSettings) -> tuple[Level, str]:
    if not (settings.model or settings.adapter):
        return "note", "no model: set SAVIA_MODEL to a model's folder or name"
    files = find_model(settings.model, settings.adapter or None)
    if files.folder is None:
        return "note", f"{files.base} is no folder here: it is fetched from the hub when it is first asked"
    check_model(files)
    return "good", f"{files.name}{' with an adapter' if files.adapter else ''}, loaded when it is first asked"


def _server(settings: AssistantSettings) -> tuple[Level, str]:
    if not settings.vllm_url and settings.backend != "vllm":
        return "note", "no server: set SAVIA_VLLM_URL, or start one (savia serve --mode vllm --model-path FOLDER)"
    limits = TimeLimits(connect=SERVER_SECONDS)
    served = VllmBackend(settings.server_url, None, settings.vllm_api_key, limits).served()
    return "good", f"{settings.server_url} serves {served_names(served) or 'no model'}"


def _domains(settings: RetrievalSettings) -> list[Finding]:
    names = list_domains(settings.domains_dir)
    if not names:
        return [Finding("domains", "broken", f"none in {settings.domains_dir}: savia init NAME --from FOLDER")]
    findings = []
    for name in names:
        try:
            view = Index(load_domain(name, settings.domains_dir), settings).view()
            level: Level = "good" if view.state == "complete" else "note"
            text = f"{len(view.documents)} documents, {len(view)} passages, {view.state}"
            findings.append(
                Finding(
                    f"domain {name}", level, text if level == "good" else f"{text}: savia index sync --domain {name}"
                )
            )
        except SaviaError as error:
            findings.append(Finding(f"domain {name}", "note", str(error)))
    if settings.domain not in names:
        findings.append(Finding("default domain", "broken", f"SAVIA_DOMAIN={settings.domain} is not among them"))
    return findings
