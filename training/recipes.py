"""Recipes on disk: a file, a name in a pack or a preset becomes a checked `TrainingConfig`.

recipe = load_recipe(domain, preset="fast_test", overrides={"lora.r": 8})
recipe.config, recipe.notes
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from retrieval.domain import Domain
from retrieval.errors import RecipeInvalid, UsageError
from training.config import TrainingConfig
from training.config_aliases import GROUPS, Translation, known_keys, translate_keys

LARGEST: Final = 1_000_000  # bytes of a recipe: more is no recipe

PRESETS: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    # 512 tokens leave many rows of a pack with passages out: these two say so instead of refusing.
    "fast_test": {
        "num_train_epochs": 1,
        "per_device_train_batch_size": 2,
        "max_length": 512,
        "max_truncated_share": 1.0,
    },
    "full_training": {"num_train_epochs": 5, "per_device_train_batch_size": 8, "max_length": 2048},
    "low_memory": {
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 16,
        "max_length": 512,
        "max_truncated_share": 1.0,
    },
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A checked recipe, the file it came from, and what was read and left."""

    config: TrainingConfig
    path: Path | None
    notes: tuple[str, ...] = ()


def load_recipe(
    domain: Domain | None,
    config: str = "",
    preset: str = "",
    overrides: Mapping[str, Any] | None = None,
) -> Recipe:
    """The recipe that `config` names (a file, one of the pack's recipes, or a preset), with preset and overrides on top.

    Overrides carry dotted names of ours or aliases. Raises `RecipeInvalid` with every fault, `UsageError`.
    """
    if config in PRESETS and not Path(config).is_file():
        preset, config = preset or config, ""
    if preset and preset not in PRESETS:
        raise UsageError(
            f"{preset!r} is no preset.", _nearest(preset, PRESETS) or f"Write one of {', '.join(PRESETS)}."
        )
    path = find_recipe(domain, config)
    raw, lines = read_recipe(path) if path else ({}, {})
    translation = translate_keys(raw)
    values = translation.values
    for name, value in {**PRESETS[preset or "default"], **(overrides or {})}.items():
        _set(values, name, value)
    if domain is not None:
        values.setdefault("domain", domain.name)
    return Recipe(_check(values, translation, path, lines), path, tuple(translation.notes))


def find_recipe(domain: Domain | None, config: str) -> Path | None:
    """The file that `config` names; without one the pack's `qlora.yaml`, else its only recipe. Raises `UsageError`."""
    folder = domain.folder / "recipes" if domain else None
    recipes = sorted(folder.glob("*.yaml")) if folder and folder.is_dir() else []
    if not config:
        named = [path for path in recipes if path.stem == "qlora"] or recipes
        if len(named) > 1:
            names = ", ".join(path.stem for path in named)
            raise UsageError(f"The pack has several recipes: {names}.", "Name one with --config.")
        return named[0] if named else None
    for candidate in (Path(config), *(path for path in recipes if config in (path.stem, path.name))):
        if candidate.is_file():
            return candidate
    raise UsageError(
        f"There is no recipe {config!r}.",
        _nearest(config, [*PRESETS, *(path.stem for path in recipes)]) or "Give a YAML or JSON file, or a preset.",
    )


def read_recipe(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The keys of a YAML or JSON file, and the line of each by its dotted name. Raises `RecipeInvalid`."""
    try:
        if path.stat().st_size > LARGEST:
            raise RecipeInvalid(f"{path} is larger than {LARGEST:,} bytes.", [], "Give a recipe.")
        text = path.read_text(encoding="utf-8")
        raw = yaml.safe_load(text)
        node = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise RecipeInvalid(f"{path} cannot be read as YAML or JSON: {error}", [], "Correct the file.") from error
    if not isinstance(raw, dict):
        raise RecipeInvalid(f"{path} is no recipe: it holds no keys.", [], "Write key: value lines.")
    return raw, dict(_lines(node, ""))


def parse_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """`--set key=value` options; a value is read as YAML. Raises `UsageError`."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name.strip():
            raise UsageError(f"--set {pair!r} is no setting.", "Write key=value, such as --set lora.r=8.")
        try:
            found[name.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(f"--set {pair!r} cannot be read.", "Quote the value.") from error
    return found


def dump_recipe(config: TrainingConfig) -> str:
    """A recipe as resolved, every setting in it, as YAML that `load_recipe` reads again."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _lines(node: Any, prefix: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = f"{prefix}{getattr(key, 'value', '')}"
            yield name, key.start_mark.line + 1
            yield from _lines(value, f"{name}.")


def _set(values: dict[str, Any], name: str, value: Any) -> None:
    """Put one override, given by our dotted name or an alias, over what the file says."""
    group, _, inner = name.rpartition(".")
    nested = {group: {inner: value}} if group else {name: value}
    _merge(values, translate_keys(nested).values)


def _merge(values: dict[str, Any], given: dict[str, Any]) -> None:
    for name, value in given.items():
        if isinstance(value, dict) and isinstance(values.get(name), dict) and name in GROUPS:
            _merge(values[name], value)
        else:
            values[name] = value


def _check(
    values: dict[str, Any], translation: Translation, path: Path | None, lines: Mapping[str, int]
) -> TrainingConfig:
    faults = [f"{_place(place, lines)}: {reason}" for place, reason in translation.faults]
    config = None
    try:
        config = TrainingConfig.model_validate(values)
    except ValidationError as error:
        faults += [_fault(fault, translation, lines) for fault in error.errors()]
    if config is None or faults:
        raise RecipeInvalid(
            f"{path or 'The recipe'} cannot be used:",
            faults,
            "The keys and what they cost: the pack's recipes/ folder.",
        )
    return config


def _fault(fault: Any, translation: Translation, lines: Mapping[str, int]) -> str:
    name = ".".join(str(part) for part in fault["loc"] if isinstance(part, str))
    place = _place(translation.places.get(name, name), lines)
    if fault["type"] == "extra_forbidden":
        last = name.rpartition(".")[2]
        near = _nearest(last, [*_fields(name.rpartition(".")[0]), *known_keys()])
        return f"{place}: there is no such key. {near}".rstrip()
    reason = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":
        return f"{place}: {reason}" if name else reason
    return f"{place}: {fault.get('input')!r} does not fit: {reason}"


def _place(name: str, lines: Mapping[str, int]) -> str:
    return f"{name} (line {lines[name]})" if name in lines else name


def _fields(group: str) -> list[str]:
    kind: Any = TrainingConfig
    for part in group.split(".") if group else ():
        field = kind.model_fields.get(part) if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        kind = field.annotation if field else None
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"Did you mean {near[0]}?" if near else ""
