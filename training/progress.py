"""What a run tells while it goes on: a progress line, `metrics.jsonl`, `training_log.txt`, `run.json`.

trainer.add_callback(make_callback(run, show=True))
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import current_thread, main_thread
from typing import Any, Final

from retrieval.console import errors, escape
from training.run_folder import RunFolder

_KEPT: Final = ("loss", "eval_loss", "learning_rate", "grad_norm", "mean_token_accuracy", "eval_mean_token_accuracy")
_SMOOTHING: Final = 0.9  # of tokens per second: the last ten logs count


class StopRequest:
    """Set by Ctrl-C or a terminate signal: the run writes a checkpoint after this step and ends."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM while a run goes on; a second SIGINT interrupts at once."""
        if current_thread() is not main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def ask(number: int, frame: Any) -> None:
            if self.asked and number == signal.SIGINT:
                raise KeyboardInterrupt
            self.asked = True

        for number in before:
            signal.signal(number, ask)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def make_callback(run: RunFolder, stop: StopRequest, show: bool, earlier: Callable[[], tuple[float, int]]) -> Any:
    """A transformers callback; `show` prints a line per log on stderr.

    `earlier`: seconds and tokens of the parts that this one goes on from, asked when it begins.
    """
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self.begun = time.monotonic()
            self.first_step = 0
            self.last = (0.0, 0)  # time and tokens of the last log
            self.speed = 0.0
            self.ended = False
            self.earlier = (0.0, 0)

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.begun = time.monotonic()
            self.first_step = state.global_step
            self.last, self.ended = (self.begun, 0), False
            self.earlier = earlier()
            if state.is_world_process_zero:
                run.write_state(state="running", step=state.global_step, total_steps=state.max_steps, pid=os.getpid())

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
            last = state.global_step >= state.max_steps
            if stop.asked:
                control.should_save = control.should_training_stop = True
            elif last and args.load_best_model_at_end:
                control.should_evaluate = control.should_save = (
                    True  # a run shorter than eval_steps has a best model too
                )
            if control.should_save or last:
                control.should_log = True  # a resumed run then knows the loss of every step before its checkpoint
            return control

        def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
            control.should_log = control.should_log or control.should_save  # as at a step's checkpoint
            return control

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.ended = True  # what is evaluated afterwards stands in run.json, not on the curve

        def on_log(
            self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
        ) -> None:
            if self.ended or not state.is_world_process_zero or not logs or not ({"loss", "eval_loss"} & set(logs)):
                return
            row = {"step": state.global_step, "epoch": round(float(state.epoch or 0), 4)}
            row |= {name: float(logs[name]) for name in _KEPT if name in logs}
            if "loss" in logs:
                row |= self._rates(state, logs)
            _append(run, row)
            run.write_state(step=state.global_step, total_steps=state.max_steps)
            if show:
                errors().print(escape(format_line(row, state.max_steps)), soft_wrap=True)

        def _rates(self, state: Any, logs: dict[str, Any]) -> dict[str, float]:
            now = time.monotonic()
            tokens = int(logs.get("num_tokens", 0))
            then, before = self.last
            if before and now > then:
                current = (tokens - before) / (now - then)
                self.speed = current if not self.speed else _SMOOTHING * self.speed + (1 - _SMOOTHING) * current
            self.last = (now, tokens)
            done = state.global_step - self.first_step
            left = (now - self.begun) / done * (state.max_steps - state.global_step) if done else 0.0
            return {
                "tokens_per_second": round(self.speed, 1),
                "seconds_left": round(left, 1),
                "seconds": round(self.earlier[0] + now - self.begun, 3),
                "tokens": self.earlier[1] + tokens,
            }

    return Progress()


def format_line(row: dict[str, Any], total: int) -> str:
    """One line for people: step, loss, speed, time left."""
    parts = [f"step {row['step']}/{total}", f"epoch {row['epoch']:.2f}"]
    if "eval_loss" in row:
        parts.append(f"validation loss {row['eval_loss']:.4f}")
    if "loss" in row:
        parts.append(f"loss {row['loss']:.4f}")
    if row.get("tokens_per_second"):
        parts.append(f"{row['tokens_per_second']:,.0f} tokens/s")
    if "seconds_left" in row:
        parts.append(f"{clock(row['seconds_left'])} left")
    return "  ".join(parts)


def clock(seconds: float) -> str:
    """`m:ss`, or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _append(run: RunFolder, row: dict[str, Any]) -> None:
    with run.metrics.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    write_log(run, json.dumps(row))


def write_log(run: RunFolder, text: str) -> None:
    """One dated line in `training_log.txt`."""
    with run.log.open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now().isoformat(timespec='seconds')} {text}\n")
