"""docs/training.md: its tables are computed again, and the commands in it are parsed."""

import re
from pathlib import Path

import pytest

from retrieval.domain import load_domain
from tests.conftest import ROOT
from tests.test_coming_from import find_command, parse
from training.architectures import Architecture, find_architecture
from training.config import TrainingConfig
from training.device import Device, choose_settings
from training.memory_estimate import GIB, estimate_memory
from training.recipes import load_recipe

DOCUMENT = ROOT / "docs" / "training.md"
CARD = Device("cuda", "an NVIDIA card", 24 * GIB, bfloat16=True, capability=8)
CPU = Device("cpu", "CPU")
HALF = 0.051  # the tables have one digit behind the point
UTILISATION = 0.25
COLUMNS = {
    "8 bit": {"quantization.load_in_4bit": False, "quantization.load_in_8bit": True},
    "16 bit": {"quantization.load_in_4bit": False},
    "all weights": {"quantization.load_in_4bit": False, "lora.enabled": False},
}


def read_table(mark: str) -> list[tuple[str, dict[str, float]]]:
    """(recipe, column -> figure) of the table behind `<!-- mark -->`."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(f"<!-- {mark} -->\n")[2].partition("\n\n")[0]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert len(rows) == 5
    return [(row[0].split()[0], dict(zip(head[1:], map(float, row[1:]), strict=True))) for row in rows]


def read_recipe(pack: str, column: str = "default") -> tuple[TrainingConfig, Architecture]:
    preset = "default" if column in COLUMNS else column
    domain = load_domain(pack, ROOT / "data" / "domains")
    config = load_recipe(domain, "", preset, COLUMNS.get(column)).config
    architecture = find_architecture(config.model.name)
    assert architecture
    return config, architecture


@pytest.mark.parametrize(("mark", "device"), [("memory", CARD), ("memory on a cpu", CPU)])
def test_the_memory_tables_are_what_a_dry_run_estimates(mark: str, device: Device) -> None:
    for pack, figures in read_table(mark):
        for column, shown in figures.items():
            config, architecture = read_recipe(pack, column)
            estimate = estimate_memory(architecture, config, choose_settings(config, device), device)
            assert estimate.total / GIB == pytest.approx(shown, abs=HALF), f"{mark}: {pack}, {column}"


def test_the_minutes_are_what_the_formula_gives() -> None:
    for pack, figures in read_table("minutes"):
        _, architecture = read_recipe(pack)
        used = architecture.linear_parameters + architecture.vocabulary * architecture.hidden  # the output layer counts
        for card, shown in figures.items():
            peak = float(card.rpartition("(")[2].rstrip(")")) * 1e12
            assert 6 * used * 1e6 / (peak * UTILISATION) / 60 == pytest.approx(shown, abs=HALF), f"{pack}, {card}"


def test_the_commands_of_the_document_are_understood() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    lines = [line.partition(" #")[0].strip() for line in blocks.splitlines() if line.startswith("savia ")]
    inline = re.findall(r"`(savia [^`]+)`", text)
    lines += [code for code in inline if "--" in code]
    assert len(lines) > 12 and len(inline) > 10
    for line in lines:
        parse(line)
    for code in inline:
        find_command(code.split()[1:])


def test_every_file_that_the_document_names_is_there() -> None:
    named = re.findall(r"`((?:training|tests|docs|benchmarks)/[\w./-]+)`", DOCUMENT.read_text(encoding="utf-8"))
    assert len(named) > 2 and [name for name in named if not (ROOT / Path(name)).exists()] == []
