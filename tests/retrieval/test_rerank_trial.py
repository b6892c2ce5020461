"""A reranker is trained, weighed and judged on documents that share nothing, and stays only if it wins."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from retrieval.adapt_pairs import Pair
from retrieval.errors import UsageError
from retrieval.evaluate import Query, section_of
from retrieval.index import Index
from retrieval.rerank import RERANKER_MODEL, Logits, OnnxCrossEncoder, RerankRetriever, reranker_folder
from retrieval.rerank_train import Group, RerankPlan, mine_groups, train_reranker
from retrieval.rerank_trial import (
    RerankTrial,
    adapt_reranker,
    choose_weight,
    keep_reranker,
    tuning_documents,
    tuning_queries,
)
from retrieval.retrievers import Bm25Retriever
from retrieval.settings import RetrievalSettings
from retrieval.significance import Comparison
from retrieval.view import View
from retrieval.wiring import answering_retriever, index_retriever
from tests.retrieval.conftest import MakeIndex

TEXT = "# Planta{n}\n\n## Usos\n\nAlivia la panza número {n}.\n\n## Riesgos\n\nIrrita la panza del enfermo {n}.\n"
PLAN = RerankPlan(steps=2, batch=2, tokens=24)


@pytest.fixture
def index(make_index: MakeIndex) -> Index:
    index = make_index({f"p{n}.md": TEXT.format(n=n) for n in range(24)})
    index.sync(None)
    return index


@pytest.fixture
def view(index: Index) -> View:
    return index.view()


@pytest.fixture
def pairs(view: View) -> list[Pair]:
    """Of the first 20 documents: five questions about the uses of each, answered by the first passage."""
    texts = {view.passage(row).section_id: view.passage(row).embedded_text for row in range(len(view))}
    return [
        Pair(f"¿{verb} la planta{n}?", texts[f"p{n}#usos"], (texts[f"p{n}#riesgos"],) * 2, f"p{n}")
        for n in range(20)
        for verb in ("alivia", "quita", "sirve", "cura", "calma")
    ]


class UsesEncoder:
    """Knows that uses answer."""

    def score(self, question: str, texts: Sequence[str]) -> Logits:
        return np.array([float("Usos" in text) for text in texts], np.float32)


def silent(stage: str, done: int, total: int) -> None:
    pass


def held_out(count: int = 20) -> list[Query]:
    return [Query(f"q{n}", f"¿panza de la planta{20 + n % 4}?", {f"p{20 + n % 4}#usos": 1}) for n in range(count)]


def test_wrong_passages_are_what_the_base_confuses_and_never_of_held_out_documents(
    view: View, pairs: list[Pair]
) -> None:
    groups = {group.question: group for group in mine_groups(Bm25Retriever(view), pairs, 1000, silent)}
    assert len(groups) == len(pairs) and all(len(set(group.wrong)) == 3 for group in groups.values())
    assert groups[pairs[15].question].wrong[0] == pairs[15].negatives[0]  # the same plant's risks: BM25 finds them
    wrong = " ".join(text for group in groups.values() for text in group.wrong)
    assert not [n for n in range(20, 24) if f"Planta{n}" in wrong]
    assert all(group.right not in group.wrong for group in groups.values())
    assert len(mine_groups(Bm25Retriever(view), pairs, 7, silent)) == 7


def test_a_sentence_is_no_question_against_the_passage_that_it_was_taken_from(view: View, pairs: list[Pair]) -> None:
    taken = Pair("Alivia la panza número 3.", "Planta3 › Usos", pairs[15].negatives, "p3")
    found = mine_groups(Bm25Retriever(view), [taken, *pairs], 1000, silent)
    group = next(group for group in found if group.question == taken.question)
    assert pairs[15].positive not in group.wrong and len(group.wrong) == 3


def test_documents_that_weigh_are_a_fixed_share_and_groups_stay_together(pairs: list[Pair]) -> None:
    tuning = tuning_documents(pairs, {})
    assert 0 < len(tuning) < 10 and tuning == tuning_documents(pairs[::-1], {})
    together = {f"p{n}": "one" if n < 10 else "two" for n in range(20)}
    assert len(tuning_documents(pairs, together)) == 10


def test_however_few_documents_there_are_one_weighs_and_one_teaches(pairs: list[Pair]) -> None:
    for count in range(2, 12):
        assert 0 < len(tuning_documents(pairs[: 5 * count], {})) < count
    assert tuning_documents(pairs[:5], {}) == frozenset()


def test_peoples_questions_weigh_and_where_they_are_few_the_pairs_too(view: View, pairs: list[Pair]) -> None:
    documents = frozenset({"p1", "p2"})
    asked = [Query("a", "¿uno?", {"p1#usos": 1}), Query("b", "¿dos?", {"p9#usos": 1})]
    found = tuning_queries(view, pairs, asked, documents, section_of)
    assert found[0].id == "a" and len(found) == 1 + 2 * 5
    assert found[1].relevant == {"p1#usos": 1}
    many = [Query(f"a{n}", "¿uno?", {"p1#usos": 1}) for n in range(30)]
    assert tuning_queries(view, pairs, many, documents, section_of) == many


def test_the_weight_is_the_least_that_helps_most_and_nothing_where_nothing_helps(view: View) -> None:
    class NoEncoder:
        def score(self, question: str, texts: Sequence[str]) -> Logits:
            return np.zeros(len(texts), np.float32)

    base = Bm25Retriever(view)
    queries = [Query(f"q{n}", f"panza enfermo {n} planta{n}", {f"p{n}#usos": 1}) for n in range(4)]
    weight, depth = choose_weight(base, UsesEncoder(), queries, section_of, silent)
    assert weight > 0 and depth == 5
    assert choose_weight(base, NoEncoder(), queries, section_of, silent) == (0.0, 5)


def test_only_a_significant_gain_is_kept() -> None:
    def trial(difference: float, probability: float) -> RerankTrial:
        return RerankTrial(0.3, 20, 40, 20, 100, 0.8, 0.9, Comparison(difference, (0, 0), probability), 9.0, 1.0)

    assert trial(0.1, 0.01).kept
    assert not trial(0.1, 0.2).kept and not trial(-0.1, 0.01).kept


def test_too_little_to_learn_from_or_to_judge_by_is_said_at_once(view: View, pairs: list[Pair], tmp_path: Path) -> None:
    base = Bm25Retriever(view)
    for given, asked, reason in ((pairs[:24], held_out(), "24 pairs"), (pairs, held_out(1), "Only 1 questions")):
        with pytest.raises(UsageError, match=reason):
            adapt_reranker(view, base, given, asked, [], PLAN, tmp_path, silent)


@pytest.mark.parametrize(("documents", "reason"), [(1, "and 0 to choose its weight"), (2, "0 questions with 3 wrong")])
def test_a_reranker_that_few_documents_would_teach_is_refused_before_it_is_trained(
    view: View, pairs: list[Pair], tmp_path: Path, documents: int, reason: str
) -> None:
    told: list[str] = []
    many = pairs[: 5 * documents] * 20
    with pytest.raises(UsageError, match=f"Too few documents teach a reranker.*{reason}"):
        adapt_reranker(
            view, Bm25Retriever(view), many, held_out(), [], PLAN, tmp_path, lambda stage, *_: told.append(stage)
        )
    assert "Training the reranker" not in told


@pytest.mark.slow
def test_a_real_trial_trains_exports_judges_and_is_used_once_kept(
    index: Index, view: View, pairs: list[Pair], settings: RetrievalSettings, tmp_path: Path
) -> None:
    told: list[str] = []
    base = Bm25Retriever(view)
    trial = adapt_reranker(view, base, pairs, held_out(), [], PLAN, tmp_path, lambda stage, *_: told.append(stage))
    assert {"Finding wrong passages", "Training the reranker", "Weighing the reranker"} == set(told)
    assert (trial.questions, trial.as_json()["kept"]) == (20, trial.kept) and trial.milliseconds > 0
    encoder = OnnxCrossEncoder(tmp_path / "candidate" / RERANKER_MODEL)
    scores = encoder.score("¿alivia?" * 200, ["Usos: alivia la panza. " * 100, "Riesgos"])
    assert scores.shape == (2,) and scores.dtype == np.float32 and np.isfinite(scores).all()
    target = reranker_folder(settings.models_dir, "tiny")
    for _ in range(2):  # the second takes the first one's place
        keep_reranker(trial, target, tmp_path / "candidate", "")
    assert sorted(path.name for path in target.parent.iterdir()) == ["tiny"]
    kept = index_retriever("rerank", index, view, None)
    assert isinstance(kept, RerankRetriever) and (kept.weight, kept.depth) == (trial.weight, trial.depth)
    assert isinstance(answering_retriever("hybrid", index, view, None), RerankRetriever)


class Killed(Exception):
    pass


@pytest.mark.slow
def test_training_that_was_killed_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    groups = [Group(f"¿planta {n}?", f"Planta {n} cura.", ("No.", "Nada.", "Nunca.")) for n in range(8)]
    plan = RerankPlan(steps=23, batch=1, tokens=16)
    steps: list[int] = []

    def kill_at_22(stage: str, done: int, total: int) -> None:
        steps.append(done)
        if done == 22:
            raise Killed

    with pytest.raises(Killed):
        train_reranker(groups, plan, tmp_path, kill_at_22)
    steps.clear()
    model = train_reranker(groups, plan, tmp_path, lambda stage, done, total: steps.append(done))
    assert steps == [21, 22, 23] and (model / "model.safetensors").is_file() and not list(tmp_path.glob("run-*"))
    steps.clear()
    assert train_reranker(groups, plan, tmp_path, lambda stage, done, total: steps.append(done)) == model and not steps
