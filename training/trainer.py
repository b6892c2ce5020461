"""One training run, from a checked recipe to an adapter in its folder.

trainer = QLoRATrainer(TrainingConfig(num_train_epochs=5, learning_rate=1e-4))
trainer.train(); trainer.evaluate(); trainer.save_model("models/my-model")
"""

import math
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from retrieval.domain import Domain, load_domain
from retrieval.errors import DomainNotFound, TrainingError
from retrieval.settings import RetrievalSettings, read_settings
from training.base_model import find_missing_modules, load_model, load_tokenizer, quiet_libraries
from training.config import TrainingConfig
from training.device import DeviceSettings, choose_settings, read_device
from training.gates import Gate, check_gates, check_processes, kind_to_be, refuse
from training.hub import Uploads
from training.layout import BuildLayout
from training.progress import StopRequest, make_callback, write_log
from training.rendering import Rendered, render_rows
from training.rows import TrainingData, read_training_data
from training.run_cards import model_card
from training.run_errors import run_errors, run_writing
from training.run_folder import RunFolder, new_run
from training.run_record import begin, end, fail, read_totals
from training.saving import save_trained
from training.trainer_arguments import keeps_best, left_out, training_arguments

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

    @property
    def notes(self) -> tuple[str, ...]:
        """Where a run differs from its recipe, and why."""
        return self.device.notes + left_out(self.config)

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
        refuse([*self.gates(), self._check_processes(arguments, kind_to_be)])
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
        refuse([self._check_processes(arguments)])  # only now does accelerate say how they share
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
        """Train to the end, or on from a checkpoint; returns the figures of all of it. The adapter is in `run.final`.

        Raises `GateRefused` before the first step, `DataError`, `TrainingError`, `StorageError`, `KeyboardInterrupt` after a
        stop that was asked for (a checkpoint is there).
        """
        with run_errors(self.config, self.run), quiet_libraries():
            trainer = self._trainer
            main = trainer.is_world_process_zero()
            try:
                if main:
                    begin(self.run, self.config, self._facts(), resume_from)
                    for note in self.notes:
                        write_log(self.run, note)
                figures = self._train(trainer, main, resume_from)
            except Exception as error:
                if main:
                    fail(self.run, error)
                raise
            if main:
                self._uploads.finish(self.run, self.config)
        return figures

    def _train(self, trainer: Any, main: bool, resume_from: Path | None) -> dict[str, float]:
        with self.stop.listening(), run_writing(self.run):
            trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
        steps = trainer.state.global_step
        figures = read_totals(self.run).figures() if main else {}
        if self.stop.asked:
            if main:
                end(self.run, self.config, "stopped", figures, steps)
            raise KeyboardInterrupt
        if self.data.validation:
            figures |= self.evaluate()
        if main:
            self.run.write_state(figures=figures, steps=steps)  # the model's card tells them
        self.save_model(self.run.final)
        if main:
            end(self.run, self.config, "finished", figures, steps)
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

        def card() -> str:
            return model_card(self.config, self.run.read_state(), self._language())

        save_trained(self._trainer, self.tokenizer, card, folder)
        return folder

    # --- helpers ---

    @cached_property
    def _uploads(self) -> Uploads:
        return Uploads(self.config.hub, self.run.root.name)

    def _callbacks(self) -> list[Any]:
        from transformers import EarlyStoppingCallback

        def earlier() -> tuple[float, int]:
            totals = read_totals(self.run)
            return totals.seconds, totals.tokens

        callbacks = [make_callback(self.run, self.stop, os.environ.get("RANK", "0") == "0", earlier)]
        if self.config.early_stopping_patience and keeps_best(self.config, bool(self.data.validation)):
            callbacks.append(EarlyStoppingCallback(self.config.early_stopping_patience))
        if self.config.hub.push and self.config.hub.strategy == "checkpoint":
            callbacks.append(self._uploads.callback())
        return callbacks

    def _check_processes(self, arguments: Any, foresee: Callable[[str, Mapping[str, str]], str] | None = None) -> Gate:
        kind = str(arguments.distributed_state.distributed_type).rpartition(".")[2]
        kind = foresee(kind, os.environ) if foresee else kind
        return check_processes(self.config, arguments.world_size, kind, os.environ)

    def _check_modules(self, model: Any) -> None:
        missing = find_missing_modules(model, self.config.lora.target_modules) if self.config.lora.enabled else []
        if missing:
            raise TrainingError(
                f"{self.config.model.name} has no modules named {', '.join(missing)}.",
                f"It has {', '.join(find_missing_modules(model, ()))}: set lora.target_modules.",
            )

    def _facts(self) -> dict[str, Any]:
        """What `run.json` says of data, device and model."""
        parameters = sum(parameter.numel() for parameter in self._trainer.model.parameters())
        return {
            "data": {"source": self.data.source, "sha256": self.data.sha256, "held_out": self.data.held_out},
            "rows": {
                "train": len(self.rendered.rows),
                "validation": len(self.data.validation),
                "too_long": self.rendered.too_long,
            },
            "device": read_device().name,
            "processes": self._trainer.args.world_size,
            "tiny": parameters < TINY,
        }

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
