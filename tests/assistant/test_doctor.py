"""`savia doctor`: each finding says how things are and, where something can be done, the command."""

from pathlib import Path

from assistant.doctor import STACK, Finding, diagnose
from assistant.settings import AssistantSettings
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.fault_proxy import FaultServer


def findings(settings: RetrievalSettings) -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnose(settings, AssistantSettings())}


def test_the_whole_stack_is_listed_with_its_versions(settings: RetrievalSettings) -> None:
    text = findings(settings)["packages"].text
    assert all(f"{name} " in text for name in STACK) and len(STACK) == 11


def test_no_pack_at_all_is_a_fault_that_names_init(settings: RetrievalSettings) -> None:
    finding = findings(settings)["domains"]
    assert finding.broken and "savia init NAME --from FOLDER" in finding.text


def test_a_pack_without_an_index_names_the_sync(three_remedies: Index) -> None:
    (three_remedies.folder / "CURRENT").unlink()
    finding = findings(three_remedies.settings)["domain tiny"]
    assert finding.level == "note" and "savia index sync --domain tiny" in finding.text


def test_an_index_without_vectors_is_a_note(three_remedies: Index) -> None:
    finding = findings(three_remedies.settings)["domain tiny"]
    assert finding.level == "note" and finding.text.startswith("3 documents, 7 passages, lexical: savia index sync")


def test_a_whole_index_is_good(shipped: Index) -> None:
    finding = findings(shipped.settings)["domain herbolaria"]
    assert finding.level == "good" and finding.text.endswith("passages, complete")


def test_a_broken_pack_is_a_note_and_the_others_are_still_told(three_remedies: Index) -> None:
    broken = three_remedies.settings.domains_dir / "broken"
    broken.mkdir()
    (broken / "domain.yaml").write_text("titel: x", encoding="utf-8")
    found = findings(three_remedies.settings)
    assert "titel: unknown key (did you mean title?)" in found["domain broken"].text and "domain tiny" in found


def test_a_default_domain_that_is_not_there_is_a_fault(three_remedies: Index) -> None:
    found = findings(three_remedies.settings)
    assert found["default domain"].broken and "SAVIA_DOMAIN=herbolaria" in found["default domain"].text
    tiny = three_remedies.settings.model_copy(update={"domain": "tiny"})
    assert "default domain" not in findings(tiny)


def test_the_embedder_is_described_without_loading_it(settings: RetrievalSettings, tmp_path: Path) -> None:
    assert "BM25 alone" in findings(settings)["embedder"].text
    packaged = settings.model_copy(update={"embedder": "packaged"})
    assert "will be exported on first use" in findings(packaged)["embedder"].text
    other = settings.model_copy(update={"embedder": str(tmp_path)})
    assert "loaded when first used" in findings(other)["embedder"].text


def test_json_has_a_name_a_level_and_a_text(settings: RetrievalSettings) -> None:
    for finding in findings(settings).values():
        assert set(finding.as_json()) == {"name", "level", "text"} and finding.level in ("good", "note", "broken")


def test_every_backend_is_told_with_what_it_needs(settings: RetrievalSettings) -> None:
    found = findings(settings)
    assert found["backend extractive"].text.startswith("the default; ready")
    assert "set SAVIA_MODEL" in found["backend local"].text and "set SAVIA_VLLM_URL" in found["backend vllm"].text


def test_a_server_is_asked_what_it_serves(settings: RetrievalSettings) -> None:
    with FaultServer([], [{"id": "base"}, {"id": "herbolaria", "parent": "base"}]) as server:
        found = {f.name: f for f in diagnose(settings, AssistantSettings(vllm_url=server.url))}
    assert found["backend vllm"].text.endswith("serves base, herbolaria (adapter of base)")


def test_a_default_backend_that_cannot_answer_is_a_fault(settings: RetrievalSettings, tmp_path: Path) -> None:
    chosen = AssistantSettings(backend="local", model=str(tmp_path))
    found = {finding.name: finding for finding in diagnose(settings, chosen)}
    assert found["backend local"].broken and "config.json" in found["backend local"].text
