"""One training run, from a checked recipe to an adapter in its folder.

trainer = QLoRATrainer(TrainingConfig(num_train_epochs=5, learning_rate=1e-4))
trainer.train(); trainer.evaluate(); trainer.save_model("models/my-model")
"""

import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from retrieval.domain import Domain, load_domain
from retrieval.errors import DomainNotFound, TrainingError, storage_errors
from retrieval.files import write_atomically
from retrieval.settings import RetrievalSettings, read_settings
from training.base_model import find_missing_modules, load_model, load_tokenizer, quiet_libraries
from training.config import TrainingConfig
from training.device import DeviceSettings, choose_settings, read_device
from training.gates import Gate, check_gates, check_processes, refuse
from training.hub import Uploads
from training.layout import BuildLayout
from training.progress import StopRequest, make_callback, write_log
from training.rendering import Rendered, render_rows
from training.rows import TrainingData, read_training_data
from training.run_folder import RunFolder, describe_environment, model_card, new_run, run_card
from training.trainer_arguments import training_arguments

TINY: Final = 50_000_000  # parameters below which a model is labelled a check of the pipeline


class QLoRATrainer:
    """A run and what it holds: data, tokenizer, model, folder; each is made when first needed."""

    def __init__(
        self, config: TrainingConfig, run: RunFolder | None = None, settings: RetrievalSettings | None = None
    ) -> None:
        """`run`: where results go; default `config.output_dir`, else a new folder under models/."""
        self.config = config
        self.settings = settings or read_settings(domain=config.domain or None)
        self._run = run
        self.stop = StopRequest()

    # --- what a run is made of ---

    @cached_property
    def run(self) -> RunFolder:
        if self._run is not None:
            return self._run
        if self.config.output_dir is not None:
            return RunFolder(self.config.output_dir)
        return new_run(self.settings.models_dir, self.config.domain)

    @cached_property
    def domain(self) -> Domain | None:
        if not self.config.domain:
            return None
        try:
            return load_domain(self.config.domain, self.settings.domains_dir)
        except DomainNotFound:
            if self.config.dataset_path or self.config.train_data:
                return None
            raise

    @cached_property
    def data(self) -> TrainingData:
        layout = BuildLayout(self.settings.build_dir / self.config.domain) if self.config.domain else None
        return read_training_data(self.config, self.domain, layout)

    @cached_property
    def device(self) -> DeviceSettings:
        return choose_settings(self.config, read_device())

    @cached_property
    def tokenizer(self) -> Any:
        return load_tokenizer(self.config)

    def use_tokenizer(self, tokenizer: Any) -> None:
        """Take another tokenizer than the model's: a stand-in of the dry run."""
        self.__dict__["tokenizer"] = tokenizer

    @cached_property
    def rendered(self) -> Rendered:
        return render_rows(self.tokenizer, self.data.train, self.config.max_length, self.config.long_rows)

    @cached_property
    def rendered_validation(self) -> Rendered:
        return render_rows(self.tokenizer, self.data.validation, self.config.max_length, self.config.long_rows)

    def gates(self) -> list[Gate]:
        """Every check that needs no model."""
        return check_gates(
            self.config, self.tokenizer, self.data.train, self.data.validation, self.rendered, self.domain
        )

    @cached_property
    def _trainer(self) -> Any:
        """TRL's trainer with model and adapter; every trained weight in fp32, so that a resumed run is exact."""
        with quiet_libraries():
            return self._build()

    def _build(self) -> Any:
        import torch
        from transformers import PrinterCallback, ProgressCallback
        from trl.trainer.sft_trainer import SFTTrainer

        arguments = self._arguments()
        refuse([*self.gates(), self._check_processes(arguments)])
        model = load_model(self.config, self.device)
        self._check_modules(model)
        trainer: Any = SFTTrainer(
            model=model,
            args=arguments,
            train_dataset=_as_dataset(self.rendered),
            eval_dataset=_as_dataset(self.rendered_validation) if self.data.validation else None,
            processing_class=self.tokenizer,
            peft_config=_peft_settings(self.config),
            callbacks=self._callbacks(),
        )
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(torch.float32)
        for callback in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(callback)
        return trainer

    def _arguments(self) -> Any:
        return training_arguments(self.config, self.device, self.run.root, bool(self.data.validation))

    # --- what it does ---

    def train(self, resume_from: Path | None = None) -> dict[str, float]:
        """Train to the end, or on from a checkpoint; returns the figures. The adapter is in `run.final`.

        Raises `GateRefused` before the first step, `DataError`, `TrainingError`, `KeyboardInterrupt` after a stop that was
        asked for (a checkpoint is there).
        """
        with _library_errors(self.config, self.run), quiet_libraries():
            trainer = self._trainer
            main = trainer.is_world_process_zero()
            if main:
                self._begin(resume_from)
            with self.stop.listening():
                result = trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
            figures = _figures(result.metrics)
            if self.stop.asked:
                self._end(main, "stopped", figures, trainer.state.global_step)
                raise KeyboardInterrupt
            if self.data.validation:
                figures |= self.evaluate()
            self._end(main, "finished", figures, trainer.state.global_step)
            self.save_model(self.run.final)
            if main:
                self._uploads.finish(self.run, self.config)
        return figures

    def evaluate(self) -> dict[str, float]:
        """Loss and perplexity per learned token on the validation rows."""
        if not self.data.validation:
            raise TrainingError("There are no validation rows to evaluate on.", "Give --val-data FILE.")
        trainer = self._trainer
        with quiet_libraries():
            loss = float(trainer.evaluate()["eval_loss"])
        return {"eval_loss": loss, "eval_perplexity": math.exp(min(loss, 700.0))}

    def save_model(self, path: Path | str) -> Path:
        """Adapter (or whole model), tokenizer with template, model card: the folder appears at once, or not at all."""
        folder = Path(path)
        trainer = self._trainer
        with storage_errors(f"save the model to {folder}"):
            folder.parent.mkdir(parents=True, exist_ok=True)
            draft = folder.parent / f".{folder.name}.draft"
            try:
                trainer.save_model(str(draft))
                if trainer.is_world_process_zero():
                    self.tokenizer.save_pretrained(draft)
                    (draft / "training_args.bin").unlink(missing_ok=True)  # a pickle, and recipe.yaml says the same
                    card = model_card(self.config, self.run.read_state(), self._language())
                    write_atomically(draft / "README.md", card.encode())
                    if folder.exists():
                        shutil.rmtree(folder)
                    draft.rename(folder)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        return folder

    # --- helpers ---

    @cached_property
    def _uploads(self) -> Uploads:
        return Uploads(self.config.hub, self.run.root.name)

    def _callbacks(self) -> list[Any]:
        from transformers import EarlyStoppingCallback

        callbacks = [make_callback(self.run, self.stop, show=os.environ.get("RANK", "0") == "0")]
        if self.config.early_stopping_patience and self.data.validation:
            callbacks.append(EarlyStoppingCallback(self.config.early_stopping_patience))
        if self.config.hub.push and self.config.hub.strategy == "checkpoint":
            callbacks.append(self._uploads.callback())
        return callbacks

    def _check_processes(self, arguments: Any) -> Gate:
        kind = str(arguments.distributed_state.distributed_type).rpartition(".")[2]
        return check_processes(self.config, arguments.world_size, kind, os.environ)

    def _check_modules(self, model: Any) -> None:
        missing = find_missing_modules(model, self.config.lora.target_modules) if self.config.lora.enabled else []
        if missing:
            raise TrainingError(
                f"{self.config.model.name} has no modules named {', '.join(missing)}.",
                f"It has {', '.join(find_missing_modules(model, ()))}: set lora.target_modules.",
            )

    def _begin(self, resume_from: Path | None) -> None:
        self.run.root.mkdir(parents=True, exist_ok=True)
        self.run.write_recipe(self.config)
        rows = {
            "train": len(self.rendered.rows),
            "validation": len(self.data.validation),
            "too_long": self.rendered.too_long,
        }
        parameters = sum(parameter.numel() for parameter in self._trainer.model.parameters())
        self.run.write_state(
            name=self.run.root.name,
            domain=self.config.domain,
            base_model=self.config.model.name,
            chat_template=self.config.model.chat_template,
            data={"source": self.data.source, "sha256": self.data.sha256, "held_out": self.data.held_out},
            rows=rows,
            device=read_device().name,
            processes=self._trainer.args.world_size,
            environment=describe_environment(),
            tiny=parameters < TINY,
            **({} if resume_from else {"started": datetime.now().isoformat(timespec="seconds")}),
        )
        if resume_from is not None:
            self.run.keep_metrics_until(int(resume_from.name.rpartition("-")[2]))
            write_log(self.run, f"resumed from {resume_from.name}")
        for note in self.device.notes:
            write_log(self.run, note)

    def _end(self, main: bool, state: str, figures: dict[str, float], steps: int) -> None:
        if not main:
            return
        ended = datetime.now().isoformat(timespec="seconds")
        self.run.write_state(state=state, ended=ended, figures=figures, steps=steps, step=steps)
        write_atomically(self.run.root / "README.md", run_card(self.config, self.run.read_state()).encode())
        write_log(self.run, f"{state}: {figures}")

    def _language(self) -> str:
        return self.domain.config.language if self.domain else ""


