"""From a request's words to a question that can be asked: which domain, which backend, with which options.

asked = asking.read(domain=None, backend="extractive", question="¿Qué es el susto?", history=[])
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.answer import AnswerStream
from assistant.api.pool import AssistantPool
from assistant.api.problems import ApiProblem
from assistant.api.runs import Desk
from assistant.messages import Options
from assistant.settings import BackendName
from assistant.wiring import default_options
from retrieval.followups import Turn

DEFAULT_MODEL = "savia"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, ready to be asked."""

    domain: str
    backend: BackendName
    question: str
    history: list[Turn]
    options: Options

    @property
    def model(self) -> str:
        """The name of domain and backend together, as /v1/models lists it."""
        return f"{self.domain}/{self.backend}"


class Asking:
    """The pool behind the routes, and the desk that bounds it."""

    def __init__(self, pool: AssistantPool, desk: Desk) -> None:
        self.pool = pool
        self.desk = desk

    def read(
        self,
        domain: str | None,
        backend: BackendName | None,
        question: str,
        history: Sequence[Turn],
        options: Options | None = None,
    ) -> Asked:
        """The question with the server's own choices filled in. Raises `ApiProblem` (404, 422)."""
        settings = self.pool.settings
        if not question.strip():
            raise ApiProblem(422, "The request cannot be read: message: it is empty.")
        name, writer = domain or self.pool.retrieval.domain, backend or settings.backend
        if name not in self.pool.domains():
            raise ApiProblem(404, f"There is no domain {name!r}.", code="domain_not_found")
        if writer not in self.pool.offered:
            offered = ", ".join(self.pool.offered)
            raise ApiProblem(
                404, f"The backend {writer} is not offered here; offered: {offered}.", code="backend_not_found"
            )
        return Asked(name, writer, question, list(history), options or default_options(settings))

    def ask(self, asked: Asked) -> AnswerStream:
        """Search. Raises `IndexProblem`, `UsageError`."""
        return self.pool.ask(asked.domain, asked.backend, asked.question, asked.history, asked.options)

    def read_model(self, model: str) -> tuple[str | None, BackendName | None]:
        """`herbolaria/extractive`, a domain, a backend, or `savia` for the server's own choices. Raises `ApiProblem` (404)."""
        domain, _, backend = model.partition("/")
        if model in ("", DEFAULT_MODEL):
            return None, None
        for offered in self.pool.offered:
            if backend == offered and domain in self.pool.domains():
                return domain, offered
            if model == offered:
                return None, offered
        if model in self.pool.domains():
            return model, None
        raise ApiProblem(404, f"There is no model {model[:80]!r}; GET /v1/models lists them.", code="model_not_found")

    def models(self) -> list[str]:
        """Every domain with every backend, the server's own choice first."""
        return [DEFAULT_MODEL] + [f"{domain}/{name}" for domain in self.pool.domains() for name in self.pool.offered]
