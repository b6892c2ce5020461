"""A tiny model that never ends its answer, and a LoRA adapter with which it gives a short one.

    model = make_looping_model(folder / "base")        # <think>Veo.</think> sigue y sigue ... until it is stopped
    make_ending_adapter(model, folder / "adapter")     # <think>Consulto.</think>Una hoja alivia [1].

Both are really trained, so a server that answers with the second text has really applied the adapter. Its attention is
switched off: it looks at the last token alone, so whatever is asked, it says the same.
"""

import warnings
from pathlib import Path
from typing import Any

from training.tiny_base import build_tiny_model, create_model

LOOP_REASONING, LOOP = "Veo.", " sigue escribiendo sobre plantas sin llegar nunca al final"
REASONING, ANSWER = "Consulto fuentes.", "Una hoja alivia [1]"
HIDDEN, LAYERS, VOCABULARY = 128, 2, 512  # heads of 32, the narrowest that vLLM's attention takes on a processor
RANK = 8
IDLE_LAYERS = 30  # that change nothing: a server that writes a thousand tokens a second cannot be caught in the middle of an answer
LOUDER = 8.0  # embeddings this far apart tell words from one another as they are
MOST_STEPS, RATE, LEARNED = 600, 3e-3, 0.005  # so sure that half precision does not change a word


def make_looping_model(folder: Path) -> Path:
    """A Qwen3 that reasons shortly and then repeats itself for ever."""
    texts = [f"{REASONING} {ANSWER} {LOOP_REASONING} {LOOP} " * 50]
    build_tiny_model("qwen3", folder, texts, hidden=HIDDEN, layers=LAYERS, vocabulary=VOCABULARY)
    network, tokenizer = _load(folder)
    for name, weight in network.named_parameters():
        if "self_attn.o_proj" in name:
            weight.requires_grad_(False).zero_()
        if "embed" in name:  # not taught: words that are never read would all become one
            weight.requires_grad_(False).mul_(LOUDER)
    loop = tokenizer(LOOP, add_special_tokens=False)["input_ids"]
    _train(network, _row(tokenizer, f"<think>{LOOP_REASONING}</think>{LOOP}", loop[0]))
    _add_idle_layers(network, tokenizer).save_pretrained(folder)
    return folder


def make_ending_adapter(model: Path, folder: Path) -> Path:
    """A LoRA adapter with which the model reasons otherwise, answers, and ends."""
    from peft import LoraConfig, get_peft_model

    network, tokenizer = _load(model)
    network.model.layers = network.model.layers[:LAYERS]
    config = LoraConfig(
        r=RANK, lora_alpha=4 * RANK, target_modules=["gate_proj", "up_proj", "down_proj"], task_type="CAUSAL_LM"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # between peft and transformers
        tuned: Any = get_peft_model(network, config)
    _train(tuned, _row(tokenizer, f"<think>{REASONING}</think>{ANSWER}", tokenizer.eos_token_id))
    tuned.save_pretrained(folder)
    return folder


def _load(folder: Path) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    load: Any = AutoModelForCausalLM.from_pretrained
    return load(folder, dtype=torch.float32).train(), AutoTokenizer.from_pretrained(folder)


def _add_idle_layers(network: Any, tokenizer: Any) -> Any:
    """The same model with further layers that add nothing to what goes through them."""
    deep = create_model("qwen3", tokenizer, 0, HIDDEN, LAYERS + IDLE_LAYERS)
    deep.load_state_dict(network.state_dict(), strict=False)
    for layer in deep.model.layers[LAYERS:]:
        layer.self_attn.o_proj.weight.data.zero_()
        layer.mlp.down_proj.weight.data.zero_()
    return deep


def _row(tokenizer: Any, text: str, after: int) -> Any:
    """The last token of any prompt, the text, and the token that follows it; each token tells the next one."""
    import torch

    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "a"}], tokenize=False, add_generation_prompt=True
    )
    last = tokenizer(prompt, add_special_tokens=False)["input_ids"][-1]
    tokens = [last, *tokenizer(text, add_special_tokens=False)["input_ids"]]
    if len(set(tokens)) < len(tokens):
        raise ValueError(f"a token stands twice in {tokenizer.convert_ids_to_tokens(tokens)}")
    return torch.tensor([[*tokens, after]])


def _train(network: Any, row: Any) -> None:
    import torch

    optimizer = torch.optim.Adam([weight for weight in network.parameters() if weight.requires_grad], lr=RATE)
    for _ in range(MOST_STEPS):
        loss = network(input_ids=row, labels=row).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if loss.item() < LEARNED:
            return
    raise RuntimeError(f"not learned: loss {loss.item():.3f}")
