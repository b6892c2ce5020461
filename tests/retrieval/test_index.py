"""What a sync does, how often it embeds, and what it leaves behind when it is killed, refused or runs out of disk."""

import os
from errno import ENOSPC
from pathlib import Path

import numpy as np
import pytest

from retrieval.domain import load_domain
from retrieval.errors import CorpusMissing, IndexDamaged, IndexMissing, StorageError
from retrieval.fill import EMBED_BATCH
from retrieval.index import Index
from retrieval.retrievers import Bm25Retriever, ExactRetriever, Fusion, build_retriever
from retrieval.sync import FEW
from retrieval.view import View
from retrieval.wiring import usable_embedder
from tests.fakes import HashEmbedder
from tests.retrieval.conftest import MakeIndex
from tests.retrieval.stepping_sync import SteppingSync

RUDA = "# Ruda\n\n## Usos\n\nSe barre contra el espanto.\n\n## Toxicidad\n\nProvoca sangrado en el embarazo.\n"
EPAZOTE = "# Epazote\n\n## Usos\n\nQuita los gases y las lombrices.\n"
CHECKPOINTS = ("pending", "publish-lexical", "embed", "add", "publish", "delete", "pending-done")


class OtherEmbedder(HashEmbedder):
    """Another model: other vectors, another length, another fingerprint."""

    name = "other"
    fingerprint = "other-1"
    dimension = 16


