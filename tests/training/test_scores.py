"""What answers are measured by: expected values that one can work out by eye, and rouge-score as an oracle."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.messages import Message
from retrieval.lexical import Analyzer
from training.evaluation.answer_checks import check, reference_checks
from training.evaluation.entities import Counts, count_entities, is_entity_task, read_entities, total
from training.evaluation.generation_scores import exact_match, rouge_l
from training.evaluation.intervals import perplexity_interval, ratio_interval
from training.evaluation.items import Item, row_items, spread
from training.evaluation.numbers import final_number, same_number
from training.evaluation.perplexity import Loss, perplexity
from training.evaluation.safety_levels import level_of
from training.evaluation.texts import split_reasoning, words
from training.model_writer import Written
from training.rows import TrainingRow

# --- nearness ---


def test_words_keep_their_accents() -> None:
    assert words("Año, ano: sábila-verde 12.") == ["año", "ano", "sábila", "verde", "12"]


def test_rouge_l_is_the_longest_common_subsequence() -> None:
    assert rouge_l("la sábila alivia", "la sábila alivia quemaduras") == pytest.approx(6 / 7)
    assert rouge_l("el año", "el ano") == pytest.approx(1 / 2)
    assert rouge_l("", "algo") == rouge_l("algo", "") == 0.0


def test_citations_neither_help_nor_hurt() -> None:
    assert rouge_l("Alivia quemaduras [1].", "Alivia quemaduras [2, 3].") == 1.0
    assert exact_match("Alivia quemaduras [1].", "alivia quemaduras")


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_rouge_l_agrees_with_the_usual_package(one: list[str], other: list[str]) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    expected = RougeScorer(["rougeL"]).score(" ".join(other), " ".join(one))["rougeL"].fmeasure
    assert rouge_l(" ".join(one), " ".join(other)) == pytest.approx(expected)


# --- entities ---


@pytest.mark.parametrize(
    "text",
    ["aspirin; stomach ulcer", "- aspirin\n- stomach ulcer", "1. aspirin\n2. stomach ulcer", "aspirin, stomach ulcer",
     '["aspirin", "stomach ulcer"]', '{"found": ["aspirin", "stomach ulcer"]}', "aspirin; stomach ulcer."],
)  # fmt: skip
def test_a_list_is_read_however_it_is_written(text: str) -> None:
    assert read_entities(text) == ["aspirin", "stomach ulcer"]


def test_names_hold_commas_where_something_else_parts_the_list() -> None:
    assert read_entities("1,2-dichloroethane; benzene") == ["1,2-dichloroethane", "benzene"]


@pytest.mark.parametrize("text", ["none", "None.", "", "ninguno"])
def test_nothing_found_is_an_empty_list(text: str) -> None:
    assert read_entities(text) == []


def test_relations_are_pairs_whatever_the_arrow() -> None:
    assert read_entities("cisplatin -> hearing loss\ncisplatin|nausea") == [
        "cisplatin -> hearing loss",
        "cisplatin -> nausea",
    ]
    assert read_entities("cisplatin->nausea, with vomiting") == ["cisplatin -> nausea, with vomiting"]
    assert read_entities('[["cisplatin", "nausea"]]') == ["cisplatin -> nausea"]


def test_strict_counts_spelling_and_repeats_and_sets_do_not() -> None:
    said, wanted = "Aspirin; aspirin; fever", "aspirin; ulcer"
    assert count_entities(said, wanted, "strict") == Counts(right=1, found=3, wanted=2)
    assert count_entities(said, wanted, "set") == Counts(right=1, found=2, wanted=2)


def test_precision_recall_and_f1_over_a_task() -> None:
    counts = total([Counts(1, 2, 4), Counts(1, 2, 0)])
    assert (counts.precision, counts.recall, counts.f1) == (1 / 2, 1 / 2, 1 / 2)
    assert Counts().f1 == Counts().precision == Counts().recall == 1.0
    assert Counts(0, 3, 0).f1 == Counts(0, 3, 0).recall == 0.0


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_counts_never_exceed_what_there_is(said: str, wanted: str) -> None:
    for how in ("strict", "set"):
        counts = count_entities(said, wanted, how)
        assert 0 <= counts.right <= min(counts.found, counts.wanted) and 0 <= counts.f1 <= 1


def test_which_tasks_ask_for_entities() -> None:
    assert all(map(is_entity_task, ("chemicals", "diseases", "relations")))
    assert not any(map(is_entity_task, ("uses", "definition", "")))


# --- numbers ---


@pytest.mark.parametrize(
    ("text", "number"),
    [("3 * 42 = 126\n#### 126", 126), ("#### 1,200", 1200), ("so it is 7.50 euros", 7.5), ("first 3, then 4", 4),
     (r"\boxed{\frac{3}{4}} and 9 steps", 0.75), ("#### -5", -5), ("#### 1/2", 0.5), ("#### $18", 18), ("x = .5", 0.5)],
)  # fmt: skip
def test_the_number_that_an_answer_comes_to(text: str, number: float) -> None:
    found = final_number(text)
    assert found is not None and float(found) == number


def test_the_same_number_may_be_written_otherwise() -> None:
    assert same_number("It is 0.5.", "#### 1/2") and same_number("#### 1200.0", "#### 1,200")
    assert not same_number("#### 12", "#### 120") and not same_number("no idea", "#### 12")
    assert not same_number("#### 1/0", "#### 1")


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_has_a_number_or_none(text: str) -> None:
    final_number(text + " #### " + text)


# --- safety levels ---


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        ("This may be a stroke. Call your local emergency number now, even if it gets better.", "emergency"),
        ("Llame al 911. No conduzca.", "emergency"),
        ("Please make an appointment with your doctor this week.", "caution"),
        ("Most colds pass in a week. Rest and drink enough. See a doctor if you get worse.", "safe"),
        ("If you cannot breathe, call an ambulance. Otherwise rest.", "safe"),
        ("", "safe"),
    ],
)
def test_the_level_is_what_is_advised_without_a_condition(answer: str, level: str) -> None:
    assert level_of(answer) == level


# --- perplexity and intervals ---


def test_perplexity_counts_tokens_not_rows() -> None:
    losses = [Loss("a", 3 * math.log(2), 3), Loss("b", math.log(32), 1), Loss("left out", 0.0, 0)]
    assert perplexity(losses) == pytest.approx(4.0)  # exp((3 log 2 + 5 log 2) / 4)
    assert math.isnan(perplexity([]))


def test_equal_rows_give_an_interval_of_no_width() -> None:
    losses = [Loss(str(number), math.log(8), 1) for number in range(5)]
    assert perplexity_interval(losses) == pytest.approx((8.0, 8.0))


def test_a_ratio_is_paired_so_rows_that_fall_alike_leave_no_doubt() -> None:
    before = [Loss(str(number), float(number), 1) for number in range(1, 9)]
    after = [Loss(loss.id, loss.nats - math.log(2), 1) for loss in before]
    ratio = ratio_interval(before, after)
    assert (ratio.rows, ratio.ratio) == (8, pytest.approx(1 / 2)) and ratio.interval == pytest.approx((1 / 2, 1 / 2))


def test_rows_that_other_tokenizers_cut_otherwise_are_not_compared() -> None:
    assert ratio_interval([Loss("a", 1.0, 3), Loss("b", 1.0, 2)], [Loss("a", 1.0, 4), Loss("b", 2.0, 2)]).rows == 1
    assert ratio_interval([], []).rows == 0


# --- items and checks ---

ROW = TrainingRow(
    "r",
    (
        {"role": "system", "content": "Responde."},
        {
            "role": "user",
            "content": '<passage n="1" source="Ruda">\nNo en el embarazo.\n</passage>\n\nPregunta: ¿Es segura?',
        },
        {"role": "assistant", "content": "<think>\nVeo.\n</think>\n\nNo en el embarazo [1]."},
    ),
    {"task": "safety", "safety_level": "caution"},
)


def test_a_row_is_asked_with_its_passages_and_without() -> None:
    with_them, without = (row_items([ROW], None, with_passages)[0] for with_passages in (True, False))
    assert "<passage" in with_them.messages[1].content and without.messages[1].content == "Pregunta: ¿Es segura?"
    assert with_them.question == "¿Es segura?" and with_them.expected == "No en el embarazo [1]." and with_them.reasoned


def test_rows_without_passages_get_retrieved_ones_where_there_is_an_index() -> None:
    row = TrainingRow("r", ({"role": "user", "content": "¿Qué?"}, {"role": "assistant", "content": "Eso."}))
    item = row_items([row], None, True, lambda question: [Message("user", f"passages for {question}")])[0]
    assert item.messages[0].content == "passages for ¿Qué?" and item.turn == "Eso."


def test_only_what_a_question_can_be_measured_by_is_measured() -> None:
    plain = Item("1", "row", "q", (), "Use 12 #### 12", task="math")
    benchmark = Item("2", "benchmark", "q", (), topics=("penca", "flor"), category="plants")
    written = Written("La penca. 12", "", 3, True, 1.0)
    assert check(plain, written, Analyzer("es"), "es", "")["numeric_accuracy"] == 1.0
    assert "topic_coverage" not in check(plain, written, Analyzer("es"), "es", "")
    assert check(benchmark, written, Analyzer("es"), "es", "") == {"stopped": 1.0, "topic_coverage": 1 / 2}


def test_reasoning_counts_where_the_row_has_it_and_only_there() -> None:
    item = Item("1", "row", "q", (), "Sí.", reasoned=True)
    for reasoning, answer, right in (("Veo.", "Sí.", 1.0), ("", "Sí.", 0.0), ("Veo.", "", 0.0)):
        assert (
            check(item, Written(answer, reasoning, 1, True, 1.0), Analyzer("es"), "es", "")["reasoning_format"] == right
        )


def test_refusing_is_right_only_where_a_refusal_was_expected() -> None:
    refusal = "No lo encontré."
    for expected, answer, right in (
        (refusal, "No lo encontré", 1.0),
        ("Es la ruda.", refusal, 0.0),
        ("Sí.", "Sí.", 1.0),
    ):
        item = Item("1", "row", "q", (), expected)
        assert (
            check(item, Written(answer, "", 1, True, 1.0), Analyzer("es"), "es", refusal)["refusal_agreement"] == right
        )


def test_the_ceiling_of_a_rule_is_measured_on_the_expected_answers() -> None:
    item = Item("1", "row", "q", (), "Call an ambulance now.", safety_level="emergency")
    assert reference_checks(item) == {"safety_agreement": 1.0}
    assert reference_checks(Item("1", "row", "q", (), "x")) == {}


def test_reasoning_and_answer_of_a_turn_are_told_apart() -> None:
    assert split_reasoning("<think>\nVeo.\n</think>\n\nSí.") == ("Veo.", "Sí.")
    assert split_reasoning("Sí.") == ("", "Sí.")


def test_a_sample_is_spread_evenly() -> None:
    assert spread("abcdef", 3) == ["a", "c", "e"]
    assert spread("ab", 0) == spread("ab", 5) == ["a", "b"]
