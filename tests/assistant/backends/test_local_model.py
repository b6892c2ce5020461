"""What can be wrong with a model or its adapter: one sentence with the command that mends it; and how a device chooses."""

import json
import shutil
from pathlib import Path

import pytest

from assistant.backends.local import LocalBackend
from assistant.backends.local_model import ModelRequest, choose_device, choose_dtype, load_model, load_prompt
from assistant.backends.model_files import find_model, model_name
from assistant.messages import Message, Options
from retrieval.errors import BackendError
from tests.tiny_models import make_adapter, make_model

ASKED = [Message("system", "Hablas de plantas."), Message("user", "¿Para qué se usa la ruda?")]


def write(backend: LocalBackend) -> str:
    """What a restless model writes, reasoning included."""
    pieces = []
    try:
        for piece in backend.stream(ASKED, Options(max_tokens=20)):
            pieces.append(piece.text)
    except BackendError as error:
        if not pieces or "answer" not in error.message:
            raise
    return "".join(pieces)


def refusal(backend: LocalBackend) -> BackendError:
    with pytest.raises(BackendError) as caught:
        backend.load()
    assert caught.value.mend and "\n" not in caught.value.message
    return caught.value


@pytest.fixture
def model(restless: Path, tmp_path: Path) -> Path:
    """A copy of a model that a test may damage."""
    return Path(shutil.copytree(restless, tmp_path / "restless"))


@pytest.fixture
def adapter(restless_adapter: Path, tmp_path: Path) -> Path:
    """A copy of its adapter that a test may damage."""
    return Path(shutil.copytree(restless_adapter, tmp_path / "adapter"))


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


# --- models ---------------------------------------------------------------------------------------------------------------


def test_a_model_that_is_not_there_is_named() -> None:
    assert "There is no model in '/nowhere/model'" in refusal(LocalBackend("/nowhere/model")).message
    assert refusal(LocalBackend("")).mend == "Set SAVIA_MODEL to a model's folder or name."


def test_a_folder_that_is_not_there_is_not_taken_for_a_name_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "There is no model in 'models/mine'" in refusal(LocalBackend("models/mine")).message


def test_a_name_that_cannot_be_fetched_says_how_to_fetch_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    error = refusal(LocalBackend("savia-tests/not-there"))
    assert "savia-tests/not-there is no folder here, not in the local cache" in error.message
    assert "hf download savia-tests/not-there --local-dir models/not-there" in error.mend


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no model.safetensors"),
        ("tokenizer.json", "tokenizer"),
    ],
)
def test_a_missing_file_is_named(model: Path, name: str, said: str) -> None:
    (model / name).unlink()
    assert said in refusal(LocalBackend(str(model))).message


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe\x00 no such file", b"[1, 2]"])
def test_a_damaged_file_is_one_sentence(model: Path, name: str, damage: bytes) -> None:
    (model / name).write_bytes(damage)
    refusal(LocalBackend(str(model)))


def test_weights_that_are_cut_short_say_so(model: Path) -> None:
    shorten(model / "model.safetensors")
    assert "model.safetensors is damaged: it has" in refusal(LocalBackend(str(model))).message


def test_weights_that_lack_a_part_are_refused(model: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(model / "model.safetensors")
    del weights["model.layers.1.self_attn.q_proj.weight"]
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    assert "lacks 1 of its weights: model.layers.1.self_attn.q_proj.weight" in refusal(LocalBackend(str(model))).message


def test_a_missing_shard_is_named(model: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "has no model-00001-of-00002.safetensors" in refusal(LocalBackend(str(model))).message


def test_only_safetensors_are_read(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    assert "only pytorch_model.bin, and no safetensors" in refusal(LocalBackend(str(model))).message


def test_a_model_that_wants_to_run_its_own_code_is_refused(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}}
    (model / "config.json").write_text(json.dumps(config))
    (model / "mine.py").write_text("raise SystemExit('ran')")
    assert "cannot be read" in refusal(LocalBackend(str(model))).message


def test_a_model_without_a_chat_template_cannot_be_asked(model: Path) -> None:
    (model / "chat_template.jinja").unlink()
    assert "has no chat template" in refusal(LocalBackend(str(model))).message


# --- adapters -------------------------------------------------------------------------------------------------------------


def test_an_adapter_changes_the_answer_and_is_named_by_its_content(restless: Path, restless_adapter: Path) -> None:
    plain, tuned = LocalBackend(str(restless)), LocalBackend(str(restless), str(restless_adapter))
    assert write(plain) != write(tuned)
    assert (plain.adapter, len(tuned.adapter), tuned.model) == ("", 12, "restless")


def test_an_adapters_folder_alone_finds_its_base(restless: Path, restless_adapter: Path) -> None:
    alone = LocalBackend(str(restless_adapter))
    assert write(alone) == write(LocalBackend(str(restless), str(restless_adapter)))
    assert alone.model == "restless"


def test_an_adapter_moved_together_with_its_base_finds_it_again(model: Path, adapter: Path) -> None:
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "/gone/restless"}))
    assert find_model("", str(adapter)).base == str(model)
    assert write(LocalBackend(str(adapter)))


