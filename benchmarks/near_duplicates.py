"""The near-duplicate step of the data set's filter on 10,000 and on 40,000 rows: time may grow fivefold, not sixteenfold.

    python -m benchmarks near_duplicates

Rows are made from templates over documents whose words follow Zipf's law, as generated rows are: they share wording and
boilerplate, every tenth is a near copy or a rewording of another. Four times the rows come from four times the documents. The second row of
the table adds the search for paraphrases by the packaged embedder, on a tenth of the rows.
"""

import random
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate

from benchmarks.report import Row
from benchmarks.workspace import Workspace
from retrieval.embedders import Embedder, load_embedder
from retrieval.lexical import Analyzer
from training.data_preparation.duplicates import find_duplicates
from training.example import Example, make_example

SMALL, LARGE = 10_000, 40_000
WITH_EMBEDDER = 10  # times fewer rows
RUNS = 3
MOST_GROWTH = 5.0
WORDS = 30_000
NEAR_COPIES = 0.1
QUESTIONS = (
    "What is {name} and what is it used for?",
    "How is {name} prepared according to the documents?",
    "Which risks do the documents name for {name}?",
    "Where does {name} grow, and who gathers it?",
)
BOILERPLATE = "According to the documents, and without being medical advice, this is what is said about {name}: "


def run(workspace: Workspace) -> Iterator[Row]:
    scale = 10 if workspace.quick else 1
    yield _growth("near-duplicates, 10,000 to 40,000 rows", SMALL // scale, LARGE // scale, None)
    embedder = load_embedder("packaged", workspace.home / "models")
    sizes = (SMALL // scale // WITH_EMBEDDER, LARGE // scale // WITH_EMBEDDER)
    yield _growth("near-duplicates and paraphrases, 1,000 to 4,000 rows", *sizes, embedder)


def _growth(what: str, small: int, large: int, embedder: Embedder | None) -> Row:
    rows = make_rows(large)
    seconds = {count: min(_timed(rows[:count], embedder) for _ in range(RUNS)) for count in (small, large)}
    ratio = seconds[large] / seconds[small]
    figure = f"{ratio:.1f} times ({seconds[small]:.2f} s to {seconds[large]:.2f} s, best of {RUNS})"
    return Row(what, figure, f"<= {MOST_GROWTH:g} times", ratio <= MOST_GROWTH, {"seconds": list(seconds.values())})


def _timed(rows: Sequence[Example], embedder: Embedder | None) -> float:
    began = time.perf_counter()
    find_duplicates(rows, Analyzer("en"), embedder)
    return time.perf_counter() - began


def make_rows(count: int) -> list[Example]:
    """`count` rows, the same at every call; the first rows of a larger set are those of a smaller one."""
    chance = random.Random(42)
    words = ["".join(chance.choices("aeioubcdfglmnprstv", k=chance.randint(4, 10))) for _ in range(WORDS)]
    weights = list(accumulate(1 / rank for rank in range(1, WORDS + 1)))
    rows: list[Example] = []
    while len(rows) < count:
        if rows and chance.random() < NEAR_COPIES:
            copied = chance.choice(rows)
            rows.append(make_example(copied.question, _reworded(copied.answer, words, chance), origin="llm"))
            continue
        name = " ".join(chance.choices(words, k=2))
        answer = " ".join(chance.choices(words, cum_weights=weights, k=chance.randint(20, 80)))
        question = QUESTIONS[len(rows) % len(QUESTIONS)].format(name=name)
        rows.append(make_example(question, BOILERPLATE.format(name=name) + answer, origin="llm"))
    return rows


def _reworded(text: str, words: Sequence[str], chance: random.Random) -> str:
    """A copy with none to a fifth of its words replaced: near-duplicates, and candidates for paraphrases."""
    share = chance.random() / 5
    return " ".join(chance.choice(words) if chance.random() < share else word for word in text.split())
