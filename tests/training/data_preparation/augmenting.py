"""A small pack and what is needed to have a model on loopback write rows for it."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from retrieval.domain import load_domain
from retrieval.settings import RetrievalSettings
from tests.fakes import PACK
from tests.servers import Body
from training.data_preparation.asking import Asker
from training.data_preparation.augment_job import Job, RunSettings, derive, plan_job
from training.data_preparation.augment_plan import Item
from training.data_preparation.augment_run import Result, run_items
from training.data_preparation.augmentation import Outcome
from training.data_preparation.budget import Budget
from training.data_preparation.completions import Request, connect
from training.data_preparation.endpoints import Endpoint
from training.data_preparation.journal import open_journal
from training.data_preparation.model_output import Draft, Phrasing, Verdict
from training.data_preparation.pacing import Pace
from training.data_preparation.parse_documents import parse_documents
from training.example import Example, make_example
from training.layout import BuildLayout

PLANTS = ("ajo", "anís", "árnica", "boldo", "cedrón", "epazote", "hinojo", "laurel", "malva", "menta")
PROMPTS = Path(__file__).resolve().parents[3] / "data" / "domains" / "herbolaria" / "augment.yaml"
CONFIG = f"""{PACK}fields: [uses]
sections:
  Usos: {{role: uses}}
  Historia: {{role: history}}
  Toxicidad: {{role: safety}}
"""


def document(name: str) -> str:
    """A plant with three sections of some 30 words; all plants share a use."""
    title = name.capitalize()
    more = "Así lo cuentan las personas mayores de la sierra, que la juntan en el monte y la venden los domingos en la plaza del pueblo."
    return f"""---
title: {title}
uses: [dolor de estómago]
---
# {title}

## Usos

La hoja de {name} se toma en té para el dolor de estómago después de comer. {more}

## Historia

La planta de {name} se cultivaba ya en las huertas de los conventos del siglo XVII. {more}

## Toxicidad

El aceite de {name} irrita la piel y no se da a niños menores de 6 años. {more}
"""


def documents(count: int = len(PLANTS)) -> dict[str, str]:
    return {f"plantas/{name}.md": document(name) for name in PLANTS[:count]}


def make_job(home: RetrievalSettings, rows: Sequence[Example] = (), **settings: Any) -> Job:
    """The plan for the pack `tiny`, with the prompts of herbolaria."""
    pack = load_domain("tiny", home.domains_dir)
    (pack.folder / "augment.yaml").write_bytes(PROMPTS.read_bytes())
    given = {"model": "tiny", **settings}
    return plan_job(
        pack, BuildLayout(home.build_dir / "tiny"), list(parse_documents(pack.corpus)), list(rows), RunSettings(**given)
    )


def template_row(section: str, question: str = "¿Para qué sirve?", answer: str = "Se toma en té.") -> Example:
    return make_example(
        question, answer, reasoning="Lo dice su sección de usos.", sections=[section], task="uses", type="plantas"
    )


def augment(
    job: Job,
    url: str,
    budget: Budget | None = None,
    concurrency: int = 4,
    timeout: float = 20.0,
    key: str | None = None,
    items: Sequence[Item] | None = None,
) -> tuple[Result, list[Outcome]]:
    """One run from start to end, with waits of milliseconds."""

    async def ask_all() -> Result:
        async with connect(Endpoint(url, "tiny", SecretStr(key) if key else None), timeout) as server:
            asker = Asker(
                server, journal, budget or Budget(), None, Pace(asyncio.get_running_loop().time), first_wait=0.01
            )
            return await run_items(job.items if items is None else items, job.writer, asker, concurrency)

    with open_journal(job.journal) as journal:
        result = asyncio.run(ask_all())
        folder = job.layout.folder("augment")
        return result, derive(job, journal, folder / "examples.jsonl", folder / "rejected.jsonl")


def key_of(body: Body) -> str:
    """The journal's key of a request that a server saw."""
    shapes = {"draft": Draft, "phrasing": Phrasing, "verdict": Verdict}
    shape = shapes[body["response_format"]["json_schema"]["name"]]
    messages = tuple((message["role"], message["content"]) for message in body["messages"])
    return Request(body["model"], messages, shape, body["max_tokens"], body.get("temperature")).key


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Every line, whole and readable, or the test fails."""
    text = path.read_bytes().decode()
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]
