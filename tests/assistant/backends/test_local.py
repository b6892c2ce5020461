"""The local backend with really trained tiny models: what it streams, how it stops, who comes next, what it gives back."""

import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from assistant.backends.generation import Generator
from assistant.backends.line import Job, Line
from assistant.backends.local import LocalBackend, LocalLLM, ModelOwner
from assistant.backends.local_model import ModelRequest, load_model, load_prompt
from assistant.messages import Message, Options, Piece
from retrieval.domain import DomainConfig
from retrieval.errors import BackendError
from tests.assistant.backends.conftest import ANSWER, REASONING
from tests.conftest import ROOT
from tests.tiny_models import KINDS, make_model, make_taught_model

SYSTEM = Message("system", "Hablas de plantas.")
ASKED = [SYSTEM, Message("user", "¿Para qué se usa la ruda?")]


def text(pieces: list[Piece], kind: str = "answer") -> str:
    return "".join(piece.text for piece in pieces if piece.kind == kind).strip()


def ask(backend: LocalBackend, question: str = "¿Para qué se usa la ruda?", **options: object) -> str:
    """Everything that a restless model writes, reasoning or not."""
    asked = [SYSTEM, Message("user", question)]
    try:
        return "".join(piece.text for piece in backend.stream(asked, Options(**{"max_tokens": 24, **options})))  # type: ignore[arg-type]
    except BackendError as error:
        return str(error)


@pytest.fixture
def backend(restless: Path) -> Iterator[LocalBackend]:
    local = LocalBackend(str(restless))
    yield local
    local.close()


# --- what is streamed -----------------------------------------------------------------------------------------------------


def test_reasoning_and_answer_stream_apart(taught: Path) -> None:
    pieces = [piece for piece in LocalBackend(str(taught)).stream(ASKED, Options()) if piece.text]
    assert (text(pieces, "reasoning"), text(pieces)) == (REASONING, ANSWER)


@pytest.mark.parametrize("kind", KINDS)
def test_models_of_every_kind_answer(kind: str, tmp_path: Path) -> None:
    folder = make_taught_model(kind, tmp_path / kind, "El té de ruda [1].")  # type: ignore[arg-type]
    assert text(list(LocalBackend(str(folder)).stream(ASKED, Options()))) == "El té de ruda [1]."


def test_a_template_that_opens_the_tag_starts_inside(taught: Path, tmp_path: Path) -> None:
    template = (
        (taught / "chat_template.jinja").read_text("utf-8").replace("assistant\\n' -}}", "assistant\\n<think>' -}}")
    )
    folder = make_taught_model("qwen3", tmp_path / "opened", "Veo</think>Sí.", template)
    pieces = list(LocalBackend(str(folder)).stream(ASKED, Options()))
    assert (text(pieces, "reasoning"), text(pieces)) == ("Veo", "Sí.")


def test_a_stop_sequence_ends_the_answer_before_it(taught: Path) -> None:
    pieces = list(LocalBackend(str(taught)).stream(ASKED, Options(stop=("el aire", "nunca"))))
    assert text(pieces) == "La planta alivia"


def test_greedy_repeats_itself_and_sampling_follows_its_seed(backend: LocalBackend) -> None:
    assert ask(backend) == ask(backend)
    assert ask(backend, temperature=2.0, seed=1) == ask(backend, temperature=2.0, seed=1)
    assert ask(backend, temperature=2.0, seed=1) != ask(backend, temperature=2.0, seed=2)
    assert ask(backend, temperature=2.0, seed=2, top_p=1e-6) == ask(backend)


def test_an_answer_that_never_begins_says_what_used_up_its_tokens(taught: Path) -> None:
    with pytest.raises(BackendError, match="used up its 3 tokens before it began its answer"):
        list(LocalBackend(str(taught)).stream(ASKED, Options(max_tokens=3)))


