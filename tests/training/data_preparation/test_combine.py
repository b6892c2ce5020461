"""Several sources in one: weights by our own sampling, every row once, people's decisions applied."""

import json
from pathlib import Path

import pytest

from retrieval.errors import DataError, UsageError
from training.data_preparation.combine import (
    combine_datasets,
    get_dataset_stats,
    load_chatml_dataset,
    parse_weights,
    read_sources,
    repeats_of,
)
from training.dataset_config import DatasetConfig
from training.decisions import Decision, edit_example
from training.example import Example, make_example, write_examples
from training.layout import BuildLayout


def rows(name: str, count: int = 3) -> list[Example]:
    return [make_example(f"{name} {n}?", "Yes.", origin=f"import:{name}") for n in range(count)]


def test_a_weight_says_how_often_a_row_is_shown_and_the_cap_holds() -> None:
    config = DatasetConfig(weights={"a": 2.0, "b": 9.0}, max_repeats=4)
    combined = combine_datasets({"a": rows("a"), "b": rows("b"), "c": rows("c")}, config)
    assert [example.weight for example in combined.examples] == [2.0] * 3 + [4.0] * 3 + [1.0] * 3
    assert len({example.id for example in combined.examples}) == 9
    assert (combined.sources["b"].shown, combined.sources["b"].capped, combined.sources["a"].capped) == (12, 3, 0)


def test_half_a_weight_draws_about_half_of_the_rows_the_same_ones_every_time() -> None:
    config = DatasetConfig(weights={"a": 0.5})
    first = combine_datasets({"a": rows("a", 1000)}, config)
    assert 440 < len(first.examples) < 560
    fewer = combine_datasets({"a": rows("a", 1000)[10:]}, config)
    drawn = {example.id for example in fewer.examples}
    assert [e.id for e in first.examples if e.id in drawn] == [e.id for e in fewer.examples]
    assert {reason for _, reason in first.left_out} == {"not drawn (weight 0.5)"}


def test_a_fraction_shows_that_share_of_the_rows_once_more() -> None:
    repeats = [repeats_of(str(n), 1.25, 42) for n in range(4000)]
    assert set(repeats) == {1, 2} and 0.22 < repeats.count(2) / 4000 < 0.28


def test_a_row_of_two_sources_stands_once() -> None:
    row = make_example("q", "a", origin="import:a")
    combined = combine_datasets({"a": [row], "b": [row]})
    assert [example.origin for example in combined.examples] == ["import:a"]
    assert combined.left_out == [(row, "the same row as in a")]


def test_decisions_are_applied_with_the_weight_of_the_source() -> None:
    bad, good = rows("a", 2)
    edited = edit_example(good, "Better?", "Yes, better.")
    decisions = {
        bad.id: Decision(bad.id, "rejected", "wrong"),
        good.id: Decision(good.id, "edited", example=edited),
        "gone": Decision("gone", "accepted"),
    }
    combined = combine_datasets({"a": [bad, good]}, DatasetConfig(weights={"a": 3.0}), decisions)
    assert [(e.answer, e.weight) for e in combined.examples] == [("Yes, better.", 3.0)]
    assert combined.left_out == [(bad, "review: wrong")] and combined.idle_decisions == 1


@pytest.mark.parametrize("option", ["a", "a=", "=2", "a=zero", "a=-1", "a=nan", "a=inf"])
def test_a_weight_that_is_none_is_refused(option: str) -> None:
    with pytest.raises(UsageError, match="is no weight"):
        parse_weights([option])


def test_sources_are_the_stages_and_the_imports_or_the_files_given(tmp_path: Path) -> None:
    layout = BuildLayout(tmp_path / "build")
    with pytest.raises(DataError, match="no rows to combine"):
        read_sources(layout)
    write_examples(layout.examples("generate"), rows("t"))
    write_examples(layout.imported("cv"), rows("cv"))
    write_examples(layout.imported("cv.rejected"), [])
    (tmp_path / "mine.jsonl").write_text(json.dumps({"question": "Mine?", "answer": "Yes."}))
    assert list(read_sources(layout)) == ["template", "cv"]
    given = read_sources(layout, template=tmp_path / "mine.jsonl")
    assert [(example.question, example.origin) for example in given["template"]] == [("Mine?", "template")]


def test_chatml_files_are_loaded_whole_or_not_at_all(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps({"messages": turns}) + "\n")
    assert [(example.question, example.answer) for example in load_chatml_dataset(path)] == [("q", "a")]
    path.write_text(json.dumps({"messages": turns}) + "\n" + json.dumps({"messages": turns[:1]}) + "\n")
    with pytest.raises(DataError, match=r"line 2: no assistant turn \(1 rows cannot be used\)"):
        load_chatml_dataset(path)


def test_stats_count_what_is_there() -> None:
    row = make_example("ab", "cde", task="uses", reasoning="r", sections=["a#b"], weight=3.0, safety_level="urgent")
    stats = get_dataset_stats([row, make_example("a", "b", answerable=False)])
    assert (stats.rows, stats.shown, stats.refusals, stats.longest, stats.median_length) == (2, 4, 1, 5, 3.5)
    assert (stats.by_task, stats.by_safety_level["urgent"]) == ({"uses": 1, "(none)": 1}, 1)
    assert (stats.with_reasoning, stats.with_sections) == (1, 1)
