"""Where the parts of a data set lie: `data/build/<domain>/<stage>/`, one folder per stage, named like the stage.

BuildLayout(settings.home / "data" / "build" / "herbolaria").examples("generate")
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Stage = Literal["parse", "generate", "augment", "import", "combine", "filter", "split", "export"]
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class BuildLayout:
    """Paths only; nothing is read or made here."""

    root: Path

    def folder(self, stage: Stage) -> Path:
        return self.root / stage

    @property
    def sections(self) -> Path:
        """Documents and sections, one JSON line a section."""
        return self.root / "parse" / "sections.jsonl"

    def examples(self, stage: Stage) -> Path:
        """The stage's accepted rows (`training.example.read_examples`)."""
        return self.root / stage / "examples.jsonl"

    def rejected(self, stage: Stage) -> Path:
        """Rows that the stage turned down, each with its reason."""
        return self.root / stage / "rejected.jsonl"

    def imported(self, name: str) -> Path:
        """Rows of one imported source; `name` is the source's."""
        return self.root / "import" / f"{name}.jsonl"

    def split(self, name: str) -> Path:
        """Rows of one part after the split: train, validation or test."""
        return self.root / "split" / f"{name}.jsonl"

    def exported(self, name: str) -> Path:
        return self.root / "export" / f"{name}.jsonl"

    @property
    def decisions(self) -> Path:
        """What people decided in review: accepted, rejected, edited; kept for ever, by row id."""
        return self.root / "review" / "decisions.jsonl"
