"""The command line as a person meets it: real processes, their output, their exit codes, and what they load."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

import savia
from retrieval.console import normalize
from retrieval.index import Index
from tests.conftest import ROOT
from tests.retrieval.stepping_sync import SteppingSync

Run = Callable[..., "subprocess.CompletedProcess[str]"]
HEAVY = ("torch", "transformers", "chromadb", "streamlit", "sentence_transformers", "onnxruntime")


def run_savia(home: Path, *arguments: str, given: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
    """`savia ARGUMENTS` in a process of its own, on the packs below `home`."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("SAVIA_")}
    settings = {
        "SAVIA_HOME": str(home),
        "SAVIA_DOMAIN": "tiny",
        "SAVIA_EMBEDDER": "none",
        "COLUMNS": "200",
        **variables,
    }
    command = [sys.executable, "-m", "savia", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**outside, **settings}, input=given, capture_output=True, text=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose pack `tiny` (tests/data/tiny) was indexed by the command itself."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "tests" / "data" / "tiny", home / "data" / "domains" / "tiny")
    done = run_savia(home, "index", "sync")
    assert done.returncode == 0 and done.stdout.startswith("3 added, 0 changed"), done.stderr
    return home


@pytest.fixture
def run(home: Path) -> Run:
    return lambda *arguments, **more: run_savia(home, *arguments, **more)


# --- results --------------------------------------------------------------------------------------------------------------


