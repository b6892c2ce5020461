"""What each stage of a build hangs on, and which files it leaves.

build.state.is_current("generate", stage_inputs("generate", build), build.layout)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retrieval.files import file_sha256
from training.build_setup import Build
from training.build_state import hash_files, hash_of, program_hash
from training.data_preparation.export_files import export_folder
from training.data_preparation.import_dataset import name_of
from training.data_preparation.templates import read_templates
from training.layout import SPLITS


def stage_inputs(name: str, build: Build) -> str:
    """A hash of all that the stage's rows hang on, the program included."""
    layout, config, domain = build.layout, build.config, build.domain
    made = {stage: layout.examples(stage) for stage in ("generate", "augment", "combine", "filter")}
    pack = domain.config.model_dump(mode="json")
    match name:
        case "parse":
            parts: list[Any] = [build.corpus]
        case "generate":
            digest = read_templates(domain.folder, domain.config).digest
            parts = [hash_files([layout.sections]), digest, pack, build.template_samples]
        case "augment":
            kept = layout.folder("augment")
            own = [layout.sections, made["generate"], kept / "journal.jsonl", kept / "settings.json"]
            asked = build.llm is not None or (kept / "settings.json").is_file()
            parts = [hash_files([*own, domain.folder / "augment.yaml"]), pack, build.llm] if asked else []
        case "import":
            parts = [{path.name: file_sha256(path) for path in build.pack_files()}]
        case "combine":
            files = [made["generate"], made["augment"], layout.decisions, *build.imported_files()]
            names = [path.name for path in files]
            parts = [names, hash_files(files), config.weights, config.max_repeats, config.seed]
        case "filter":
            limits = [config.min_tokens, config.max_tokens, config.drop_safety_levels]
            parts = [hash_files([made["combine"], layout.sections]), pack, limits, build.settings.embedder]
        case "split":
            pins = sorted(layout.folder("import").glob("*.splits.jsonl"))
            files = [made["filter"], domain.folder / "questions.jsonl", *pins]
            parts = [hash_files(files), config.ratios, config.seed, pack["language"]]
        case _:
            shown = build.corpus if build.with_passages else {}
            parts = [hash_files(map(layout.split, SPLITS)), config.model_dump(mode="json"), pack, shown]
    return hash_of(name, program_hash(), parts)


def stage_outputs(name: str, build: Build) -> Sequence[Path]:
    """The files that make the stage done."""
    layout = build.layout
    match name:
        case "parse":
            return [layout.sections]
        case "import":
            return [layout.imported(name_of(str(path))) for path in build.pack_files()]
        case "split":
            return [layout.split(part) for part in SPLITS]
        case "export":
            folder = export_folder(layout, build.config)
            names = (*(f"{part}.jsonl" for part in SPLITS), "README.md", "provenance.json", "dataset/dataset_dict.json")
            return [folder / file for file in names]
        case _:
            return [layout.root / name / "examples.jsonl"]
