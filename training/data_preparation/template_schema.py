"""`templates.yaml` as typed models: question forms, reasoning patterns and answer openings by document type and section.

    templates = read_templates(domain.folder, domain.config)          # training.data_preparation.templates
    templates.groups("plantas", "Toxicidad", "safety")[0].questions

Keys and placeholders are described in data/README.md.
"""

import hashlib
import re
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from training.data_preparation.facts import folded

Pattern = Annotated[str, Field(min_length=1, max_length=600)]
Patterns = tuple[Pattern, ...]


class TemplateModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _regex(pattern: str) -> str:
    if len(pattern) > 500:
        raise ValueError(f"pattern is longer than 500 characters: {pattern[:40]}...")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression ({error})") from error
    return pattern


class Group(TemplateModel):
    """What is asked of a kind of section."""

    task: str = ""
    """The rows' task; empty: the section's role in `domain.yaml`."""
    asks: Pattern | None = None
    """A noun phrase for what such questions want to know: `los riesgos {of_title}`."""
    questions: Patterns = ()
    brief: Patterns = ()
    """Questions that want a sentence or two."""
    lists: Patterns = ()
    """Questions that want a list."""
    follow_ups: Patterns = ()
    """Questions that lean on the turn before."""
    openings: Patterns = ()
    """Words that some answers begin with; grammar and the title only: content must come from the section."""
    why: Patterns = ()
    missing: tuple[str, ...] = ()
    """Names of `aspects` that a reader would expect here."""


class Detail(TemplateModel):
    """A question on one thing that a section says: where a sentence holds `pattern`, a value of front-matter `field`, or
    words set apart by `mark`."""

    name: Annotated[str, Field(min_length=1)]
    pattern: str = ""
    field: str = ""
    mark: Annotated[str, Field(pattern="^(link|term|)$")] = ""
    types: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    task: str = ""
    asks: Pattern | None = None
    following: Annotated[int, Field(ge=0, le=5)] = 0
    """Sentences of the same paragraph after the one found that belong to the answer."""
    questions: Annotated[Patterns, Field(min_length=1)]

    @field_validator("pattern")
    @classmethod
    def _compile(cls, pattern: str) -> str:
        return _regex(pattern)

    @model_validator(mode="after")
    def _one_kind(self) -> "Detail":
        if sum(bool(kind) for kind in (self.pattern, self.field, self.mark)) != 1:
            raise ValueError("needs exactly one of pattern, field, mark")
        return self

    @cached_property
    def regex(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.IGNORECASE)

    def fits(self, kind: str, heading: str, role: str) -> bool:
        return (
            (not self.types or kind in self.types)
            and (not self.headings or folded(heading) in {folded(name) for name in self.headings})
            and (not self.roles or role in self.roles)
        )


class Aspect(TemplateModel):
    """Something a section may or may not speak of: it is missing where `pattern` matches nowhere in its text."""

    say: Pattern
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compile(cls, pattern: str) -> str:
        return _regex(pattern)

    @cached_property
    def regex(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.IGNORECASE)


class Reasoning(TemplateModel):
    """Which passage and why, what it says, what is missing or uncertain, the conclusion."""

    why: Patterns = ()
    says: Patterns = ()
    limits: Patterns = ()
    concludes: Patterns = ()


class Comparisons(TemplateModel):
    """Rows over two documents of a type that share a value of one of these front-matter fields."""

    fields: tuple[str, ...] = ()
    """Empty: all of the pack's `fields`."""
    questions: Patterns = ()
    why: Patterns = ()
    says: Patterns = ()
    limits: Patterns = ()
    concludes: Patterns = ()
    missing: tuple[str, ...] = ()


class NearMiss(TemplateModel):
    """A question within the domain that a document does not answer: `pattern` matches nowhere in it."""

    about: Pattern
    """What is asked, as a noun phrase: `el precio`."""
    pattern: str
    types: tuple[str, ...] = ()
    place: str = ""
    """The heading under which one would look."""
    questions: Annotated[Patterns, Field(min_length=1)]

    @field_validator("pattern")
    @classmethod
    def _compile(cls, pattern: str) -> str:
        return _regex(pattern)

    @cached_property
    def regex(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.IGNORECASE)


class AbsentName(TemplateModel):
    """A subject of the domain that no document names (checked when rows are made)."""

    name: Annotated[str, Field(min_length=2)]
    article: str = ""


class AbsentForm(TemplateModel):
    asks: Pattern
    questions: Annotated[Patterns, Field(min_length=1)]


class Absent(TemplateModel):
    names: tuple[AbsentName, ...] = ()
    forms: tuple[AbsentForm, ...] = ()
    reasoning: Patterns = ()


class OffTopic(TemplateModel):
    question: Pattern
    about: Pattern


class Refusals(TemplateModel):
    """Questions that the documents do not answer; the answer is the pack's refusal sentence."""

    near_misses: tuple[NearMiss, ...] = ()
    near_reasoning: Patterns = ()
    absent: Absent = Absent()
    off_topic: tuple[OffTopic, ...] = ()
    off_topic_reasoning: Patterns = ()


class TypeTemplates(TemplateModel):
    """Templates of one document type (the first folder of a document's path)."""

    default: Group | None = None
    roles: dict[str, Group] = {}
    sections: dict[str, Group] = {}


class Templates(TemplateModel):
    """The whole file. Looked up from the narrow to the wide: type and heading, heading, type and role, role, default."""

    default: Group | None = None
    roles: dict[str, Group] = {}
    sections: dict[str, Group] = {}
    types: dict[str, TypeTemplates] = {}
    details: tuple[Detail, ...] = ()
    aspects: dict[str, Aspect] = {}
    hedges: Annotated[tuple[str, ...], Field()] = ()
    """Regular expressions for words of caution; the first that matches is quoted."""
    reasoning: Reasoning = Reasoning()
    follow_up_why: Patterns = ()
    comparisons: Comparisons = Comparisons()
    refusals: Refusals = Refusals()

    @field_validator("hedges")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_regex(pattern) for pattern in patterns)

    @cached_property
    def hedge_regexes(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(pattern, re.IGNORECASE) for pattern in self.hedges)

    @cached_property
    def digest(self) -> str:
        """Changes with any word of the file: part of every row's cache key."""
        return hashlib.sha256(self.model_dump_json().encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def groups(self, kind: str, heading: str, role: str) -> list[Group]:
        """The groups that speak of such a section, the narrowest first."""
        own = self.types.get(kind, TypeTemplates())
        found = [group_by_heading(own.sections, heading), group_by_heading(self.sections, heading)]
        found += [own.roles.get(role), self.roles.get(role), own.default, self.default]
        return [group for group in found if group is not None]


def group_by_heading(groups: dict[str, Group], heading: str) -> Group | None:
    """The group of a heading, whatever its capitals and accents."""
    group = groups.get(heading)
    if group is None and groups:
        wanted = folded(heading)
        group = next((found for name, found in groups.items() if folded(name) == wanted), None)
    return group
