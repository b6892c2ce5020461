"""What every request passes: host, key, rate, size; what is noted of it: an id, a log line without texts, counters."""

import json
import logging
import threading
from pathlib import Path

import pytest

from assistant.api.keys import hash_key, new_key, read_keys
from assistant.api.limits import RateLimit, Slots
from assistant.api.problems import ApiProblem
from assistant.api.settings import ApiSettings, read_api_settings
from retrieval.errors import SettingsError
from tests.assistant.api.conftest import Serve

SECRET_QUESTION = "¿Para qué se usa la ruda secretísima?"


# --- keys -----------------------------------------------------------------------------------------------------------------


def test_with_keys_only_their_owners_are_answered(serve: Serve) -> None:
    ana, ben = new_key(), new_key()
    client = serve(keys=f"ana:{hash_key(ana)}, {hash_key(ben)}").client
    for headers in ({"authorization": f"Bearer {ana}"}, {"x-api-key": ben}):
        assert client.get("/v1/models", headers=headers).status_code == 200
    for headers in ({}, {"authorization": "Bearer sv-wrong"}, {"authorization": f"Basic {ana}"}):
        response = client.get("/v1/models", headers=headers)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert client.get("/metrics").status_code == 401


def test_probes_and_the_description_need_no_key(serve: Serve) -> None:
    client = serve(keys=hash_key(new_key())).client
    assert [client.get(path).status_code for path in ("/health", "/ready", "/openapi.json")] == [200, 200, 200]
    assert client.get("/openapi.json").json()["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_a_wrong_key_is_refused_before_the_body_is_read(serve: Serve) -> None:
    response = serve(keys=hash_key("x")).client.post("/api/v1/chat", content=b"no json")
    assert response.status_code == 401


def test_keys_may_stand_in_a_file_with_comments(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# who may ask\nana:{hash_key('a')}  # since May\n\n{hash_key('b')}\n", encoding="utf-8")
    keys = read_keys(ApiSettings(keys_file=file))
    assert (keys.owner("a"), keys.owner("b"), keys.owner("c")) == ("ana", hash_key("b")[:8], None)


def test_a_key_in_the_place_of_its_hash_is_refused_without_being_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SAVIA_API_KEYS holds something that is no SHA-256 hash") as caught:
        read_keys(ApiSettings(keys="sv-my-real-key"))
    assert "sv-my-real-key" not in str(caught.value)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_keys(ApiSettings(keys_file=tmp_path / "nothing"))


def test_new_keys_are_long_and_never_the_same() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100 and all(key.startswith("sv-") and len(key) > 40 for key in keys)


def test_a_wrong_setting_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAVIA_API_RATE", "many")
    with pytest.raises(SettingsError, match="SAVIA_API_RATE='many'"):
        read_api_settings()


# --- limits ---------------------------------------------------------------------------------------------------------------


def test_a_large_body_is_refused_with_and_without_its_length(serve: Serve) -> None:
    client = serve(max_body=2048).client
    assert client.post("/api/v1/chat", content=b"x" * 3000).status_code == 413
    assert client.post("/api/v1/chat", content=(b"x" * 500 for _ in range(8))).status_code == 413


def test_a_request_too_many_is_told_when_to_come_back(serve: Serve) -> None:
    client = serve(rate=2).client
    codes = [client.get("/v1/models").status_code for _ in range(3)]
    assert codes == [200, 200, 429] and client.get("/health").status_code == 200
    assert 1 <= int(client.get("/v1/models").headers["retry-after"]) <= 30


def test_the_rate_is_kept_for_each_asker_and_fills_up_again() -> None:
    now = 0.0
    rate = RateLimit(60, lambda: now)
    assert [rate.take("ana") for _ in range(61)] == [0.0] * 60 + [1.0] and rate.take("ben") == 0.0
    now = 1.0
    assert rate.take("ana") == 0.0 and rate.take("ana") == 1.0


def test_more_answers_than_there_are_places_are_refused() -> None:
    slots = Slots(1)
    with slots.held():
        with pytest.raises(ApiProblem) as caught, slots.held():
            pass
        assert (caught.value.status, slots.taken) == (503, 1)
    assert slots.taken == 0


# --- browsers -------------------------------------------------------------------------------------------------------------


def test_a_foreign_host_name_is_refused(serve: Serve) -> None:
    client = serve().client
    assert client.get("/v1/models", headers={"host": "evil.example"}).status_code == 400
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert client.get("/v1/models", headers={"host": host}).status_code == 200


def test_other_web_pages_may_ask_only_where_the_settings_name_them(serve: Serve) -> None:
    asking = {"origin": "https://example.org", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in serve().client.options("/api/v1/chat", headers=asking).headers
    client = serve(cors_origins="https://example.org", keys=hash_key("k")).client
    allowed = client.options("/api/v1/chat", headers=asking)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://example.org")
    asking["origin"] = "https://evil.example"
    assert "access-control-allow-origin" not in client.options("/api/v1/chat", headers=asking).headers


# --- what is noted --------------------------------------------------------------------------------------------------------


def test_every_response_has_an_id_and_a_good_one_of_the_client_is_kept(serve: Serve) -> None:
    client = serve().client
    assert client.get("/health", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    made = client.get("/nothing", headers={"x-request-id": "bad id!"})
    assert len(made.headers["x-request-id"]) == 32
    assert made.status_code == 404 and made.json()["error"]["request_id"] == made.headers["x-request-id"]


def test_the_log_tells_who_and_how_long_and_never_what(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    key = new_key()
    served = serve(keys=f"ana:{hash_key(key)}")
    headers = {"authorization": f"Bearer {key}", "x-request-id": "r-1"}
    served.client.post("/api/v1/chat", json={"message": SECRET_QUESTION, "stream": True}, headers=headers)
    served.client.post("/api/v1/chat", json={"message": SECRET_QUESTION, "x": "secretísima"}, headers=headers)
    lines: list[dict[str, object]] = []
    while len(lines) < 2:  # the line of a stream is written after its last byte was sent
        threading.Event().wait(0.01)
        lines = [json.loads(record.message) for record in caplog.records if record.name == "savia.api"]
    lines.sort(key=lambda line: str(line["status"]))
    assert [line["status"] for line in lines] == [200, 422]
    assert {"id": "r-1", "key": "ana", "route": "/api/v1/chat", "domain": "tiny"}.items() <= lines[0].items()
    assert "secret" not in caplog.text and "ruda" not in caplog.text and key not in caplog.text


def test_prometheus_reads_requests_and_answers(serve: Serve) -> None:
    served = serve()
    served.ask("¿Para qué se usa la ruda?")
    served.ask("¿Quién ganó el mundial de futbol?")
    served.client.get("/no/such/place")
    text = served.client.get("/metrics").text
    assert 'savia_requests_total{method="POST",route="/api/v1/chat",status="200"} 2.0' in text
    assert 'savia_requests_total{method="GET",route="unmatched",status="404"} 1.0' in text
    assert 'savia_answers_total{backend="extractive",domain="tiny",outcome="answered"} 1.0' in text
    assert 'savia_answers_total{backend="extractive",domain="tiny",outcome="abstained"} 1.0' in text


def test_ready_says_what_can_be_asked(serve: Serve) -> None:
    assert serve().client.get("/ready").json() == {
        "status": "ready", "domain": "tiny", "backends": {"extractive": "ready"},
    }  # fmt: skip


def test_a_dead_server_behind_the_default_backend_is_not_ready(serve: Serve) -> None:
    response = serve(assistant={"backend": "vllm", "vllm_url": "http://127.0.0.1:1/v1"}).client.get("/ready")
    assert response.status_code == 503 and "No server answers" in response.json()["error"]["message"]
