"""How a document's title reads inside a sentence: its article, its number, its small letter, all taken from the text itself.

subject = make_subject("Sábila", ["La sábila es una planta."], "es")
subject.values()["of_title"]                  # 'de la sábila'
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

ARTICLE_FIELD = "article"  # front matter may say it where the text does not: `article: las`
SPANISH_ARTICLES = ("el", "la", "los", "las")
MOST_TEXT = 20_000  # characters of a document that are looked at for its article

_ARTICLE = r"\b(el|la|los|las|del|al)\s+[\[*_«“\"]*"


@dataclass(frozen=True, slots=True)
class Phrase:
    """A noun with its article where one is known: `sábila`, `la`."""

    bare: str
    article: str = ""

    @property
    def the(self) -> str:
        return f"{self.article} {self.bare}" if self.article else self.bare

    @property
    def of(self) -> str:
        return f"del {self.bare}" if self.article == "el" else f"de {self.the}"

    @property
    def to(self) -> str:
        return f"al {self.bare}" if self.article == "el" else f"a {self.the}"

    @property
    def number(self) -> int:
        """0 singular or unknown, 1 plural."""
        return int(self.article in ("los", "las"))

    @property
    def gender(self) -> int:
        """0 masculine or unknown, 1 feminine."""
        return int(self.article in ("la", "las"))


@dataclass(frozen=True, slots=True)
class Subject:
    """What a document is about. Depends on all its sections, yet an edit changes it only if the article itself changes."""

    title: str
    phrase: Phrase

    def values(self) -> dict[str, str]:
        """Placeholders of templates: title, Title, the_title, The_title, of_title, to_title."""
        return {"Title": self.title, **phrase_values("title", self.phrase)}


def phrase_values(name: str, phrase: Phrase) -> dict[str, str]:
    the = phrase.the
    return {
        name: phrase.bare,
        f"the_{name}": the,
        f"The_{name}": the[:1].upper() + the[1:],
        f"of_{name}": phrase.of,
        f"to_{name}": phrase.to,
    }


def make_subject(title: str, texts: Iterable[str], language: str, article: str = "") -> Subject:
    """`texts` are the document's sections; `article` overrides what they say."""
    text = _joined(texts)
    bare = _running_form(title, text)
    if language != "es":
        return Subject(title, Phrase(bare))
    known = article if article in SPANISH_ARTICLES else find_article(title, text)
    first_word = title.split()[0] if len(title.split()) > 1 else ""
    known = known or (find_article(first_word, text) if first_word else "")
    if not known and title.rstrip().endswith("?"):
        return Subject(title, Phrase(title))
    if not known and not _is_said_bare(bare, text):
        return Subject(title, Phrase(f"«{title}»"))
    return Subject(title, Phrase(bare, known))


def find_article(noun: str, text: str) -> str:
    """The Spanish article that the text puts before the noun most often, or nothing.

    >>> find_article("susto", "Los signos del susto. El susto se cura.")
    'el'
    """
    found = re.findall(_ARTICLE + re.escape(noun) + r"\b", text, re.IGNORECASE)
    counted = Counter("el" if article.lower() in ("del", "al") else article.lower() for article in found)
    return max(sorted(counted), key=counted.__getitem__, default="")


def _running_form(title: str, text: str) -> str:
    """The title with a small first letter, if the text writes it so."""
    small = title[:1].lower() + title[1:]
    return small if small != title and re.search(rf"\b{re.escape(small)}\b", text) else title


def _is_said_bare(bare: str, text: str) -> bool:
    return bool(re.search(rf"\b{re.escape(bare)}\b", text, re.IGNORECASE))


def _joined(texts: Iterable[str]) -> str:
    kept: list[str] = []
    size = 0
    for text in texts:
        kept.append(text)
        size += len(text)
        if size > MOST_TEXT:
            break
    return re.sub(r"[*_\[\]«»]", "", " ".join(" ".join(kept).split()))[:MOST_TEXT]
