"""What can be wrong with one row alone: its format, length, language or safety level.

check_format(example)                       # "" where nothing is wrong, else the reason
"""

import re
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from retrieval.errors import DataError
from retrieval.language import detect_language
from retrieval.lexical import STOP_LISTS
from training.example import Example

TokenCount = Callable[[str], int]

CHARACTERS_PER_TOKEN = 3.0
"""Without a tokenizer. Measured with MiniLM's WordPiece: 2.9 on the Spanish corpus, 3.3 on GSM8K, 4.3 to 4.5 on English
prose; tokenizers of current chat models make fewer tokens, so that a row is rather left out than cut in training."""
LEAST_WORDS = 12  # fewer words do not show their language

_TAGS = re.compile(r"</?(?:think|pensamiento|thinking)>|<\|[a-z_]{2,30}\|>|\[/?INST\]|</?s>|<<SYS>>", re.IGNORECASE)
_ROLE = re.compile(
    r"^\s*(?:#+\s*)?\**(?:user|assistant|system|human|usuario|asistente|sistema|humano)\**\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_PLACEHOLDER = re.compile(r"\{\{?[a-z_]+\}?\}")
_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]+")


def check_format(example: Example) -> str:
    """Empty texts, tags and role words left over, code fences left open, an answer that only repeats the question."""
    if not example.question.strip() or not example.answer.strip():
        return "question is empty" if not example.question.strip() else "answer is empty"
    if _same_words(example.question, example.answer):
        return "answer equals question"
    for name, text in (("question", example.question), ("answer", example.answer), ("reasoning", example.reasoning)):
        if found := _TAGS.search(text):
            return f"{name} holds the tag {found.group()}"
        if name != "question" and (found := _ROLE.search(text)):
            return f"{name} holds the role word {found.group().strip()}"
        if name != "question" and len(_FENCE.findall(text)) % 2:
            return f"{name} leaves a code fence open"
        if example.origin == "template" and (found := _PLACEHOLDER.search(text)):
            return f"{name} holds the placeholder {found.group()}"
    return ""


def _same_words(question: str, answer: str) -> bool:
    return _WORD.findall(question.lower()) == _WORD.findall(answer.lower()) and bool(_WORD.search(question))


def check_length(example: Example, count: TokenCount, least: int, most: int) -> str:
    """Too short: question and answer together. Too long: all of the row."""
    taught = count(example.question) + count(example.answer)
    if taught < least:
        return f"shorter than {least} tokens"
    texts = (example.reasoning, example.system, *(content for _, content in example.history))
    return f"longer than {most} tokens" if taught + sum(count(text) for text in texts if text) > most else ""


def check_language(example: Example, language: str) -> str:
    """A row that is clearly in another language than the pack's; short rows and unknown languages pass."""
    if language not in STOP_LISTS:
        return ""
    both = f"{example.question}\n{example.answer}"
    if len(_WORD.findall(both)) < LEAST_WORDS or _reads_as(example.answer, language):
        return ""
    found = detect_language(example.answer)  # formulas and lists of names read as anything: the whole row must agree
    return "" if _reads_as(both, language) else f"in the language {found}, not {language}"


def _reads_as(text: str, language: str) -> bool:
    return detect_language(text) in (language, "und")


def check_safety(example: Example, dropped: Collection[str]) -> str:
    return f"safety level {example.safety_level}" if example.safety_level and example.safety_level in dropped else ""


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is, where no tokenizer is at hand."""
    return round(len(text) / CHARACTERS_PER_TOKEN)


def load_token_count(path: Path) -> TokenCount:
    """Counts tokens by the tokenizer in a local folder (or its tokenizer.json). Raises `DataError`."""
    from tokenizers import Tokenizer

    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise DataError(f"{path} holds no tokenizer.json.", "Give the folder of a model that is on this machine.")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain Exception for a damaged file
        raise DataError(f"{file} is no tokenizer ({error}).", "Fetch the model again.") from error
    return partial(_count, tokenizer)


def _count(tokenizer: object, text: str) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False).ids)  # type: ignore[attr-defined]
