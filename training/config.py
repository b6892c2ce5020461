"""A recipe: one training run's settings, typed; an unknown key, a wrong type or a contradiction is refused with its place.

    TrainingConfig(num_train_epochs=5, lora={"r": 32})

Read from YAML or JSON by `training.recipes`; the keys of other systems are understood (`training.config_aliases`). What a
knob costs stands beside it in the recipes, `data/domains/<name>/recipes/`.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.config_aliases import translate_group, translate_keys
from training.dataset_config import DatasetConfig, Share

DataType = Literal["auto", "bfloat16", "float16", "float32"]
Attention = Literal["auto", "sdpa", "eager", "flash_attention_2", "flex_attention"]
Strategy = Literal["steps", "epoch", "no"]
HubStrategy = Literal["end", "checkpoint"]
ReportTo = Literal["none", "tensorboard", "wandb"]
Distributed = Literal["auto", "none", "ddp", "fsdp", "deepspeed"]
LongRows = Literal["drop", "cut"]
Count = Annotated[int, Field(ge=1)]

PROJECTIONS: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    group: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _translate(cls, values: Any) -> Any:
        return translate_group(cls.group, values) if isinstance(values, dict) else values


class ModelConfig(_Part):
    """The base model. `name` is a Hub name or a folder."""

    group: ClassVar[str] = "model"
    name: Annotated[str, Field(min_length=1)] = "Alibaba-Apsara/DASD-4B-Thinking"
    revision: str = ""
    """A commit of the Hub; empty: the newest."""
    dtype: DataType = "auto"
    """Of the weights that are not quantised; auto: bfloat16 where the device has it."""
    chat_template: str = "auto"
    """qwen3, llama3, phi, deepseek, own (the model's, where it marks the assistant's tokens), a .jinja file, or auto."""
    attention: Attention = "auto"
    trust_remote_code: bool = False
    """Runs code from the model's repository; needs `revision`, so that the code is the one that was read."""

    @model_validator(mode="after")
    def _check_trust(self) -> "ModelConfig":
        if self.trust_remote_code and not self.revision:
            raise ValueError(
                "trust_remote_code needs the revision whose code is trusted: set model.revision to a commit"
            )
        return self


class QuantizationConfig(_Part):
    """How the frozen weights are held (Dettmers et al. 2023, QLoRA)."""

    group: ClassVar[str] = "quantization"
    load_in_4bit: bool = True
    load_in_8bit: bool = False
    quant_type: Literal["nf4", "fp4"] = "nf4"
    double_quant: bool = True
    compute_dtype: DataType = "auto"

    @model_validator(mode="after")
    def _check_bits(self) -> "QuantizationConfig":
        if self.load_in_4bit and self.load_in_8bit:
            raise ValueError("load_in_4bit and load_in_8bit exclude each other")
        return self

    @property
    def bits(self) -> int:
        return 4 if self.load_in_4bit else 8 if self.load_in_8bit else 16


class LoRAConfig(_Part):
    """The adapter (Hu et al. 2021). `enabled: false` trains all weights."""

    group: ClassVar[str] = "lora"
    enabled: bool = True
    r: Count = 16
    alpha: Count = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    target_modules: Annotated[tuple[str, ...], Field(min_length=1)] = PROJECTIONS
    """Names of the linear layers that get an adapter; ("all-linear",) takes every one but the output layer."""


class HubConfig(_Part):
    """Where the adapter is uploaded. Nothing is asked; without a token the run says so and goes on."""

    group: ClassVar[str] = "hub"
    push: bool = False
    repository: str = ""
    """user/name; the run's time is added, so that no run overwrites another."""
    strategy: HubStrategy = "end"
    private: bool = True


