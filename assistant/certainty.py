"""How far an answer can be trusted, from 0 to 1: the chance that the corpus answers, times the share of the answer that it bears out.

    answer_confidence(0.9, support_share(answer.text, answer.citations, analyzer))

The chance is the calibrated model of retrieval/confidence.py; docs/api.md gives the formula and what it was measured at.
"""

from collections.abc import Sequence

from assistant.citations import Citation, uncited_sentences
from retrieval.lexical import Analyzer


def answer_confidence(answerable: float, support: float, abstained: bool = False) -> float:
    """0 for a refusal: it claims nothing."""
    return 0.0 if abstained else round(answerable * support, 4)


def support_share(text: str, citations: Sequence[Citation], analyzer: Analyzer) -> float:
    """Share of the answer's statements that one of the passages they cite bears out; a statement without a mark counts as not.

    An answer that states nothing has no support.
    """
    borne_out: dict[str, bool] = {}
    for citation in citations:
        borne_out[citation.sentence] = borne_out.get(citation.sentence, False) or citation.supported
    statements = len(borne_out) + len(uncited_sentences(text, analyzer))
    return sum(borne_out.values()) / statements if statements else 0.0
