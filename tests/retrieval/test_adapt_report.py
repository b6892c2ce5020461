"""What people and programs are told of either model, also where the second one never came to its end."""

import json
from pathlib import Path

import numpy as np
import pytest

from retrieval.adapt import Trial
from retrieval.adapt_report import reporting
from retrieval.errors import UsageError
from retrieval.rerank_trial import RerankTrial
from retrieval.significance import Comparison
from tests.fakes import HashEmbedder

FOLDER = Path("models/rerankers/tiny")


def embedder_trial(now: float) -> Trial:
    """Twenty questions, from 0.5 each."""
    before = {name: [0.5] * 20 for name in ("bm25", "dense", "hybrid")}
    after = {**before, "hybrid": [now] * 20}
    return Trial(HashEmbedder(), Path("candidate"), np.zeros((0, 1), np.float32), 100, before, after)


def reranker_trial(probability: float) -> RerankTrial:
    return RerankTrial(0.3, 20, 40, 20, 100, 0.8, 0.9, Comparison(0.1, (0.05, 0.15), probability), 9.0, 1.0)


def test_each_model_has_a_sentence_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting(as_json=False) as report:
        report.embedder(embedder_trial(0.5), "used from now on")
        report.reranker(reranker_trial(0.01), FOLDER, "used from now on")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "dense",
        "hybrid",
        "Embedder not kept",
        "reranked",
        f"Reranker kept in {FOLDER}",
    ]
    assert lines[-1].endswith("used from now on (a question takes 9 ms with it).")
    with reporting(as_json=False) as report:
        report.embedder(embedder_trial(1.0), "used from now on")
        report.reranker(reranker_trial(0.2), FOLDER, "used from now on")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("Embedder kept: used from now on (100 pairs") and str(FOLDER) not in lines[4]
    assert lines[4].startswith("Reranker not kept: the hybrid did not gain significantly")


@pytest.mark.parametrize("error", [UsageError("too few"), KeyboardInterrupt()])
def test_the_embedders_outcome_is_told_where_the_reranker_fails(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    for as_json in (False, True):
        with pytest.raises(type(error)), reporting(as_json) as report:
            report.embedder(embedder_trial(1.0), "used from now on")
            raise error
        told = capsys.readouterr().out
        if as_json:
            assert json.loads(told)["kept"] and "reranker" not in json.loads(told)
        else:
            assert "Embedder kept" in told


def test_nothing_is_told_where_nothing_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError), reporting(as_json=True):
        raise UsageError("too few pairs")
    assert capsys.readouterr().out == ""


def test_json_says_where_a_kept_reranker_lies(capsys: pytest.CaptureFixture[str]) -> None:
    for probability, folder in ((0.01, str(FOLDER)), (0.2, None)):
        with reporting(as_json=True) as report:
            report.embedder(embedder_trial(1.0), "")
            report.reranker(reranker_trial(probability), FOLDER, "")
        assert json.loads(capsys.readouterr().out)["reranker"]["folder"] == folder
