"""Building the index from the page: what the log says, and a real child process."""

from pathlib import Path

import pytest

from assistant.ui.building import Stage, read_stage, start_build
from retrieval.domain import load_domain
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack


def test_the_latest_progress_is_read_through_terminal_codes(tmp_path: Path) -> None:
    log = tmp_path / "index.log"
    log.write_text(
        "Reading documents \x1b[38;5;197m━━━ \x1b[0m 3/3\n\x1b[2KEmbedding passages ━━ \x1b[32m12/40\x1b[0m 0:00:01"
    )
    assert read_stage(log) == Stage("building_embed", 12, 40)


def test_a_log_without_progress_shows_none(tmp_path: Path) -> None:
    assert read_stage(tmp_path / "index.log") is None


def test_a_child_process_builds_the_index(
    settings: RetrievalSettings, write_pack: WritePack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAVIA_EMBEDDER", "none")
    write_pack({"sabila.md": "# Sábila\n\nEl gel alivia quemaduras leves."})
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    assert start_build(index).wait(60) == 0
    assert len(index.view()) == 1
    assert read_stage(index.folder.parent / "index.log") == Stage("building_read", 1, 1)
