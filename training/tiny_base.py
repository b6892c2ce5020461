"""A model of one to four million parameters with its tokenizer and chat template, made from a pack's own texts.

    savia tiny-base --kind qwen3 --seconds 60 --output models/tiny

For tests and the offline demonstration: it shows that the pipeline runs, and answers nothing.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any, Final, Literal, get_args

import typer

from retrieval.console import DomainOption, JsonOption, errors, escape, output, print_json, progress_bar, run_command
from retrieval.domain import Domain, load_domain
from retrieval.errors import DataError, UsageError, storage_errors
from retrieval.files import write_atomically
from retrieval.settings import read_settings
from training.chat_layout import read_template
from training.pretraining import pretrain

Kind = Literal["qwen3", "llama", "phi"]

VOCABULARY: Final = 4096
HIDDEN: Final = 192  # six layers of this width: 3.4 M parameters with Qwen3's layout
LAYERS: Final = 6
HEADS: Final = 4
WINDOW: Final = 4096  # longest text in tokens; rotary positions cost nothing until they are used
LARGEST_TEXT: Final = 20_000_000  # characters read from a pack: more adds nothing to a model of this size

REASONING: Final = ("<think>", "</think>")


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Special tokens of a kind, as its large relatives have them."""

    special: tuple[str, ...]
    end: str
    pad: str
    begin: str | None
    template: str


_KINDS: Final[dict[str, _Tokens]] = {
    "qwen3": _Tokens(("<|endoftext|>", "<|im_start|>", "<|im_end|>"), "<|im_end|>", "<|endoftext|>", None, "qwen3"),
    "llama": _Tokens(
        (
            "<|begin_of_text|>",
            "<|end_of_text|>",
            "<|finetune_right_pad_id|>",
            "<|start_header_id|>",
            "<|end_header_id|>",
            "<|eot_id|>",
        ),
        "<|eot_id|>",
        "<|finetune_right_pad_id|>",
        "<|begin_of_text|>",
        "llama3",
    ),
    "phi": _Tokens(("<|endoftext|>", "<|pad|>"), "<|endoftext|>", "<|pad|>", None, "phi"),
}


def train_tokenizer(texts: Sequence[str], kind: Kind, vocabulary: int = VOCABULARY) -> Any:
    """A byte-level BPE tokenizer (a `PreTrainedTokenizerFast`) learned from `texts`, with the kind's special tokens, chat
    template, and the reasoning tags as single tokens that are shown when special ones are skipped."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokens = _KINDS[kind]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(REASONING),
        special_tokens=list(tokens.special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    core.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in REASONING])
    make: Any = PreTrainedTokenizerFast
    return make(
        tokenizer_object=core,
        eos_token=tokens.end,
        pad_token=tokens.pad,
        bos_token=tokens.begin,
        model_max_length=WINDOW,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        chat_template=read_template(tokens.template),
    )


def build_tiny_model(
    kind: Kind,
    folder: Path,
    texts: Sequence[str],
    seed: int = 0,
    hidden: int = HIDDEN,
    layers: int = LAYERS,
    vocabulary: int = VOCABULARY,
) -> Path:
    """Write a model with random weights, its tokenizer and chat template to `folder` (safetensors); returns `folder`.

    The same arguments give the same bytes. Raises `UsageError` for an unknown kind, `DataError` for no text.
    """
    check_kind(kind)
    if not any(text.strip() for text in texts):
        raise DataError("There is no text to make a tokenizer from.", "Give a pack with a corpus or data sets.")
    tokenizer = train_tokenizer(texts, kind, vocabulary)
    save_model(create_model(kind, tokenizer, seed, hidden, layers), tokenizer, folder)
    return folder


def check_kind(kind: str) -> None:
    if kind not in get_args(Kind):
        raise UsageError(f"{kind!r} is no kind of model.", f"Write one of {', '.join(get_args(Kind))}.")


def create_model(kind: Kind, tokenizer: Any, seed: int, hidden: int = HIDDEN, layers: int = LAYERS) -> Any:
    """A `PreTrainedModel` in fp32 with random weights; torch's own random state is left as it was."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        make: Any = AutoModelForCausalLM.from_config
        model = make(_model_config(kind, tokenizer, hidden, layers), dtype=torch.float32)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Model and tokenizer appear in `folder` at once, or not at all; a folder that is there is replaced."""
    with storage_errors(f"write the model to {folder}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            model.save_pretrained(draft)
            tokenizer.save_pretrained(draft)
            draft.chmod(0o755)
            if folder.exists():
                shutil.rmtree(folder)
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def _model_config(kind: Kind, tokenizer: Any, hidden: int, layers: int) -> Any:
    from transformers import LlamaConfig, PhiConfig, Qwen3Config

    shared: dict[str, Any] = {
        "vocab_size": -(-len(tokenizer) // 64) * 64,  # a multiple of 64, as 4-bit blocks and matrix kernels like it
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "max_position_embeddings": WINDOW,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    match kind:
        case "qwen3":
            return Qwen3Config(
                **shared,
                intermediate_size=3 * hidden,
                num_key_value_heads=HEADS // 2,
                head_dim=hidden // HEADS,
                tie_word_embeddings=True,
            )
        case "llama":
            return LlamaConfig(
                **shared, intermediate_size=3 * hidden, num_key_value_heads=HEADS // 2, tie_word_embeddings=True
            )
        case "phi":
            return PhiConfig(**shared, intermediate_size=3 * hidden, num_key_value_heads=HEADS)


def read_texts(domain: Domain) -> list[str]:
    """The pack's documents, or the texts of its data sets where it has no corpus. Raises `DataError`."""
    paths = sorted(domain.corpus.rglob("*.md")) or sorted(
        path for path in (domain.folder / "datasets").glob("*.json*") if path.is_file()
    )
    texts: list[str] = []
    total = 0
    for path in paths:
        texts.append(path.read_text(encoding="utf-8", errors="replace"))
        total += len(texts[-1])
        if total > LARGEST_TEXT:
            break
    if not any(text.strip() for text in texts):
        raise DataError(
            f"The pack {domain.name} holds no text to learn from.", "Add documents to its corpus/ or rows to datasets/."
        )
    return texts


