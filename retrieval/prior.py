"""What a question says about where its answer stands beside the words of single passages: which document it names, how much of it
the others say, which kind of section it asks for, and under which heading its words are at home.

    prior = Prior(view, names, config.sections, PriorWeights(), asking)
    prior.scores("¿la ruda es peligrosa?")       # one addend a passage, in deviations of the fused score

Without it, "Sinonimia popular" wins every question that names a plant, because nothing says the name as often.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from retrieval.asking import Asking
from retrieval.document_share import document_shares
from retrieval.domain import ROLES, Role, SectionRule
from retrieval.followups import Names
from retrieval.section_kinds import SectionKinds
from retrieval.view import Scores, View

SUBJECT_BONUS = 3.0  # in deviations of the fused score; where nothing was calibrated. Herbolaria: recall@5 0.66 -> 0.75
NAME = "xx"  # stands for a name where a question's wording is read: who is asked about says nothing about what is asked


@dataclass(frozen=True, slots=True)
class PriorWeights:
    """Addends in deviations of the fused score; the default knows subjects only."""

    subject: float = SUBJECT_BONUS
    asks: float = 0.0  # times the log-probability that the question asks for the section's kind
    roles: Mapping[str, float] = field(default_factory=dict)  # a role's own standing
    document: float = 0.0  # times the share of the question that the whole document says, if it is not named
    kind: float = 0.0  # times how typical the question's words are of the section's heading, in deviations


class Prior:
    """Built once per view: one pass over its passages where kinds of sections were calibrated."""

    def __init__(
        self,
        view: View,
        names: Names | None,
        rules: Mapping[str, SectionRule] | None = None,
        weights: PriorWeights | None = None,
        asking: Asking | None = None,
    ) -> None:
        self.view = view
        self.names = names
        self.weights = weights or PriorWeights()
        self._kinds = SectionKinds(view) if asking or self.weights.kind else None
        self._asked = AskedKinds(self._kinds, asking) if self._kinds and asking else None
        standing = np.array([*(self.weights.roles.get(role, 0.0) for role in ROLES), 0.0], np.float32)
        self._standing = standing[passage_roles(view, rules or {})] if self.weights.roles else np.float32(0)

    def named(self, question: str) -> NDArray[np.bool_]:
        """Which passages belong to documents that the question names."""
        found = self.names.find(question) if self.names else []
        subjects = {number for _, documents in found for number in documents}
        if not subjects:
            return np.zeros(len(self.view), bool)
        return np.isin(self.view.document_rows, list(subjects))

    def scores(self, question: str, named: NDArray[np.bool_]) -> Scores:
        """One addend a passage."""
        total = self.weights.subject * named.astype(np.float32)
        if self.weights.document:
            shares = document_shares(self.view, question)[self.view.document_rows]
            total = total + self.weights.document * np.where(named, 0, shares)
        if self._kinds and self.weights.kind:
            total = total + self.weights.kind * self._kinds.scores(remove_names(question, self.names))
        if self._asked:
            total = total + self.weights.asks * self._asked.scores(without_names(question, self.names))
        return np.asarray(total + self._standing, np.float32)


class AskedKinds:
    """How probable a question makes each passage's kind of section."""

    def __init__(self, kinds: SectionKinds, asking: Asking) -> None:
        self._asking = asking
        columns = {name: column for column, name in enumerate(asking.kinds)}
        column_of = np.array([columns.get(name, -1) for name in kinds.names] + [-1])
        self._columns = column_of[kinds.of_passages]

    def scores(self, question: str) -> Scores:
        """Log-probabilities, (passages,). A kind that nobody asked for, or too rare to be one, is neither asked for nor ruled out:
        it gets the mean of the others."""
        asked = self._asking.log_probabilities(question)
        return np.asarray(np.append(asked, asked.mean())[self._columns], np.float32)


def without_names(question: str, names: Names | None) -> str:
    """The question with `NAME` for each word that names a document."""
    if names is None:
        return question
    named = set(names.words(question).split())
    return " ".join(NAME if word in named else word for word in names.split(question))


def remove_names(question: str, names: Names | None) -> str:
    """The question without the words that name a document."""
    if names is None:
        return question
    named = set(names.words(question).split())
    return " ".join(word for word in names.split(question) if word not in named)


def section_role(heading_path: Sequence[str], rules: Mapping[str, SectionRule]) -> Role | None:
    """The role of the innermost heading that has one; `top` is the text above the first heading."""
    for heading in reversed(heading_path or ("top",)):
        rule = rules.get(heading)
        if rule and rule.role:
            return rule.role
    return None


def passage_roles(view: View, rules: Mapping[str, SectionRule]) -> NDArray[np.int64]:
    """A number into `ROLES` for every passage, `len(ROLES)` where its section has no role."""
    known: dict[tuple[str, ...], int] = {}
    found = np.empty(len(view), np.int64)
    for row in range(len(view)):
        path = view.section_of(row)[1]
        if path not in known:
            role = section_role(path, rules)
            known[path] = ROLES.index(role) if role else len(ROLES)
        found[row] = known[path]
    return found
