"""The command that serves a model, read from the model's own files, and the wait until it is healthy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.serve_vllm import serve_vllm, wait_until_healthy
from assistant.vllm_command import VllmPlan, reasoning_parser, shell_line, vllm_command
from retrieval.errors import BackendError, UsageError

THINKING = "{% if enable_thinking %}<think>{% endif %}"
SERVER = """
import http.server, sys
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
    def log_message(self, *given):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Healthy)
print(server.server_port, flush=True)
server.serve_forever()
"""


def model(folder: Path, kind: str = "qwen3", template: str = THINKING) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return str(folder)


def adapter(folder: Path, base: str, rank: int = 64) -> str:
    folder.mkdir(exist_ok=True)
    config = {"base_model_name_or_path": base, "r": rank, "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return str(folder)


def test_a_merged_model_is_served_under_its_folders_name_on_this_machine(tmp_path: Path) -> None:
    folder = model(tmp_path / "herbolaria")
    assert vllm_command(VllmPlan(folder)) == [
        "vllm", "serve", folder, "--host", "127.0.0.1", "--port", "8000", "--served-model-name", "herbolaria",
        "--reasoning-parser", "qwen3",
    ]  # fmt: skip


def test_an_adapter_is_served_on_its_own_base_with_room_for_its_rank(tmp_path: Path) -> None:
    base = model(tmp_path / "base")
    lora = adapter(tmp_path / "lora", base, rank=48)
    command = vllm_command(VllmPlan(adapter=lora))
    assert command[:3] == ["vllm", "serve", base] and command[7:9] == ["--served-model-name", "base"]
    assert command[9:14] == ["--enable-lora", "--lora-modules", f"lora={lora}", "--max-lora-rank", "64"]


def test_a_base_from_the_hub_or_of_the_adapters_name_keeps_its_own(tmp_path: Path) -> None:
    hub = adapter(tmp_path / "lora", "maker/model")
    (tmp_path / "runs").mkdir()
    twin = adapter(tmp_path / "runs" / "base", model(tmp_path / "base"))
    for folder in (hub, twin):
        assert "--served-model-name" not in vllm_command(VllmPlan(adapter=folder))


def test_sizes_are_passed_on_where_they_are_given(tmp_path: Path) -> None:
    plan = VllmPlan(model(tmp_path / "m"), "", "127.0.0.1", 9000, 4096, 0.8, 2, 3, "/opt/vllm/bin/python")
    command = vllm_command(plan)
    assert command[:4] == ["/opt/vllm/bin/python", "-m", "vllm.entrypoints.openai.api_server", "--model"]
    assert command[-8:] == [
        "--max-model-len", "4096", "--gpu-memory-utilization", "0.8",
        "--tensor-parallel-size", "2", "--pipeline-parallel-size", "3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "template", "parser"),
    [("qwen3", THINKING, "qwen3"), ("qwen3", "{{ messages }}", ""), ("llama", THINKING, "deepseek_r1"), ("phi3", THINKING, "")],
)  # fmt: skip
def test_the_parser_follows_the_family_where_its_template_thinks(
    tmp_path: Path, kind: str, template: str, parser: str
) -> None:
    assert reasoning_parser(model(tmp_path / "m", kind, template)) == parser


def test_a_template_may_stand_in_the_tokenizers_configuration(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (tmp_path / "m" / "chat_template.jinja").unlink()
    (tmp_path / "m" / "tokenizer_config.json").write_text(json.dumps({"chat_template": THINKING}), encoding="utf-8")
    assert reasoning_parser(folder) == "qwen3"


def test_what_is_shown_can_be_pasted_and_sends_nothing_anywhere(tmp_path: Path) -> None:
    line = shell_line(vllm_command(VllmPlan(model(tmp_path / "my model"))))
    assert line.startswith("VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 vllm serve '") and "my model' --host" in line


def test_what_cannot_be_served_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model to serve"):
        vllm_command(VllmPlan())
    with pytest.raises(BackendError, match=r"adapter_config.json"):
        vllm_command(VllmPlan(adapter=model(tmp_path / "m")))
    huge = adapter(tmp_path / "huge", "base", rank=1024)
    with pytest.raises(BackendError, match=r"rank 1024; vLLM serves up to 512\. Merge it first: savia merge"):
        vllm_command(VllmPlan(adapter=huge))


def test_without_a_key_other_machines_are_not_served(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="SAVIA_VLLM_API_KEY"):
        serve_vllm(VllmPlan(model(tmp_path / "m"), host="0.0.0.0"), print)


def test_a_missing_vllm_is_named(tmp_path: Path) -> None:
    plan = VllmPlan(model(tmp_path / "m"), python=str(tmp_path / "no-python"))
    with pytest.raises(UsageError, match=r"no-python is not installed here.*--vllm-python"):
        serve_vllm(plan, print)


def test_the_wait_ends_when_the_server_is_healthy() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        wait_until_healthy(f"http://127.0.0.1:{port}/health", process)
        with pytest.raises(BackendError, match="not ready after 0 seconds"):
            wait_until_healthy(f"http://127.0.0.1:{port}/health", process, limit=0)
        process.kill()


def test_a_server_that_ends_before_it_is_ready_is_told() -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as process:
        process.wait()
        with pytest.raises(BackendError, match="ended with code 3 before it was ready"):
            wait_until_healthy("http://127.0.0.1:9/health", process)