def command(
    output_dir: Annotated[Path, typer.Option("--output", "--output-dir", "-o", help="Folder of the model.")],
    kind: Annotated[str, typer.Option(help=f"Architecture: {', '.join(get_args(Kind))}.")] = "qwen3",
    seconds: Annotated[
        float, typer.Option(min=0, help="Time to pretrain on the pack's texts; 0: random weights.")
    ] = 60,
    seed: Annotated[int, typer.Option(help="Of the weights and the order of the texts.")] = 0,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a tiny base model from a pack's texts: a check of the pipeline, not of answers."""
    check_kind(kind)
    if output_dir.exists() and not (output_dir / "config.json").is_file() and any(output_dir.iterdir()):
        raise UsageError(f"{output_dir} is there and holds no model.", "Name another folder, or empty this one.")
    settings = read_settings(domain=domain)
    pack = load_domain(settings.domain, settings.domains_dir)
    result = make_tiny_base(kind, output_dir, pack, seconds, seed)  # type: ignore[arg-type]
    if as_json:
        print_json(result)
        return
    output().print(
        escape(
            f"{output_dir}: {kind}, {result['parameters']:,} parameters, {result['steps']} steps on {result['tokens']:,} "
            f"tokens, loss {result['loss']:.2f}"
        ),
        soft_wrap=True,
    )
    errors().print("A check of the pipeline, not of answers.")


def make_tiny_base(kind: Kind, folder: Path, pack: Domain, seconds: float, seed: int = 0) -> dict[str, Any]:
    """Tokenizer, model, pretraining and card; returns the figures that the card holds."""
    from transformers.utils import logging

    silence: Any = logging.disable_progress_bar
    silence()
    texts = read_texts(pack)
    tokenizer = train_tokenizer(texts, kind)
    model = create_model(kind, tokenizer, seed)
    with progress_bar() as report:
        done = pretrain(model, tokenizer, texts, seconds, seed, report)
    save_model(model, tokenizer, folder)
    figures = {
        "folder": str(folder),
        "kind": kind,
        "domain": pack.name,
        "parameters": model.num_parameters(),
        "steps": done.steps,
        "tokens": done.tokens,
        "seconds": round(done.seconds, 1),
        "loss": round(done.loss, 4) if done.steps else 0.0,
        "seed": seed,
    }
    write_atomically(folder / "README.md", _card(figures).encode())
    return figures


def _card(figures: dict[str, Any]) -> str:
    return (
        "# A tiny base model\n\n"
        f"Layout: {figures['kind']}. {figures['parameters']:,} parameters, pretrained {figures['seconds']} s "
        f"({figures['steps']} steps, {figures['tokens']:,} tokens, loss {figures['loss']:.2f}) on the texts of the pack "
        f"`{figures['domain']}`.\n\nA check of the training pipeline, not of answers: what it writes means nothing.\n"
    )


if __name__ == "__main__":
    run_command(command)
