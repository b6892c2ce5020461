"""One section with everything that its rows are made from: sentences, templates, and the values of placeholders.

context = make_context(subject, section, templates, config)
context.values()["asks"]                      # 'los riesgos de la sábila'
"""

from dataclasses import dataclass

from retrieval.domain import DomainConfig
from training.data_preparation.answers import Style, select
from training.data_preparation.facts import Sentence, folded, read_sentences, says
from training.data_preparation.forms import choose, fill
from training.data_preparation.grammar import Subject
from training.data_preparation.sections import ParsedSection
from training.data_preparation.template_schema import Group, Templates


@dataclass(frozen=True, slots=True)
class Context:
    """One section with all that its rows are made from."""

    subject: Subject
    section: ParsedSection
    sentences: tuple[Sentence, ...]
    groups: tuple[Group, ...]
    role: str
    templates: Templates
    config: DomainConfig

    @property
    def group(self) -> Group:
        return self.groups[0]

    @property
    def task(self) -> str:
        return self.group.task or self.role or "general"

    def values(self) -> dict[str, str]:
        """Placeholders that any pattern on this section may have. A field's value counts only where the section says it."""
        heading = self.section.heading_path[-1] if self.section.heading_path else ""
        values = {
            **_said_fields(self.section),
            **self.subject.values(),
            "Heading": heading,
            "heading": heading[:1].lower() + heading[1:],
            "source": self.section.source,
            "pack": self.config.title,
        }
        values["asks"] = self.asks(self.group.asks, values)
        return values

    def asks(self, pattern: str | None, values: dict[str, str]) -> str:
        phrase = self.subject.phrase
        return (pattern and fill(pattern, values, phrase.number, phrase.gender)) or values["source"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the sentences that answer it."""

    question: str
    form: str
    sentences: list[Sentence]
    style: Style
    task: str
    values: dict[str, str]
    key: str  # what tells this question from the section's other ones
    general: bool = True


def make_context(
    subject: Subject, section: ParsedSection, templates: Templates, config: DomainConfig
) -> Context | None:
    """None for a section that holds no statement to answer with."""
    sentences = read_sentences(section.text)
    role = role_of(section.heading, config)
    groups = tuple(templates.groups(section.type, section.heading, role))
    if not sentences or not groups or not select(sentences, "full"):
        return None
    return Context(subject, section, sentences, groups, role, templates, config)


def field_values(section: ParsedSection, name: str) -> tuple[str, ...]:
    """A front-matter field's values; none where it is not there."""
    value = section.fields.get(name, ())
    return (value,) if isinstance(value, str) else value


def role_of(heading: str, config: DomainConfig) -> str:
    """The section's role in the pack's `domain.yaml`; empty where it has none."""
    rule = config.sections.get(heading)
    if rule is None:
        wanted = folded(heading)
        rule = next((found for name, found in config.sections.items() if folded(name) == wanted), None)
    return (rule.role if rule else None) or ""


def _said_fields(section: ParsedSection) -> dict[str, str]:
    text = folded(section.text)
    said = {}
    for name in section.fields:
        values = [value for value in field_values(section, name) if says(text, value)]
        if values:
            said[name] = choose(values, section.id)
    return said
