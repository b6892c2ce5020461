"""Make one model of an adapter and its base, and check that it says the same.

    savia merge --adapter-path models/herbolaria/20261121_101500/final --output-path models/herbolaria-merged
    savia merge --adapter-path RUN/final --output-path DIR --quantize 4bit

The same as a module: `python -m training.merge_adapter`. Which base is merged into, and why: docs/decisions/0009-merge.md.
"""

from pathlib import Path
from typing import Annotated

import typer

from assistant.backends.local_model import Precision
from retrieval.console import (
    DomainOption,
    JsonOption,
    errors,
    escape,
    output,
    print_json,
    print_table,
    progress_bar,
    run_command,
    say,
)
from training.merging import Bits, Into, Merged, MergeRequest, find_parts, merge
from training.model_domain import find_domain
from training.parity import MOST_DIFFERENCE, Parity


def command(
    adapter_path: Annotated[Path, typer.Option("--adapter-path", "--adapter", help="The adapter: RUN/final.")],
    output_path: Annotated[Path, typer.Option("--output-path", "--output", "-o", help="Folder of the merged model.")],
    base_model: Annotated[
        str,
        typer.Option("--base-model", "--base", help="A Hub name or folder; default: the one that the adapter names."),
    ] = "",
    into: Annotated[
        Into, typer.Option(help="The unquantised base, or the 4-bit one that training saw, dequantised.")
    ] = "base",
    dtype: Annotated[Precision, typer.Option(help="Of the weights as stored; auto: the base's own.")] = "auto",
    quantize: Annotated[Bits, typer.Option(help="Store the merged model in few bits (bitsandbytes).")] = "none",
    low_memory: Annotated[
        bool, typer.Option("--low-memory", help="Add in the base's own 16 bits: half the memory, rounded once more.")
    ] = False,
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Merge an adapter into its base model, checked on 20 prompts before and after it is written."""
    request = MergeRequest(adapter_path, output_path, base_model, into, dtype, quantize, low_memory)
    files = find_parts(request)
    if low_memory:
        say("Low memory: the sum is made in the base's own precision, so it cannot agree to fp32's last digits.")
    with progress_bar() as report:
        done = merge(request, find_domain(domain, files.adapter), report)
    if as_json:
        print_json(done.as_json())
    else:
        _print(done)


def _print(done: Merged) -> None:
    checked: list[tuple[str, Parity | None]] = [
        ("merged, before it was written", done.parity),
        (f"as stored ({done.dtype})", done.stored),
        ("as stored in few bits", done.quantized),
    ]
    rows = [
        [
            name,
            f"{parity.max_difference:.2g}",
            f"{parity.mean_difference:.2g}",
            f"{parity.same_tokens}/{parity.prompts}",
        ]
        for name, parity in checked
        if parity
    ]
    print_table(["against base and adapter", "largest difference", "mean", "same continuations"], rows)
    errors().print(f"Logits in fp32; the limit before writing is {MOST_DIFFERENCE:g}.")
    output().print(escape(str(done.folder)), soft_wrap=True)


if __name__ == "__main__":
    run_command(command)
