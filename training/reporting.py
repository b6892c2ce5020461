"""Where curves go beside `metrics.jsonl`: nowhere, TensorBoard, or Weights & Biases; nothing is ever asked.

choose_reporting(config, os.environ)        # "none", "tensorboard" or "wandb"
"""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

from retrieval.console import say
from training.config import ReportTo, TrainingConfig


def choose_reporting(config: TrainingConfig, environment: Mapping[str, str]) -> ReportTo:
    """What the recipe wants, if it can be had without a prompt."""
    if config.report_to == "wandb":
        reason = _missing_for_wandb(environment)
        if reason:
            say(f"{reason}: the run goes on with TensorBoard.")
            return "tensorboard"
        if config.wandb_project:
            os.environ.setdefault("WANDB_PROJECT", config.wandb_project)
    return config.report_to


def _missing_for_wandb(environment: Mapping[str, str]) -> str:
    if importlib.util.find_spec("wandb") is None:
        return "wandb is not installed"
    if environment.get("WANDB_API_KEY") or environment.get("WANDB_MODE") in ("offline", "disabled"):
        return ""
    netrc = Path.home() / ".netrc"
    known = netrc.is_file() and "api.wandb.ai" in netrc.read_text(encoding="utf-8", errors="replace")
    return "" if known else "There is no Weights & Biases key (WANDB_API_KEY)"
