"""Evaluating a model: exact figures for a model whose answers are known, columns side by side, and going on after a stop."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assistant.backends.local_model import ModelRequest, load_model, load_prompt
from assistant.backends.model_files import find_model, hash_adapter
from retrieval.domain import load_domain
from retrieval.errors import BackendError, DataError, UsageError
from retrieval.files import read_json, write_json
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from savia import app
from tests.conftest import ROOT
from tests.tiny_models import make_taught_model
from training.evaluation.journal import hash_model, make_key, open_journal
from training.evaluation.perplexity import measure_losses, perplexity
from training.evaluation.places import find_report, name_evaluation
from training.rows import TrainingRow

ANSWER = "La planta alivia el aire, niño."
EXPECTED = "La planta alivia el aire y el susto."


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers everything with one sentence."""
    return make_taught_model("qwen3", tmp_path_factory.mktemp("taught") / "model", ANSWER)


@pytest.fixture
def home(settings: RetrievalSettings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the pack of three documents as the domain `tiny`, not indexed."""
    pack = Path(shutil.copytree(ROOT / "tests" / "data" / "tiny", settings.domains_dir / "tiny"))
    with (pack / "domain.yaml").open("a", encoding="utf-8") as file:
        file.write("\nbenchmark_questions:\n  - {category: plants, question: ¿Qué alivia?, topics: [aire, luna]}\n")
    monkeypatch.setenv("SAVIA_HOME", str(settings.home))
    monkeypatch.setenv("SAVIA_EMBEDDER", "none")
    return settings.home


def write_rows(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def evaluate(model: Path, rows: Path, *options: str) -> Any:
    arguments = ["evaluate", "model", "--model_path", str(model), "--eval_dataset", str(rows), "-d", "tiny", "--json"]
    done = CliRunner().invoke(app, [*arguments, "--max-tokens", "24", *options])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return json.loads(done.stdout)


def test_a_model_whose_answers_are_known_gets_the_figures_that_one_works_out(taught: Path, home: Path) -> None:
    rows = write_rows(
        home / "rows.jsonl",
        {"question": "¿Qué alivia la planta?", "answer": ANSWER},
        {"question": "¿Qué más?", "answer": EXPECTED},
        {"question": "¿Cuánto es?", "answer": "Son dos. #### 2"},
    )
    figures = evaluate(taught, rows, "--no-benchmark")["figures"][0]
    assert figures["exact_match"]["mean"] == pytest.approx(1 / 3)
    assert figures["rouge_l"]["mean"] == pytest.approx((1 + 2 * 5 / 14 + 0) / 3)
    assert figures["numeric_accuracy"] == {"mean": 0.0, "interval": [0.0, 0.0], "questions": 1}
    assert figures["stopped"]["mean"] == figures["reasoning_format"]["mean"] == 1.0
    assert figures["label"] == "finetuned, without retrieval" and figures["tokens_per_second"] > 0


def test_entities_levels_and_topics_are_measured_where_rows_have_them(taught: Path, home: Path) -> None:
    rows = write_rows(
        home / "rows.jsonl",
        {"prompt": "Enfermedades:", "completion": "la planta alivia el aire; niño", "task": "diseases"},
        {"instruction": "¿Y?", "response": "Call an ambulance now.", "safety_level": "emergency"},
    )
    found = evaluate(taught, rows)
    figures = found["figures"][0]
    assert figures["entities"]["diseases"]["set"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert figures["entities"]["diseases"]["strict"]["f1"] == 1 / 2
    assert figures["safety_agreement"]["mean"] == 0.0 and found["ceilings"] == {"safety_agreement": 1.0}
    assert figures["topics"] == {"plants": 1 / 2} and figures["topic_coverage"]["questions"] == 1


def test_the_perplexity_is_the_loss_of_the_assistants_tokens_alone(taught: Path) -> None:
    import torch

    request = ModelRequest(str(taught))
    loaded = load_model(request, load_prompt(request), lambda stage, done, total: None)
    turns = ({"role": "user", "content": "¿Qué?"}, {"role": "assistant", "content": EXPECTED})
    measured = measure_losses(loaded, [TrainingRow("r", turns)], lambda done, total: None)
    encoded = loaded.prompt.tokenizer.apply_chat_template(
        list(turns), return_dict=True, return_assistant_tokens_mask=True, return_tensors="pt"
    )
    labels = torch.where(torch.as_tensor(encoded["assistant_masks"]).reshape(1, -1) == 1, encoded["input_ids"], -100)
    loss = loaded.network(input_ids=encoded["input_ids"], labels=labels).loss
    assert perplexity(measured) == pytest.approx(float(loss.exp()), rel=1e-4)


def test_base_and_finetuned_stand_side_by_side_with_paired_intervals(trained: Path, home: Path) -> None:
    rows = trained.parent / "validation.jsonl"
    found = evaluate(trained / "final", rows, "--base", "auto", "--no-benchmark", "--limit", "2")
    assert [column["model"] for column in found["figures"]] == ["base", "finetuned"]
    difference = found["differences"][0]
    assert difference["perplexity_ratio"] < 0.7 and difference["perplexity_ratio_interval"][1] < 1
    assert "rouge_l" in difference and any("not of answers" in note for note in found["notes"])
    page = (Path(found["folder"]) / "report.html").read_text("utf-8")
    assert "<svg" in page and "Samples to read" in page and "<script" not in page and "http://127" not in page


def test_questions_are_asked_with_passages_and_without(taught: Path, home: Path, settings: RetrievalSettings) -> None:
    Index(load_domain("tiny", settings.domains_dir), settings).sync(None)
    rows = write_rows(home / "rows.jsonl", {"question": "¿Para qué se usa la ruda?", "answer": ANSWER})
    found = evaluate(taught, rows)
    assert [column["retrieval"] for column in found["figures"]] == ["no-rag", "rag"]
    assert {entry["column"] for entry in read_json(Path(found["folder"]) / "evaluation.json")["answers"]} == {
        "finetuned, without retrieval",
        "finetuned, with retrieval",
    }
    assert len(evaluate(taught, rows, "--no-rag")["figures"]) == 1


def test_a_stopped_evaluation_goes_on_and_answers_nothing_twice(taught: Path, home: Path) -> None:
    asked = [{"question": f"¿Qué es {number}?", "answer": ANSWER} for number in range(4)]
    rows = write_rows(home / "rows.jsonl", *asked)
    first = evaluate(taught, rows, "--no-benchmark")
    journal = Path(first["folder"]) / "answers.jsonl"
    whole = journal.read_bytes()
    evaluate(taught, rows, "--no-benchmark")
    assert journal.read_bytes() == whole
    lines = whole.splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:5]) + lines[5][:20])  # killed while it wrote its sixth line
    again = evaluate(taught, rows, "--no-benchmark")
    speed = ("tokens_per_second",)
    for one, other in zip(first["figures"], again["figures"], strict=True):
        assert {k: v for k, v in one.items() if k not in speed} == {k: v for k, v in other.items() if k not in speed}
    assert len(journal.read_bytes().splitlines()) == len(lines)


def test_another_model_prompt_or_setting_is_another_key(
    taught: Path, trained: Path, tiny_bases: dict[str, Path]
) -> None:
    models = [find_model(str(folder), None) for folder in (taught, trained / "final", tiny_bases["phi"])]
    assert len({hash_model(files) for files in models}) == 3
    keys = {
        make_key(*parts)
        for parts in (("m", "answer", [1]), ("n", "answer", [1]), ("m", "loss", [1]), ("m", "answer", [2]))
    }
    assert len(keys) == 4 and make_key("m", "answer", [1], {"a": 1}) not in keys


def test_runs_whose_models_have_the_same_name_are_evaluated_apart(tmp_path: Path) -> None:
    models = tmp_path / "models"
    places = [
        "herbolaria/20261121_101500/final",
        "herbolaria/20261122_101500/final",
        "herbolaria/20261121_101500/merged",
    ]
    others = ["herbolaria/x/final", "x/final", "herbolaria/a-b/c", "herbolaria/a/b-c", "acme/m", "acme-m", "."]
    for place in (*places, *others):
        (models / place).mkdir(parents=True, exist_ok=True)
    names = [name_evaluation(str(models / place), models, "herbolaria") for place in places]
    assert names == ["20261121_101500-final", "20261122_101500-final", "20261121_101500-merged"]
    names += [name_evaluation(str(models / place), models, "herbolaria") for place in others]
    names += [name_evaluation(name, models, "herbolaria") for name in ("acme/m", "acme-m")]
    names += [name_evaluation(str(models / places[0]), models, "herbolaria", "acme/base")]
    names += [name_evaluation(str(models / places[0]), models, "herbolaria", "auto", "4bit")]
    assert len(set(names)) == len(places) + len(others) + 4 and all(names)
    for place in ("a/run/final", "b/run/final"):
        (tmp_path / place).mkdir(parents=True)
    one, other = (name_evaluation(str(tmp_path / place / "run" / "final"), models, "herbolaria") for place in "ab")
    assert one != other and one.startswith("run-final-") and other.startswith("run-final-")
    assert name_evaluation("microsoft/phi-2", models, "herbolaria").startswith("microsoft-phi-2-")


def test_an_evaluation_says_which_model_and_adapter_it_measured_and_its_run_finds_it(trained: Path, home: Path) -> None:
    rows = trained.parent / "validation.jsonl"
    found = evaluate(trained / "final", rows, "--base", "auto", "--no-benchmark", "--limit", "0", "--rows", "2")
    written = read_json(Path(found["folder"]) / "evaluation.json")
    base, finetuned = written["models"]
    assert base["adapter"] == base["adapter_sha256"] == "" and base["model"] == finetuned["model"]
    assert finetuned["adapter"] == str((trained / "final").resolve())
    assert finetuned["adapter_sha256"] == hash_adapter(trained / "final")
    build = Path(found["folder"]).parent.parent
    assert find_report(trained, build) == Path(found["folder"]) / "report.html"
    assert find_report(trained.parent / "another run", build) is None


def write_report(build: Path, name: str, *models: dict[str, str]) -> Path:
    folder = build / "evaluate" / name
    folder.mkdir(parents=True)
    write_json(folder / "evaluation.json", {"models": models})
    (folder / "report.html").write_text("")
    return folder / "report.html"


def test_a_report_belongs_to_the_run_whose_model_it_judged_not_to_the_one_that_it_began_from(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for run in (first, second):
        (run / "merged").mkdir(parents=True)
    entries = [
        {"label": label, "model": str(run / "merged"), "adapter": "", "adapter_sha256": ""}
        for label, run in (("base", first), ("finetuned", second))
    ]
    report = write_report(tmp_path, "second-merged", *entries)
    assert find_report(second, tmp_path) == report and find_report(first, tmp_path) is None


def test_a_run_that_was_trained_on_has_no_report_until_it_is_evaluated_again(tmp_path: Path) -> None:
    weights = tmp_path / "run" / "final" / "adapter_model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"before")
    entry = {"label": "finetuned", "model": "acme/base", "adapter": str(weights.parent)}
    report = write_report(tmp_path, "run-final", {**entry, "adapter_sha256": hash_adapter(weights.parent)})
    assert find_report(tmp_path / "run", tmp_path) == report
    weights.write_bytes(b"trained on")
    assert find_report(tmp_path / "run", tmp_path) is None


def test_two_evaluations_do_not_write_one_journal(tmp_path: Path) -> None:
    with open_journal(tmp_path / "j.jsonl") as journal:
        assert journal.keep("a", 1) == journal.find("a") == 1
        with pytest.raises(DataError, match="another evaluation"), open_journal(tmp_path / "j.jsonl"):
            pass


def test_a_damaged_journal_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "j.jsonl").write_text('{"key": "a", "value": 1}\nnonsense\n')
    with pytest.raises(DataError, match="line 2"), open_journal(tmp_path / "j.jsonl"):
        pass


@pytest.mark.parametrize(
    ("model", "rows", "options", "error", "message"),
    [
        ("missing", "rows.jsonl", (), BackendError, "missing"),
        ("", "nothing.jsonl", (), DataError, "nothing.jsonl"),
        ("", "empty.jsonl", (), DataError, "empty.jsonl"),
        ("", "rows.jsonl", ("--base", "auto"), UsageError, "does not say which model"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    model: str, rows: str, options: tuple[str, ...], error: type[Exception], message: str, taught: Path, home: Path
) -> None:
    write_rows(home / "rows.jsonl", {"question": "¿Qué?", "answer": ANSWER})
    write_rows(home / "empty.jsonl")
    with pytest.raises(error, match=message):
        evaluate(home / model if model else taught, home / rows, *options)
    assert not (home / "data" / "build" / "tiny" / "evaluate").exists()
