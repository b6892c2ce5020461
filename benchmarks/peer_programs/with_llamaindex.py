"""LlamaIndex as its guides show it: sentence splitter, HuggingFaceEmbedding, a VectorStoreIndex over Chroma."""

import chromadb
from common import Files, fit_size, read_task, run
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import MetadataMode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore
from tokenizers import Tokenizer

SMALLEST, LARGEST = 20, 254  # tokens

task = read_task()
tokenizer = Tokenizer.from_file(str(task.model / "tokenizer.json"))
tokenizer.no_truncation()
tokenizer.no_padding()


def splitter(size: int) -> SentenceSplitter:
    def ids(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids

    return SentenceSplitter(chunk_size=size, chunk_overlap=0, tokenizer=ids)


def documents(files: Files) -> list[Document]:
    # Only the text is embedded, as by the others: the file's name is kept out.
    return [
        Document(text=text, metadata={"source": name}, excluded_embed_metadata_keys=["source"]) for name, text in files
    ]


def split(files: Files, size: int) -> list[str]:
    nodes = splitter(size).get_nodes_from_documents(documents(files))
    return [node.get_content(MetadataMode.EMBED) for node in nodes]


def ingest() -> int:
    collection = chromadb.PersistentClient(str(task.folder)).create_collection(
        "llamaindex", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )
    VectorStoreIndex.from_documents(
        documents(task.files),
        storage_context=StorageContext.from_defaults(vector_store=ChromaVectorStore(chroma_collection=collection)),
        embed_model=HuggingFaceEmbedding(model_name=str(task.model), device="cpu"),
        transformations=[splitter(size)],
    )
    return int(collection.count())


size = fit_size(task, split, SMALLEST, LARGEST)
run(task, split, size, ingest)