def _as_dataset(rendered: Rendered) -> Any:
    from datasets import Dataset

    return Dataset.from_dict(
        {"input_ids": [row.input_ids for row in rendered.rows], "labels": [row.labels for row in rendered.rows]}
    )


def _peft_settings(config: TrainingConfig) -> Any:
    if not config.lora.enabled:
        return None
    from peft import LoraConfig

    modules = config.lora.target_modules
    return LoraConfig(
        r=config.lora.r,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules="all-linear" if modules == ("all-linear",) else list(modules),
        bias="none",
        task_type="CAUSAL_LM",
    )


def _figures(metrics: dict[str, Any]) -> dict[str, float]:
    names = {"train_loss": "train_loss", "train_runtime": "seconds", "train_steps_per_second": "steps_per_second"}
    return {ours: float(metrics[theirs]) for theirs, ours in names.items() if theirs in metrics}


@contextmanager
def _library_errors(config: TrainingConfig, run: RunFolder) -> Iterator[None]:
    """Out of memory as one sentence; a full disk as another."""
    import torch

    with storage_errors(f"write the run to {run.root}"):
        try:
            yield
        except torch.cuda.OutOfMemoryError as error:
            checkpoints = run.checkpoints()
            kept = f" {checkpoints[-1].name} is kept: go on with --resume-from latest." if checkpoints else ""
            raise TrainingError(
                "The GPU's memory is full.",
                f"Lower per_device_train_batch_size (now {config.per_device_train_batch_size}; raise "
                f"gradient_accumulation_steps to match), max_length (now {config.max_length}) or lora.r (now "
                f"{config.lora.r}).{kept}",
            ) from error
