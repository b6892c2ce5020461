"""Limits in calls, tokens or money."""

from pathlib import Path

import pytest

from retrieval.errors import UsageError
from training.data_preparation.budget import PRICES, Budget, Price, Spent, read_budget, read_price

PRICE = Price(input=2.0, output=10.0)


def test_a_budget_is_written_as_people_write_amounts() -> None:
    assert read_budget(["200calls"]) == Budget(calls=200)
    assert read_budget(["2_000_000 tokens", "$5"]) == Budget(tokens=2_000_000, usd=5.0)
    assert read_budget(["0.5 USD"]) == Budget(usd=0.5)
    assert read_budget(None) == Budget()


@pytest.mark.parametrize("text", ["5", "five", "5eur", "-5usd", "1e3calls", "", "5usd usd"])
def test_an_amount_without_a_unit_that_is_known_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no limit"):
        read_budget([text])


def test_a_limit_is_reached_and_not_passed() -> None:
    assert Budget(calls=3).allows(Spent(2), Spent(1), None)
    assert not Budget(calls=3).allows(Spent(3), Spent(1), None)
    assert not Budget(tokens=100).allows(Spent(1, 60, 20), Spent(1, 15, 6), None)


def test_money_is_tokens_by_the_price_of_a_million() -> None:
    spent = Spent(1, 500_000, 100_000)
    assert PRICE.cost(spent) == 2.0
    assert Budget(usd=2.5).allows(Spent(), spent, PRICE)
    assert not Budget(usd=2.5).allows(spent, spent, PRICE)


def test_a_limit_in_money_needs_a_price() -> None:
    with pytest.raises(UsageError, match="no price for 'm'"):
        Budget(usd=1.0).check_priced(None, "m", PRICES)


def test_the_shipped_table_holds_no_prices_and_is_edited_by_the_user(tmp_path: Path) -> None:
    assert read_price(PRICES, "m") is None
    (tmp_path / "prices.yaml").write_text("models:\n  m: {input: 2.0, output: 10.0}\n")
    assert read_price(tmp_path / "prices.yaml", "m") == PRICE
    (tmp_path / "prices.yaml").write_text("models:\n  m: {input: -1}\n")
    with pytest.raises(UsageError, match="no price table"):
        read_price(tmp_path / "prices.yaml", "m")
