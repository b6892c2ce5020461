"""Commands that are imported when they are used: `savia --help` lists them from their docstrings and loads none of them.

mount_lazily(app, "train", "training.train")            # runs `training.train.command`
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from retrieval.console import normalize

ROOT = Path(__file__).parent.parent


def mount_lazily(app: typer.Typer, name: str, module: str) -> None:
    """Add the `command` of a module under `name`; all that follows the name goes to it as it stands."""
    untouched = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}

    @app.command(
        name, help=read_help(module), add_help_option=False, context_settings={**untouched, "help_option_names": []}
    )
    def forward(ctx: typer.Context) -> None:
        code = load_command(name, module).main(args=list(ctx.args), prog_name=ctx.command_path, standalone_mode=False)
        if isinstance(code, int) and code:
            raise typer.Exit(code)


def load_command(name: str, module: str) -> Any:
    """The click command of a module."""
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    settings = {"token_normalize_func": normalize, "help_option_names": ["-h", "--help"]}
    single.command(name, context_settings=settings)(import_module(module).command)
    return typer.main.get_command(single)


def read_help(module: str) -> str:
    """The docstring of a module's `command`, read without importing it."""
    tree = ast.parse(ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8"))
    found = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "command")
    return ast.get_docstring(found) or ""
