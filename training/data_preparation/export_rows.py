"""Rows rendered part by part: passages chosen or kept, distractors dropped until a row fits, training rows repeated by weight.

exported = export_rows({"train": rows}, domain, DatasetConfig(), finder, earlier=read_choices(folder))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from retrieval.domain import Domain
from retrieval.lexical import Analyzer
from training.data_preparation.render import RenderedRow, render
from training.data_preparation.row_checks import TokenCount, estimate_tokens
from training.data_preparation.row_passages import (
    Choice,
    PassageFinder,
    choice_key,
    choose_passages,
    kind_of,
    still_stands,
    without_last_distractor,
)
from training.dataset_config import DatasetConfig
from training.example import Example

Progress = Callable[[str, int, int], None]


Parts = Mapping[str, Sequence[Example]]


STEP = 20  # rows between two reports of progress


CHARACTERS_PER_TOKEN = {"en": 4.0}
"""Where no tokenizer is given; other languages: `row_checks.CHARACTERS_PER_TOKEN`. Measured on English prose: 4.3 to 4.5."""


@dataclass(frozen=True, slots=True)
class Exported:
    """Rendered rows by part, the choice of passages behind each, and rows left out with the reason.

    `drawn` counts rows whose passages were chosen in this run, `older` those that show an older text of a section that has
    changed since as a distractor.
    """

    rows: dict[str, list[RenderedRow]]
    choices: list[Choice]
    left_out: list[tuple[Example, str]] = field(default_factory=list)
    drawn: int = 0
    older: int = 0

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(rows) for name, rows in self.rows.items()}


def export_rows(
    parts: Parts,
    domain: Domain,
    config: DatasetConfig,
    finder: PassageFinder | None = None,
    earlier: Mapping[str, Choice] | None = None,
    count: TokenCount | None = None,
    progress: Progress = lambda *_: None,
) -> Exported:
    """Render every row; a training row as often as its weight says. `earlier` choices are used again where they still stand;
    `count` counts tokens, by default from the length of the text."""
    count = count or token_estimate(domain.config.language)
    owners = {section: name for name, examples in parts.items() for example in examples for section in example.sections}
    analyzer = finder.analyzer if finder else Analyzer(domain.config.language)
    exported = Exported({name: [] for name in parts}, [])
    total, done, drawn, older = sum(map(len, parts.values())), 0, 0, 0
    if finder:
        _prepare(finder, parts, config, earlier or {})
    for name, examples in parts.items():
        for example in examples:
            done += 1
            if done % STEP == 0 or done == total:
                progress("Rendering rows", done, total)
            if finder and example.sections and not all(map(finder.holds, example.sections)):
                exported.left_out.append((example, "a section of it is not in the index"))
                continue
            choice, new = _choose(example, finder, config, earlier or {}, name, owners)
            row, choice = _fit(example, choice, domain, config, analyzer, count)
            if row is None:
                exported.left_out.append((example, f"longer than {config.max_tokens} tokens with its prompt"))
                continue
            drawn += new
            older += finder is not None and any(s.passage_id not in finder.passage_ids for s in choice.sources)
            exported.choices.append(choice)
            exported.rows[name] += _repeat(row, round(example.weight) if name == "train" else 1)
    return Exported(exported.rows, exported.choices, exported.left_out, drawn, older)


def _prepare(finder: PassageFinder, parts: Parts, config: DatasetConfig, earlier: Mapping[str, Choice]) -> None:
    """Embed the questions of rows that were not exported before, all at once."""
    new = (example for examples in parts.values() for example in examples if example.id not in earlier)
    asked = [example for example in new if kind_of(example, config, True) != "closed_book"]
    finder.prepare((example.question, example.history) for example in asked)


def _choose(
    example: Example,
    finder: PassageFinder | None,
    config: DatasetConfig,
    earlier: Mapping[str, Choice],
    part: str,
    owners: Mapping[str, str],
) -> tuple[Choice, bool]:
    """The row's passages, and whether they were chosen now. No part shows passages of another part's sources."""

    def allowed(section: str) -> bool:
        return owners.get(section, part) == part

    known = earlier.get(example.id)
    key = choice_key(example, kind_of(example, config, finder is not None), finder, config)
    if known and still_stands(known, key, finder, allowed):
        return known, False
    return choose_passages(example, finder, config, allowed), True


def _fit(
    example: Example, choice: Choice, domain: Domain, config: DatasetConfig, analyzer: Analyzer, count: TokenCount
) -> tuple[RenderedRow | None, Choice]:
    """The rendered row with as many distractors as `max_tokens` allows; None where it is too long without any."""
    kept: Choice | None = choice
    while kept is not None:
        row = render(example, kept, domain.config, analyzer)
        if sum(count(text) for text in row.texts) <= config.max_tokens:
            return row, kept
        kept = without_last_distractor(kept)
    return None, choice


def _repeat(row: RenderedRow, times: int) -> list[RenderedRow]:
    more = (
        RenderedRow(f"{row.id}#{number}", row.messages, row.reasoning, row.answer, row.metadata)
        for number in range(2, times + 1)
    )
    return [row, *more]


def token_estimate(language: str) -> TokenCount:
    """About how many tokens a text of that language is."""
    characters = CHARACTERS_PER_TOKEN.get(language)
    return estimate_tokens if characters is None else lambda text: round(len(text) / characters)
