"""A domain pack: a folder that says who answers, in which language, from which documents; checked when loaded.

domain = load_domain("herbolaria", Path("data/domains"))
domain.config.title, domain.corpus, domain.questions()
"""

import difflib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from retrieval.errors import DomainInvalid, DomainNotFound, UsageError
from retrieval.front_matter import load_yaml

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")

Role = Literal[
    "definition",
    "names",
    "description",
    "uses",
    "preparation",
    "history",
    "chemistry",
    "evidence",
    "safety",
    "culture",
    "place",
]
ROLES: tuple[Role, ...] = Role.__args__  # type: ignore[attr-defined]
Split = Literal["calibration", "test"]
Kind = Literal["direct", "other_words", "misspelled", "follow_up", "several", "near_miss", "off_topic"]
Text = Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SectionRule(_Model):
    """What a heading of this domain is about: its role in an answer, and words people use for it."""

    role: Role | None = None
    aliases: tuple[str, ...] = ()


class RedFlag(_Model):
    """Questions that match any pattern get `message` first, before any answer."""

    name: Text
    patterns: Annotated[tuple[str, ...], Field(min_length=1)]
    message: Text

    @field_validator("patterns")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if len(pattern) > 300:
                raise ValueError(f"pattern is longer than 300 characters: {pattern[:40]}...")
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression ({error})") from error
        return patterns


class BenchmarkQuestion(_Model):
    category: Text
    question: Text
    topics: Annotated[tuple[str, ...], Field(min_length=1)]


class DomainConfig(_Model):
    """`domain.yaml`. Unknown keys are faults."""

    title: Text
    language: str
    persona: Text
    refusal: Text
    disclaimer: Text
    sample_questions: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    """Front-matter fields that questions can be filtered by."""
    name_fields: tuple[str, ...] = ()
    """Front-matter fields whose values are other names of the document's subject: searched with every passage."""
    synonyms: dict[str, tuple[str, ...]] = {}
    """Words that people type -> words that the documents use for it (panza: [vientre, estómago])."""
    sections: dict[str, SectionRule] = {}
    benchmark_questions: tuple[BenchmarkQuestion, ...] = ()
    red_flags: tuple[RedFlag, ...] = ()

    @field_validator("language")
    @classmethod
    def _check_language(cls, language: str) -> str:
        if not _LANGUAGE.fullmatch(language):
            raise ValueError("must be a two- or three-letter language code such as es")
        return language


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """One line of `questions.jsonl`: `relevant` are section ids, empty when the corpus cannot answer."""

    id: str
    question: str
    kind: Kind
    relevant: tuple[str, ...]
    split: Split
    history: tuple[tuple[str, str], ...] = ()  # (role, content) turns before the question

    @property
    def answerable(self) -> bool:
        return bool(self.relevant)


@dataclass(frozen=True)
class Domain:
    """A loaded pack."""

    name: str
    folder: Path
    config: DomainConfig

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus"

    @property
    def datasets(self) -> Path:
        """Ready-made training rows, if the pack has any."""
        return self.folder / "datasets"

    def questions(self) -> list[GoldQuestion]:
        """Gold questions; empty when the pack has none. Raises `DomainInvalid` with every fault."""
        return read_questions(self.folder / "questions.jsonl")

    def pairs(self) -> list[GoldQuestion]:
        """Answered questions that the pack keeps for learning and never measures with; empty when it has none.

        Raises `DomainInvalid`.
        """
        return read_pairs(self.folder / "pairs.jsonl")


def list_domains(domains_dir: Path) -> list[str]:
    """Names of the folders that hold a `domain.yaml`."""
    if not domains_dir.is_dir():
        return []
    return sorted(path.parent.name for path in domains_dir.glob("*/domain.yaml"))


