"""What calls to a model cost, and when to stop: a limit in calls, in tokens or in money by a price table that the user edits.

budget = read_budget(["200calls", "5usd"])
budget.allows(journal.spent, Spent(1, 900, 450), price)
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from retrieval.errors import UsageError
from retrieval.front_matter import load_yaml

PRICES: Final = Path(__file__).resolve().parent.parent / "configs" / "prices.yaml"
PER: Final = 1_000_000  # tokens that a price is for, as vendors state it

_AMOUNT = re.compile(r"\$?\s*(\d[\d_,]*(?:\.\d+)?|\.\d+)\s*([a-z]*)")
_UNITS = {"call": "calls", "calls": "calls", "token": "tokens", "tokens": "tokens", "usd": "usd", "dollars": "usd"}


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls and tokens; a call that was lost on its way counts by its estimate, since it may have been charged."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )

    def __sub__(self, other: "Spent") -> "Spent":
        return self + Spent(-other.calls, -other.input_tokens, -other.output_tokens)


class Price(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]

    def cost(self, spent: Spent) -> float:
        return (spent.input_tokens * self.input + spent.output_tokens * self.output) / PER


class PriceTable(BaseModel):
    """`prices.yaml`: a price by model name; a model without one costs an unknown amount."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: dict[str, Price | None] | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits on everything that a journal holds, earlier runs included; None: no limit of that kind."""

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None

    def allows(self, spent: Spent, more: Spent, price: Price | None) -> bool:
        """Whether `more` still fits. Money without a price is never allowed: `check_priced` says so before."""
        total = spent + more
        if self.calls is not None and total.calls > self.calls:
            return False
        if self.tokens is not None and total.tokens > self.tokens:
            return False
        return self.usd is None or (price is not None and price.cost(total) <= self.usd)

    def check_priced(self, price: Price | None, model: str, prices: Path) -> None:
        """Raises `UsageError` for a limit in money on a model without a price."""
        if self.usd is not None and price is None:
            raise UsageError(
                f"--budget is in dollars, and there is no price for {model!r}.",
                f"Write its price into {prices}, or give the budget in calls or tokens, such as --budget 200calls.",
            )

    def __str__(self) -> str:
        limits = [
            f"{value:,} {name}" for name, value in (("calls", self.calls), ("tokens", self.tokens)) if value is not None
        ]
        return ", ".join([*limits, *([f"{self.usd:,.2f} usd"] if self.usd is not None else [])]) or "no limit"


def read_budget(given: list[str] | None) -> Budget:
    """`--budget` options as limits. Raises `UsageError`.

    >>> read_budget(["200calls", "2_000_000 tokens", "$5"])
    Budget(calls=200, tokens=2000000, usd=5.0)
    """
    limits: dict[str, float] = {}
    for text in given or ():
        found = _AMOUNT.fullmatch(text.strip().lower())
        unit = "usd" if found and not found[2] and "$" in text else _UNITS.get(found[2]) if found else None
        if found is None or unit is None or unit in limits:
            raise UsageError(
                f"--budget {text!r} is no limit.", "Write calls, tokens or dollars: 200calls, 2000000tokens, 5usd."
            )
        limits[unit] = float(found[1].replace(",", "").replace("_", ""))
    whole = {name: int(limits[name]) if name in limits else None for name in ("calls", "tokens")}
    return Budget(whole["calls"], whole["tokens"], limits.get("usd"))


def read_price(path: Path, model: str) -> Price | None:
    """The model's price, None where the table has none. Raises `UsageError` for a table that cannot be read."""
    try:
        table = PriceTable.model_validate(load_yaml(path.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        reason = (
            "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            if isinstance(error, ValidationError)
            else " ".join(str(error).split())
        )
        raise UsageError(
            f"{path} is no price table ({reason}).", "Write models: {NAME: {input: 0.0, output: 0.0}}."
        ) from error
    return (table.models or {}).get(model)
