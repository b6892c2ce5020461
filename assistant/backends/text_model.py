"""A backend as a few lines of a script use it: a question, perhaps some context, text back.

    TextModel(backend).generate("¿Para qué se usa la sábila?", context="La sábila alivia quemaduras leves.")

The prompt is the one that the whole application uses, with the context as its passages.
"""

from collections.abc import Iterator, Sequence

from assistant.backends.base import ChatBackend, budget_of
from assistant.messages import Message, Options, Source
from assistant.prompts import build_messages
from retrieval.domain import DomainConfig, load_domain
from retrieval.settings import read_settings


class TextModel:
    """`generate` and `generate_stream` over any backend; `config` is the domain's, by default the settings' domain."""

    def __init__(
        self, backend: ChatBackend, config: DomainConfig | None = None, options: Options | None = None
    ) -> None:
        self.backend = backend
        self._config = config
        self._options = options or Options()

    def generate(self, query: str, context: str | Sequence[str] | None = None) -> str:
        """The answer without its reasoning. Raises `BackendError`."""
        return "".join(self.generate_stream(query, context)).strip()

    def generate_stream(self, query: str, context: str | Sequence[str] | None = None) -> Iterator[str]:
        """The answer's text as it comes. Raises `BackendError`."""
        for piece in self.backend.stream(self.messages(query, context), self._options):
            if piece.kind == "answer" and piece.text:
                yield piece.text

    def messages(self, query: str, context: str | Sequence[str] | None = None) -> list[Message]:
        """The prompt: each context is a numbered passage; without any, the persona and the question alone."""
        config = self._config or _default_config()
        texts = [context] if isinstance(context, str) else list(context or ())
        if not texts:
            return [Message("system", config.persona.strip()), Message("user", query, query)]
        sources = [
            Source(n, f"context-{n}", "context", "context", "context", (), text) for n, text in enumerate(texts, 1)
        ]
        return build_messages(config, query, sources, budget=budget_of(self.backend, self._options.max_tokens))


def _default_config() -> DomainConfig:
    settings = read_settings()
    return load_domain(settings.domain, settings.domains_dir).config
