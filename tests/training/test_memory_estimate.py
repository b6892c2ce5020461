"""The memory estimate: exact in what can be counted, and helpful where a run does not fit."""

from pathlib import Path

import pytest

from retrieval.errors import TrainingError
from tests.conftest import ROOT
from training.architectures import ARCHITECTURES, find_architecture
from training.device import Device, choose_settings
from training.memory_estimate import GIB, estimate_memory, suggest_changes
from training.recipes import load_recipe

CARD = Device("cuda", "a card", 24 * GIB, bfloat16=True, capability=8)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("microsoft/phi-2", 2_779_683_840),
        ("meta-llama/Llama-3.2-3B-Instruct", 3_212_749_824),
        ("Alibaba-Apsara/DASD-4B-Thinking", 4_022_468_096),
        ("deepseek-ai/deepseek-math-7b-instruct", 6_910_365_696),
    ],
)
def test_the_dimensions_give_the_published_number_of_parameters(name: str, parameters: int) -> None:
    assert ARCHITECTURES[name].parameters == parameters


def test_a_folders_dimensions_give_the_number_of_its_weights(tiny_bases: dict[str, Path]) -> None:
    from transformers import AutoModelForCausalLM

    for folder in tiny_bases.values():
        architecture = find_architecture(str(folder))
        assert architecture and architecture.parameters == AutoModelForCausalLM.from_pretrained(folder).num_parameters()


def test_an_adapter_has_rank_times_inputs_and_outputs_for_each_layer() -> None:
    phi = ARCHITECTURES["microsoft/phi-2"]
    assert phi.adapter_parameters(("q_proj",), 8) == 32 * 8 * (2560 + 2560)
    assert phi.adapter_parameters(("no_such",), 8) == 0


@pytest.mark.parametrize(
    "path", sorted((ROOT / "data/domains").glob("*/recipes/*.yaml")), ids=lambda path: path.parts[-3]
)
def test_every_shipped_recipe_fits_a_card_of_24_gib(path: Path) -> None:
    config = load_recipe(None, str(path)).config
    architecture = find_architecture(config.model.name)
    assert architecture
    estimate = estimate_memory(architecture, config, choose_settings(config, CARD), CARD)
    assert suggest_changes(estimate, config, CARD.memory) == []


def test_a_run_that_does_not_fit_is_told_what_to_change_first() -> None:
    config = load_recipe(None, "default", overrides={"load_in_4bit": False}).config
    architecture = ARCHITECTURES[config.model.name]
    estimate = estimate_memory(architecture, config, choose_settings(config, CARD), CARD)
    assert suggest_changes(estimate, config, 4 * GIB)[0].startswith("quantization.load_in_4bit: true")


def test_twice_the_rows_take_more_memory_and_no_more_weights() -> None:
    small, large = (load_recipe(None, "default", overrides={"batch_size": size}).config for size in (1, 2))
    architecture = ARCHITECTURES[small.model.name]
    one, two = (estimate_memory(architecture, config, choose_settings(config, CARD)) for config in (small, large))
    assert one.parts["weights"] == two.parts["weights"]
    assert one.parts["activations"] < two.parts["activations"]


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (CARD, (True, False, "paged_adamw_8bit", "bfloat16", "sdpa")),
        (Device("cuda", "an old card", 16 * GIB, capability=7), (False, True, "paged_adamw_8bit", "float16", "sdpa")),
        (
            Device("cuda", "a card", 24 * GIB, True, 1, 9, True),
            (True, False, "paged_adamw_8bit", "bfloat16", "flash_attention_2"),
        ),
        (Device("cpu", "CPU"), (False, False, "adamw_torch", "float32", "sdpa")),
    ],
)
def test_the_device_decides_precision_optimizer_and_attention(device: Device, expected: tuple[object, ...]) -> None:
    settings = choose_settings(load_recipe(None, "default").config, device)
    assert (settings.bf16, settings.fp16, settings.optim, settings.compute, settings.attention) == expected


def test_eight_bits_without_an_nvidia_card_are_one_sentence() -> None:
    config = load_recipe(None, "default", overrides={"load_in_4bit": False, "load_in_8bit": True}).config
    with pytest.raises(TrainingError, match="8-bit training needs an NVIDIA GPU"):
        choose_settings(config, Device("cpu", "CPU"))
