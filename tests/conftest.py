"""Fixtures that several test modules share: where the third-party data lie, a pack on disk, the packaged embedder."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # tiny models run two to five times faster without threads, also in child processes

from retrieval.calibrate import write_calibration
from retrieval.calibrate_domain import calibrate
from retrieval.domain import load_domain
from retrieval.embedders import Embedder, load_embedder
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.fakes import PACK
from tests.servers import RunningServer, serve_transformers

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own SAVIA_... variables must not change what is tested."""
    for name in list(os.environ):
        if name.startswith("SAVIA_") and name != "SAVIA_DATASETS":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder of third-party data; see docs/datasets.md."""
    folder = (ROOT / os.environ.get("SAVIA_DATASETS", "../shared/datasets")).resolve()
    if not folder.is_dir():
        pytest.skip(f"third-party data not found at {folder}; set SAVIA_DATASETS (docs/datasets.md)")
    return folder


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    """The packaged MiniLM; exported once into the repository's models/ folder."""
    return load_embedder("packaged", ROOT / "models")


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Index:
    """The index of the shipped pack: copied into a temporary home, embedded and calibrated as `savia index sync` does."""
    home = tmp_path_factory.mktemp("shipped")
    shutil.copytree(ROOT / "data" / "domains" / "herbolaria", home / "data" / "domains" / "herbolaria")
    (home / "models").symlink_to(ROOT / "models")
    settings = RetrievalSettings(home=home, domain="herbolaria", embedder="packaged", chroma_url="")
    index = Index(load_domain("herbolaria", settings.domains_dir), settings)
    index.sync(embedder)
    write_calibration(index.folder, calibrate(index.domain, index.view(), embedder))
    return index


@pytest.fixture
def settings(tmp_path: Path) -> RetrievalSettings:
    """Settings whose home is an empty temporary folder."""
    return RetrievalSettings(home=tmp_path, embedder="none")


@pytest.fixture(scope="session")
def transformers_server() -> Iterator[Callable[[Path], RunningServer]]:
    """`transformers_server(folder)`: a third party's OpenAI-compatible server for that model, kept for the session."""
    with ExitStack() as running:
        yield cache(lambda model: running.enter_context(serve_transformers(model)))


WritePack = Callable[..., Path]


@pytest.fixture
def write_pack(settings: RetrievalSettings) -> Iterator[WritePack]:
    """`write_pack({"a.md": "# A"}, name="tiny", config="...")` writes a pack below the settings' home; returns its folder."""

    def write(documents: dict[str, str], name: str = "tiny", config: str = PACK) -> Path:
        folder = settings.domains_dir / name
        (folder / "corpus").mkdir(parents=True, exist_ok=True)
        (folder / "domain.yaml").write_text(config, encoding="utf-8")
        for path, text in documents.items():
            target = folder / "corpus" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return folder

    yield write
