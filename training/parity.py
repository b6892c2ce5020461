"""Whether two networks say the same: their logits on some prompts, and the tokens that they would go on with.

    before = observe(tuned, prompts)
    parity = compare(before, observe(merged, prompts))
    parity.max_difference, parity.same_tokens

Prompts are tokens as the local backend sends them, so that what is compared is what is served.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from assistant.backends.chat_prompt import ChatPrompt
from assistant.messages import Message
from assistant.prompts import build_messages
from retrieval.domain import Domain

PROMPTS: Final = 20
GREEDY_TOKENS: Final = (
    16  # of each prompt's continuation: enough to fall over a difference, cheap with a large model on a CPU
)
MOST_DIFFERENCE: Final = (
    1e-4  # of fp32 logits: a hundred times what the order of additions changes (1.2e-6 was measured)
)

# Where no pack is at hand: plain questions in several languages.
_THINGS: Final = (
    "water", "fever", "a triangle", "bread", "the moon", "a contract", "salt", "an average", "el fuego", "la memoria",
    "una receta", "el susto", "un volcán", "la fiebre", "der Wald", "ein Fahrrad", "la musique", "un pont", "il mare", "o rio",
)  # fmt: skip

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """What a network made of each prompt: logits (tokens x vocabulary, fp32) and its likeliest continuation."""

    logits: list[Any]
    tokens: list[Tokens]


@dataclass(frozen=True, slots=True)
class Parity:
    """`same_tokens` counts prompts whose whole greedy continuation agrees, `same_first` those whose next token does."""

    prompts: int
    max_difference: float
    mean_difference: float
    same_tokens: int
    same_first: int

    @property
    def holds(self) -> bool:
        return self.max_difference <= MOST_DIFFERENCE and self.same_tokens == self.prompts

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}


def collect_prompts(prompt: ChatPrompt, domain: Domain | None, count: int = PROMPTS) -> list[Tokens]:
    """`count` prompts in tokens: questions of the pack, then plain ones."""
    found = []
    for messages in islice(_conversations(domain), count):
        found.append(prompt.render(messages).tokens)
    return found


def observe(network: Any, prompts: Sequence[Tokens]) -> Seen:
    """Run a network over prompts; the memory it takes is that of one prompt's logits more for each."""
    import torch
    from transformers import GenerationConfig

    make: Any = GenerationConfig
    own = network.generation_config
    settings = make(
        max_new_tokens=GREEDY_TOKENS, do_sample=False, eos_token_id=own.eos_token_id, pad_token_id=own.pad_token_id
    )
    logits, tokens = [], []
    with torch.no_grad():
        for prompt in prompts:
            ids = torch.tensor([prompt])
            logits.append(network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].float())
            written = network.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings)
            tokens.append(tuple(written[0, len(prompt) :].tolist()))
    return Seen(logits, tokens)


def compare(one: Seen, other: Seen) -> Parity:
    """Two networks on the same prompts."""
    differences = [(a - b).abs() for a, b in zip(one.logits, other.logits, strict=True)]
    firsts = zip(one.logits, other.logits, strict=True)
    return Parity(
        len(differences),
        max((float(difference.max()) for difference in differences), default=0.0),
        sum(float(difference.mean()) for difference in differences) / max(1, len(differences)),
        sum(a == b for a, b in zip(one.tokens, other.tokens, strict=True)),
        sum(bool(a[-1].argmax() == b[-1].argmax()) for a, b in firsts),
    )


def _conversations(domain: Domain | None) -> Iterator[list[Message]]:
    if domain is not None:
        config = domain.config
        questions = [*config.sample_questions, *(question.question for question in config.benchmark_questions)]
        questions += [gold.question for gold in domain.questions()]
        for question in dict.fromkeys(questions):
            yield build_messages(config, question, ())
    for thing in _THINGS:
        yield [Message("user", f"{thing}: ?"), Message("assistant", thing), Message("user", f"{thing}?")]
