"""What lies in a model's or an adapter's folder, checked before anything of it is loaded.

    files = find_model("models/herbolaria", adapter=None)     # ModelFiles(base="Qwen/Qwen3-0.6B", adapter=Path("models/herbolaria"))
    check_folder(Path("models/merged"))                       # BackendError: which file is missing or cut short

Only safetensors are read: no other format of weights is free of code.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from retrieval.errors import BackendError

ADAPTER_CONFIG: Final = "adapter_config.json"
ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
MERGE_RECORD: Final = "merge.json"  # in a merged model's folder: from which base and adapter it was made
HASH_LENGTH: Final = 12  # hexadecimal digits: enough to tell all adapters of a lifetime apart
LARGEST_HEADER: Final = 100_000_000  # bytes, the format's own limit
SAMPLES, SAMPLE_BYTES = 64, 65_536  # of the weights, to tell whether two folders hold the same ones
_QUANTIZED_NAME: Final = re.compile(r"(-unsloth)?(-bnb)?-[48]bit$")
_FETCH: Final = "Copy it again, or fetch it with: hf download NAME --local-dir models/NAME"
_RETRAIN: Final = "Copy the adapter again, or train it again: savia train"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model as it is to be loaded: a folder or a name on the hub, with an adapter's folder where there is one."""

    base: str
    adapter: Path | None

    @property
    def folder(self) -> Path | None:
        """The base model's folder; None for a name on the hub."""
        path = Path(self.base).expanduser()
        return path if path.is_dir() else None

    @property
    def name(self) -> str:
        """What to call the base model: a folder's own name, not where it lies."""
        return self.folder.resolve().name if self.folder else self.base