def test_a_merged_model_writes_what_base_and_adapter_write(
    restless: Path, restless_adapter: Path, tmp_path: Path
) -> None:
    request = ModelRequest(str(restless_adapter))
    prompt = load_prompt(request)
    merged = load_model(request, prompt, lambda *_: None).network.merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    prompt.tokenizer.save_pretrained(tmp_path / "merged")
    assert write(LocalBackend(str(tmp_path / "merged"))) == write(LocalBackend(str(restless_adapter)))


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_missing_or_damaged_adapter_file_is_named(restless: Path, adapter: Path, name: str) -> None:
    (adapter / name).write_bytes(b"{")
    assert f"{name} is damaged" in refusal(LocalBackend(str(restless), str(adapter))).message
    (adapter / name).unlink()
    assert f"has no {name}" in refusal(LocalBackend(str(restless), str(adapter))).message


def test_an_adapter_that_is_not_there_is_named(restless: Path) -> None:
    assert "There is no adapter in /nowhere" in refusal(LocalBackend(str(restless), "/nowhere")).message


def test_an_adapter_whose_weights_are_cut_short_is_refused(restless: Path, adapter: Path) -> None:
    shorten(adapter / "adapter_model.safetensors")
    assert "adapter_model.safetensors is damaged" in refusal(LocalBackend(str(restless), str(adapter))).message


def test_an_adapter_of_another_model_is_refused_by_its_name(
    restless: Path, restless_adapter: Path, tmp_path: Path
) -> None:
    other = make_model("qwen3", tmp_path / "other", seed=9)
    error = refusal(LocalBackend(str(other), str(restless_adapter)))
    assert f"was trained on {restless}, not on {other}" in error.message
    assert "Leave SAVIA_MODEL empty" in error.mend


@pytest.mark.parametrize(
    ("kind", "sizes"), [("phi", {}), ("qwen3", {"hidden": 64}), ("qwen3", {"layers": 1}), ("qwen3", {"layers": 3})]
)
def test_an_adapter_of_another_shape_is_refused_whatever_it_says(
    kind: str, sizes: dict[str, int], adapter: Path, tmp_path: Path
) -> None:
    other = make_model(kind, tmp_path / "another", **sizes)  # type: ignore[arg-type]
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": str(other)}))
    error = refusal(LocalBackend(str(other), str(adapter)))
    assert "was trained on another model" in error.message


def test_a_copy_of_the_base_under_another_name_will_do(model: Path, restless_adapter: Path) -> None:
    model.rename(model.parent / "renamed")
    assert write(LocalBackend(str(model.parent / "renamed"), str(restless_adapter)))


def test_the_base_model_answers_alone_only_where_that_is_allowed_and_says_so(restless: Path, adapter: Path) -> None:
    shorten(adapter / "adapter_model.safetensors")
    backend = LocalBackend(str(restless), str(adapter), allow_base=True)
    assert write(backend) == write(LocalBackend(str(restless)))
    assert (backend.model, backend.adapter) == ("restless (without its adapter)", "")
    assert "is damaged" in backend.without_adapter


def test_names_of_the_same_model_are_told() -> None:
    assert model_name("unsloth/Qwen3-0.6B-unsloth-bnb-4bit") == model_name("Qwen/Qwen3-0.6B")
    assert model_name("Qwen/Qwen3-0.6B-Base") != model_name("Qwen/Qwen3-0.6B")


# --- precision and device -------------------------------------------------------------------------------------------------


def test_a_processor_computes_in_fp32_and_other_devices_are_refused_where_they_are_not() -> None:
    import torch

    assert choose_dtype("auto", "cpu") is torch.float32
    assert choose_device("cpu") == "cpu"
    for device in ("cuda:99", "quantum", "cpu:1"):
        with pytest.raises(BackendError, match=f"no device {device}"):
            choose_device(device)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_every_attention_writes_the_same(restless: Path, attention: str) -> None:
    assert write(LocalBackend(str(restless), attention=attention)) == write(LocalBackend(str(restless)))  # type: ignore[arg-type]


def test_an_attention_that_is_not_installed_is_one_sentence(restless: Path) -> None:
    assert "restless" in refusal(LocalBackend(str(restless), attention="flash_attention_2", device="cpu")).message


def test_half_precision_is_what_is_asked_for(restless: Path) -> None:
    import torch

    request = ModelRequest(str(restless), dtype="bfloat16")
    assert load_model(request, load_prompt(request), lambda *_: None).network.dtype is torch.bfloat16


@pytest.mark.parametrize(("bits", "kind"), [("4bit", "Linear4bit"), ("8bit", "Linear8bitLt")])
@pytest.mark.parametrize("with_adapter", [False, True])
def test_models_in_few_bits_answer(bits: str, kind: str, with_adapter: bool, tmp_path: Path) -> None:
    folder = make_model("qwen3", tmp_path / "wide", hidden=128)
    if with_adapter:
        folder = make_adapter(folder, tmp_path / "adapter")
    request = ModelRequest(str(folder), quantization=bits)  # type: ignore[arg-type]
    loaded = load_model(request, load_prompt(request), lambda *_: None)
    assert kind in {type(part).__name__ for part in loaded.network.modules()}
    assert write(LocalBackend(str(folder), quantization=bits))  # type: ignore[arg-type]