class Failing:
    """A checkpoint that raises `error` before the write called `name`."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name, self.error = name, error

    def __call__(self, name: str) -> None:
        if name == self.name:
            raise self.error


def found(index: Index, question: str) -> list[str]:
    """Sections that BM25 finds in the published view, best first."""
    return [hit.passage.section_id for hit in Bm25Retriever(index.view()).search(question, 5)]


def long_corpus(sections: int) -> dict[str, str]:
    """One document whose sections all say something else."""
    return {"larga.md": "# Larga\n\n" + "\n".join(f"## Parte {n}\n\nRemedio{n} cura{n}.\n" for n in range(sections))}


def files_below(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- what is embedded ---------------------------------------------------------------------------------------------------


def test_an_unchanged_sync_embeds_and_writes_nothing(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    os.utime(index.domain.corpus / "ruda.md", (1_000_000_000, 1_000_000_000))
    index.sync(HashEmbedder())
    before = files_below(index.folder)
    again = HashEmbedder()
    report = index.sync(again)
    assert (report.unchanged, report.added, report.embedded, again.embedded) == (1, 0, 0, [])
    assert files_below(index.folder) == before


def test_an_edited_section_embeds_only_itself(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA, "epazote.md": EPAZOTE})
    index.sync(HashEmbedder())
    make_index({"ruda.md": RUDA.replace("sangrado", "aborto")})
    embedder = HashEmbedder()
    report = index.sync(embedder)
    assert (report.changed, report.unchanged, report.embedded) == (1, 1, 1)
    assert [text.splitlines()[-1] for text in embedder.embedded] == ["Provoca aborto en el embarazo."]
    assert index.verify().sound


def test_a_renamed_file_keeps_its_vectors(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(HashEmbedder())
    (index.domain.corpus / "ruda.md").rename(index.domain.corpus / "hierba.md")
    embedder = HashEmbedder()
    report = index.sync(embedder)
    assert (report.added, report.deleted, report.embedded, embedder.embedded) == (1, 1, 0, [])
    assert found(index, "espanto") == ["hierba#usos"] and index.verify().sound


def test_the_same_text_in_two_files_is_embedded_once(make_index: MakeIndex) -> None:
    index = make_index({"a.md": EPAZOTE, "b.md": EPAZOTE, "c.markdown": EPAZOTE})
    embedder = HashEmbedder()
    report = index.sync(embedder)
    assert (report.passages, report.embedded, len(embedder.embedded)) == (3, 1, 1)
    assert index.verify().rows == 3


def test_a_deleted_file_is_found_no_more(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA, "epazote.md": EPAZOTE})
    index.sync(HashEmbedder())
    (index.domain.corpus / "epazote.md").unlink()
    assert index.sync(HashEmbedder()).deleted == 1
    assert found(index, "lombrices") == [] and index.verify().rows == 2


def test_an_edit_of_the_same_length_and_time_is_seen(make_index: MakeIndex) -> None:
    index = make_index({"epazote.md": EPAZOTE})
    index.sync(None)
    path = index.domain.corpus / "epazote.md"
    stat = path.stat()
    path.write_text(EPAZOTE.replace("lombrices", "tercianas"), encoding="utf-8")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert index.sync(None).changed == 1
    assert found(index, "tercianas") == ["epazote#usos"]


def test_words_for_a_section_added_to_the_pack_find_it_after_the_next_sync(make_index: MakeIndex) -> None:
    index = make_index({"epazote.md": EPAZOTE})
    index.sync(None)
    assert found(index, "¿para qué aprovecha?") == []
    config = index.domain.folder / "domain.yaml"
    config.write_text(config.read_text() + "sections: {Usos: {role: uses, aliases: [aprovecha]}}\n", encoding="utf-8")
    index = Index(load_domain("tiny", index.settings.domains_dir), index.settings)
    index.sync(None)
    assert found(index, "¿para qué aprovecha?") == ["epazote#usos"]


# --- embedders ----------------------------------------------------------------------------------------------------------


def test_another_embedder_gets_its_own_collection_and_vectors(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(HashEmbedder())
    first = index.view()
    report = index.sync(OtherEmbedder())
    second = index.view()
    assert report.embedded == 2 and index.verify().sound
    assert first.meta["collection"] != second.meta["collection"]
    assert (first.meta["pool"]["dimension"], second.meta["pool"]["dimension"]) == (32, 16)


def test_vectors_of_one_embedder_are_never_searched_with_another(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(HashEmbedder())
    assert usable_embedder(index.view(), OtherEmbedder()) is None
    assert usable_embedder(index.view(), HashEmbedder()) is not None


def test_going_back_to_the_first_embedder_embeds_nothing(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    for embedder in (HashEmbedder(), OtherEmbedder()):
        index.sync(embedder)
    (index.domain.corpus / "ruda.md").write_text(EPAZOTE, encoding="utf-8")
    assert index.sync(OtherEmbedder()).embedded == 1
    assert index.sync(HashEmbedder()).embedded == 1
    assert index.verify().sound


def test_without_an_embedder_the_index_is_lexical_and_answers(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    report = index.sync(None)
    assert (report.state, report.embedded, index.view().state) == ("lexical", 0, "lexical")
    assert found(index, "embarazo") == ["ruda#toxicidad"]
    hits = build_retriever("hybrid", index.view(), None, Fusion()).search("embarazo", 5)
    assert [hit.passage.section_id for hit in hits] == ["ruda#toxicidad"]
    assert index.verify().sound


def test_vectors_come_when_an_embedder_does(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(None)
    report = index.sync(HashEmbedder())
    assert (report.state, report.embedded) == ("complete", 2) and index.verify().sound


@pytest.mark.parametrize("checkpoint", ["publish-lexical", "embed", "add"])
def test_a_fresh_corpus_answers_by_words_before_it_is_embedded(make_index: MakeIndex, checkpoint: str) -> None:
    index = make_index({"ruda.md": RUDA})
    with pytest.raises(RuntimeError):
        index.sync(HashEmbedder(), checkpoint=Failing(checkpoint, RuntimeError("died")))
    if checkpoint == "publish-lexical":  # one write too early
        with pytest.raises(IndexMissing):
            index.view()
    else:
        assert index.view().state == "lexical" and found(index, "embarazo") == ["ruda#toxicidad"]


def test_a_large_addition_is_found_by_words_while_it_is_embedded(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(HashEmbedder())
    make_index(long_corpus(FEW + 1))
    with pytest.raises(RuntimeError):
        index.sync(HashEmbedder(), checkpoint=Failing("embed", RuntimeError("died")))
    assert index.view().state == "partial"
    assert found(index, "remedio7") == ["larga#parte-7"] and found(index, "embarazo") == ["ruda#toxicidad"]


def test_a_small_edit_never_shows_a_view_without_vectors(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(HashEmbedder())
    make_index({"epazote.md": EPAZOTE})
    states: list[str] = []
    index.sync(HashEmbedder(), checkpoint=lambda _: states.append(index.view().state))
    assert set(states) == {"complete"}


# --- dying --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_a_sync_killed_at_any_write_is_finished_by_the_next(make_index: MakeIndex, checkpoint: str) -> None:
    index = make_index({"ruda.md": RUDA, "epazote.md": EPAZOTE})
    if checkpoint != "publish-lexical":  # there is a view to keep from the second sync on
        index.sync(HashEmbedder())
    make_index({"ruda.md": RUDA.replace("sangrado", "aborto")})
    with SteppingSync(index.settings.home) as sync:
        sync.run_to(checkpoint)
        sync.kill()
    index.sync(HashEmbedder())
    assert index.verify().sound and found(index, "aborto") == ["ruda#toxicidad"]
    assert found(index, "sangrado") == [] or checkpoint == "publish-lexical"
    assert not (index.folder / "pending.json").exists()


def test_texts_embedded_before_a_kill_are_not_embedded_again(make_index: MakeIndex) -> None:
    index = make_index(long_corpus(EMBED_BATCH + 3))
    with SteppingSync(index.settings.home) as sync:
        sync.run_to("embed", times=2)
        sync.kill()
    embedder = HashEmbedder()
    assert index.sync(embedder).embedded == 3 and len(embedder.embedded) == 3
    assert index.verify().sound


def test_a_sync_killed_while_chroma_writes_is_finished_by_the_next(make_index: MakeIndex) -> None:
    index = make_index(long_corpus(EMBED_BATCH))
    with SteppingSync(index.settings.home) as sync:
        sync.run_to("add")
        sync.go()
        sync.kill()
    embedder = HashEmbedder()
    index.sync(embedder)
    assert index.verify().sound and embedder.embedded == []


def test_a_torn_write_of_vectors_costs_only_the_torn_ones(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    with pytest.raises(RuntimeError):
        index.sync(HashEmbedder(), checkpoint=Failing("add", RuntimeError("died")))
    (pool,) = (index.folder / "vectors").glob("*.f32")
    pool.write_bytes(pool.read_bytes()[:-5])
    assert index.sync(HashEmbedder()).embedded == 1
    assert index.verify().sound


def test_a_reader_of_the_lexical_view_goes_on_when_the_sync_ends(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    opened: list[View] = []

    def open_lexical(name: str) -> None:
        if name == "embed":
            opened.append(index.view())

    index.sync(HashEmbedder(), checkpoint=open_lexical)
    assert [hit.passage.section_id for hit in Bm25Retriever(opened[0]).search("embarazo", 5)] == ["ruda#toxicidad"]


# --- rebuilding, verifying ----------------------------------------------------------------------------------------------


def test_a_rebuild_makes_everything_anew_and_removes_the_old(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(HashEmbedder())
    embedder = HashEmbedder()
    assert index.rebuild(embedder).embedded == 2 == len(embedder.embedded)
    assert [path.name for path in index.folder.glob("chroma-*")] == ["chroma-2"]
    assert {path.stem for path in (index.folder / "vectors").iterdir()} == {"hash-1-2"}
    assert len(list((index.folder / "views").iterdir())) == 1 and index.verify().sound


def test_the_old_index_answers_until_the_rebuilt_one_is_whole(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(HashEmbedder())
    old, states = index.view().name, {}
    index.rebuild(
        HashEmbedder(), checkpoint=lambda name: states.update({name: (index.view().name, index.view().state)})
    )
    assert {states[name] for name in ("pending", "embed", "add", "publish")} == {(old, "complete")}
    assert index.view().name != old


def test_a_killed_rebuild_is_finished_by_a_sync_and_leaves_nothing(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(HashEmbedder())
    with pytest.raises(RuntimeError):
        index.rebuild(HashEmbedder(), checkpoint=Failing("embed", RuntimeError("died")))
    states: list[str] = []
    index.sync(HashEmbedder(), checkpoint=lambda _: states.append(index.view().state))
    assert index.verify().sound and set(states) == {"complete"}
    assert [path.name for path in index.folder.glob("chroma-*")] == ["chroma-2"]


def test_verify_counts_files_that_are_ahead_of_the_index(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(HashEmbedder())
    make_index({"epazote.md": EPAZOTE, "ruda.md": RUDA + "Más.\n"})
    report = index.verify()
    assert (report.outdated, report.missing, report.orphans, report.sound) == (2, 0, 0, False)


def test_verify_counts_rows_that_chroma_lost_and_rows_that_nobody_knows(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(HashEmbedder())
    view = index.view()
    store = index.store(view)
    store.delete([view.passage(0).id])
    store.add(["00000000000000ff"], np.ones((1, 32), np.float32), ["texto"], [{"document": "nadie"}])
    store.close()
    report = index.verify()
    assert (report.missing, report.orphans, report.duplicates) == (1, 1, 0)
    index.rebuild(HashEmbedder())
    assert index.verify().sound


def test_a_view_that_is_gone_is_named_and_mended_by_a_sync(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(HashEmbedder())
    (index.view().folder / "view.json").unlink()
    with pytest.raises(IndexDamaged, match="savia index rebuild"):
        index.view()
    assert index.sync(HashEmbedder()).embedded == 0
    assert index.verify().sound


def test_a_missing_index_names_the_command(make_index: MakeIndex) -> None:
    with pytest.raises(IndexMissing, match="savia index sync --domain tiny"):
        make_index({"ruda.md": RUDA}).view()


# --- hostile surroundings -----------------------------------------------------------------------------------------------


def test_an_empty_corpus_makes_an_index_that_finds_nothing(make_index: MakeIndex) -> None:
    index = make_index({})
    report = index.sync(HashEmbedder())
    assert (report.passages, report.embedded) == (0, 0)
    assert found(index, "ruda") == [] and ExactRetriever(index.view(), HashEmbedder()).search("ruda", 5) == []
    assert index.verify().sound and index.sync(HashEmbedder()).passages == 0


def test_a_pack_without_a_corpus_folder_says_where_documents_go(make_index: MakeIndex) -> None:
    index = make_index({})
    index.domain.corpus.rmdir()
    with pytest.raises(CorpusMissing, match=r"no corpus folder .*corpus\).*savia init"):
        index.sync(None)


def test_an_unreadable_file_is_reported_with_its_reason_and_costs_nothing_else(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    (index.domain.corpus / "roto.md").write_bytes(b"\x00\x01\x02" * 100)
    first, second = index.sync(None), index.sync(None)
    assert list(first.refused) == ["roto.md"] and first.refused["roto.md"]
    assert second.refused == first.refused and second.passages == 2


@pytest.mark.parametrize("checkpoint", ["pending", "embed", "add", "publish"])
def test_a_full_disk_is_one_sentence_and_the_old_view_answers(make_index: MakeIndex, checkpoint: str) -> None:
    index = make_index({"ruda.md": RUDA})
    index.sync(HashEmbedder())
    make_index({"ruda.md": EPAZOTE})
    with pytest.raises(StorageError, match=r"the disk is full.*Free space"):
        index.sync(HashEmbedder(), checkpoint=Failing(checkpoint, OSError(ENOSPC, "No space left on device")))
    assert found(index, "embarazo") == ["ruda#toxicidad"]
    index.sync(HashEmbedder())
    assert index.verify().sound and found(index, "lombrices") == ["ruda#usos"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write to any folder")
def test_a_read_only_folder_is_one_sentence(make_index: MakeIndex) -> None:
    index = make_index({"ruda.md": RUDA})
    index.folder.parent.mkdir(parents=True)
    index.folder.parent.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="permission denied"):
            index.sync(HashEmbedder())
    finally:
        index.folder.parent.chmod(0o700)
