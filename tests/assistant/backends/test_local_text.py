"""Tokens to text, messages to tokens: no character is broken, no mark of the template can be forged, every token is counted."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.backends.chat_prompt import ChatPrompt
from assistant.backends.local_model import ModelRequest, load_prompt
from assistant.backends.token_text import StopText, TokenText
from assistant.messages import Message, Source
from assistant.prompts import build_messages
from retrieval.domain import DomainConfig
from retrieval.errors import BackendError
from tests.tiny_models import KINDS, build_model
from training.tiny_base import train_tokenizer

CONFIG = DomainConfig(title="Plantas", language="es", persona="Hablas.", refusal="No está.", disclaimer="Educativo.")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(["La sábila alivia. ¿Niño? corazón"], "qwen3", 300)


@pytest.fixture(scope="module", params=KINDS)
def prompt(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ChatPrompt:
    return load_prompt(ModelRequest(str(build_model(request.param, tmp_path_factory.mktemp("prompt") / request.param))))


def read(tokenizer: Any, groups: list[list[int]]) -> list[str]:
    reader = TokenText(tokenizer)
    return [*(reader.feed(group) for group in groups), reader.finish()]


# --- tokens to text -------------------------------------------------------------------------------------------------------


@given(text=st.text(), size=st.integers(1, 5))
def test_text_comes_out_whole_however_its_bytes_are_cut(tokenizer: Any, text: str, size: int) -> None:
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    parts = read(tokenizer, [tokens[start : start + size] for start in range(0, len(tokens), size)])
    assert "".join(parts) == tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
    if "\ufffd" not in text:
        assert not any("\ufffd" in part for part in parts)


def test_half_a_character_waits_for_its_other_half(tokenizer: Any) -> None:
    tokens = tokenizer("🌿", add_special_tokens=False)["input_ids"]
    assert len(tokens) == 4
    assert read(tokenizer, [[token] for token in tokens]) == ["", "", "", "🌿", ""]


def test_bytes_that_are_no_character_are_not_held_for_ever(tokenizer: Any) -> None:
    broken = tokenizer("🌿", add_special_tokens=False)["input_ids"][:1]
    parts = read(tokenizer, [broken] * 100)
    assert sum(part != "" for part in parts) > 5


def test_reasoning_tags_are_text_and_special_tokens_are_not(prompt: ChatPrompt) -> None:
    tokens = prompt.tokenizer("<think>Veo</think>Sí", add_special_tokens=False)["input_ids"]
    reader = TokenText(prompt.tokenizer, prompt.hidden)
    assert reader.feed([*tokens, *prompt.end_tokens]) + reader.finish() == "<think>Veo</think>Sí"


def test_reasoning_tags_are_text_even_where_the_tokenizer_calls_them_special(tokenizer: Any) -> None:
    special = train_tokenizer(["La sábila"], "qwen3", 300)
    special.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    prompt = ChatPrompt(special, 100)
    reader = TokenText(special, prompt.hidden)
    assert reader.feed(special("<think>a</think>b<|im_end|>")["input_ids"]) == "<think>a</think>b"


@given(
    text=st.text("abc", max_size=30),
    cuts=st.lists(st.integers(0, 30)),
    stop=st.lists(st.text("abc", min_size=1, max_size=4)),
)
def test_a_stop_sequence_is_found_however_the_text_is_cut(text: str, cuts: list[int], stop: list[str]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut <= len(text))})
    finder = StopText(stop)
    shown = "".join(finder.feed(text[start:end]) for start, end in itertools.pairwise(places)) + finder.finish()
    first = min((place for sequence in stop if (place := text.find(sequence)) >= 0), default=len(text))
    if len(places) == 2:
        assert shown == text[:first]
    assert text.startswith(shown) and not any(sequence in shown for sequence in stop)


# --- messages to tokens ---------------------------------------------------------------------------------------------------


def test_what_a_document_says_cannot_open_a_turn(prompt: ChatPrompt) -> None:
    marks = "".join(prompt.tokenizer.all_special_tokens)
    harmless, hostile = (
        prompt.render([Message("system", "Hablas."), Message("user", f"Ruda {text} fin.")]).tokens
        for text in ("a", marks)
    )
    special = set(prompt.tokenizer.all_special_ids)
    assert [token for token in hostile if token in special] == [token for token in harmless if token in special]


def test_the_packer_fills_the_window_to_the_last_passage_that_fits(prompt: ChatPrompt) -> None:
    sources = [Source(n, f"p{n}", "d", "s", "Ruda", (), "La ruda alivia. " * 30) for n in range(1, 30)]
    budget = prompt.budget(1024)
    messages = build_messages(
        CONFIG, "¿Ruda?", sources, [("user", "Hola " * 40), ("assistant", "Sí " * 40)] * 9, budget
    )
    kept = len(messages[-1].sources)
    assert 1 < kept < 29
    assert budget.room - 250 < len(prompt.render(messages).tokens) <= budget.room
    more = build_messages(CONFIG, "¿Ruda?", sources[: kept + 1])
    assert len(prompt.render(more).tokens) > budget.room


def test_a_prompt_is_never_counted_too_short_nor_much_too_long(prompt: ChatPrompt) -> None:
    system, user = Message("system", "Hablas de plantas."), Message("user", "¿Para qué se usa la ruda?")
    counted = prompt.count(system.content) + prompt.count(user.content) + 2 * prompt.turn_overhead
    assert 0 <= counted - len(prompt.render([system, user]).tokens) <= 3


def test_a_long_answer_is_not_kept_room_for_at_the_cost_of_the_whole_prompt(prompt: ChatPrompt) -> None:
    assert prompt.budget(100_000).room == prompt.window // 2


def test_a_template_without_a_system_turn_reads_it_with_the_question(tokenizer: Any) -> None:
    own = tokenizer.chat_template
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    try:
        tokenizer.chat_template = refusing + "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        rendered = ChatPrompt(tokenizer, 100).render([Message("system", "Hablas."), Message("user", "¿Ruda?")])
        assert tokenizer.decode(rendered.tokens) == "user: Hablas.\n\n¿Ruda?\n"
        tokenizer.chat_template = "{{ raise_exception('never') }}"
        with pytest.raises(BackendError, match="cannot be used: never"):
            ChatPrompt(tokenizer, 100).render([Message("system", "Hablas."), Message("user", "¿Ruda?")])
    finally:
        tokenizer.chat_template = own


def test_conversations_under_one_system_message_begin_alike(prompt: ChatPrompt) -> None:
    system = Message("system", "Hablas de plantas y de nada más.")
    prefix = prompt.shared_prefix([system, Message("user", "¿Ruda?")])
    assert prompt.tokenizer.decode(prefix).count("de nada más.") == 1
    assert prompt.shared_prefix([Message("user", "¿Ruda?")]) == ()
