"""Merging, and asking what was merged: the sum says what base and adapter say, loads without us, and fails leaving nothing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assistant.backends.local import LocalBackend
from assistant.backends.local_model import ModelRequest, load_model, load_prompt
from assistant.backends.model_files import hash_adapter
from retrieval.errors import SaviaError, TrainingError, UsageError
from retrieval.files import read_json
from savia import app
from tests.servers import serve_transformers
from tests.tiny_models import KINDS, make_adapter, make_model, make_taught_model
from training.load_trained_model import load_trained_model, test_model
from training.parity import MOST_DIFFERENCE, Seen, compare

Result = Any
PROMPT = "Human: ¿Qué es la ruda?\nAssistant:"


def merge(adapter: Path, output: Path, *options: str) -> Result:
    arguments = ["merge", "--adapter_path", str(adapter), "--output_path", str(output), "--json", *options]
    done = CliRunner().invoke(app, arguments)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return json.loads(done.stdout)


def logits_of(network: Any) -> Any:
    import torch

    with torch.no_grad():
        return network(input_ids=torch.arange(5, 40).unsqueeze(0)).logits


@pytest.fixture(scope="module")
def merged(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("merged") / "model"
    merge(trained / "final", folder)
    return folder


@pytest.mark.parametrize("into", ["base", "dequantized"])
def test_a_trained_adapter_merged_either_way_says_what_it_said_before(into: str, trained: Path, tmp_path: Path) -> None:
    done = merge(trained / "final", tmp_path / "merged", "--into", into)
    for checked in (done["parity"], done["stored"]):
        assert checked["max_difference"] <= MOST_DIFFERENCE == 1e-4
        assert checked["same_tokens"] == checked["same_first"] == checked["prompts"] == 20
    assert done == read_json(tmp_path / "merged" / "merge.json")


def test_a_merged_model_answers_under_its_adapters_hash(trained: Path, merged: Path, tmp_path: Path) -> None:
    own = hash_adapter(trained / "final")
    assert LocalBackend(str(merged)).adapter == LocalBackend(str(trained / "final")).adapter == own
    request = ModelRequest(str(merged), device="cpu")
    assert load_model(request, load_prompt(request), lambda stage, done, total: None).adapter == own
    copy = Path(shutil.copytree(merged, tmp_path / "copy"))
    (copy / "merge.json").write_text("{cut")
    assert LocalBackend(str(copy)).adapter == ""


def test_training_may_end_in_a_merge_that_is_checked_and_told(
    tiny_bases: dict[str, Path], rows_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--model-name", str(tiny_bases["qwen3"]), "--dataset-path", str(rows_folder), "--merge"]
    short = ["--set", "max_steps=1", "--report-to", "none", "--max-length", "256"]
    done = CliRunner().invoke(app, [*arguments, *short, "--output-dir", str(tmp_path / "run"), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    result = json.loads(done.stdout)
    assert result["merged"]["folder"] == str(tmp_path / "run" / "merged")
    assert result["merged"]["parity"]["holds"] and result["merged"]["stored"]["same_tokens"] == 20
    assert result["merged"] == read_json(tmp_path / "run" / "merged" / "merge.json")
    assert "Reading back" in capfd.readouterr().err


def test_all_weights_leave_no_adapter_to_merge_and_that_is_said_first(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "--merge", "--no-lora", "--output-dir", str(tmp_path / "run")])
    assert isinstance(done.exception, UsageError) and "no adapter to merge" in str(done.exception)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_is_merged(kind: Any, tmp_path: Path) -> None:
    adapter = make_adapter(make_model(kind, tmp_path / "base"), tmp_path / "adapter", seed=1)
    assert merge(adapter, tmp_path / "merged")["parity"]["holds"]


def test_the_adapter_loads_in_plain_peft_and_the_merged_model_in_plain_transformers(
    trained: Path, merged: Path, tiny_bases: dict[str, Path]
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    load: Any = AutoModelForCausalLM.from_pretrained
    base, one = load(tiny_bases["qwen3"]), load(merged)
    before = logits_of(base).clone()
    with pytest.warns(FutureWarning):  # between peft and transformers
        tuned = PeftModel.from_pretrained(base, trained / "final")
    assert float((logits_of(tuned) - logits_of(one)).abs().max()) <= MOST_DIFFERENCE
    assert float((before - logits_of(one)).abs().max()) > 0.1, "the adapter has learned nothing"
    tokenizer: Any = AutoTokenizer.from_pretrained(merged)
    assert "generation" in tokenizer.chat_template and not list(merged.glob("*.bin"))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["adapter", "merged"])
def test_both_serve_in_a_third_partys_server(
    what: str, trained: Path, merged: Path, tiny_bases: dict[str, Path], tmp_path: Path
) -> None:
    from openai import OpenAI

    folder = merged
    if what == "adapter":  # that server looks for an adapter in its base's folder, and nowhere else
        folder = Path(shutil.copytree(tiny_bases["qwen3"], tmp_path / "both"))
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(trained / "final" / name, folder)
    with serve_transformers(folder) as server:
        client = OpenAI(base_url=server.url, api_key="-")
        asked: Any = [{"role": "user", "content": "Pregunta: ¿Para qué sirve la ruda roja?"}]
        done = client.chat.completions.create(model=server.model, messages=asked, max_tokens=8, temperature=0)
    assert done.choices and done.usage and done.usage.completion_tokens > 0


def test_a_model_of_sixteen_bits_is_added_in_fp32_and_stored_as_it_was(tmp_path: Path) -> None:
    from safetensors import safe_open

    adapter = half_adapter(tmp_path)
    done = merge(adapter, tmp_path / "merged")
    assert done["parity"]["holds"] and done["dtype"] == "bfloat16"
    assert 0 < done["stored"]["max_difference"] < 1
    with safe_open(tmp_path / "merged" / "model.safetensors", "pt") as file:
        assert {str(file.get_tensor(name).dtype) for name in file.keys()} == {"torch.bfloat16"}  # noqa: SIM118


def test_low_memory_adds_in_the_bases_own_precision(tmp_path: Path) -> None:
    done = merge(half_adapter(tmp_path), tmp_path / "merged", "--low-memory")
    assert done["dtype"] == "bfloat16" and done["parity"]["max_difference"] < 1


@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_a_merged_model_is_stored_in_few_bits_and_loads_so(bits: str, tmp_path: Path) -> None:
    adapter = make_adapter(make_model("llama", tmp_path / "base"), tmp_path / "adapter", seed=1)
    whole = merge(adapter, tmp_path / "whole")
    done = merge(adapter, tmp_path / "few", "--quantize", bits)
    assert whole["parity"]["holds"] and done["quantized"]["max_difference"] > MOST_DIFFERENCE
    assert read_json(tmp_path / "few" / "config.json")["quantization_config"][f"load_in_{bits}"]
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("few", "whole")]
    assert sizes[0] < sizes[1]
    model, tokenizer = load_trained_model(tmp_path / "few")
    assert isinstance(test_model(model, tokenizer, "¿Qué?", max_tokens=4, show=False), str)


# --- what is refused ---


def test_the_adapter_of_another_base_is_refused(trained: Path, tmp_path: Path) -> None:
    other = make_model("qwen3", tmp_path / "another")
    with pytest.raises(TrainingError, match="was trained on"):
        merge(trained / "final", tmp_path / "merged", "--base-model", str(other))
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "adapter_config.json").write_text("{"), "damaged"),
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "has no adapter_model.safetensors"),
        (lambda folder: cut(folder / "adapter_model.safetensors"), "damaged"),
    ],
)
def test_a_damaged_adapter_is_one_sentence(harm: Any, message: str, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "final", tmp_path / "adapter")
    harm(tmp_path / "adapter")
    with pytest.raises(TrainingError, match=message):
        merge(tmp_path / "adapter", tmp_path / "merged")
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_a_merge_that_fails_leaves_what_was_there(trained: Path, merged: Path, tmp_path: Path) -> None:
    shutil.copytree(merged, tmp_path / "merged")
    shutil.copytree(trained / "final", tmp_path / "adapter")
    spoil(tmp_path / "adapter" / "adapter_model.safetensors")
    before = (tmp_path / "merged" / "model.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="cannot be merged"):
        merge(tmp_path / "adapter", tmp_path / "merged")
    assert (tmp_path / "merged" / "model.safetensors").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "merged"]


def test_a_whole_model_needs_no_merging_and_a_run_means_its_adapter(
    trained: Path, merged: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="needs no merging"):
        merge(merged, tmp_path / "again")
    assert merge(trained, tmp_path / "merged")["parity"]["holds"]


def test_a_folder_with_other_things_and_the_adapters_own_are_left_alone(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds no model"):
        merge(trained / "final", tmp_path)
    with pytest.raises(UsageError, match="holds the adapter or its base"):
        merge(trained / "final", trained / "final")


def test_a_base_that_is_stored_in_few_bits_is_no_unquantised_base(tmp_path: Path) -> None:
    adapter = make_adapter(make_model("llama", tmp_path / "base"), tmp_path / "adapter", seed=1)
    merge(adapter, tmp_path / "few" / "base", "--quantize", "4bit")
    with pytest.raises(SaviaError, match=r"few bits|was trained on"):
        merge(adapter, tmp_path / "merged", "--base-model", str(tmp_path / "few" / "base"))


def test_a_difference_is_seen() -> None:
    import torch

    one = Seen([torch.tensor([[0.0, 1.0]])], [(1, 1)])
    other = Seen([torch.tensor([[0.5, 0.0]])], [(1, 0)])
    parity = compare(one, other)
    assert (parity.max_difference, parity.mean_difference, parity.same_tokens, parity.same_first) == (1.0, 0.75, 0, 0)
    assert not parity.holds and compare(one, one).holds


# --- trying a model ---


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Phi that answers everything with one sentence."""
    return make_taught_model("phi", tmp_path_factory.mktemp("taught") / "model", "La planta alivia el aire, niño.")


