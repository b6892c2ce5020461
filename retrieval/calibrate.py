"""The fusion weight of a corpus and embedder, learnt from its gold questions or, where there are none, from its own text.

    calibration = calibrate_unlabelled(view, embedder)
    write_calibration(index_folder, calibration)

Without labels: a sentence is the question, the rest of its section the answer. The sentence is taken out of its passage
before scoring (term counts minus the sentence's, the passage embedded again without it), so that neither side finds it by
identity. Test judgements are never looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.confidence import SIGN_NAMES
from retrieval.embedders import Embedder
from retrieval.evaluate import Query
from retrieval.files import read_json, write_json
from retrieval.lexical import ANALYZER_VERSION, DEFAULT_BM25, Bm25, idf
from retrieval.prior import Prior
from retrieval.retrievers import CANDIDATES, Fusion, fuse, zscore
from retrieval.sentences import sentence_spans
from retrieval.unit_gain import best_of, gain, sections_of
from retrieval.view import Scores, View

WEIGHTS = tuple(round(step * 0.05, 2) for step in range(21))
SAMPLE = 256  # pseudo-questions: the standard error of the mean nDCG is then about 0.02, the same for all weights
LEAST_LABELS = 30  # fewer calibration questions than this say less than the corpus itself
SEED = 13

Source = Literal["gold", "unlabelled", "default"]


LEARNT = 2  # raise when more or other things are learnt
MADE_FOR = f"{LEARNT}; terms {ANALYZER_VERSION}; {', '.join(SIGN_NAMES)}"
"""What the stored numbers mean: those of another version are learnt anew, not misread."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learnt and from what; stored beside the index, shown by `index stats`."""

    weight: float = Fusion().weight
    source: Source = "default"
    questions: int = 0
    curve: dict[str, float] | None = None  # weight -> nDCG@10 of the questions, all else as learnt
    embedder: str = ""
    threshold: dict[str, Any] | None = None  # the abstention model (retrieval/confidence.py)
    prior: dict[str, Any] | None = None  # what a question says about where to look (retrieval/prior.py)
    asking: dict[str, Any] | None = None  # the model of what questions ask for (retrieval/asking.py)
    bm25: Bm25 = DEFAULT_BM25  # which views are scored with from then on
    pairs: int = 0  # learnt from beside them
    candidates: int = CANDIDATES  # of each list, where hybrid takes Chroma's (retrieval/candidates.py)


def read_calibration(index: Path, embedder_fingerprint: str) -> Calibration:
    """The stored calibration if it was made with this embedder, else the default; nothing of one made for other terms or signs."""
    try:
        written = read_json(index / "calibration.json")
        made_for = written.pop("made_for", "")
        stored = Calibration(**{**written, "bm25": Bm25(*written.get("bm25", ()))})
    except (OSError, ValueError, TypeError, AttributeError):
        return Calibration()
    if made_for != MADE_FOR:
        return Calibration()
    if stored.embedder == embedder_fingerprint:
        return stored
    return replace(
        stored,
        weight=Fusion().weight,
        source="default",
        questions=0,
        pairs=0,
        curve=None,
        embedder="",
        candidates=CANDIDATES,
    )


def read_bm25(index: Path) -> Bm25:
    """The constants that the next view is to be scored with."""
    return read_calibration(index, "").bm25


def write_calibration(index: Path, calibration: Calibration) -> None:
    write_json(index / "calibration.json", {**asdict(calibration), "made_for": MADE_FOR})


PriorOf = Callable[[Query], Prior | None]
"""The prior that a question meets; during calibration one that was made without the questions on its document."""


def as_shown(calibration: Calibration) -> dict[str, Any]:
    """What a person can read of it: everything but the thousands of weights of the models of questions."""
    shown = asdict(calibration)
    shown["asking"] = bool(calibration.asking)
    if calibration.threshold:
        shown["threshold"] = {**calibration.threshold, "wording": bool(calibration.threshold.get("wording"))}
    return shown


def calibrate_gold(
    view: View, embedder: Embedder, queries: Sequence[Query], prior_of: PriorOf = lambda query: None
) -> Calibration:
    """The weight with the best nDCG@10 on labelled questions, by section."""
    units, unit_of = sections_of(view)
    gains = []
    for query in queries:
        wanted = [units[name] for name in query.relevant if name in units]
        if wanted:
            lexical = zscore(view.lexical_scores(query.text))
            dense = standard_dense(view, embedder.embed_query(query.text))
            prior = prior_of(query)
            bonus = prior.scores(query.text, prior.named(query.text)) if prior else np.float32(0)
            gains.append(_gains(lexical + bonus, dense + bonus, unit_of, len(units), wanted))
    return _choose(gains, "gold", embedder)


