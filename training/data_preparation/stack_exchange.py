"""A Stack Exchange dump as questions and answers: each question with its accepted answer, else with its best one.

for row in read_posts(Path("Posts.xml"), tags=frozenset({"bootstrap"}), min_score=3): row.value["question"]

The file is streamed twice (which answer belongs to which question, then the texts), so memory grows with the questions that
are chosen. A document type declaration is refused: no dump has one, and it is what entity attacks are made of.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from retrieval.errors import DataError
from training.data_preparation.html_text import html_to_text
from training.data_preparation.raw_rows import RawRow

CHUNK = 2**18
MOST_POST = 4 * 2**20  # bytes of one <row>: the sites allow 30,000 characters
QUESTION, ANSWER = "1", "2"

Post = dict[str, str]


@dataclass(slots=True)
class _Asked:
    """A question that passed the filters, and the answer chosen for it so far (0: none)."""

    accepted: int
    answer: int = 0
    score: int = 0


def read_posts(path: Path, tags: frozenset[str] = frozenset(), min_score: int = 0) -> Iterator[RawRow]:
    """One row per question in the order of the dump's answers; `number` is the question's id.

    Questions and answers below `min_score`, and questions without one of `tags` (if any are given), are left out silently;
    a question with no answer left is a fault. Raises `DataError` when the file is no dump.
    """
    chosen, questions = _choose(path, tags, min_score)
    texts: dict[int, Post] = {}
    for post in _posts(path):
        identity, kind = _number(post, "Id"), post.get("PostTypeId")
        if (kind == QUESTION and identity in questions) or (kind == ANSWER and identity in chosen):
            texts[identity] = post
        else:
            continue
        question = chosen.get(identity, identity)
        answer = questions[question].answer
        if question in texts and answer in texts:
            yield _row(texts.pop(question), texts.pop(answer))
    for identity, asked in questions.items():
        if not asked.answer:
            yield RawRow(identity, {}, "no answer with that score")


def _choose(path: Path, tags: frozenset[str], min_score: int) -> tuple[dict[int, int], dict[int, _Asked]]:
    """Answer id -> question id of the chosen answers, and the chosen questions."""
    questions: dict[int, _Asked] = {}
    answers: list[tuple[int, int, int]] = []
    for post in _posts(path):
        score = _number(post, "Score")
        if score < min_score:
            continue
        if post.get("PostTypeId") == QUESTION and "ClosedDate" not in post and _has_tag(post, tags):
            questions[_number(post, "Id")] = _Asked(_number(post, "AcceptedAnswerId"))
        elif post.get("PostTypeId") == ANSWER:
            answers.append((_number(post, "Id"), _number(post, "ParentId"), score))
    for identity, parent, score in sorted(answers):
        asked = questions.get(parent)
        if asked is None or (asked.answer and asked.answer == asked.accepted):
            continue
        if identity == asked.accepted or not asked.answer or score > asked.score:
            asked.answer, asked.score = identity, score
    return {asked.answer: identity for identity, asked in questions.items() if asked.answer}, questions


def _row(question: Post, answer: Post) -> RawRow:
    identity = _number(question, "Id")
    title, body = " ".join(question.get("Title", "").split()), html_to_text(question.get("Body", ""))
    tags = _tags(question)
    value = {
        "question": f"{title}\n\n{body}".strip(),
        "answer": html_to_text(answer.get("Body", "")),
        "source": f"Stack Exchange question {identity}, answer {_number(answer, 'Id')}",
        "topic": tags[0] if tags else "",
    }
    return RawRow(identity, value)


def _tags(post: Post) -> list[str]:
    """Older dumps write <a><b>, newer ones |a|b|."""
    return [tag for tag in post.get("Tags", "").replace("<", "|").replace(">", "|").split("|") if tag]


def _has_tag(post: Post, wanted: frozenset[str]) -> bool:
    return not wanted or not wanted.isdisjoint(_tags(post))


def _number(post: Post, name: str) -> int:
    try:
        return int(post.get(name, "0"))
    except ValueError:
        return 0


def _posts(path: Path) -> Iterator[Post]:
    """The attributes of every <row>, streamed. Raises `DataError`."""
    found: list[Post] = []
    parser = expat.ParserCreate()

    def start(name: str, attributes: Post) -> None:
        if name == "row":
            found.append(attributes)

    def refuse(*_: object) -> None:
        raise DataError(
            f"{path} declares a document type, which no dump does.", "Fetch the dump again from its source."
        )

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            size = 0
            while chunk := file.read(CHUNK):
                size += len(chunk)
                parser.Parse(chunk, False)
                if size - parser.CurrentByteIndex > MOST_POST:
                    raise DataError(f"{path} holds a post longer than {MOST_POST // 2**20} MiB.", "Is it a Posts.xml?")
                yield from found
                found.clear()
            parser.Parse(b"", True)
            yield from found
    except expat.ExpatError as error:
        raise DataError(f"{path} is no XML ({error}).", "Unpack the archive's Posts.xml and give that.") from error
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}).", "Fetch or unpack the file again.") from error
