"""Follow-up questions made whole before retrieval, without a model: whose name is missing is named from the conversation.

    rewriter = Rewriter(view, name_fields=("synonyms",), config.sections)
    rewriter.rewrite("¿y para los niños?", [("user", "¿Se puede tomar la manzanilla?")])
    # '¿y para los niños? manzanilla'

A name is a document's title, its file name, or a value of the pack's name fields.
"""

import json
import re
from collections.abc import Mapping, Sequence

from retrieval.domain import SectionRule
from retrieval.text import fold_accents
from retrieval.view import View

Turn = tuple[str, str]
"""(role, content), oldest first."""

MAX_NAME_TERMS = 5
SHORT = 2  # a question with no more content words than this cannot stand alone after another one

_CUES = {
    "es": re.compile(
        r"^\W*(y|pero|entonces|o sea|tambien|e)\b|\b(eso|esa|ese|esos|esas|este|esta|ello|ella|ellos|ellas|lo|mismo|misma|su|sus)\b"
        r"|\b\w{3,}(selo|sela|melo|mela|telo|tela|arlo|arla|erlo|erla|irlo|irla)\b|\bse (la|lo|las|los)\b|\bme (la|lo|las|los)\b"
    ),
    "en": re.compile(
        r"^\W*(and|but|so|also|what about|how about)\b|\b(it|its|they|them|their|this|that|these|those|he|she)\b"
    ),
}


_NEW_SUBJECT = {
    "es": re.compile(r"^\W*(y|pero|entonces|e)\s+(el|la|los|las|un|una|del?|con|para)\s"),
    "en": re.compile(r"^\W*((and|but|so)\s+)?((what|how) about|and|but)\s+(the|a|an|of|with|for)?\s*\w+\W*$"),
}


class Names:
    """What the documents are about, by name. Building costs one pass over the documents."""

    def __init__(
        self, view: View, name_fields: Sequence[str], common: frozenset[str] = frozenset(), titles: bool = True
    ) -> None:
        self._view = view
        self._documents: dict[tuple[str, ...], set[int]] = {}
        for number in range(len(view.documents)):
            record = json.loads(view.documents[number])
            file_name = record["path"].rsplit("/", 1)[-1].rsplit(".", 1)[0].replace("-", " ")
            names = [record["title"], file_name] if titles else []
            for field in name_fields:
                value = record["fields"].get(field, [])
                names.extend([value] if isinstance(value, str) else value)
            for name in names:
                terms = tuple(view.analyzer.terms(name))
                if 0 < len(terms) <= MAX_NAME_TERMS and not set(terms) <= common:
                    self._documents.setdefault(terms, set()).add(number)

    def find(self, text: str) -> list[tuple[str, frozenset[int]]]:
        """Names that stand in `text` (longest first at each place): the name as index terms, and its documents' numbers."""
        terms = self._view.plain_terms(text)
        found: list[tuple[str, frozenset[int]]] = []
        place = 0
        while place < len(terms):
            for length in range(min(MAX_NAME_TERMS, len(terms) - place), 0, -1):
                documents = self._documents.get(tuple(terms[place : place + length]))
                if documents:
                    found.append((" ".join(terms[place : place + length]), frozenset(documents)))
                    place += length - 1
                    break
            place += 1
        return found

    def words(self, text: str) -> str:
        """The words of `text` that name something, as they were written."""
        named = {term for name, _ in self.find(text) for term in name.split()}
        return " ".join(word for word in self.split(text) if named & set(self._view.plain_terms(word)))

    @staticmethod
    def split(text: str) -> list[str]:
        """The words of `text` as `words` sees them."""
        return re.findall(r"\w+", text)


class Rewriter:
    """Rewrites questions of one domain."""

    def __init__(
        self,
        view: View,
        name_fields: Sequence[str],
        sections: Mapping[str, SectionRule],
        topic_fields: Sequence[str] = (),
    ) -> None:
        self._view = view
        aliases = " ".join(alias for rule in sections.values() for alias in rule.aliases)
        self.asking_terms = frozenset(view.analyzer.terms(aliases))
        # A word that asks about a section ("daño", "aire libre") names no subject even where a document has that title.
        self.names = Names(view, name_fields, self.asking_terms)
        # What documents can be filtered by (an ailment, a region) is a topic of the corpus, though no document's name.
        self.topics = Names(view, topic_fields, self.asking_terms, titles=False)

    def rewrite(self, question: str, history: Sequence[Turn]) -> str:
        """The question as it can be searched for; unchanged when it stands alone."""
        asked = [content for role, content in history if role == "user"]
        if not asked or not self._depends(question):
            return question
        terms = self._view.query_terms(question)
        unknown = any(number < 0 for _, number in terms)
        named = {term for name, _ in self.names.find(question) for term in name.split()}
        # "¿y el boldo?" is about something new though no document has it; "¿y se la doy a mi chihuahua?" is not.
        if named or (unknown and self._names_something_new(question)):
            about = [term for term, number in terms if term not in named and number >= 0]
            return question if about else f"{question} {self._intent(asked[-1])}".strip()
        subject = self._subject(history)
        return f"{question} {subject or asked[-1]}".strip()

    def _names_something_new(self, question: str) -> bool:
        new = _NEW_SUBJECT.get(self._view.analyzer.language)
        return bool(new and new.search(fold_accents(question.lower())))

    def _depends(self, question: str) -> bool:
        text = fold_accents(question.lower())
        cue = _CUES.get(self._view.analyzer.language)
        return bool(cue and cue.search(text)) or len(self._view.analyzer.terms(question)) <= SHORT

    def _subject(self, history: Sequence[Turn]) -> str:
        """The names of the latest question that has any, else of the latest answer."""
        for wanted in ("user", "assistant"):
            for role, content in reversed(history):
                if role == wanted and (words := self.names.words(content)):
                    return words
        return ""

    def _intent(self, question: str) -> str:
        """What the last question asked, without whom it asked it about."""
        names = set(self.names.words(question).split())
        return " ".join(word for word in re.findall(r"\w+", question) if word not in names)
