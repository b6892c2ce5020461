"""A pack of eight plants in three sections each, and its rows: what the tests of export, build and trace share."""

from retrieval.domain import Domain, load_domain
from retrieval.index import Index
from retrieval.settings import RetrievalSettings
from tests.conftest import WritePack
from tests.fakes import PACK
from training.data_preparation.row_passages import PassageFinder
from training.example import Example, make_example

CONFIG = PACK + "sections:\n  Usos: {role: uses}\n  Historia: {role: history}\n"
PLANTS = {
    "ruda": ("una hierba de olor fuerte que crece en macetas", "las barridas contra el aire", "los frailes"),
    "nopal": ("una cactácea de pencas planas y espinosas", "bajar el azúcar después de comer", "los mexicas"),
    "arnica": ("una flor amarilla de los caminos de montaña", "los golpes y las torceduras", "los arrieros"),
    "tila": ("un árbol de flores dulces y sombra espesa", "dormir cuando hay nervios", "las monjas"),
    "copal": ("una resina blanca que llora del tronco herido", "sahumar la casa y los altares", "los mayas"),
    "chaya": ("un arbusto de hojas verdes que se comen cocidas", "fortalecer la sangre débil", "las cocineras"),
    "muicle": ("una mata que tiñe el agua de morado", "limpiar la sangre en primavera", "los tintoreros"),
    "pericon": ("una yerba anisada de flor dorada", "el dolor de barriga con frío", "los sembradores"),
}


def plant(name: str, what: str, use: str, who: str) -> str:
    title = name.capitalize()
    return (
        f"# {title}\n\n{title} es {what}. Se reconoce por su aroma desde lejos.\n\n"
        f"## Usos\n\nEl té de {name} se toma para {use}. También se pone en paños tibios sobre la piel.\n\n"
        f"## Historia\n\nDe {name} hablaron primero {who} en el siglo XVI. Luego pasó a los mercados de todo el país.\n"
    )


DOCUMENTS = {f"plantas/{name}.md": plant(name, *said) for name, said in PLANTS.items()}


def make_pack(write_pack: WritePack, settings: RetrievalSettings) -> Domain:
    """The pack `tiny`, indexed by words alone."""
    write_pack(DOCUMENTS, config=CONFIG)
    domain = load_domain("tiny", settings.domains_dir)
    Index(domain, settings).sync(None)
    return domain


def open_finder(domain: Domain, settings: RetrievalSettings) -> PassageFinder:
    return PassageFinder.open(Index(domain, settings), None)


def uses_row(name: str, **more: object) -> Example:
    """The row that asks what a plant is used for."""
    answer = f"El té de {name} se toma para {PLANTS[name][1]}. También se pone en paños tibios sobre la piel."
    given = {"reasoning": f"Lo dice {name.capitalize()} › Usos.", "sections": (f"plantas/{name}#usos",), "task": "uses"}
    return make_example(f"¿Para qué se toma el té de {name}?", answer, **{**given, **more})
