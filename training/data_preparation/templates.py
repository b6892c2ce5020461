"""Reading `templates.yaml`: over the built-in file of the pack's language, with every fault named by place and nearest word.

    templates = read_templates(domain.folder, domain.config)

What a pack leaves out comes from `training/templates/`. An unknown key or placeholder is a fault, and so is a reasoning pattern
that names nothing of its content: it would fit any document.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from retrieval.domain import DomainConfig
from retrieval.errors import DomainInvalid
from retrieval.front_matter import load_yaml
from training.data_preparation.forms import placeholders
from training.data_preparation.template_schema import (
    Absent,
    AbsentForm,
    AbsentName,
    Aspect,
    Comparisons,
    Detail,
    Group,
    NearMiss,
    OffTopic,
    Reasoning,
    Refusals,
    TemplateModel,
    Templates,
    TypeTemplates,
    group_by_heading,
)

BUILT_IN = Path(__file__).resolve().parent.parent / "templates"
FALLBACK_LANGUAGE = "en"
ENOUGH_QUESTIONS = (
    4  # a section with fewer of its own is completed with the built-in ones: one form would fill its rows
)

_TITLE = ("title", "Title", "the_title", "The_title", "of_title", "to_title")
_MATCH = ("match", "the_match", "The_match", "of_match", "to_match")
_SECTION = (*_TITLE, "heading", "Heading", "source", "pack")
_FACTS = ("asks", "quote", "quote2", "last", "missing", "hedge", "numbers", "names", "question")
_REASONING = (*_SECTION, *_MATCH, *_FACTS)
_OTHER = ("other", "the_other", "The_other", "of_other", "to_other")
_PAIR = (*_TITLE, *_OTHER, "pack", "shared", "the_shared", "of_shared", "to_shared")
_PAIR_REASONING = (*_PAIR, "source", "other_source", "quote", "other_quote", "missing", "names", "numbers")
_TURN = (*_REASONING, "previous", "previous_source")
_NEAR = (*_TITLE, "pack")
_NEAR_REASONING = (*_NEAR, "about", "place", "headings")
_ABSENT = ("name", "the_name", "The_name", "of_name", "to_name", "pack")
_ABSENT_REASONING = (*_ABSENT, "asks")
_OFF_TOPIC = ("about", "pack")

# Which keys may stand below a key of the file.
_BELOW: dict[str, type[TemplateModel]] = {
    "default": Group, "sections": Group, "roles": Group, "types": TypeTemplates, "details": Detail, "aspects": Aspect,
    "reasoning": Reasoning, "comparisons": Comparisons, "refusals": Refusals, "near_misses": NearMiss, "absent": Absent,
    "names": AbsentName, "forms": AbsentForm, "off_topic": OffTopic,
}  # fmt: skip


def read_templates(folder: Path, config: DomainConfig) -> Templates:
    """The pack's `templates.yaml` over the built-in ones of its language. Raises `DomainInvalid` with every fault."""
    path = BUILT_IN / f"{config.language}.yaml"
    built_in = _load(path if path.is_file() else BUILT_IN / f"{FALLBACK_LANGUAGE}.yaml", config)
    own = folder / "templates.yaml"
    return _merge(_load(own, config), built_in) if own.is_file() else built_in


def check_templates(folder: Path, config: DomainConfig) -> list[str]:
    """Every fault of a pack's `templates.yaml`, one sentence each; none where it has no such file."""
    try:
        read_templates(folder, config)
    except DomainInvalid as error:
        return error.faults
    return []


def _merge(own: Templates, built_in: Templates) -> Templates:
    """What the pack leaves out is taken from the built-in file, key by key; groups are completed where they are thin."""
    kept = {name: getattr(own, name) for name in own.model_fields_set}
    kept["reasoning"] = Reasoning(
        **{name: getattr(own.reasoning, name) or getattr(built_in.reasoning, name) for name in Reasoning.model_fields}
    )
    kept["aspects"] = {**built_in.aspects, **own.aspects}
    spare = built_in.default or Group()
    kept["default"] = _complete(own.default or Group(), spare)
    kept["roles"] = {**built_in.roles, **{name: _complete(group, spare) for name, group in own.roles.items()}}
    kept["sections"] = {
        **{name: group for name, group in built_in.sections.items() if not _is_named(name, own.sections)},
        **{
            name: _complete(group, group_by_heading(built_in.sections, name) or built_in.roles.get(group.task) or spare)
            for name, group in own.sections.items()
        },
    }
    return built_in.model_copy(update=kept)


def _complete(own: Group, spare: Group) -> Group:
    """A group with few questions of its own takes the built-in ones; what else it leaves out comes from there as well."""
    update: dict[str, Any] = {}
    if len(own.questions) + len(own.brief) + len(own.lists) < ENOUGH_QUESTIONS:
        update["questions"] = (*own.questions, *(text for text in spare.questions if text not in own.questions))
        update["brief"] = own.brief or spare.brief
        update["lists"] = own.lists or spare.lists
    for name in ("task", "asks", "follow_ups", "openings", "why", "missing"):
        if name not in own.model_fields_set:
            update[name] = getattr(spare, name)
    return own.model_copy(update=update)


def _is_named(name: str, groups: dict[str, Group]) -> bool:
    return group_by_heading(groups, name) is not None


