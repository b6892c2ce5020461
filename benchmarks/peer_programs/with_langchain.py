"""LangChain as its guides show it: recursive splitter, HuggingFaceEmbeddings, Chroma.from_documents."""

from common import Files, fit_size, read_task, run
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter

SMALLEST, LARGEST = 100, 2_000  # characters

task = read_task()


def documents(files: Files, size: int) -> list[Document]:
    splitter = RecursiveCharacterTextSplitter(chunk_size=size, chunk_overlap=0)
    return splitter.split_documents([Document(text, metadata={"source": name}) for name, text in files])


def split(files: Files, size: int) -> list[str]:
    return [document.page_content for document in documents(files, size)]


def ingest() -> int:
    embeddings = HuggingFaceEmbeddings(
        model_name=str(task.model), model_kwargs={"device": "cpu"}, encode_kwargs={"normalize_embeddings": True}
    )
    store = Chroma.from_documents(documents(task.files, size), embeddings, persist_directory=str(task.folder))
    return int(store._collection.count())


size = fit_size(task, split, SMALLEST, LARGEST)
run(task, split, size, ingest)
