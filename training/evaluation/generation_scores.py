"""How near an answer is to the one expected: ROUGE-L and the exact match.

rouge_l("la sábila alivia", "la sábila alivia quemaduras")           # 6/7

ROUGE-L is the F1 of the longest common subsequence of words (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries").
The package's own tokenizer drops every letter with an accent; words here keep theirs, and nothing is stemmed.
"""

from rapidfuzz.distance import LCSseq

from training.evaluation.texts import normalise_answer, without_citations, words


def rouge_l(answer: str, expected: str) -> float:
    """0 to 1; 0 where either says nothing."""
    said, wanted = words(without_citations(answer)), words(without_citations(expected))
    common = LCSseq.similarity(said, wanted) if said and wanted else 0
    return 2 * common / (len(said) + len(wanted)) if common else 0.0


def exact_match(answer: str, expected: str) -> bool:
    """The same words in the same order; citations, case and punctuation do not count."""
    return normalise_answer(answer) == normalise_answer(expected)
