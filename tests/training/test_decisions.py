"""What people decided in review: the last word on a row counts, survives a kill and a rebuild, and edits keep their source."""

from pathlib import Path

import pytest

from retrieval.errors import DataError
from training.decisions import Decision, apply_decisions, edit_example, read_decisions, write_decision
from training.example import make_example

ROW = make_example("¿Qué es?", "Una planta.", sections=["plantas/ruda#top"], origin="llm", weight=2.0, task="uses")


def test_the_last_decision_on_a_row_counts(tmp_path: Path) -> None:
    path = tmp_path / "review" / "decisions.jsonl"
    write_decision(path, Decision("a", "rejected", "wrong"))
    write_decision(path, Decision("b", "accepted"))
    write_decision(path, Decision("a", "accepted"))
    decisions = read_decisions(path)
    assert {name: decision.decision for name, decision in decisions.items()} == {"a": "accepted", "b": "accepted"}
    assert len(path.read_text().splitlines()) == 3 and decisions["a"].time.endswith("+00:00")


def test_a_torn_last_line_is_left_out_and_cut_by_the_next_decision(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    write_decision(path, Decision("a", "accepted"))
    path.write_bytes(path.read_bytes() + b'{"id": "b", "deci')
    assert list(read_decisions(path)) == ["a"]
    write_decision(path, Decision("c", "rejected"))
    assert list(read_decisions(path)) == ["a", "c"]


def test_a_line_that_is_no_decision_is_named(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_text('{"id": "a", "decision": "perhaps"}\n')
    with pytest.raises(DataError, match="line 1 is no decision"):
        read_decisions(path)


def test_rejected_rows_go_and_edited_ones_take_their_place(tmp_path: Path) -> None:
    other = make_example("¿Y?", "No.")
    edited = edit_example(ROW, "¿Qué es la ruda?", "Una planta amarga.")
    path = tmp_path / "decisions.jsonl"
    write_decision(path, Decision(ROW.id, "edited", example=edited))
    write_decision(path, Decision(other.id, "rejected", "says nothing"))
    write_decision(path, Decision("gone", "accepted"))
    reviewed = apply_decisions([ROW, other], read_decisions(path))
    assert reviewed.rejected == [(other, "says nothing")] and reviewed.edited == {edited.id: ROW.id}
    [row] = reviewed.kept
    assert (row.answer, row.sections, row.parents) == ("Una planta amarga.", ("plantas/ruda#top",), (ROW.id,))
    assert (row.origin, row.weight, row.task) == ("review", 2.0, "uses") and "gone" not in reviewed.met


def test_an_edited_row_can_be_edited_and_rejected_again() -> None:
    second = edit_example(ROW, "¿Qué es la ruda?", "Una hierba.")
    third = edit_example(second, "¿Qué es la ruda?", "Una hierba amarga.")
    chain = {
        ROW.id: Decision(ROW.id, "edited", example=second),
        second.id: Decision(second.id, "edited", example=third),
    }
    assert [row.id for row in apply_decisions([ROW], chain).kept] == [third.id]
    chain[third.id] = Decision(third.id, "rejected", "no")
    assert apply_decisions([ROW], chain).kept == []
    back = {**chain, third.id: Decision(third.id, "edited", example=edit_example(third, ROW.question, ROW.answer))}
    assert [row.id for row in apply_decisions([ROW], back).kept] == [ROW.id]


@pytest.mark.parametrize("wrong", [("", "accepted", None), ("a", "edited", None), ("a", "accepted", ROW)])
def test_a_decision_that_cannot_be_is_refused(wrong: tuple[str, str, object]) -> None:
    with pytest.raises(ValueError, match="a decision needs an id"):
        Decision(wrong[0], wrong[1], example=wrong[2])  # type: ignore[arg-type]
