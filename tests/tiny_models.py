"""Tiny models of the Qwen3, Llama and Phi kinds, made on the spot, and adapters for them.

    folder = make_model("qwen3", tmp_path / "base")                      # writes nonsense, the same each time
    folder = make_taught_model("qwen3", tmp_path / "taught", "La ruda alivia el aire [1].")      # says this to everything
    make_adapter(folder, tmp_path / "adapter", seed=1)

They run through the same code as a large model.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.tiny_base import Kind, build_tiny_model

KINDS: tuple[Kind, ...] = ("qwen3", "llama", "phi")
TEXTS = [
    "La sábila alivia quemaduras leves. La ruda no se toma en el embarazo. El susto se cura con una limpia. "
    "¿Para qué se usa la manzanilla? Su té calma el dolor de estómago: 1 < 2, niño, corazón, raíz, año. " * 4
]
VOCABULARY, HIDDEN, LAYERS = 512, 32, 2
RESTLESS = 8.0  # with weights as small as usual, a random model only repeats the last token it read
MOST_STEPS, RATE, LEARNED = 400, 1e-2, 0.02


def make_model(kind: Kind, folder: Path, seed: int = 0, **sizes: int) -> Path:
    """A model of about 40,000 parameters with random weights in `folder`."""
    import torch

    build_model(kind, folder, seed, **sizes)
    network = _load(folder)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.dim() == 2 and "embed" not in name and "lm_head" not in name:
                weight.mul_(RESTLESS)
    network.save_pretrained(folder)
    return folder


def make_taught_model(kind: Kind, folder: Path, answer: str, template: str = "") -> Path:
    """A model that answers every prompt with `answer`, really trained; `template` takes the place of its kind's own.

    Its attention is switched off, so that it looks at nothing but the last token: the answer must not hold a token twice.
    """
    build_model(kind, folder, texts=[*TEXTS, f"{answer} " * 50])
    if template:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    network = _load(folder).train()
    for name, weight in network.named_parameters():
        if "self_attn.o_proj" in name or "self_attn.dense" in name:
            weight.requires_grad_(False).zero_()
    _train(network, _row(folder, answer))
    network.save_pretrained(folder)
    return folder


def build_model(kind: Kind, folder: Path, seed: int = 0, texts: Sequence[str] = TEXTS, **sizes: int) -> Path:
    """A model with random weights as small as usual."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    given = {"hidden": HIDDEN, "layers": LAYERS, "vocabulary": VOCABULARY, **sizes}
    return build_tiny_model(kind, folder, texts, seed, **given)


def make_adapter(base: Path, folder: Path, seed: int = 0, scale: float = 0.5) -> Path:
    """A LoRA adapter with random weights, strong enough to change what the base model writes."""
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # between peft and transformers
        tuned: Any = get_peft_model(_load(base), config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, weight in tuned.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight, std=scale)
    tuned.save_pretrained(folder)
    return folder


def _load(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    load: Any = AutoModelForCausalLM.from_pretrained
    return load(folder, dtype=torch.float32)


def _row(folder: Path, answer: str) -> Any:
    """The end of any prompt, and the answer, in tokens."""
    import torch
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "a"}], tokenize=False, add_generation_prompt=True
    )
    last = tokenizer(prompt, add_special_tokens=False)["input_ids"][-1]
    tokens = [last, *tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    assert len(set(tokens)) == len(tokens), f"a token stands twice in {tokenizer.convert_ids_to_tokens(tokens)}"
    return torch.tensor([tokens])


def _train(network: Any, row: Any) -> None:
    import torch

    optimizer = torch.optim.Adam(filter(lambda weight: weight.requires_grad, network.parameters()), lr=RATE)
    for _ in range(MOST_STEPS):
        loss = network(input_ids=row, labels=row).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss.item() < LEARNED:
            return
    raise AssertionError(f"not learned: loss {loss.item():.3f}")
