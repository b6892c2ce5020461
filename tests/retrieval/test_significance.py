"""Differences by eye, exact probabilities for few questions, and a gate that does not cry wolf."""

import numpy as np
import pytest

from retrieval.significance import LEVEL, bootstrap_interval, compare, loss_probability


def test_five_questions_that_all_lose_have_one_chance_in_thirty_two() -> None:
    assert loss_probability([-0.2, -0.1, -0.3, -0.1, -0.4]) == pytest.approx(1 / 32, abs=0.01)
    assert loss_probability([0.2, 0.1, 0.3]) == pytest.approx(1, abs=0.01)


def test_a_clear_gain_is_significant_and_its_interval_is_above_nothing() -> None:
    found = compare([0.9, 0.8, 1.0, 0.9] * 10, [0.5, 0.6, 0.4, 0.5] * 10)
    assert found.difference == pytest.approx(0.4)
    assert found.significant and 0 < found.interval[0] < 0.4 < found.interval[1]


def test_no_difference_is_no_news() -> None:
    assert compare([0.5, 1.0], [0.5, 1.0]).probability == 1
    assert loss_probability([]) == loss_probability([0.0, 0.0]) == 1
    assert bootstrap_interval([]) == (0.0, 0.0)


def test_the_same_rows_give_the_same_verdict() -> None:
    values = [0.1, -0.3, 0.2, 0.0, 0.7]
    assert compare(values, [0.0] * 5) == compare(values, [0.0] * 5)


def test_the_interval_holds_the_mean_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    held = [low <= 0.5 <= high for low, high in (bootstrap_interval(random.random(60)) for _ in range(100))]
    assert 88 <= sum(held) <= 100


@pytest.mark.slow
def test_of_two_hundred_comparisons_without_a_difference_about_one_in_twenty_raises_an_alarm() -> None:
    random = np.random.default_rng(11)
    scores = np.clip(random.normal(0.7, 0.3, size=300), 0, 1)
    alarms = 0
    for _ in range(200):
        one, other = (random.choice(scores, 100) for _ in range(2))
        alarms += loss_probability((one - other).tolist()) <= LEVEL
    assert 4 <= alarms <= 18  # 2 to 9 %
