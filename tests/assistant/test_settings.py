"""Settings: defaults, then the file, then the environment, then flags, each stronger than the one before; secrets stay secret."""

from pathlib import Path

import pytest

from assistant.backends.extractive import ExtractiveBackend
from assistant.backends.local import LocalBackend
from assistant.backends.vllm import VllmBackend
from assistant.settings import AssistantSettings, read_assistant_settings
from assistant.wiring import build_assistant, build_model_backend
from retrieval.errors import SettingsError, UsageError
from retrieval.index import Index

FOREIGN = ("MODEL_NAME", "LORA_MODEL_PATH", "HF_TOKEN")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, so that no one's own .env is read."""
    monkeypatch.chdir(tmp_path)
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_each_source_is_stronger_than_the_one_before(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [read_assistant_settings().model]
    (here / ".env").write_text("SAVIA_MODEL=of-the-file\n", encoding="utf-8")
    seen.append(read_assistant_settings().model)
    monkeypatch.setenv("SAVIA_MODEL", "of-the-environment")
    seen.append(read_assistant_settings().model)
    seen.append(read_assistant_settings(model="of-the-flag").model)
    assert seen == ["", "of-the-file", "of-the-environment", "of-the-flag"]


def test_the_names_of_older_projects_are_understood(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / ".env").write_text("MODEL_NAME=base\nLORA_MODEL_PATH=./models/lora\nHF_TOKEN=hf_x\n", encoding="utf-8")
    settings = read_assistant_settings()
    assert (settings.model, settings.adapter) == ("base", "./models/lora")
    assert settings.hf_token and settings.hf_token.get_secret_value() == "hf_x"
    monkeypatch.setenv("MODEL_NAME", "other")
    assert read_assistant_settings().model == "other"
    monkeypatch.setenv("SAVIA_MODEL", "ours")
    assert read_assistant_settings().model == "ours"


@pytest.mark.parametrize("nothing", ["None", "null", "", " none "])
def test_no_adapter_may_be_written_as_none(nothing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_MODEL_PATH", nothing)
    assert read_assistant_settings().adapter == ""


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAVIA_VLLM_API_KEY", "sk-secret")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert "secret" not in repr(read_assistant_settings()).replace("SecretStr", "")


@pytest.mark.parametrize(
    ("name", "value"), [("BACKEND", "gpt"), ("QUANTIZATION", "3bit"), ("TEMPERATURE", "9"), ("VLLM_TOTAL_SECONDS", "0")]
)
def test_a_value_that_cannot_be_is_refused_by_its_variables_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SAVIA_{name}", value)
    with pytest.raises(SettingsError, match=f"SAVIA_{name}='{value}'"):
        read_assistant_settings()


def test_backends_are_offered_where_they_are_set_up() -> None:
    assert AssistantSettings().offered_backends == ("extractive",)
    assert AssistantSettings(backend="vllm", model="m").offered_backends == ("vllm", "extractive", "local")
    assert AssistantSettings(vllm_url="http://127.0.0.1:9/v1", adapter="a").offered_backends == (
        "extractive", "local", "vllm",
    )  # fmt: skip


def test_each_name_builds_its_backend_without_loading_anything(three_remedies: Index) -> None:
    def backend(**given: object) -> object:
        settings = AssistantSettings(**given)  # type: ignore[arg-type]
        return build_assistant("tiny", three_remedies.settings, settings, None).backend

    assert isinstance(backend(), ExtractiveBackend)
    assert isinstance(backend(backend="local", model="nowhere"), LocalBackend)
    assert isinstance(backend(backend="vllm"), VllmBackend)
    with pytest.raises(UsageError, match="extractive has no model of its own"):
        build_model_backend("extractive", AssistantSettings())


def test_the_settings_say_how_an_answer_is_generated(three_remedies: Index) -> None:
    settings = AssistantSettings(max_tokens=7, temperature=0.5, seed=3, top_p=0.9)
    options = build_assistant("tiny", three_remedies.settings, settings, None).options
    assert (options.max_tokens, options.temperature, options.seed, options.top_p) == (7, 0.5, 3, 0.9)
