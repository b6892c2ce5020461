"""Which chat template a model is trained and served with; ours carry the marks that tell which tokens are the assistant's.

prepare_tokenizer(tokenizer, "qwen3", model_type="qwen3")       # template, end-of-turn and pad token set
"""

import re
from pathlib import Path
from typing import Any, Final

from retrieval.errors import RecipeInvalid

FOLDER: Final = Path(__file__).parent / "chat_templates"
NAMES: Final = ("qwen3", "llama3", "phi", "deepseek")
PAD_TOKEN: Final = "<|pad|>"  # for tokenizers with no token of their own that could pad

_END_OF_TURN: Final = {"qwen3": "<|im_end|>", "llama3": "<|eot_id|>"}
_PADS: Final = ("<|endoftext|>", "<|finetune_right_pad_id|>", "<|vision_pad|>", PAD_TOKEN)
_MARK: Final = re.compile(r"\{%-?\s*generation\s*-?%\}")


def read_template(name: str) -> str:
    """The text of a shipped template, or of a file given by its path. Raises `RecipeInvalid`."""
    path = FOLDER / f"{name}.jinja" if name in NAMES else Path(name)
    if not path.is_file():
        raise RecipeInvalid(
            f"There is no chat template {name!r}.",
            [],
            f"Write one of {', '.join(NAMES)}, or the path of a .jinja file.",
        )
    text = path.read_text(encoding="utf-8")
    if not _MARK.search(text):
        raise RecipeInvalid(
            f"The chat template {name} does not mark the assistant's tokens.",
            [],
            "Put {% generation %} and {% endgeneration %} around the assistant's turn, its end token included.",
        )
    return text


def choose_template(name: str, model_type: str, vocabulary: dict[str, int], own: str | None = None) -> str:
    """The name `auto` stands for, or `name` itself; `own` where the model's own template carries the marks.

    Raises `RecipeInvalid` where nothing fits.
    """
    if name != "auto":
        return name
    if own and _MARK.search(own):
        return "own"
    if model_type == "phi":
        return "phi"
    if "<|im_start|>" in vocabulary and "<|im_end|>" in vocabulary:
        return "qwen3"
    if "<|start_header_id|>" in vocabulary and "<|eot_id|>" in vocabulary:
        return "llama3"
    if "<｜begin▁of▁sentence｜>" in vocabulary:
        return "deepseek"
    raise RecipeInvalid(
        f"No chat template is known for a model of type {model_type!r}.",
        [],
        f"Set model.chat_template to one of {', '.join(NAMES)}, or to the path of a .jinja file with generation marks.",
    )


def prepare_tokenizer(tokenizer: Any, template: str, model_type: str) -> str:
    """Give a tokenizer the template, the end-of-turn token as its end token, and a pad token that is not it.

    Returns the template's name. Changes `tokenizer`. Raises `RecipeInvalid`.
    """
    vocabulary = tokenizer.get_vocab()
    own = tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else None
    name = choose_template(template, model_type, vocabulary, own)
    if name != "own":
        tokenizer.chat_template = read_template(name)
    end = _END_OF_TURN.get(name)
    if end is not None and end in vocabulary:
        tokenizer.eos_token = end
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        tokenizer.pad_token = next(
            (pad for pad in _PADS if pad in vocabulary and pad != tokenizer.eos_token), PAD_TOKEN
        )
    tokenizer.padding_side = "right"
    return name
