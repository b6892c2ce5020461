"""The fusion weight follows what the corpus shows: words where vectors are noise, vectors where words are."""

import hashlib
import json
import random
import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from retrieval.calibrate import (
    LEAST_LABELS,
    Calibration,
    calibrate_gold,
    calibrate_unlabelled,
    read_calibration,
    write_calibration,
)
from retrieval.calibrate_domain import calibrate
from retrieval.confidence import SIGN_NAMES
from retrieval.domain import load_domain
from retrieval.embedders import Vectors
from retrieval.evaluate import Query
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack
from tests.fakes import HashEmbedder

TOPICS = 40
COMMON = [
    "agua",
    "fuego",
    "tierra",
    "viento",
    "monte",
    "valle",
    "lluvia",
    "piedra",
    "sombra",
    "camino",
    "puente",
    "fuente",
    "noche",
    "tarde",
    "bosque",
    "hoja",
]


class TopicEmbedder(HashEmbedder):
    """Sees only the topic in words such as `t7x31`, through noise; `clarity` 0 is noise alone."""

    name = "topic"
    dimension = TOPICS

    def __init__(self, clarity: float) -> None:
        super().__init__()
        self.fingerprint = f"topic-{clarity}"
        self._clarity = clarity

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Vectors:
        seed = int(hashlib.md5(text.encode()).hexdigest()[:8], 16)
        vector = np.random.default_rng(seed).normal(0, TOPICS**-0.5, TOPICS)
        for topic in re.findall(r"t(\d+)x", text)[:1]:
            vector[int(topic)] += self._clarity
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


def worded(topic: int) -> str:
    """Four sentences that share a document's own words."""
    own = [f"{word}{topic}" for word in ("raiz", "corteza", "semilla")]
    return " ".join(f"La {own[n % 3]} se mezcla con {own[(n + 1) % 3]} y con agua numero{n}." for n in range(4))


def wordless(topic: int) -> str:
    """Four sentences whose words are chance; only the embedder sees that they belong together."""
    chance = random.Random(topic)
    return " ".join(f"Nota t{topic}x{n} de {' y '.join(chance.sample(COMMON, 4)).strip()}." for n in range(4))


Build = Callable[[Callable[[int], str], HashEmbedder], Index]


@pytest.fixture
def build(write_pack: WritePack, settings: RetrievalSettings) -> Build:
    def _build(text: Callable[[int], str], embedder: HashEmbedder) -> Index:
        write_pack({f"d{topic}.md": f"# Nota\n\n{text(topic)}" for topic in range(TOPICS)})
        index = Index(load_domain("tiny", settings.domains_dir), settings)
        index.sync(embedder)
        return index

    return _build


def test_where_vectors_are_noise_words_decide(build: Build) -> None:
    embedder = TopicEmbedder(clarity=0)
    found = calibrate_unlabelled(build(worded, embedder).view(), embedder)
    assert (found.source, found.questions, found.embedder) == ("unlabelled", TOPICS, "topic-0")
    assert found.weight <= 0.1
    assert found.curve is not None and found.curve["0.0"] > 0.95 > 0.5 > found.curve["1.0"]


def test_where_words_are_noise_vectors_decide(build: Build) -> None:
    embedder = TopicEmbedder(clarity=1.2)
    found = calibrate_unlabelled(build(wordless, embedder).view(), embedder)
    assert found.weight >= 0.7
    assert found.curve is not None and found.curve["0.0"] < 0.5 < 0.8 < found.curve["1.0"]


def test_questions_whose_words_find_nothing_speak_for_the_vectors(build: Build) -> None:
    embedder = TopicEmbedder(clarity=3)
    view = build(wordless, embedder).view()
    queries = [Query(f"q{topic}", f"zzt{topic}xqq", {f"d{topic}#top": 1}) for topic in range(TOPICS)]
    found = calibrate_gold(view, embedder, queries)
    assert found.curve is not None and found.curve["0.0"] < 0.2 < 0.9 < found.curve["1.0"]
    assert (found.source, found.weight > 0) == ("gold", True)


def test_too_short_a_corpus_keeps_the_default(build: Build) -> None:
    embedder = TopicEmbedder(clarity=1)
    found = calibrate_unlabelled(build(lambda topic: f"Sola t{topic}x.", embedder).view(), embedder)
    assert found == Calibration(embedder="topic-1")


def write_questions(index: Index, answerable: int, unanswerable: int) -> None:
    rows = [
        {"id": f"a{n}", "question": f"¿La corteza{n} y la raiz{n}?", "kind": "direct", "relevant": [f"d{n}#top"]}
        for n in range(answerable)
    ]
    rows += [
        {"id": f"u{n}", "question": f"¿Ferrocarril wagon{n} zeppelin?", "kind": "off_topic", "relevant": []}
        for n in range(unanswerable)
    ]
    lines = [json.dumps({**row, "split": "calibration"}) for row in rows]
    (index.domain.folder / "questions.jsonl").write_text("\n".join(lines))


def test_enough_gold_gives_weight_and_threshold(build: Build) -> None:
    embedder = TopicEmbedder(clarity=0)
    index = build(worded, embedder)
    write_questions(index, LEAST_LABELS, LEAST_LABELS // 2)
    found = calibrate(index.domain, index.view(), embedder)
    assert (found.source, found.questions) == ("gold", LEAST_LABELS)
    assert found.weight <= 0.1
    assert found.threshold is not None and len(found.threshold["weights"]) == len(SIGN_NAMES) + 1


def test_too_little_gold_leaves_it_to_the_text(build: Build) -> None:
    embedder = TopicEmbedder(clarity=0)
    index = build(worded, embedder)
    write_questions(index, LEAST_LABELS - 1, LEAST_LABELS)
    found = calibrate(index.domain, index.view(), embedder)
    assert (found.source, found.threshold) == ("unlabelled", None)


def test_a_calibration_serves_the_embedder_it_was_made_with(build: Build) -> None:
    index = build(lambda topic: f"Sola t{topic}x.", TopicEmbedder(clarity=1))
    made = Calibration(0.7, "gold", 40, {"0.7": 0.9}, "topic-1", {"weights": [1], "threshold": 0.5})
    assert read_calibration(index.folder, "topic-1").source == "default"
    write_calibration(index.folder, made)
    assert read_calibration(index.folder, "topic-1") == made
    assert read_calibration(index.folder, "other") == Calibration(threshold=made.threshold)
    stored = json.loads((index.folder / "calibration.json").read_text())
    (index.folder / "calibration.json").write_text(json.dumps({**stored, "made_for": "terms 1"}))
    assert read_calibration(index.folder, "topic-1") == Calibration()  # its numbers meant something else
    (index.folder / "calibration.json").write_text('{"unknown": 1}')
    assert read_calibration(index.folder, "topic-1") == Calibration()
