"""How a data set is put together: the `dataset` part of a recipe, also read by `savia dataset ...`.

DatasetConfig(weights={"cross-validated": 2.0}, reasoning_tag="think")
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
ReasoningTag = Literal["think", "pensamiento", "none", "field"]
ExportFormat = Literal["messages", "sharegpt", "alpaca", "prompt-completion", "autotrain"]


class DatasetConfig(BaseModel):
    """Everything has a default that suits a pack with a corpus; a recipe says what differs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: dict[str, Annotated[float, Field(gt=0)]] = {}
    """How often rows of a source (template, llm, or an imported name) are drawn, relative to the others."""
    max_repeats: Annotated[int, Field(ge=1)] = 4
    """A row stands at most this often, whatever its weight."""
    ratios: tuple[Share, Share, Share] = (0.8, 0.1, 0.1)
    """Train, validation, test."""
    seed: int = 42
    rag: bool = True
    """Rows with passages, where the pack has a corpus."""
    passages: Annotated[int, Field(ge=1, le=20)] = 5
    """Passages in a row's prompt: the gold ones and distractors."""
    without_gold: Share = 0.1
    """Share of rows whose gold passage is missing: the answer is the refusal."""
    closed_book: Share = 0.1
    """Share of rows with no passages at all."""
    reasoning_tag: ReasoningTag = "think"
    format: ExportFormat = "messages"
    drop_safety_levels: tuple[str, ...] = ()
    """Rows of these safety levels are left out."""
    min_tokens: Annotated[int, Field(ge=1)] = 8
    """Shortest row that teaches anything, question and answer together."""
    max_tokens: Annotated[int, Field(ge=16)] = 2048
    """Rows longer than this, prompt and answer together, are left out: they would be cut in training."""
