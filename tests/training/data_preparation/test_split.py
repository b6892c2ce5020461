"""The split: nothing taught is asked, shares hold, small edits move little, and the gate sees every leak."""

import random
from collections import Counter
from itertools import combinations

import pytest

from retrieval.domain import GoldQuestion
from retrieval.errors import GateRefused, UsageError
from retrieval.lexical import Analyzer
from training.data_preparation.leakage import check_leakage
from training.data_preparation.split import Split, check_ratios, split_examples
from training.example import Example, make_example

SPANISH = Analyzer("es")
TASKS = ("definition", "uses", "safety")


def corpus_rows(documents: int = 120, comparisons: int = 60) -> list[Example]:
    """Three sections a document, two rows a section (the same answer), comparisons of random documents, refusals, copies."""
    chance = random.Random(3)
    words = ["".join(chance.choices("aeiobcdlmnrst", k=7)) for _ in range(4000)]
    rows = []
    for document in range(documents):
        for task in TASKS:
            answer = " ".join(chance.choices(words, k=25))
            for form in ("¿Qué se dice de", "Cuéntame sobre"):
                about = {"sections": [f"plantas/p{document}#{task}"], "task": task, "type": "plantas"}
                rows.append(make_example(f"{form} {task} {words[document]}?", answer, **about))
    for _ in range(comparisons):
        first, second = chance.sample(range(documents), 2)
        sections = [f"plantas/p{n}#{chance.choice(TASKS)}" for n in (first, second)]
        answer = " ".join(chance.choices(words, k=20))
        rows.append(
            make_example(f"Compara {words[first]} y {words[second]}", answer, sections=sections, task="comparison")
        )
    for number in range(100):
        rows.append(make_example(f"¿Cuánto cuesta {words[number]}?", "No lo dicen los documentos.", task="refusal"))
    copies = [make_example(row.question, f"{row.answer} más", task=row.task, type=row.type) for row in rows[:40]]
    children = [
        make_example(f"oye, {row.answer[:40]}?", row.answer[-60:], parents=[row.id], task="p") for row in rows[40:80]
    ]
    return rows + copies + children


@pytest.fixture(scope="module")
def rows() -> list[Example]:
    return corpus_rows()


@pytest.fixture(scope="module")
def split(rows: list[Example]) -> Split:
    return split_examples(rows, [], language="es")


def terms(row: Example) -> set[str]:
    return set(SPANISH.terms(f"{row.question}\n{row.answer}"))


def test_nothing_is_shared_between_parts_as_brute_force_sees_it(split: Split) -> None:
    for first, second in combinations(split.parts.values(), 2):
        assert not {s for row in first for s in row.sections} & {s for row in second for s in row.sections}
        assert not {row.id for row in first} & {p for row in second for p in row.parents}
        assert not {row.id for row in second} & {p for row in first for p in row.parents}
        theirs = [terms(row) for row in second]
        for mine in map(terms, first):
            assert not [other for other in theirs if len(mine & other) >= 0.8 * len(mine | other)]


def test_shares_hold_over_all_rows_and_for_each_task(rows: list[Example], split: Split) -> None:
    total = sum(map(len, split.parts.values()))
    for name, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert abs(len(split.parts[name]) / total - share) <= 0.02
    tasks = Counter(row.task for row in rows)
    for task in (*TASKS, "comparison", "refusal"):
        assert sum(row.task == task for row in split.parts["train"]) / tasks[task] == pytest.approx(0.8, abs=0.08)


def test_every_row_is_placed_or_left_out_with_its_reason(rows: list[Example], split: Split) -> None:
    placed = [row.id for part in split.parts.values() for row in part]
    assert sorted([*placed, *(drop.example.id for drop in split.drops)]) == sorted(row.id for row in rows)
    assert len(split.drops) <= 0.05 * len(rows)
    assert {drop.reason.split(":")[0] for drop in split.drops} <= {"joins too many sections"}


def test_many_comparisons_do_not_make_one_component_of_everything() -> None:
    split = split_examples(corpus_rows(comparisons=400), [], language="es")
    total = sum(map(len, split.parts.values()))
    assert split.largest <= 0.06 * total
    assert abs(len(split.parts["train"]) / total - 0.8) <= 0.02 and min(map(len, split.parts.values())) > 0
    check_leakage(split.parts, [], SPANISH)