def test_a_prompt_longer_than_the_window_is_refused(backend: LocalBackend) -> None:
    with pytest.raises(BackendError, match="the model's window holds 4096"):
        list(backend.stream([Message("user", "ruda " * 5_000)], Options()))


def test_a_script_asks_with_a_context_and_the_default_domain(taught: Path) -> None:
    config = DomainConfig(
        title="Plantas", language="es", persona="Hablas.", refusal="No está.", disclaimer="Educativo."
    )
    script = LocalLLM(str(taught), config=config)
    assert script.generate("¿Para qué se usa la ruda?", "La ruda alivia el aire.") == ANSWER
    assert "".join(script.generate_stream("¿Y la sábila?")).strip() == ANSWER


# --- the shared prefix ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_shared_prefix_is_read_once_and_changes_nothing(kind: str, tmp_path: Path) -> None:
    folder = str(make_model(kind, tmp_path / kind, seed=1))  # type: ignore[arg-type]
    with_prefix, without = (LocalBackend(folder, owner=ModelOwner(keep)) for keep in (True, False))
    for question in ("¿Ruda?", "¿Sábila?", "¿Ruda?"):
        assert ask(with_prefix, question, max_tokens=60) == ask(without, question, max_tokens=60)


def test_the_network_says_the_same_after_a_copied_prefix(restless: Path) -> None:
    import torch

    request = ModelRequest(str(restless))
    prompt = load_prompt(request)
    generator = Generator(load_model(request, prompt, lambda *_: None))
    tokens, prefix = prompt.render(ASKED).tokens, prompt.shared_prefix(ASKED)
    assert tokens[: len(prefix)] == prefix and len(prefix) > 16
    ids = torch.tensor([list(tokens)])
    with torch.no_grad():
        for _ in range(2):  # the prefix made, then copied
            cache = generator.read(ids, tokens, prefix, Event())
            assert len(prefix) <= cache.get_seq_length() < len(tokens)
        last = generator.loaded.network(input_ids=ids[:, cache.get_seq_length() :], past_key_values=cache).logits[0, -1]
        assert torch.allclose(last, generator.loaded.network(input_ids=ids).logits[0, -1], atol=1e-4)


# --- stopping -------------------------------------------------------------------------------------------------------------


def test_a_stop_is_heard_at_the_next_token(restless: Path) -> None:
    request = ModelRequest(str(restless))
    prompt = load_prompt(request)
    stopped, tokens = Event(), list[int]()

    def put(new: list[int]) -> None:
        tokens.extend(new)
        if len(tokens) >= 3:
            stopped.set()

    Generator(load_model(request, prompt, lambda *_: None)).run(
        prompt.render(ASKED).tokens, (), Options(), stopped, put
    )
    assert 3 <= len(tokens) <= 4  # the one that was being made


def test_closing_the_stream_stops_the_model_and_frees_the_line(backend: LocalBackend) -> None:
    stream = backend.stream(ASKED, Options(max_tokens=4_000))
    assert next(piece.text for piece in stream if piece.text)
    stream.close()  # type: ignore[attr-defined]
    assert ask(backend)
    backend.load()  # stands in line behind everything
    assert backend.queue_position == 0


def test_a_stream_that_nobody_reads_holds_nobody_up(backend: LocalBackend) -> None:
    asleep = backend.stream(ASKED, Options(max_tokens=30))
    next(iter(asleep))
    assert ask(backend)


# --- the line -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def held() -> Iterator[tuple[Line, Event]]:
    """A line whose first job lasts until the event is set."""
    line, gate = Line(), Event()
    line.submit(lambda _: gate.wait(60) and None)
    yield line, gate
    gate.set()


