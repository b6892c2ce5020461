"""How urgent an answer sounds: safe, caution or emergency, by what it tells the reader to do.

level_of("This may be a stroke. Call your local emergency number now.")       # 'emergency'

A rule in two languages, not a model: what is advised without a condition counts, since even harmless answers end with "see a
doctor if". How often the rule agrees with the labels on the expected answers themselves is its ceiling, and is reported.
"""

import re
from typing import Final, Literal

from retrieval.text import fold_accents

Level = Literal["safe", "caution", "emergency"]
LEVELS: Final[tuple[Level, ...]] = ("safe", "caution", "emergency")

OPENING: Final = 3  # sentences: what an answer is about comes first, general advice at its end

_SENTENCE: Final = re.compile(r"[^.!?\n]+")
_CLAUSE: Final = re.compile(r"[,;:]")
_EVEN: Final = re.compile(r"\b(?:even if|even when|aunque)\b")
_CONDITION: Final = re.compile(r"\b(?:if|when|unless|in case|should (?:it|you|they)|si|cuando|en caso)\b")
_EMERGENCY: Final = re.compile(
    r"\b(?:call|ring|dial|phone)\b.{0,30}\b(?:emergency|ambulance|911|112|999|poison)|poison (?:control|centre|center) now|"
    r"\bgo to (?:the |an? )?(?:hospital|emergency)|\b(?:help|hospital|care|ambulance|doctor)\b.{0,25}\b(?:now|at once|immediately|"
    r"right away)\b|crisis line|llame (?:al |a )?(?:911|112|emergencias|una ambulancia|numero de emergencias)|"
    r"vaya (?:ya |de inmediato |pronto )?a (?:urgencias|un hospital)"
)
_CAUTION: Final = re.compile(
    r"\b(?:doctor|pharmacist|midwife|nurse|gp|clinic|dentist|appointment|physician|paediatrician|pediatrician|diabetes team|"
    r"health professional|same day|seen today|this week|examined|medico|medica|farmaceutic[oa]|partera|clinica|"
    r"personal de salud)\b"
)


def level_of(answer: str) -> Level:
    """The level of what is advised without a condition, in the answer's opening."""
    opening = _SENTENCE.findall(_EVEN.sub("", fold_accents(answer).casefold()))[:OPENING]
    advice = [clause for sentence in opening for clause in _unconditional(sentence)]
    if any(_EMERGENCY.search(clause) for clause in advice):
        return "emergency"
    return "caution" if any(_CAUTION.search(clause) for clause in advice) else "safe"


def is_level(label: str) -> bool:
    return label in LEVELS


def _unconditional(sentence: str) -> list[str]:
    """Clauses of a sentence that depend on nothing; none of one that begins with its condition."""
    if _CONDITION.match(sentence.strip()):
        return []
    return [clause for clause in _CLAUSE.split(sentence) if not _CONDITION.search(clause)]
