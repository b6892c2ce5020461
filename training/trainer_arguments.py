"""A recipe as the arguments of TRL's trainer; every default of theirs that bites is set here.

arguments = training_arguments(config, device_settings, run.root, has_validation=True)
"""

import os
from pathlib import Path
from typing import Any

from training.config import TrainingConfig
from training.device import DeviceSettings
from training.reporting import choose_reporting


def keeps_best(config: TrainingConfig, has_validation: bool) -> bool:
    """Whether the best checkpoint is put back at the end. Not under FSDP: tried there, it hung, or put back other weights."""
    return config.load_best_model_at_end and has_validation and not _under_fsdp(config)


def left_out(config: TrainingConfig) -> tuple[str, ...]:
    """Settings of a recipe that the way of sharing does not allow, as sentences for the log."""
    if not config.load_best_model_at_end or not _under_fsdp(config):
        return ()
    stopping = " and training does not stop early" if config.early_stopping_patience else ""
    return (f"load_best_model_at_end: not under FSDP; the last model is kept{stopping}",)


def _under_fsdp(config: TrainingConfig) -> bool:
    return config.distributed == "fsdp" or os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"


def training_arguments(config: TrainingConfig, device: DeviceSettings, folder: Path, has_validation: bool) -> Any:
    """An `SFTConfig`. Rows come tokenised and labelled, so nothing in it concerns text or truncation."""
    from trl.trainer.sft_config import SFTConfig

    best = keeps_best(config, has_validation)
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=config.num_train_epochs,
        max_steps=config.max_steps,
        per_device_train_batch_size=config.per_device_train_batch_size,
        per_device_eval_batch_size=config.per_device_eval_batch_size,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.lr_scheduler_type,
        warmup_steps=config.warmup_ratio,  # below one it is a share of all steps
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        optim=device.optim,
        bf16=device.bf16,
        fp16=device.fp16,
        tf32=True if device.tf32 else None,
        use_cpu=device.use_cpu,
        activation_checkpointing=device.gradient_checkpointing,
        max_length=config.max_length,
        packing=device.packing,
        packing_strategy="bfd",
        eval_strategy=config.eval_strategy if has_validation else "no",
        eval_steps=config.eval_steps,
        save_strategy=config.save_strategy,
        save_steps=config.save_steps,
        save_total_limit=config.save_total_limit,
        load_best_model_at_end=best,
        metric_for_best_model="eval_loss" if best else None,
        greater_is_better=False if best else None,
        logging_steps=config.logging_steps,
        logging_first_step=True,
        report_to=choose_reporting(config, os.environ),
        run_name=config.run_name or folder.name,
        seed=config.seed,
        data_seed=config.seed,
        disable_tqdm=True,
        dataloader_pin_memory=not device.use_cpu,
        ddp_find_unused_parameters=False,  # an adapter's weights are all used; looking for others costs a pass
        push_to_hub=False,  # training.hub uploads: a failed upload must not end a run
    )
