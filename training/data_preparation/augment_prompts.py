"""What a model is asked, in the pack's words: `augment.yaml` of the pack, or the built-in English file.

    prompts = read_prompts(domain.folder, domain.config)
    render_draft(prompts, "mechanism", [section])        # ((role, content), ...)

Passages are data: fenced as in the application's own prompt, without invisible characters, never in the system role.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from assistant.prompts import clean_passage
from retrieval.domain import DomainConfig, Role
from retrieval.errors import DomainInvalid
from retrieval.front_matter import load_yaml
from retrieval.text import strip_invisible
from training.data_preparation.sections import ParsedSection
from training.example import Example

FILE = "augment.yaml"
BUILT_IN = Path(__file__).resolve().parent.parent / "configs" / FILE
LONGEST_PASSAGE = 6_000  # characters of one section; more makes every call dear and no question better
LONGEST_SOURCE = 16_000  # characters of all passages of a prompt
LONGEST_REPAIR = 4_000  # characters of a broken reply that are shown to the model again
LANGUAGES = {"es": "Spanish", "en": "English", "fr": "French", "pt": "Portuguese", "de": "German", "it": "Italian"}

Messages = tuple[tuple[str, str], ...]
Sources = Literal["section", "two_sections", "two_documents", "document", "row"]
Text = Annotated[str, Field(min_length=1, max_length=8_000)]

_PLACEHOLDER = re.compile(r"\{(language|pack|subject|refusal|fault)\}")
_TAG = re.compile(r"<(?=\s*/?\s*(?:passage|question|answer|reasoning)\b)", re.IGNORECASE)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Kind(_Model):
    """One kind of row. `roles` and `types` say which sections suit it; none: all. `share` weighs it against the others."""

    sources: Sources
    instruction: Text
    roles: tuple[Role, ...] = ()
    types: tuple[str, ...] = ()
    share: Annotated[float, Field(gt=0)] = 1.0


class JudgePrompts(_Model):
    """How a row is judged: an answer by its passages, a refusal by its document, other words by the question they replace."""

    system: Text
    answer: Text
    refusal: Text
    paraphrase: Text
    form: Text


class Prompts(_Model):
    """The whole file. `refers_to_text` are patterns that a self-contained question or answer must not hold."""

    system: Text
    form: Text
    paraphrase_form: Text
    repair: Text
    kinds: Annotated[dict[str, Kind], Field(min_length=1)]
    judge: JudgePrompts
    refers_to_text: tuple[Annotated[str, Field(min_length=1, max_length=300)], ...] = ()

    @field_validator("refers_to_text")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression ({error})") from error
        return patterns


def read_prompts(folder: Path, config: DomainConfig) -> Prompts:
    """The pack's own file or the built-in one, its placeholders of the pack filled. Raises `DomainInvalid` with every fault."""
    path = folder / FILE if (folder / FILE).is_file() else BUILT_IN
    try:
        loaded = load_yaml(path.read_text(encoding="utf-8"))
        values = {
            "language": LANGUAGES.get(config.language, f"the language with the code {config.language}"),
            "pack": config.title,
            "refusal": config.refusal,
        }
        return Prompts.model_validate(_filled(loaded, values))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DomainInvalid(f"{path} is no valid YAML:", [" ".join(str(error).split())], "Correct the file.") from error
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        ]
        raise DomainInvalid(f"{path} cannot be used:", faults, "Correct the file.") from error


def render_draft(
    prompts: Prompts, kind: str, sections: Sequence[ParsedSection], row: Example | None = None
) -> Messages:
    """The prompt that asks for a row of a kind, or for a row's question in other words."""
    chosen = prompts.kinds[kind]
    subject = " / ".join(dict.fromkeys(section.title for section in sections))
    parts = render_row(row, reasoning=False) if row else render_passages(sections)
    form = prompts.paraphrase_form if row else prompts.form
    instruction = _fill(chosen.instruction, {"subject": strip_invisible(subject)})
    return (("system", prompts.system.strip()), ("user", "\n\n".join([*parts, instruction.strip(), form.strip()])))


def render_judge(
    prompts: Prompts, sections: Sequence[ParsedSection], row: Example, parent: Example | None = None
) -> Messages:
    """The prompt that has a row judged by what it was made from."""
    judge = prompts.judge
    if parent is not None:
        parts = [
            *render_row(parent, reasoning=False),
            f"<new_question>\n{_clean(row.question)}\n</new_question>",
            judge.paraphrase,
        ]
    else:
        parts = [*render_passages(sections), *render_row(row), judge.answer if row.answerable else judge.refusal]
    return (
        ("system", judge.system.strip()),
        ("user", "\n\n".join([*(part.strip() for part in parts), judge.form.strip()])),
    )


def render_repair(prompts: Prompts, messages: Messages, text: str, fault: str) -> Messages:
    """The same conversation with the broken reply and what is wrong with it."""
    shown = strip_invisible(text.encode("utf-8", "ignore").decode())[:LONGEST_REPAIR] or "-"
    return (*messages, ("assistant", shown), ("user", _fill(prompts.repair, {"fault": fault}).strip()))


def render_passages(sections: Sequence[ParsedSection]) -> list[str]:
    """Numbered passages, cut where they grow too long."""
    room, parts = LONGEST_SOURCE, []
    for number, section in enumerate(sections, 1):
        text = clean_passage(section.text)[: min(LONGEST_PASSAGE, max(room, 0))]
        room -= len(text)
        if text:
            label = strip_invisible(section.source).replace('"', "'").replace("<", "‹").replace(">", "›")
            parts.append(f'<passage n="{number}" source="{label}">\n{text}\n</passage>')
    return parts


def fits(sections: Sequence[ParsedSection]) -> bool:
    """Whether a prompt holds these sections uncut."""
    lengths = [len(section.text) for section in sections]
    return max(lengths, default=0) <= LONGEST_PASSAGE and sum(lengths) <= LONGEST_SOURCE


def render_row(row: Example, reasoning: bool = True) -> list[str]:
    told = [
        ("question", row.question),
        *([("reasoning", row.reasoning)] if reasoning and row.reasoning else []),
        ("answer", row.answer),
    ]
    return [f"<{name}>\n{_clean(text)}\n</{name}>" for name, text in told]


def _clean(text: str) -> str:
    """Text that cannot close its own fence."""
    return _TAG.sub("‹", strip_invisible(text)).strip()


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _fill(value, values)
    if isinstance(value, dict):
        return {name: entry if name == "refers_to_text" else _filled(entry, values) for name, entry in value.items()}
    return [_filled(entry, values) for entry in value] if isinstance(value, list) else value


def _fill(text: str, values: Mapping[str, str]) -> str:
    """One pass: what is filled in is not looked at again."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)