def test_an_answer_as_json_has_exactly_the_documented_keys(run: Run) -> None:
    done = run("ask", "¿Para qué se usa la ruda?", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and list(answer) == [
        "question", "answer", "abstained", "citations", "sources", "red_flags", "backend", "model", "disclaimer", "timings",
        "adapter", "confidence",
    ]  # fmt: skip
    assert list(answer["citations"][0]) == ["n", "passage_id", "document", "section", "quote", "supported"]
    assert list(answer["sources"][0]) == ["passage_id", "document", "section", "text", "score"]
    assert answer["citations"][0]["section"] == "plantas/ruda#usos" and answer["citations"][0]["supported"]


def test_an_answer_for_people_has_its_text_its_citations_and_the_disclaimer(run: Run) -> None:
    done = run("ask", "¿Para qué se usa la ruda?")
    assert done.stdout.startswith("Se usa en barridas contra el aire y el espanto")
    assert "[1] plantas/ruda#usos" in done.stdout and "Solo con fines educativos." in done.stdout
    assert "\x1b" not in done.stdout


def test_a_question_may_come_from_standard_input(run: Run) -> None:
    assert "barridas" in run("ask", "-", given="¿Para qué se usa la ruda?\n").stdout


def test_a_question_without_an_answer_is_a_refusal_and_no_failure(run: Run) -> None:
    done = run("ask", "¿Cuánto cuesta un coche nuevo?", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["abstained"]


def test_a_red_flag_is_said_before_everything_else(run: Run) -> None:
    assert run("ask", "mi mamá no puede respirar").stdout.startswith("! Llame al 911.")


def test_a_chat_by_pipe_answers_each_line_and_understands_the_follow_up(run: Run) -> None:
    done = run("chat", given="¿Para qué se usa la ruda?\n¿y en el embarazo?\n\nno se lee\n")
    assert done.returncode == 0
    assert done.stdout.index("barridas contra el aire") < done.stdout.index("sangrado y aborto")


def test_search_shows_scores_and_spans(run: Run, home: Path) -> None:
    (hit,) = json.loads(run("search", "gases", "--limit", "1", "--json").stdout)
    text = (home / "data" / "domains" / "tiny" / "corpus" / hit["path"]).read_text(encoding="utf-8")
    assert text[slice(*hit["span"])] == hit["text"] and "gases" in hit["text"]
    assert hit["section"] == "plantas/manzanilla#usos" and hit["scores"]["bm25"] > 0


def test_search_takes_a_filter(run: Run) -> None:
    hits = json.loads(run("search", "hierba", "--where", "family=Rutaceae", "--json").stdout)
    assert {hit["document"] for hit in hits} == {"plantas/ruda"}


def test_the_evaluation_prints_one_entry_a_retriever(run: Run, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    done = run("evaluate", "retrieval", "--retriever", "bm25", "--retriever", "hybrid", "--rows", str(rows), "--json")
    report = json.loads(done.stdout)
    assert [entry["retriever"] for entry in report] == ["bm25", "hybrid"] and report[0]["queries"] == 4
    assert set(report[0]) == {"retriever", "queries", "metrics", "latency_ms", "by_kind", "by_type"}
    assert set(report[0]["latency_ms"]) == {"p50", "p95"}
    assert {"ndcg@10", "mrr@10", "recall@1", "recall@5", "recall@10"} <= set(report[0]["metrics"])
    assert report[0]["metrics"]["recall@10"] == 1 and len(rows.read_text().splitlines()) == 8


def test_an_evaluation_is_a_baseline_for_the_next_one(run: Run, tmp_path: Path) -> None:
    base, page = tmp_path / "base.json", tmp_path / "report.html"
    run("evaluate", "retrieval", "--retriever", "bm25", "--output", str(base), "--report", str(page))
    done = run("evaluate", "retrieval", "--retriever", "bm25", "--baseline", str(base), "--gate")
    assert "bm25: ndcg@10" in done.stdout and "+0.0000" in done.stdout
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_gate_closes_with_exit_code_three_on_a_loss_that_is_no_chance(run: Run, tmp_path: Path) -> None:
    names = [f"d{n}" for n in range(12)]
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(
        "".join(f'{{"_id": "{n}", "title": "", "text": "word {n}"}}\n' for n in names)
    )
    (tmp_path / "queries.jsonl").write_text("".join(f'{{"_id": "q{n}", "text": "{n}"}}\n' for n in names))
    lines = "".join(f"q{n}\t{n}\t1\n" for n in names)
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)
    for folder, found in (("good", lambda n: n), ("bad", lambda n: "x")):
        (tmp_path / folder).mkdir()
        text = "".join(f"q{n} Q0 {found(n)} 1 1 other\n" for n in names)
        (tmp_path / folder / "other.run").write_text(text)
    base = ["evaluate", "retrieval", "--beir", str(tmp_path)]
    run(*base, "--run", str(tmp_path / "good" / "other.run"), "--output", str(tmp_path / "base.json"))
    gated = ["--baseline", str(tmp_path / "base.json"), "--gate"]
    assert run(*base, "--run", str(tmp_path / "good" / "other.run"), *gated).returncode == 0
    done = run(*base, "--run", str(tmp_path / "bad" / "other.run"), *gated)
    assert done.returncode == 3 and "other 1.0000 -> 0.0000" in done.stderr


def test_the_index_is_verified_and_counted(run: Run) -> None:
    report = json.loads(run("index", "verify", "--json").stdout)
    assert report["sound"] and (report["missing"], report["orphans"], report["duplicates"]) == (0, 0, 0)
    stats = json.loads(run("index", "stats", "--json").stdout)
    assert (stats["documents"], stats["passages"], stats["state"]) == (3, 7, "lexical")
    assert stats["reranker"] is None


def test_hyphens_and_underscores_in_options_are_alike() -> None:
    app = typer.Typer(context_settings={"token_normalize_func": normalize})

    @app.callback()
    def group() -> None:
        """As savia's own commands, `show` is one of a group."""

    @app.command()
    def show(base_url: str = "", words: str = "") -> None:
        typer.echo(f"{base_url} {words}")

    for spelled in ("--base-url", "--base_url"):
        assert CliRunner().invoke(app, ["show", spelled, "a_b", "--words=c_d"]).stdout == "a_b c_d\n"
    assert get_command(savia.app).context_settings["token_normalize_func"] is normalize


def test_progress_and_notices_go_to_standard_error(home: Path) -> None:
    done = run_savia(home, "index", "sync", "--json")
    assert json.loads(done.stdout)["unchanged"] == 3


# --- faults ---------------------------------------------------------------------------------------------------------------


def test_an_unknown_domain_names_a_near_one_and_all_there_are(run: Run) -> None:
    done = run("ask", "hola", "--domain", "tinny")
    assert done.returncode == 1 and done.stdout == ""
    assert "There is no domain 'tinny'. Did you mean tiny? There are: tiny." in done.stderr
    assert "savia init tinny --from FOLDER" in done.stderr


def test_a_broken_pack_lists_all_its_faults_at_once(tmp_path: Path) -> None:
    pack = tmp_path / "data" / "domains" / "tiny"
    (pack / "corpus").mkdir(parents=True)
    (pack / "domain.yaml").write_text("titel: x\nlanguage: 7\nred_flags: [{name: a, patterns: ['('], message: m}]\n")
    done = run_savia(tmp_path, "ask", "hola")
    assert done.returncode == 1
    for fault in (
        "titel: unknown key (did you mean title?)",
        "title: is missing",
        "language: ",
        "no regular expression",
    ):
        assert fault in done.stderr


@pytest.mark.parametrize(
    "arguments", [("ask", "hola"), ("search", "hola"), ("index", "verify"), ("index", "stats"), ("chat",)]
)
def test_a_missing_index_names_the_command(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    shutil.copytree(ROOT / "tests" / "data" / "tiny", tmp_path / "data" / "domains" / "tiny")
    done = run_savia(tmp_path, *arguments)
    assert done.returncode == 1 and "savia index sync --domain tiny" in done.stderr and "Traceback" not in done.stderr


def test_a_second_sync_is_refused_with_the_firsts_process(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests" / "data" / "tiny", tmp_path / "data" / "domains" / "tiny")
    with SteppingSync(tmp_path) as first:
        first.run_to("embed")
        done = run_savia(tmp_path, "index", "sync")
        assert (
            done.returncode == 1 and f"process {first.process.pid}" in done.stderr and "savia index sync" in done.stderr
        )
        assert "barridas" in run_savia(tmp_path, "ask", "¿Para qué se usa la ruda?").stdout


def test_a_port_in_use_is_a_sentence_with_the_next_port(run: Run) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run("app", "--port", str(port))
    assert done.returncode == 2 and f"127.0.0.1:{port}" in done.stderr and f"PORT={port + 1}" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask", ""), "The question is empty."),
        (("search", "hola", "--retriever", "faiss"), "bm25, dense, exact, hybrid"),
        (("search", "hola", "--where", "family"), "field=value"),
        (("search", "hola", "--limit", "0"), "--limit"),
        (("index", "sync", "--domain", "../etc"), "is no domain name"),
        (("no-such-command",), "no-such-command"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_a_sentence(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_a_setting_that_cannot_be_read_is_named(run: Run) -> None:
    done = run("ask", "hola", SAVIA_PASSAGE_TOKENS="many")
    assert done.returncode == 2 and "SAVIA_PASSAGE_TOKENS='many'" in done.stderr


def test_a_retriever_setting_that_does_not_exist_is_named(run: Run) -> None:
    done = run("ask", "hola", SAVIA_RETRIEVER="faiss")
    assert done.returncode == 2 and "SAVIA_RETRIEVER='faiss'" in done.stderr and "Traceback" not in done.stderr


def test_an_embedder_that_cannot_be_loaded_is_said_aloud_and_words_answer(run: Run, tmp_path: Path) -> None:
    done = run("ask", "¿Para qué se usa la ruda?", SAVIA_EMBEDDER=str(tmp_path / "no-model"))
    assert done.returncode == 0 and "Lexical search only." in done.stderr and "barridas" in done.stdout


def test_doctor_exits_1_when_something_is_broken(tmp_path: Path) -> None:
    done = run_savia(tmp_path, "doctor")
    assert done.returncode == 1 and "savia init NAME --from FOLDER" in done.stdout


def test_no_color_is_respected_where_color_is_forced(run: Run) -> None:
    forced = run("ask", "¿Para qué se usa la ruda?", FORCE_COLOR="1").stdout
    assert "\x1b[2m" in forced
    assert "\x1b[3" not in run("ask", "mi mamá no puede respirar", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_a_reader_that_goes_away_costs_no_traceback(home: Path) -> None:
    environment = {**os.environ, "SAVIA_HOME": str(home), "SAVIA_DOMAIN": "tiny", "SAVIA_EMBEDDER": "none"}
    command = [sys.executable, "-m", "savia", "search", "ruda", "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


# --- what a command loads -------------------------------------------------------------------------------------------------


def loaded_by(arguments: list[str], **variables: str) -> list[str]:
    """Which of the heavy packages are loaded when the command has run."""
    script = (
        "import sys, savia\n"
        f"sys.argv = ['savia', *{arguments!r}]\n"
        "try:\n    savia.main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SAVIA_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(done.stderr.strip().splitlines()[-1].replace("'", '"'))
    return found


def test_a_question_with_the_packaged_embedder_loads_no_torch_and_no_chroma(shipped: Index) -> None:
    arguments = ["ask", "¿Para qué se usa la sábila?"]
    assert loaded_by(arguments, SAVIA_HOME=str(shipped.settings.home)) == ["onnxruntime"]


def test_an_unchanged_sync_loads_no_chroma(home: Path) -> None:
    assert loaded_by(["index", "sync"], SAVIA_HOME=str(home), SAVIA_DOMAIN="tiny", SAVIA_EMBEDDER="none") == []


@pytest.mark.parametrize("command", [[], ["ask"], ["index"], ["index", "sync"], ["evaluate", "retrieval"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    assert loaded_by([*command, "--help"]) == []


# --- serving --------------------------------------------------------------------------------------------------------------


def test_a_new_key_is_shown_with_the_hash_that_the_server_gets(run: Run) -> None:
    made = json.loads(run("serve", "--new-key", "--json").stdout)
    assert hashlib.sha256(made["key"].encode()).hexdigest() == made["sha256"]


def test_the_api_without_keys_listens_on_this_machine_only(run: Run) -> None:
    done = run("serve", "--host", "0.0.0.0")
    assert done.returncode == 2 and "savia serve --new-key" in done.stderr


def test_the_vllm_command_is_shown_with_either_spelling(run: Run) -> None:
    done = run("serve", "--mode", "vllm", "--model_path", "org/name", "--tensor_parallel_size", "2", "--print")
    assert done.stdout.endswith(
        "vllm serve org/name --host 127.0.0.1 --port 8000 --served-model-name org/name --tensor-parallel-size 2\n"
    )


def test_an_unknown_mode_or_backend_is_wrong_usage(run: Run) -> None:
    assert "none of api, vllm, local, gradio" in run("serve", "--mode", "x").stderr
    done = run("ask", "¿Qué es el susto?", "--backend", "x")
    assert done.returncode == 2 and "SAVIA_BACKEND='x'" in done.stderr


def test_a_server_that_is_not_there_is_one_sentence(run: Run) -> None:
    done = run("ask", "¿Para qué se usa la ruda?", "--backend", "vllm", SAVIA_VLLM_URL="http://127.0.0.1:9/v1")
    assert done.returncode == 1 and "No server answers at http://127.0.0.1:9/v1 (connection refused)" in done.stderr


def test_a_chat_goes_on_after_a_server_failed(run: Run) -> None:
    done = run("chat", "--backend", "vllm", given="¿Para qué se usa la ruda?\n", SAVIA_VLLM_URL="http://127.0.0.1:9/v1")
    assert done.returncode == 0 and "No server answers" in done.stderr