class TrainingConfig(_Part):
    """Everything has a default; a recipe says what differs."""

    model: ModelConfig = ModelConfig()
    quantization: QuantizationConfig = QuantizationConfig()
    lora: LoRAConfig = LoRAConfig()
    dataset: DatasetConfig = DatasetConfig()
    hub: HubConfig = HubConfig()

    domain: str = ""
    train_data: Path | None = None
    """Rows to learn from; default: data/build/<domain>/export/train.jsonl."""
    validation_data: Path | None = None
    dataset_path: Path | None = None
    """A folder with train and validation files, or one file from which the validation rows are held out."""
    output_dir: Path | None = None
    max_samples: Count | None = None
    """Learn from at most this many rows."""

    num_train_epochs: Annotated[float, Field(gt=0)] = 3
    max_steps: int = -1
    """Stop after so many steps; -1: after the epochs."""
    per_device_train_batch_size: Count = 2
    per_device_eval_batch_size: Count = 2
    gradient_accumulation_steps: Count = 8
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 2e-4
    lr_scheduler_type: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    warmup_ratio: Share = 0.03
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    optim: Literal["paged_adamw_8bit", "paged_adamw_32bit", "adamw_8bit", "adamw_torch", "adamw_torch_fused"] = (
        "paged_adamw_8bit"
    )
    optimizer_offload: bool = False
    """Let the optimizer's state move to the CPU's memory when the device's is full."""
    bf16: bool | None = None
    """Mixed precision; default: where the device has it."""
    fp16: bool | None = None
    gradient_checkpointing: bool = True

    max_length: Annotated[int, Field(ge=16)] = 2048
    long_rows: LongRows = "drop"
    """Rows above `max_length` are left out, or cut at the end (and teach no stopping)."""
    max_truncated_share: Share = 0.05
    """More rows above `max_length` than this, and the run is refused."""
    packing: bool = True
    """Several rows share a sequence, kept apart by the attention mask."""

    eval_strategy: Strategy = "steps"
    eval_steps: Count = 100
    save_strategy: Strategy = "steps"
    save_steps: Count = 100
    save_total_limit: Count = 3
    load_best_model_at_end: bool = False
    metric_for_best_model: Literal["eval_loss", "loss"] = "eval_loss"
    early_stopping_patience: Annotated[int, Field(ge=0)] = 0
    """Stop after so many evaluations without a better one; 0: never."""

    logging_steps: Count = 10
    report_to: ReportTo = "tensorboard"
    run_name: str = ""
    wandb_project: str = ""
    seed: int = 42

    processes: Annotated[int, Field(ge=0)] = 0
    """How many processes train together; another number is refused. 0: as launched."""
    distributed: Distributed = "auto"

    @model_validator(mode="before")
    @classmethod
    def _translate(cls, values: Any) -> Any:
        return translate_keys(values).values if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _check_contradictions(self) -> "TrainingConfig":
        faults = list(_contradictions(self))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def rows_per_step(self) -> int:
        """Sequences that one process sees before the weights change."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps


def _contradictions(config: TrainingConfig) -> list[str]:
    faults = []
    if config.bf16 and config.fp16:
        faults.append("bf16 and fp16 exclude each other")
    if config.load_best_model_at_end and config.eval_strategy == "no":
        faults.append("load_best_model_at_end needs an evaluation: eval_strategy is no")
    if config.load_best_model_at_end and config.save_strategy != config.eval_strategy:
        faults.append(
            f"load_best_model_at_end needs a checkpoint per evaluation: save_strategy is {config.save_strategy}, "
            f"eval_strategy {config.eval_strategy}"
        )
    by_steps = config.eval_strategy == config.save_strategy == "steps"
    if config.load_best_model_at_end and by_steps and config.save_steps % config.eval_steps:
        faults.append(f"save_steps {config.save_steps} is no multiple of eval_steps {config.eval_steps}")
    if config.early_stopping_patience and not config.load_best_model_at_end:
        faults.append("early_stopping_patience needs load_best_model_at_end")
    if not config.lora.enabled and config.quantization.bits < 16:
        faults.append(
            f"without LoRA nothing can be trained in {config.quantization.bits} bit: set load_in_4bit to false"
        )
    if config.dataset_path and (config.train_data or config.validation_data):
        faults.append("dataset_path and train_data or validation_data exclude each other")
    if config.hub.push and not config.hub.repository:
        faults.append("hub.push needs hub.repository, such as my-name/my-adapter")
    return faults