def test_eight_threads_get_their_own_answers_in_the_order_of_their_asking(
    restless: Path, held: tuple[Line, Event]
) -> None:
    line, gate = held
    backend = LocalBackend(str(restless), line=line)
    questions = [f"¿Para qué se usa la planta {number}?" for number in range(8)]
    ahead: dict[str, list[int]] = {question: [] for question in questions}
    answers: dict[str, str] = {}

    def read(question: str) -> None:
        pieces = []
        for piece in backend.stream([SYSTEM, Message("user", question)], Options(max_tokens=40)):
            pieces.append(piece)
            if not piece.text:
                ahead[question].append(piece.ahead)
        answers[question] = "".join(piece.text for piece in pieces)

    threads = [Thread(target=read, args=(question,)) for question in questions]
    for number, thread in enumerate(threads, 2):
        thread.start()
        while len(line) < number:
            thread.join(0.01)
    while not all(ahead.values()):
        threads[-1].join(0.01)
    gate.set()
    for thread in threads:
        thread.join()
    assert [max(ahead[question]) for question in questions] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert answers == {question: ask(backend, question, max_tokens=40) for question in questions}


def test_work_is_done_in_the_order_it_came_and_cancelled_work_is_left_out(held: tuple[Line, Event]) -> None:
    line, gate = held
    done: list[int] = []
    jobs = [line.submit(lambda _, number=number: done.append(number)) for number in range(5)]  # type: ignore[misc]
    assert [job.ahead for job in jobs] == [1, 2, 3, 4, 5]
    jobs[2].cancel()
    assert [job.ahead for job in jobs] == [1, 2, 0, 3, 4]
    gate.set()
    assert all(job.wait(10) for job in jobs)
    assert done == [0, 1, 3, 4]


def test_work_that_fails_is_told_to_who_waits_and_the_line_goes_on() -> None:
    line = Line()

    def fail(_: Job) -> None:
        raise BackendError("Roto.")

    failing, following = line.submit(fail), line.submit(lambda _: None)
    assert following.wait(10)
    assert (str(failing.error), following.error) == ("Roto.", None)


def test_a_process_at_its_end_cancels_what_runs() -> None:
    line, begun, heard = Line(), Event(), Event()

    def work(job: Job) -> None:
        begun.set()
        if job.cancelled.wait(60):
            heard.set()

    line.submit(work)
    assert begun.wait(10)
    line.end()
    assert heard.is_set()


# --- loading and memory ---------------------------------------------------------------------------------------------------


def test_loading_ahead_shows_its_progress(restless: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    backend = LocalBackend(str(restless), owner=ModelOwner())
    backend.load(lambda *step: seen.append(step))
    assert seen[0][1] == 0 and seen[-1][1] == seen[-1][2] > 1
    assert backend.loading is None


def test_a_model_that_is_swapped_out_is_really_gone(restless: Path, taught: Path) -> None:
    owner = ModelOwner()
    for _ in range(5):
        backend = LocalBackend(str(restless), owner=owner)
        assert ask(backend)
        assert owner.loaded
        network = weakref.ref(owner.loaded.network)
        backend.close()
        assert network() is None and owner.loaded is None


def test_one_model_takes_the_place_of_another(restless: Path, taught: Path) -> None:
    owner = ModelOwner()
    one, other = LocalBackend(str(restless), owner=owner), LocalBackend(str(taught), owner=owner)
    one.load()
    assert owner.loaded
    network = weakref.ref(owner.loaded.network)
    assert text(list(other.stream(ASKED, Options()))) == ANSWER
    assert network() is None
    one.close()  # not its own: stays
    assert owner.loaded


def test_closing_ends_its_own_stream_which_says_nothing_more(backend: LocalBackend) -> None:
    stream = iter(backend.stream(ASKED, Options(max_tokens=4_000)))
    next(piece for piece in stream if piece.text)
    backend.close()
    assert len(list(stream)) < 4_000
    assert ask(backend)


def test_nothing_heavy_is_imported_before_the_first_question(restless_adapter: Path) -> None:
    script = (
        f"import sys; from assistant.backends.local import LocalBackend; backend = LocalBackend({str(restless_adapter)!r});"
        "print(backend.model, len(backend.adapter), [name for name in ('torch', 'transformers', 'peft') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "restless 12 []"
    assert threading.active_count() >= 1
