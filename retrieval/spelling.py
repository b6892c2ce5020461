"""Question words that the corpus does not know, matched to words that it does: typos, missing ñ, phone spelling.

    Speller(["sabil", "niñ", "empach"], "es").suggest("savil")      # ('sabil',)

Only unknown terms come here, so a correctly typed question is never changed. Order: same word up to ñ, same Spanish sound
(b/v, c/s/z, k/qu, silent h, ll/y, g/j, bue/hue/we), then one edit (two from eight letters on; Damerau-Levenshtein with transpositions).
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache

from retrieval.lexical import stop_words

LEAST_LENGTH = 4  # shorter terms are too close to everything
LEAST_ALIKE = 3  # the same, by sound
LONG = 8
SURE = 6  # in longer words one wrong vowel is a slip, in shorter ones another word
MOST_SUGGESTIONS = 3
NEAREST = 12  # known terms looked at by edits
MOST_RESPELLINGS = 64  # of a word
MOST_CHANGES = 3
LONGEST = 24  # letters; longer ones are no words, and would have as many other spellings
SHORT = 5  # letters: with more than one change such a word is another one (ayer, hallar)

_SOUNDS = [
    (re.compile(r"[bv](?=ue)"), "g"),  # güeno, agüelo
    (re.compile(r"w|(?:^h?u|hu)(?=[aeio])"), "gu"),
    (re.compile(r"^hi(?=e)"), "y"),
    (re.compile(r"qu(?=[ei])|q|k|c(?=[^eih]|$)"), "k"),
    (re.compile(r"(?<!c)h"), ""),
    (re.compile(r"g(?=[ei])"), "j"),
    (re.compile(r"gu(?=[ei])"), "g"),
    (re.compile(r"c(?=[ei])|z"), "s"),
    (re.compile(r"ll"), "y"),
    (re.compile(r"v"), "b"),
    (re.compile(r"x"), "j"),
    (re.compile(r"ñ"), "n"),
    (re.compile(r"([a-z])\1+"), r"\1"),
]


def spanish_sound(word: str) -> str:
    """A key that words sounding alike in Mexican Spanish share.

    >>> spanish_sound("sabila") == spanish_sound("savila"), spanish_sound("sirbe") == spanish_sound("sirve")
    (True, True)
    """
    for pattern, replacement in _SOUNDS:
        word = pattern.sub(replacement, word)
    return word


_RESPELLED = [
    (re.compile(r"^(?=[aeiou])"), ("h",)),
    (re.compile(r"(?<=[aeiou])(?=[aeiou])"), ("h",)),
    (re.compile(r"b"), ("v",)),
    (re.compile(r"v"), ("b",)),
    (re.compile(r"s(?=[ei])"), ("c", "z")),
    (re.compile(r"s(?![ei])"), ("z",)),
    (re.compile(r"c(?=[ei])"), ("s", "z")),
    (re.compile(r"z(?=[ei])"), ("c", "s")),
    (re.compile(r"z(?![ei])"), ("s",)),
    (re.compile(r"k(?=[ei])"), ("qu",)),
    (re.compile(r"k(?![ei])"), ("c",)),
    (re.compile(r"ll"), ("y",)),
    (re.compile(r"y"), ("ll",)),
    (re.compile(r"j(?=[ei])"), ("g",)),
    (re.compile(r"g(?=[ei])"), ("j",)),
    (re.compile(r"n"), ("ñ",)),
]


def respellings(word: str) -> Iterator[str]:
    """Other spellings of a Spanish word with the same sound, those with fewest changes first; `MOST_RESPELLINGS` at most.

    Endings are cut from words, not from sounds: "eridas" and "heridas" have no stem in common, though they sound alike.

    >>> "heridas" in respellings("eridas"), "ceniza" in respellings("senisa")
    (True, True)
    """
    seen, front = {word}, [word] if len(word) <= LONGEST else []
    for _ in range(MOST_CHANGES if len(word) > SHORT else 1):
        changed = [other for known in front for other in _changed_once(known)]
        front = [other for other in dict.fromkeys(changed) if other not in seen][: MOST_RESPELLINGS - len(seen)]
        seen.update(front)
        yield from front


def _changed_once(word: str) -> Iterator[str]:
    for pattern, others in _RESPELLED:
        for match in pattern.finditer(word):
            yield from (word[: match.start()] + other + word[match.end() :] for other in others)


@cache
def filler_sounds(language: str) -> frozenset[str]:
    """How a language's stop words sound, for those that are typed as they sound: komo, kien, ase."""
    return frozenset(spanish_sound(word) for word in stop_words(language)) if language == "es" else frozenset()


class Speller:
    """Suggestions among known terms. Building costs O(terms); a suggestion by edits scans the terms once (C code)."""

    def __init__(self, terms: Sequence[str], language: str) -> None:
        self._terms = [term for term in terms if not term.isdigit()]
        self._language = language
        self._sounds: dict[str, list[str]] = defaultdict(list)
        if language == "es":
            for term in self._terms:
                self._sounds[spanish_sound(term)].append(term)

    def alike(self, term: str) -> tuple[str, ...]:
        """Up to three known terms of the same Spanish sound."""
        if self._language != "es" or len(term) < LEAST_ALIKE or term.isdigit():
            return ()
        return tuple(self._sounds.get(spanish_sound(term), ())[:MOST_SUGGESTIONS])

    def suggest(self, term: str) -> tuple[str, ...]:
        """Up to three known terms that `term` may stand for; empty when nothing is near."""
        if term.isdigit():
            return ()
        return self.alike(term) or (self._by_edits(term) if len(term) >= LEAST_LENGTH else ())

    def _by_edits(self, term: str) -> tuple[str, ...]:
        from rapidfuzz.distance import OSA
        from rapidfuzz.process import extract

        most = 2 if len(term) >= LONG else 1
        found = extract(term, self._terms, scorer=OSA.distance, score_cutoff=most, limit=NEAREST, processor=None)
        # People rarely mistype the first letter; words that differ there are other words (Francia, rancio).
        near = [
            (str(word), distance)
            for word, distance, _ in found
            if word[0] == term[0] and (len(term) > SURE or not _vowel_swap(term, str(word)))
        ]
        best = min((distance for _, distance in near), default=0)
        return tuple(word for word, distance in near if distance == best)[:MOST_SUGGESTIONS]


def _vowel_swap(one: str, other: str) -> bool:
    """Whether two words differ by one vowel for another: that is another word (chamaco, chamico), not a slip."""
    differing = [pair for pair in zip(one, other, strict=False) if pair[0] != pair[1]]
    return len(one) == len(other) and len(differing) == 1 and set(differing[0]) <= set("aeiou")
