"""A careful hand-written loop: windows of tokens, all texts encoded in one call (sorted by length), rows added in batches."""

import chromadb
from common import Files, fit_size, read_task, run
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

BATCH = 5_000  # below Chroma's limit
SMALLEST, LARGEST = 20, 254  # tokens

task = read_task()
tokenizer = Tokenizer.from_file(str(task.model / "tokenizer.json"))
tokenizer.no_truncation()
tokenizer.no_padding()


def split(files: Files, size: int) -> list[str]:
    return [chunk for _, text in files for chunk in windows(text, size)]


def windows(text: str, size: int) -> list[str]:
    offsets = tokenizer.encode(text, add_special_tokens=False).offsets
    parts = [offsets[start : start + size] for start in range(0, len(offsets), size)]
    return [text[part[0][0] : part[-1][1]] for part in parts]


def ingest() -> int:
    model = SentenceTransformer(str(task.model), device="cpu")
    chunks = split(task.files, size)
    vectors = model.encode(chunks, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    collection = chromadb.PersistentClient(str(task.folder)).create_collection(
        "loop", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )
    for start in range(0, len(chunks), BATCH):
        rows = range(start, min(start + BATCH, len(chunks)))
        collection.add(
            [str(row) for row in rows], vectors[start : start + BATCH], documents=chunks[start : start + BATCH]
        )
    return int(collection.count())


size = fit_size(task, split, SMALLEST, LARGEST)
run(task, split, size, ingest)