def test_an_edited_section_leaves_all_other_rows_where_they_were(rows: list[Example], split: Split) -> None:
    before = {row.id: name for name, part in split.parts.items() for row in part}
    for place in range(100, 700, 60):
        about = {name: getattr(rows[place], name) for name in ("sections", "task", "type")}
        edited = [make_example(row.question, "Otra cosa.", **about) for row in rows[place : place + 2]]
        again = split_examples([*rows[:place], *edited, *rows[place + 2 :]], [], language="es")
        after = {row.id: name for name, part in again.parts.items() for row in part}
        assert [identity for identity in before.keys() & after.keys() if before[identity] != after[identity]] == []


def test_the_same_rows_give_the_same_parts_and_another_seed_others(rows: list[Example], split: Split) -> None:
    assert split_examples(rows, [], language="es") == split
    assert split_examples(rows, [], language="es", seed=7).parts != split.parts


def test_rows_that_nearly_ask_a_test_question_or_repeat_a_calibration_question_are_left_out() -> None:
    gold = [
        GoldQuestion("g1", "¿Para qué se usa la ruda en la piel?", "direct", ("a#b",), "test"),
        GoldQuestion("g2", "¿Cuándo llegó la sábila a México?", "direct", ("a#b",), "calibration"),
    ]
    asked = make_example("Para qué se usa la ruda, en la piel", "Para lavarla.")
    same = make_example("cuándo llegó la sábila a México", "Con los españoles.")
    near = make_example("¿Cuándo dicen que llegó la sábila a México?", "Con los españoles.")
    split = split_examples([asked, same, near], gold, language="es")
    assert [(drop.example.id, drop.reason.split()[4]) for drop in split.drops] == [(asked.id, "g1"), (same.id, "g2")]
    with pytest.raises(GateRefused, match=f"train {asked.id} and gold g1") as caught:
        check_leakage({"train": [asked]}, gold, SPANISH)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (make_example("a b c?", "d e"), make_example("a b c?", "d e"), "both have the question a b c"),
        (make_example("¿A b c?", "d e"), make_example("a, b c", "otra cosa"), "both have the question a b c"),
        (
            make_example("uno?", "x", sections=["p#s"]),
            make_example("dos?", "y", sections=["p#s"]),
            "both have section p#s",
        ),
        (make_example("uno?", "x", parents=["r"]), make_example("dos?", "y", parents=["r"]), "both have the row r"),
        (
            make_example("planta hoja raíz?", "flor tallo semilla"),
            make_example("hojas, raíces y plantas", "la flor, el tallo y la semilla"),
            r"near-duplicates \(Jaccard 1.00\)",
        ),
    ],
)
def test_the_gate_lists_each_kind_of_leak(first: Example, second: Example, reason: str) -> None:
    with pytest.raises(GateRefused, match=f"train {first.id} and test {second.id}: {reason}"):
        check_leakage({"train": [first], "test": [second]}, [], SPANISH)


def test_ratios_hold_for_each_of_three_tasks() -> None:
    chance = random.Random(5)
    words = ["".join(chance.choices("aeiobcdlmnrst", k=8)) for _ in range(3000)]
    rows = [
        make_example(" ".join(chance.choices(words, k=30)), " ".join(chance.choices(words, k=5)), task=task)
        for task in ("chemicals", "diseases", "relations")
        for _ in range(300)
    ]
    split = split_examples(rows, [], language="en", ratios=(0.9, 0.1, 0.0))
    assert Counter(row.task for row in split.parts["train"]) == pytest.approx(
        {"chemicals": 270, "diseases": 270, "relations": 270}, abs=3
    )
    assert split.parts["test"] == []


def test_rows_stay_in_the_part_that_their_source_names() -> None:
    rows = [make_example(f"pregunta{n} sobre{n}?", f"respuesta{n}") for n in range(20)]
    split = split_examples(rows, [], language="es", pinned={row.id: "test" for row in rows[:8]})
    assert {row.id for row in rows[:8]} <= {row.id for row in split.parts["test"]}


def test_repeats_are_for_training_alone() -> None:
    rows = [make_example(f"pregunta{n} sobre{n}?", f"respuesta{n}", weight=3.0) for n in range(40)]
    split = split_examples(rows, [], language="es")
    assert {row.weight for row in split.parts["train"]} == {3.0}
    assert {row.weight for row in (*split.parts["validation"], *split.parts["test"])} == {1.0}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_handful_of_rows_goes_to_train_first(count: int) -> None:
    rows = [make_example(f"pregunta{n} sobre{n}?", f"respuesta{n}") for n in range(count)]
    split = split_examples(rows, [], language="es")
    assert split.parts["train"] and sum(map(len, split.parts.values())) == count


@pytest.mark.parametrize("ratios", [(0.8, 0.1, 0.2), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1)])
def test_ratios_that_cannot_be_are_refused(ratios: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError, match="no three shares of 1"):
        check_ratios(ratios)