def check_name(name: str) -> str:
    """A name safe to use as a folder. Raises `UsageError`."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no domain name.", "Use lower-case letters, digits and hyphens, such as my-notes."
        )
    return name


def load_domain(name: str, domains_dir: Path) -> Domain:
    """Read and check a pack. Raises `DomainNotFound`, or `DomainInvalid` listing every fault at once."""
    check_name(name)
    path = domains_dir / name / "domain.yaml"
    if not path.is_file():
        known = list_domains(domains_dir)
        near = difflib.get_close_matches(name, known, 1)
        there = f" There are: {', '.join(known)}." if known else f" {domains_dir} holds no pack."
        guess = f" Did you mean {near[0]}?" if near else ""
        raise DomainNotFound(
            f"There is no domain {name!r}.{guess}{there}", f"Make one: savia init {name} --from FOLDER"
        )
    return Domain(name, path.parent, read_config(path))


def read_config(path: Path) -> DomainConfig:
    try:
        loaded = load_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DomainInvalid(f"{path} is no valid YAML:", [" ".join(str(error).split())], "Correct the file.") from error
    if not isinstance(loaded, dict):
        raise DomainInvalid(
            f"{path} is not a valid pack:", ["the file holds no mapping of settings"], "Correct the file."
        )
    try:
        return DomainConfig.model_validate(loaded)
    except ValidationError as error:
        faults = [_fault(fault) for fault in error.errors()]
        raise DomainInvalid(
            f"{path} is not a valid pack:", faults, "Correct the file; savia domains check shows it again."
        ) from error


def _fault(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(fault["loc"][-1]), _known_keys(fault["loc"]), 1)
        return f"{place}: unknown key" + (f" (did you mean {near[0]}?)" if near else "")
    if fault["type"] == "missing":
        return f"{place}: is missing"
    return f"{place}: {fault['msg'].removeprefix('Value error, ')} (found {str(fault['input'])[:60]!r})"


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    """The keys that may stand where an unknown one was found."""
    below: dict[int | str, type[_Model]] = {
        "sections": SectionRule,
        "red_flags": RedFlag,
        "benchmark_questions": BenchmarkQuestion,
    }
    return list((below.get(place[0], DomainConfig) if len(place) > 1 else DomainConfig).model_fields)


_KINDS = Kind.__args__  # type: ignore[attr-defined]
_SPLITS = Split.__args__  # type: ignore[attr-defined]


def read_questions(path: Path) -> list[GoldQuestion]:
    """The questions of a JSONL file; none where there is no such file. Raises `DomainInvalid` with every fault."""
    questions, faults = _read_lines(path, _question)
    repeated = _repeats([question.id for question in questions])
    _check_lines(path, [*faults, *(f"id {name} stands more than once" for name in repeated)])
    return questions


def read_pairs(path: Path) -> list[GoldQuestion]:
    """The same of questions to learn from: they all have answers, need no ids, and are of the calibration split."""

    def pair(row: dict[str, Any], number: int) -> GoldQuestion:
        return _question({"kind": "direct", **row, "id": f"pair:{number}", "split": "calibration"}, number)

    pairs, faults = _read_lines(path, pair)
    _check_lines(path, faults)
    return pairs


def _read_lines(
    path: Path, read: Callable[[dict[str, Any], int], GoldQuestion]
) -> tuple[list[GoldQuestion], list[str]]:
    """What stands in the lines, and the faults of those that cannot be read."""
    if not path.is_file():
        return [], []
    found: list[GoldQuestion] = []
    faults: list[str] = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # splitlines() would cut at characters that JSON allows
    except UnicodeDecodeError as error:
        raise DomainInvalid(f"{path} has faults:", [f"not UTF-8 at byte {error.start}"], "Save it as UTF-8.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(read(json.loads(line), number))
        except (ValueError, KeyError, TypeError) as error:
            faults.append(f"line {number}: {error if not isinstance(error, KeyError) else f'{error} is missing'}")
    return found, faults


def _check_lines(path: Path, faults: Sequence[str]) -> None:
    if faults:
        raise DomainInvalid(f"{path} has faults:", list(faults), "Correct these lines.")


def _question(row: dict[str, Any], number: int) -> GoldQuestion:
    kind, split = row["kind"], row.get("split", "test")
    if kind not in _KINDS:
        raise ValueError(f"kind {kind!r} is none of {', '.join(_KINDS)}")
    if split not in _SPLITS:
        raise ValueError(f"split {split!r} is none of {', '.join(_SPLITS)}")
    question = row["question"]
    if not isinstance(question, str) or not question.strip():
        raise ValueError("question is empty")
    if not isinstance(row["relevant"], list) or not all(isinstance(name, str) for name in row["relevant"]):
        raise ValueError("relevant is no list of section ids")
    relevant = tuple(row["relevant"])
    if bool(relevant) == (kind in ("near_miss", "off_topic")):
        raise ValueError(f"kind {kind} {'must have no' if relevant else 'needs'} relevant sections")
    history = tuple((turn["role"], turn["content"]) for turn in row.get("history", ()))
    return GoldQuestion(str(row.get("id", number)), question, kind, relevant, split, history)


def _repeats(names: list[str]) -> list[str]:
    seen: set[str] = set()
    return sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
