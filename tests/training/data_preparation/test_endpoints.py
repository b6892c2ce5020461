"""Whose server is asked, and with which key."""

import pytest

from retrieval.errors import UsageError
from training.data_preparation.endpoints import choose_endpoint

KEYS = {"ANTHROPIC_API_KEY": "a-key", "OPENAI_API_KEY": "o-key"}


def test_presets_know_their_address_and_the_name_of_their_key() -> None:
    openai = choose_endpoint("openai", None, "m", KEYS)
    anthropic = choose_endpoint("anthropic", None, "m", KEYS)
    assert (openai.base_url, openai.secret) == ("https://api.openai.com/v1", "o-key")
    assert (anthropic.base_url, anthropic.secret) == ("https://api.anthropic.com/v1", "a-key")


def test_without_a_choice_the_key_in_the_environment_decides() -> None:
    assert choose_endpoint(None, None, None, {"ANTHROPIC_API_KEY": "a-key"}).base_url == "https://api.anthropic.com/v1"
    assert choose_endpoint(None, None, None, {}).base_url == "http://127.0.0.1:8000/v1"


def test_a_vendor_without_its_key_is_refused() -> None:
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        choose_endpoint("openai", None, None, {"OPENAI_API_KEY": " "})


def test_a_key_does_not_travel_in_the_clear() -> None:
    assert choose_endpoint(None, "http://example.org/v1", "m", KEYS).key is None
    assert choose_endpoint(None, "http://127.0.0.1:9000", "m", KEYS).secret == "o-key"
    with pytest.raises(UsageError):
        choose_endpoint("openai", "http://example.org/v1", None, KEYS)


def test_a_key_is_not_shown() -> None:
    assert "o-key" not in repr(choose_endpoint("openai", None, None, KEYS))


@pytest.mark.parametrize("url", ["ftp://host/v1", "https:///v1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        choose_endpoint(None, url, None, {})
