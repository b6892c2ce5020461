"""What an embedder is adapted on, and that a candidate stays only if it wins on documents it never saw."""

from pathlib import Path

import numpy as np
import pytest

from retrieval.adapt import Trial, adapt
from retrieval.adapt_pairs import Asked, build_pairs, choose_held_out, heading_questions, sentence_questions, spread
from retrieval.adapt_sources import read_asked
from retrieval.adapt_train import TrainPlan
from retrieval.domain import SectionRule, load_domain, read_pairs
from retrieval.embedders import Embedder
from retrieval.errors import DomainInvalid, UsageError
from retrieval.evaluate import Query
from retrieval.index import Index
from retrieval.reembedded import ReembeddedView, RememberingEmbedder, embed_all
from retrieval.retrievers import Fusion, HybridRetriever
from retrieval.settings import RetrievalSettings
from retrieval.view import View
from tests.conftest import WritePack
from tests.fakes import HashEmbedder

TEXT = (
    "---\ntitle: Planta{n}\nnames: [mata{n}]\n---\n\n## Usos\n\nSe toma en té para la panza número {n}. Alivia los gases después de "
    "comer mucho. También quita el hipo de los niños.\n\n## Riesgos\n\nIrrita el estómago vacío del enfermo {n}.\n"
)


@pytest.fixture
def view(write_pack: WritePack, settings: RetrievalSettings) -> View:
    write_pack({f"p{n}.md": TEXT.format(n=n) for n in range(24)})
    index = Index(load_domain("tiny", settings.domains_dir), settings)
    index.sync(HashEmbedder())
    return index.view()


def test_a_pair_has_its_passage_a_sibling_and_a_lookalike(view: View) -> None:
    [pair] = build_pairs(view, [Asked("¿alivia los gases la planta3?", ("p3#usos",))], frozenset())
    assert pair.document == "p3" and "Usos" in pair.positive and "panza número 3" in pair.positive
    assert "Riesgos" in pair.negatives[0] and "enfermo 3" in pair.negatives[0]
    assert "Usos" in pair.negatives[1] and "panza número 3" not in pair.negatives[1]


def test_nothing_of_a_held_out_document_is_trained_on_or_against(view: View) -> None:
    held_out = choose_held_out(view, 0.5)
    asked = [Asked(f"¿alivia los gases la planta{n}?", (f"p{n}#usos",)) for n in range(24)]
    pairs = [*build_pairs(view, asked, held_out), *sentence_questions(view, held_out, 100)]
    assert 0 < len({pair.document for pair in pairs}) == 24 - len(held_out) < 24
    numbers = {name.removeprefix("p") for name in held_out}
    texts = " ".join(pair.positive + " ".join(pair.negatives) for pair in pairs)
    assert not [n for n in numbers if f"número {n}." in texts or f"enfermo {n}." in texts]


def test_the_held_out_documents_are_the_same_ones_next_time(view: View) -> None:
    assert choose_held_out(view, 0.25) == choose_held_out(view, 0.25) < choose_held_out(view, 0.6)


def test_sections_are_asked_for_by_heading_alias_and_every_name(view: View) -> None:
    asked = list(heading_questions(view, {"Usos": SectionRule(aliases=("para qué sirve",))}, ("names",)))
    words = {one.question for one in asked if one.sections == ("p1#usos",)}
    assert {word.rsplit(" ", 1)[0] for word in words} == {"Usos", "para qué sirve"}
    assert {word.rsplit(" ", 1)[1] for word in words} <= {"Planta1", "mata1"}


def test_follow_ups_and_rows_of_several_sections_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(
        '{"question": "a", "sections": ["x#y"]}\n{"question": "b", "sections": ["x#y"], "history": [["user", "h"]]}\n'
        '{"question": "c", "sections": ["x#y", "x#z"]}\n{"question": "d"}\n'
    )
    assert list(read_asked(tmp_path / "train.jsonl")) == [Asked("a", ("x#y",))]
    assert list(read_asked(tmp_path / "none.jsonl")) == []


def test_a_packs_own_pairs_are_read_and_a_line_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    assert read_pairs(path) == []
    path.write_text(
        '{"question": "a", "relevant": ["x#y", "x#z"], "kind": "misspelled"}\n{"question": "b", "relevant": ["x#y"]}\n'
    )
    found = [(pair.question, pair.relevant, pair.kind, pair.split) for pair in read_pairs(path)]
    assert found == [("a", ("x#y", "x#z"), "misspelled", "calibration"), ("b", ("x#y",), "direct", "calibration")]
    path.write_text('{"question": "a", "relevant": ["x#y"]}\n{"question": "b", "relevant": []}\n{"question": "c"}\n')
    with pytest.raises(
        DomainInvalid, match=r"(?s)line 2: kind direct needs relevant sections.*line 3: 'relevant' is missing"
    ):
        read_pairs(path)


