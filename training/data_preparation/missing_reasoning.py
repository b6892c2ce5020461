"""The reasoning of a row whose passages do not answer: what they are about, what of the question none of them says.

    reason_missing("¿Para qué se usa la sábila?", sources, "es", seed="3f2a")
    # 'Busco lo que se pregunta, «¿Para qué se usa la sábila?». El pasaje [1] es de Nopal › Usos y el [2] de ... «sábila» no ...'

It states only what can be checked on the row: the labels of the passages shown, and words of the question that stand in none.
"""

import random
from collections.abc import Sequence

from assistant.messages import Source
from retrieval.lexical import Analyzer

MOST_LABELS = 3
MOST_WORDS = 3
LEAST_LETTERS = 4  # shorter words say little about a subject

_JOIN = {"es": "y", "en": "and"}
_OPENINGS = {
    "es": (
        "Me preguntan «{question}»; reviso los pasajes uno por uno.",
        "La pregunta es «{question}».",
        "Veo qué traen los pasajes para «{question}».",
        "Para contestar «{question}» hace falta un pasaje que lo diga.",
        "«{question}»: busco la afirmación que lo conteste.",
        "Antes de responder «{question}» comparo los pasajes con lo que se pide.",
    ),
    "en": (
        "The question is “{question}”; I go through the passages one by one.",
        "Asked: “{question}”.",
        "I look at what the passages bring to “{question}”.",
        "To answer “{question}” some passage has to say it.",
        "“{question}”: I look for the statement that answers it.",
        "Before answering “{question}” I hold the passages against what is asked.",
    ),
}
_ABOUT = {
    "es": (
        "Tratan de {labels}.",
        "Lo que hay es {labels}.",
        "Hablan de {labels}.",
        "Encuentro {labels}.",
        "Son {labels}.",
    ),
    "en": (
        "They are about {labels}.",
        "What there is: {labels}.",
        "They speak of {labels}.",
        "I find {labels}.",
        "These are {labels}.",
    ),
}
_ABSENT = {
    "es": (
        "Ninguno menciona {words}.",
        "No aparece {words} en ninguno.",
        "De {words} no dicen nada.",
        "Falta justo {words}.",
    ),
    "en": (
        "None mentions {words}.",
        "{words} stands in none of them.",
        "Of {words} they say nothing.",
        "Just {words} is missing.",
    ),
}
_NEAREST = {
    "es": (
        "El más cercano es {label}, que contesta otra cosa.",
        "Se acerca {label}, pero no lo dice.",
        "Ni siquiera {label} lo responde.",
        "Con {label} no alcanza.",
    ),
    "en": (
        "The nearest is {label}, which answers something else.",
        "{label} comes near and does not say it.",
        "Not even {label} answers it.",
        "{label} is not enough.",
    ),
}
_NOTHING = {"es": "No hay pasajes.", "en": "There are no passages."}
_CLOSINGS = {
    "es": (
        "Decirlo sería inventar: corresponde negarse.",
        "Sin una fuente no respondo.",
        "Respondo que no está en los documentos.",
        "Lo honesto es decir que no se encuentra.",
        "Así que no puedo contestar con ellos.",
        "No lo completo de memoria.",
    ),
    "en": (
        "Saying it would be inventing: the answer is to decline.",
        "Without a source I do not answer.",
        "I answer that the documents do not say it.",
        "The honest reply is that it is not there.",
        "So I cannot answer from them.",
        "I do not fill it in from memory.",
    ),
}


def reason_missing(question: str, sources: Sequence[Source], language: str, seed: str) -> str:
    """Three or four sentences in the pack's language; empty where we have no words for that language."""
    if language not in _OPENINGS:
        return ""
    draw = random.Random(f"missing:{seed}")
    parts = [draw.choice(_OPENINGS[language]).format(question=question.strip())]
    if sources:
        labels = [f"{source.label} [{source.n}]" for source in sources[:MOST_LABELS]]
        parts.append(draw.choice(_ABOUT[language]).format(labels=_listed(labels, language)))
        absent = absent_words(question, sources, language)
        if absent:
            parts.append(
                draw.choice(_ABSENT[language]).format(words=_listed([_quoted(w, language) for w in absent], language))
            )
        else:
            parts.append(draw.choice(_NEAREST[language]).format(label=draw.choice(labels)))
    else:
        parts.append(_NOTHING[language])
    parts.append(draw.choice(_CLOSINGS[language]))
    return " ".join(parts)


def absent_words(question: str, sources: Sequence[Source], language: str) -> list[str]:
    """The question's longer content words that no passage and no label holds, the first few."""
    analyzer = Analyzer(language)
    known = {term for source in sources for term in analyzer.terms(f"{source.label}\n{source.text}")}
    words = [word.strip("¿?¡!.,;:()[]«»“”\"'") for word in question.split()]
    found = [
        word
        for word in words
        if len(word) >= LEAST_LETTERS and (terms := analyzer.terms(word)) and not known & set(terms)
    ]
    return list(dict.fromkeys(found))[:MOST_WORDS]


def _listed(parts: Sequence[str], language: str) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {_JOIN[language]} {parts[-1]}"


def _quoted(word: str, language: str) -> str:
    return f"«{word}»" if language == "es" else f"“{word}”"