def find_model(model: str, adapter: str | None) -> ModelFiles:
    """Which model and which adapter are meant: a folder that holds an adapter alone names its base itself.

    Raises `BackendError` for a folder that is not there or holds neither.
    """
    if not model and not adapter:
        raise BackendError("The local backend has no model.", "Set SAVIA_MODEL to a model's folder or name.")
    if adapter:
        adapter_folder = Path(adapter).expanduser()
        return ModelFiles(model or read_base_name(adapter_folder), adapter_folder)
    folder = Path(model).expanduser()
    if folder.is_dir() and (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file():
        return ModelFiles(read_base_name(folder), folder)
    return ModelFiles(model, None)


def read_base_name(adapter: Path) -> str:
    """The base model that an adapter was trained on: its folder, where that is found, or its name. Raises `BackendError`."""
    named = str(read_adapter_config(adapter).get("base_model_name_or_path") or "")
    if not named:
        raise BackendError(
            f"The adapter {adapter} does not say which model it was trained on.", "Set SAVIA_MODEL to that model."
        )
    beside = adapter.parent / Path(named).name  # both were copied here from somewhere else
    return str(beside) if not Path(named).is_dir() and (beside / "config.json").is_file() else named


def check_model(files: ModelFiles) -> None:
    """Raises `BackendError` with what is missing or damaged in the base model's folder; a name on the hub is not looked at."""
    if files.folder is not None:
        check_folder(files.folder)
    elif (
        not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", files.base)
        or files.base.startswith(".")
        or _is_missing_folder(files.base)
    ):
        raise BackendError(f"There is no model in {files.base!r}.", "Set SAVIA_MODEL to a model's folder or name.")


def _is_missing_folder(name: str) -> bool:
    """Whether what could be a name on the hub, `models/mine`, is rather a folder that is not there: `models` is one."""
    parent, _, own = name.rpartition("/")
    return bool(own) and bool(parent) and Path(parent).is_dir()


def check_folder(folder: Path) -> None:
    """Raises `BackendError` unless the folder holds a readable config.json and whole weights as safetensors."""
    _read_object(folder / "config.json", f"The model {folder}", _FETCH)
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = _read_object(index, f"The model {folder}", _FETCH).get("weight_map")
        names = sorted({str(name) for name in shards.values()}) if isinstance(shards, dict) else []
    else:
        names = ["model.safetensors"]
    for name in names:
        path = folder / Path(name).name
        if not path.is_file():
            other = next(folder.glob("*.bin"), None)
            what = f"only {other.name}, and no safetensors" if other else f"no {path.name}"
            raise BackendError(f"The model {folder} has {what}.", _FETCH)
        read_header(path, _FETCH)


def check_adapter(adapter: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of an adapter's weights by name. Raises `BackendError` with what is missing or damaged."""
    read_adapter_config(adapter)
    weights = adapter / ADAPTER_WEIGHTS
    if not weights.is_file():
        raise BackendError(f"The adapter {adapter} has no {ADAPTER_WEIGHTS}.", _RETRAIN)
    header = read_header(weights, _RETRAIN)
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


def read_adapter_config(adapter: Path) -> dict[str, Any]:
    if not adapter.is_dir():
        raise BackendError(f"There is no adapter in {adapter}.", "Set SAVIA_ADAPTER to an adapter's folder.")
    return _read_object(adapter / ADAPTER_CONFIG, f"The adapter {adapter}", _RETRAIN)


def read_header(path: Path, mend: str) -> dict[str, Any]:
    """A safetensors file's table of tensors. Raises `BackendError` where it cannot be read or the file is cut short."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= min(LARGEST_HEADER, size - 8):
                raise ValueError("it begins with no table")
            header: dict[str, Any] = json.loads(file.read(length))
        end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
        if size != 8 + length + end:
            raise ValueError(f"it has {size:,} bytes and should have {8 + length + end:,}")
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise BackendError(f"{path} is damaged: {error}.", mend) from error
    return header


def hash_adapter(adapter: Path) -> str:
    """A short name for an adapter's content."""
    with (adapter / ADAPTER_WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:HASH_LENGTH]


def trained_by(files: ModelFiles) -> str:
    """The hash of the adapter that a model answers with: beside its base, or merged into it; empty where there is none."""
    if files.adapter is not None:
        return hash_adapter(files.adapter)
    record = files.folder / MERGE_RECORD if files.folder else None
    if record is None or not record.is_file():
        return ""
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["adapter_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # a record that cannot be read says nothing; the model itself answers as well without it


def check_base(files: ModelFiles) -> None:
    """Raises `BackendError` where the adapter says that it was trained on another model.

    Two folders are the same model when they hold the same weights; a name counts without its owner and its quantisation.
    """
    if files.adapter is None:
        return
    named = str(read_adapter_config(files.adapter).get("base_model_name_or_path") or "")
    other = Path(named).expanduser()
    if not named or (
        _same_folder(files.folder, other) if files.folder and other.is_dir() else _same_name(named, files)
    ):
        return
    raise BackendError(
        f"The adapter {files.adapter} was trained on {named}, not on {files.base}.",
        "Leave SAVIA_MODEL empty to use the model that it names, or choose another adapter.",
    )


def _same_folder(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or _sample(one) == _sample(other)


def _same_name(named: str, files: ModelFiles) -> bool:
    return model_name(named) == model_name(files.base)


def model_name(name: str) -> str:
    """A model's name without folder, owner, capitals and quantisation.

    >>> model_name("unsloth/Qwen3-0.6B-unsloth-bnb-4bit")
    'qwen3-0.6b'
    """
    path = Path(name).expanduser()
    return _QUANTIZED_NAME.sub("", (path.resolve() if path.is_dir() else path).name.lower())


def _sample(folder: Path) -> str:
    """A digest of parts of all weights in a folder; empty where there are none."""
    digest = hashlib.sha256()
    paths = sorted(folder.glob("*.safetensors"))
    for path in paths:
        digest.update(b"".join(_read_samples(path)))
    return digest.hexdigest() if paths else ""


def _read_samples(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        for place in range(SAMPLES):
            file.seek(size * place // SAMPLES)
            yield file.read(SAMPLE_BYTES)


def _read_object(path: Path, owner: str, mend: str) -> dict[str, Any]:
    """A JSON object in a file. Raises `BackendError`."""
    if not path.is_file():
        raise BackendError(f"{owner} has no {path.name}.", mend)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackendError(f"{path} is damaged: {error}.", mend) from error
    if not isinstance(value, dict):
        raise BackendError(f"{path} is damaged: it holds no object.", mend)
    return value
