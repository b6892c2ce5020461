"""A made-up domain for training tests: forty plants, each with a question, a thought and an answer."""

from typing import Any, Final

KINDS: Final = ("qwen3", "llama", "phi")
PLANTS: Final = [f"{name} {colour}" for name in ("ruda", "salvia", "menta", "tila", "malva", "sauco", "berro", "anís")
                 for colour in ("roja", "blanca", "negra", "verde", "morada")]  # fmt: skip


def make_row(plant: str, number: int) -> dict[str, Any]:
    """One exported row; answers differ in length, so that packing has something to do."""
    uses = ", ".join(("tos", "susto", "dolor", "fiebre", "empacho", "sueño")[: 1 + number % 6])
    return {
        "id": f"row-{number}",
        "messages": [
            {"role": "system", "content": "Respondes sobre plantas."},
            {"role": "user", "content": f"Pregunta: ¿Para qué sirve la {plant}?"},
            {
                "role": "assistant",
                "content": f"<think>\nBusco {plant}.\n</think>\n\nLa {plant} sirve para: {uses} [1].",
            },
        ],
        "metadata": {"task": "uses"},
    }