def _load(path: Path, config: DomainConfig) -> Templates:
    try:
        loaded = load_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DomainInvalid(f"{path} is no valid YAML:", [" ".join(str(error).split())], "Correct the file.") from error
    try:
        templates = Templates.model_validate({} if loaded is None else loaded)
    except ValidationError as error:
        raise _invalid(path, [_fault(fault) for fault in error.errors()]) from error
    names = (*config.fields, *config.name_fields)
    if faults := [*_unknown_placeholders(templates, names), *_unknown_aspects(templates, path)]:
        raise _invalid(path, faults)
    return templates


def _invalid(path: Path, faults: list[str]) -> DomainInvalid:
    return DomainInvalid(f"{path} is not valid:", faults, "Correct the file; data/README.md describes it.")


def _fault(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{place}: unknown key{_nearest(str(fault['loc'][-1]), _known_keys(fault['loc']))}"
    if fault["type"] == "missing":
        return f"{place}: is missing"
    return f"{place}: {fault['msg'].removeprefix('Value error, ')} (found {str(fault['input'])[:60]!r})"


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    """The keys that may stand where an unknown one was found."""
    above = [_BELOW[part] for part in place[:-1] if isinstance(part, str) and part in _BELOW]
    return list((above[-1] if above else Templates).model_fields)


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _unknown_placeholders(templates: Templates, fields: Sequence[str]) -> Iterator[str]:
    for place, pattern, known, is_reasoning in _all_patterns(templates):
        allowed = (*known, *fields)
        found = placeholders(pattern)
        for name in found:
            if name not in allowed:
                near = _nearest(name, allowed)
                yield f"{place}: unknown placeholder {{{name}}}{near or ' (known: ' + ', '.join(allowed) + ')'}"
        if is_reasoning and not found:
            yield f"{place}: reasoning that names nothing of its content would fit any document (found {pattern[:60]!r})"


def _unknown_aspects(templates: Templates, path: Path) -> Iterator[str]:
    known = set(templates.aspects) | (set(_built_in_aspects()) if path.parent != BUILT_IN else set())
    named = [(place, name) for place, group in _all_groups(templates) for name in group.missing]
    named += [("comparisons", name) for name in templates.comparisons.missing]
    for place, name in named:
        if name not in known:
            yield f"{place}.missing: there is no aspect {name!r}{_nearest(name, known)}"


def _built_in_aspects() -> Iterator[str]:
    for path in sorted(BUILT_IN.glob("*.yaml")):
        yield from (load_yaml(path.read_text(encoding="utf-8")) or {}).get("aspects", {})


def _all_groups(templates: Templates) -> Iterator[tuple[str, Group]]:
    holders: list[tuple[str, Templates | TypeTemplates]] = [("", templates)]
    holders += [(f"types.{name}.", own) for name, own in templates.types.items()]
    for prefix, holder in holders:
        if holder.default is not None:
            yield f"{prefix}default", holder.default
        yield from ((f"{prefix}roles.{name}", group) for name, group in holder.roles.items())
        yield from ((f"{prefix}sections.{name}", group) for name, group in holder.sections.items())


def _all_patterns(templates: Templates) -> Iterator[tuple[str, str, tuple[str, ...], bool]]:
    """(place, pattern, placeholders it may have, whether it is reasoning)."""
    for place, group in _all_groups(templates):
        for name in ("questions", "brief", "lists", "follow_ups", "openings"):
            yield from _places(f"{place}.{name}", getattr(group, name), _SECTION)
        yield from _places(f"{place}.why", group.why, _REASONING, True)
        yield from _places(f"{place}.asks", (group.asks,) if group.asks else (), _SECTION)
    for number, detail in enumerate(templates.details):
        yield from _places(f"details.{number}.questions", detail.questions, (*_SECTION, *_MATCH))
        yield from _places(f"details.{number}.asks", (detail.asks,) if detail.asks else (), (*_SECTION, *_MATCH))
    for name in Reasoning.model_fields:
        yield from _places(f"reasoning.{name}", getattr(templates.reasoning, name), _REASONING, True)
    yield from _places("follow_up_why", templates.follow_up_why, _TURN, True)
    yield from _places("comparisons.questions", templates.comparisons.questions, _PAIR)
    for name in Reasoning.model_fields:
        yield from _places(f"comparisons.{name}", getattr(templates.comparisons, name), _PAIR_REASONING, True)
    yield from _refusal_patterns(templates.refusals)


def _refusal_patterns(refusals: Refusals) -> Iterator[tuple[str, str, tuple[str, ...], bool]]:
    for number, near in enumerate(refusals.near_misses):
        yield from _places(f"refusals.near_misses.{number}.questions", near.questions, _NEAR)
    yield from _places("refusals.near_reasoning", refusals.near_reasoning, _NEAR_REASONING, True)
    for number, form in enumerate(refusals.absent.forms):
        yield from _places(f"refusals.absent.forms.{number}.questions", form.questions, _ABSENT)
        yield from _places(f"refusals.absent.forms.{number}.asks", (form.asks,), _ABSENT)
    yield from _places("refusals.absent.reasoning", refusals.absent.reasoning, _ABSENT_REASONING, True)
    yield from _places("refusals.off_topic_reasoning", refusals.off_topic_reasoning, _OFF_TOPIC, True)


def _places(
    place: str, patterns: Iterable[str], known: tuple[str, ...], is_reasoning: bool = False
) -> Iterator[tuple[str, str, tuple[str, ...], bool]]:
    for number, pattern in enumerate(patterns):
        yield f"{place}.{number}", pattern, known, is_reasoning
