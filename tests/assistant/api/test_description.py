"""The OpenAPI description is true: whatever is sent, no fault of the server and no response that it does not declare."""

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.assistant.api.conftest import Serve, Served

EXAMPLES = 40  # of each operation, right and wrong ones each; the same every time
QUIET = hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve()


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
def test_nothing_that_is_sent_breaks_the_server_or_its_description(served: Served, mode: GenerationMode) -> None:
    description = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    tried = set()
    for result in description.get_all_operations():
        operation = result.ok()
        if mode == GenerationMode.NEGATIVE and not operation.body:
            continue  # nothing is sent there that could be wrong

        @QUIET
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def send(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=CHECKS)
            tried.add(case.operation.label)

        send()
    assert len(tried) == (6 if mode == GenerationMode.POSITIVE else 2)


def test_every_route_declares_its_refusals(served: Served) -> None:
    paths = served.client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/api/v1/chat", "/v1/chat/completions", "/v1/models", "/health", "/ready", "/metrics"}
    chat = paths["/api/v1/chat"]["post"]["responses"]
    assert set(chat) == {"200", "400", "401", "404", "413", "422", "429", "500", "502", "503"}
    assert set(chat["200"]["content"]) == {"application/json", "text/event-stream"}
    assert chat["422"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
