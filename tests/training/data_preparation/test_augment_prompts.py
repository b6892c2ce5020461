"""The prompts of a pack, and which sections they are made for."""

from pathlib import Path

import pytest

from retrieval.domain import load_domain
from retrieval.errors import DomainInvalid, UsageError
from retrieval.settings import RetrievalSettings
from tests.conftest import ROOT, WritePack
from tests.fakes import PACK
from tests.training.data_preparation.augmenting import CONFIG, PROMPTS, documents, make_job
from training.data_preparation.augment_plan import LEAST_WORDS, plan_items
from training.data_preparation.augment_prompts import BUILT_IN, read_prompts, render_draft
from training.data_preparation.parse_documents import parse_documents

KINDS = {"comparison", "mechanism", "cultural", "historical", "safety", "paraphrase", "multi_hop", "unanswerable"}


def test_the_shipped_files_have_the_same_kinds_and_the_pack_writes_in_its_language() -> None:
    herbolaria = load_domain("herbolaria", ROOT / "data" / "domains")
    own, built_in = read_prompts(herbolaria.folder, herbolaria.config), read_prompts(Path("none"), herbolaria.config)
    assert set(own.kinds) == set(built_in.kinds) == KINDS
    assert "en español" in own.system and "in Spanish" in built_in.system
    assert herbolaria.config.refusal in own.kinds["unanswerable"].instruction
    assert "{" not in own.system + own.judge.answer + built_in.system + built_in.judge.answer


def test_every_fault_of_a_pack_s_file_is_named(settings: RetrievalSettings, write_pack: WritePack) -> None:
    folder = write_pack(documents(1))
    text = PROMPTS.read_text().replace("roles: [history]", "roles: [geschichte]").replace("\nrepair:", "\nrepeir:")
    (folder / "augment.yaml").write_text(text + "  - '(unclosed'\n")
    with pytest.raises(DomainInvalid) as error:
        read_prompts(folder, load_domain("tiny", settings.domains_dir).config)
    assert {fault.split(":")[0] for fault in error.value.faults} == {
        "kinds.historical.roles.0", "repair", "repeir", "refers_to_text",
    }  # fmt: skip


def test_a_kind_that_is_not_there_is_refused(settings: RetrievalSettings, write_pack: WritePack) -> None:
    write_pack(documents(1))
    with pytest.raises(UsageError, match="no kind 'poem'"):
        make_job(settings, kinds=("poem",))


def test_the_prompt_names_its_subject_and_quotes_its_passage(
    settings: RetrievalSettings, write_pack: WritePack
) -> None:
    write_pack(documents(1), config=CONFIG)
    (item,) = make_job(settings, kinds=("historical",)).items
    job = make_job(settings)
    system, user = render_draft(job.writer.prompts, item.kind, item.sections)
    assert system[0] == "system" and "conventos" not in system[1]
    assert '<passage n="1" source="Ajo › Historia">\nLa planta de ajo' in user[1]
    assert "el pasado de Ajo:" in user[1]


def test_roles_choose_sections_and_short_ones_are_left_out(settings: RetrievalSettings, write_pack: WritePack) -> None:
    short = "# Té\n\n## Historia\n\n" + "palabra " * (LEAST_WORDS - 1)
    write_pack({**documents(2), "plantas/té.md": short}, config=CONFIG)
    found = {item.id for item in make_job(settings, kinds=("historical", "safety")).items}
    assert found == {
        "historical:plantas/ajo#historia", "historical:plantas/anís#historia",
        "safety:plantas/ajo#toxicidad", "safety:plantas/anís#toxicidad",
    }  # fmt: skip


def test_where_headings_have_no_roles_every_section_may_serve(
    settings: RetrievalSettings, write_pack: WritePack
) -> None:
    write_pack(documents(1), config=PACK)
    assert len(make_job(settings, kinds=("historical",)).items) == 3


def test_shares_decide_how_many_of_a_kind_are_asked(settings: RetrievalSettings, write_pack: WritePack) -> None:
    write_pack(documents(), config=CONFIG)
    job = make_job(settings, kinds=("historical", "safety"), max_samples=10)
    kinds = [item.kind for item in job.items]
    assert (kinds.count("historical"), kinds.count("safety")) == (4, 6)  # shares 1 and 1.5


def test_a_document_that_a_prompt_cannot_hold_is_not_said_to_lack_anything(
    settings: RetrievalSettings, write_pack: WritePack
) -> None:
    write_pack({"a.md": "# Ajo\n\n" + "palabra " * 1_000}, config=CONFIG)
    assert make_job(settings, kinds=("unanswerable",)).items == []


def test_a_further_document_moves_no_prompt_of_the_others(settings: RetrievalSettings, write_pack: WritePack) -> None:
    pack = write_pack(documents(9), config=CONFIG)
    domain = load_domain("tiny", settings.domains_dir)
    kinds = {
        name: kind for name, kind in read_prompts(BUILT_IN.parent, domain.config).kinds.items() if name != "comparison"
    }
    before = plan_items(list(parse_documents(pack / "corpus")), kinds, domain.config)
    write_pack(documents(10), config=CONFIG)
    after = plan_items(list(parse_documents(pack / "corpus")), kinds, domain.config)
    assert {item.id for item in before} < {item.id for item in after}
    assert all("menta" in item.id for item in after if item.id not in {item.id for item in before})