def test_trying_prints_the_answer(taught: Path) -> None:
    done = CliRunner().invoke(app, ["try", "--model_path", str(taught), "--test_prompt", "¿Qué?", "--plain"])
    assert done.exit_code == 0 and done.stdout == "La planta alivia el aire, niño.\n", done.output


def test_a_prompt_in_the_templates_own_layout_is_gone_on_with(taught: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, tokenizer = load_trained_model(taught)
    assert test_model(model, tokenizer, PROMPT) == "La planta alivia el aire, niño."
    assert capsys.readouterr().out == f"Prompt: {PROMPT}\nResponse: La planta alivia el aire, niño.\n"


def test_a_conversation_goes_on_until_somebody_leaves(taught: Path) -> None:
    done = CliRunner().invoke(app, ["try", "--model-path", str(taught)], input="¿Qué?\n¿Y?\nexit\n")
    assert done.exit_code == 0 and done.stdout.count("La planta alivia el aire, niño.") == 2


def test_an_adapter_finds_its_base_by_itself(trained: Path) -> None:
    done = CliRunner().invoke(
        app, ["try", "--model-path", str(trained / "final"), "--prompt", "¿Qué?", "--max-tokens", "8", "--json"]
    )
    assert json.loads(done.stdout)[0]["tokens"] > 0


# --- helpers ---


def half_adapter(folder: Path) -> Path:
    """An adapter of a base in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    base = make_model("llama", folder / "base")
    network: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    network.save_pretrained(base)
    return make_adapter(base, folder / "adapter", seed=1)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def spoil(path: Path) -> None:
    """Put something that is no number into an adapter's weights."""
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(path)
    name = next(name for name in weights if "lora_B" in name)
    save_file({**weights, name: torch.full_like(weights[name], torch.nan)}, path)