def test_another_models_vectors_are_measured_without_touching_the_index(view: View) -> None:
    embedder = HashEmbedder()
    vectors = embed_all(view, embedder, lambda *_: None)
    changed = ReembeddedView(view.folder, vectors)
    query = embedder.embed_query("panza número 3")
    assert changed.dense_scores(query).tolist() == pytest.approx(view.dense_scores(query).tolist(), abs=1e-6)
    assert changed.moments.mean_and_deviation(query) == pytest.approx(view.moments.mean_and_deviation(query), abs=1e-5)


def test_a_sync_after_the_trial_embeds_nothing_twice(view: View) -> None:
    vectors, fresh = embed_all(view, HashEmbedder(), lambda *_: None), HashEmbedder()
    known = RememberingEmbedder(fresh, view, vectors)
    again = known.embed_passages([view.passage(0).embedded_text, "algo nuevo"])
    assert fresh.embedded == ["algo nuevo"] and np.allclose(again[0], vectors[0])


def test_only_a_significant_gain_of_the_hybrid_is_kept() -> None:
    def trial(before: list[float], now: list[float]) -> Trial:
        rows = {name: [0.5] * len(now) for name in ("bm25", "dense")}
        vectors = np.zeros((0, 1), np.float32)
        return Trial(HashEmbedder(), Path(), vectors, 100, {**rows, "hybrid": before}, {**rows, "hybrid": now})

    low, high = [0.0] * 20, [1.0] * 20
    assert trial(low, high).kept and not trial(high, low).kept
    assert not trial(low, [1.0, *low[1:]]).kept  # one question of twenty is chance
    found = trial(low, high).as_json()
    assert found["best"]["before"] == "bm25" and found["best"]["now"] == "hybrid" and found["best"]["difference"] == 0.5


def test_items_are_spread_evenly_and_all_of_few_are_taken() -> None:
    assert spread("abcdefgh", 4) == ["a", "c", "e", "g"] and spread("abcde", 3) == ["a", "b", "d"]
    assert spread("ab", 3) == ["a", "b"] and spread("", 3) == []


def test_too_little_to_learn_from_or_to_judge_by_is_said_at_once(view: View, tmp_path: Path) -> None:
    def hybrid(view: View, embedder: Embedder) -> HybridRetriever:
        return HybridRetriever(view, embedder, Fusion())

    pairs = build_pairs(view, [Asked(f"¿planta{n}?", (f"p{n}#usos",)) for n in range(24)], frozenset())
    queries = [Query("q", "¿planta1?", {"p1#usos": 1})]
    for given, reason in ((pairs, "24 pairs"), (pairs * 5, "Only 1 questions")):
        with pytest.raises(UsageError, match=reason):
            adapt(view, HashEmbedder(), given, queries, hybrid, TrainPlan(), tmp_path, lambda *_: None)


@pytest.mark.slow
def test_a_real_trial_trains_exports_and_judges(view: View, embedder: Embedder, tmp_path: Path) -> None:
    def hybrid(view: View, embedder: Embedder) -> HybridRetriever:
        return HybridRetriever(view, embedder, Fusion(0.5))

    asked = [
        Asked(f"¿{verb} la planta{n}?", (f"p{n}#usos",))
        for n in range(20)
        for verb in ("cura", "quita", "sirve", "es", "da")
    ]
    queries = [Query(f"q{n}", f"¿cura la planta{n}?", {f"p{n}#usos": 1}) for n in range(24)]
    base = ReembeddedView(view.folder, embed_all(view, embedder, lambda *_: None))
    told: list[str] = []
    plan = TrainPlan(steps=2, batch=8, tokens=32)
    pairs = build_pairs(view, asked, frozenset())
    found = adapt(base, embedder, pairs, queries, hybrid, plan, tmp_path, lambda stage, *_: told.append(stage))
    assert found.embedder.fingerprint.startswith("adapted-") and found.vectors.shape == (len(view), 384)
    assert {"Training the embedder", "Embedding passages"} <= set(told)
    assert set(found.before) == set(found.now) == {"bm25", "dense", "hybrid"} and not list(tmp_path.glob("run-*"))