def calibrate_unlabelled(view: View, embedder: Embedder, sample: int = SAMPLE) -> Calibration:
    """The weight with the best nDCG@10 at finding a section from one of its sentences."""
    units, unit_of = sections_of(view)
    probes = list(_probes(view, sample))
    if not probes:
        return Calibration(embedder=embedder.fingerprint)
    rests = embedder.embed_passages([probe.rest for probe in probes])
    lengths = _lengths(view)
    gains = []
    for probe, rest in zip(probes, rests, strict=True):
        vector = embedder.embed_query(probe.sentence)
        raw = np.array(view.lexical_scores(probe.sentence))
        raw[probe.row] = _score_without(view, probe, lengths)
        dense = np.array(standard_dense(view, vector))
        mean, deviation = view.moments.mean_and_deviation(vector)
        dense[probe.row] = (float(rest @ vector) - mean) / deviation
        gains.append(_gains(zscore(raw), dense, unit_of, len(units), [int(unit_of[probe.row])]))
    return _choose(gains, "unlabelled", embedder)


@dataclass(frozen=True, slots=True)
class _Probe:
    row: int
    sentence: str
    rest: str  # what is embedded of the passage without the sentence


def pseudo_questions(view: View, sample: int) -> list[str]:
    """Sentences of up to `sample` passages, spread over the corpus."""
    return [probe.sentence for probe in _probes(view, sample)]


def _probes(view: View, sample: int) -> Iterator[_Probe]:
    """One sentence each of up to `sample` passages, spread over the corpus."""
    random = np.random.default_rng(SEED)
    found = 0
    for row in random.permutation(len(view)):
        passage = view.passage(int(row))
        spans = [span for span in sentence_spans(passage.text) if 30 <= span[1] - span[0] <= 300]
        if len(spans) < 3:
            continue
        start, end = spans[int(random.integers(len(spans)))]
        rest = f"{passage.context}\n{passage.text[:start]}{passage.text[end:]}"
        yield _Probe(int(row), passage.text[start:end], rest)
        found += 1
        if found == sample:
            return


def _score_without(view: View, probe: _Probe, lengths: NDArray[np.int64]) -> float:
    """BM25 of a passage for one of its sentences, as if the sentence were not in it."""
    start, end = view.counts.starts[probe.row], view.counts.starts[probe.row + 1]
    counts = dict(zip(view.counts.terms[start:end].tolist(), view.counts.counts[start:end].tolist(), strict=True))
    terms = [view.vocabulary.numbers[term] for term in view.analyzer.terms(probe.sentence)]
    length = lengths[probe.row] - len(terms)
    k1, b = view.bm25
    norm = k1 * (1 - b + b * length / max(float(lengths.mean()), 1.0))
    score = 0.0
    for term in terms:
        left = counts.get(term, 0) - terms.count(term)
        if left > 0:
            frequency = int(view.postings.starts[term + 1] - view.postings.starts[term])
            score += float(idf(frequency, len(view))) * left / (left + norm)
    return score


def _lengths(view: View) -> NDArray[np.int64]:
    total = np.concatenate([[0], np.cumsum(view.counts.counts, dtype=np.int64)])
    return np.asarray(total[view.counts.starts[1:]] - total[view.counts.starts[:-1]])


def standard_dense(view: View, vector: NDArray[np.float32]) -> Scores:
    """Cosines as z-scores over the corpus, (passages,); zeros where there is no vector yet."""
    mean, deviation = view.moments.mean_and_deviation(vector)
    return np.asarray(np.nan_to_num((view.dense_scores(vector) - mean) / deviation), np.float32)


def _gains(lexical: Scores, dense: Scores, unit_of: NDArray[np.int64], units: int, wanted: list[int]) -> list[float]:
    """nDCG@10 at every weight."""
    return [gain(best_of(fuse(lexical, dense, weight), unit_of, units), wanted) for weight in WEIGHTS]


def _choose(gains: list[list[float]], source: Source, embedder: Embedder) -> Calibration:
    """With labels the best weight; without, the most lexical one within one standard error of it (Hastie, Tibshirani &
    Friedman, The Elements of Statistical Learning, section 7.10).

    The error is that of the paired difference to the best weight. Leaning to the lexical side guards against what sentences
    taken from a text flatter: they rarely name their subject, people's questions do.
    """
    if not gains:
        return Calibration(embedder=embedder.fingerprint)
    table = np.array(gains)
    curve = table.mean(axis=0)
    best = int(np.argmax(curve))
    if source == "gold":
        return Calibration(WEIGHTS[best], source, len(gains), _named(curve), embedder.fingerprint)
    losses = table[:, [best]] - table
    error = losses.std(axis=0) / np.sqrt(len(table))
    chosen = int(np.argmax(losses.mean(axis=0) <= error))
    return Calibration(WEIGHTS[chosen], source, len(gains), _named(curve), embedder.fingerprint)


def _named(curve: NDArray[np.float64]) -> dict[str, float]:
    return {str(step): round(float(value), 4) for step, value in zip(WEIGHTS, curve, strict=True)}
