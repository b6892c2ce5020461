"""The table of strings: the same keys and blanks in every language, and a word for whatever the pages look up."""

import re

from training.layout import SPLITS
from training.recipes import PRESETS
from training.ui.data_set_build import STAGES
from training.ui.data_set_rows import STATUSES
from training.ui.strings import STRINGS, words
from training.ui.training_page import PHASE_ICONS


def test_every_language_says_the_same_things_and_leaves_the_same_blanks() -> None:
    assert STRINGS["es"].keys() == STRINGS["en"].keys()
    for key, text in STRINGS["es"].items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", STRINGS["en"][key])), key


def test_every_stage_status_phase_part_and_preset_has_a_name() -> None:
    names = {"stage_": STAGES, "status_": STATUSES, "phase_": PHASE_ICONS, "part_": SPLITS, "preset_": PRESETS}
    wanted = {prefix + name for prefix, found in names.items() for name in found}
    assert wanted <= STRINGS["en"].keys()


def test_a_regional_code_finds_its_language_and_an_unknown_one_reads_english() -> None:
    assert words("es-MX")["page_data_set"] == "Datos"
    assert words("nah") is words(None) is STRINGS["en"]
