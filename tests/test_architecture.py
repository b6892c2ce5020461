"""The rules of the house, held by a machine: who may import whom, what loads what, and that README's tree is true."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

FLOORS = {"retrieval": 0, "assistant": 1, "training": 2}
TOP = ("savia.py", "streamlit_app.py")
MOST_LINES_ON_TOP = 60
HEAVY = ("torch", "transformers", "chromadb", "streamlit")


def modules() -> dict[str, Path]:
    """Every module of the three packages and the two on top, by its dotted name."""
    paths = [path for package in FLOORS for path in (ROOT / package).rglob("*.py")] + [ROOT / name for name in TOP]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Dotted names that a module imports anywhere, functions included, with their lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            yield str(node.module), node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def test_imports_go_one_way_down_the_floors() -> None:
    upward = [
        f"{name} (line {line}) imports {target}"
        for name, path in modules().items()
        for target, line in imports(path)
        if FLOORS.get(target.split(".")[0], -1) > FLOORS.get(name.split(".")[0], len(FLOORS))
    ]
    assert upward == []


def test_nothing_imports_the_two_modules_on_top() -> None:
    tops = {Path(name).stem for name in TOP}
    assert [
        name for name, path in modules().items() for target, _ in imports(path) if target.split(".")[0] in tops
    ] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    known = modules()
    graph = {
        name: sorted({target for target, _ in imports(path) if target in known} - {name})
        for name, path in known.items()
    }
    assert find_cycle(graph) == []


def find_cycle(graph: dict[str, list[str]]) -> list[str]:
    """The names along one cycle of a graph, empty when it has none."""
    done: set[str] = set()

    def walk(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        found = next((cycle for target in graph[name] if (cycle := walk(target, [*trail, name]))), [])
        done.add(name)
        return found

    return next((cycle for name in graph if (cycle := walk(name, []))), [])


def test_a_cycle_would_be_seen() -> None:
    assert find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]
    assert find_cycle({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_nothing_is_imported_by_name_of_a_module_that_does_not_exist() -> None:
    known = modules()
    wrong = [
        f"{name} (line {line}) imports {target}"
        for name, path in known.items()
        for target, line in imports(path)
        if target.split(".")[0] in FLOORS and target not in known and target.rpartition(".")[0] not in known
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "statement", ["import retrieval.documents", "import retrieval.passages", "import savia", "import assistant.answer"]
)
def test_a_light_import_loads_nothing_heavy(statement: str) -> None:
    script = f"import sys\n{statement}\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_import_prints_nothing_and_needs_no_settings() -> None:
    script = "import savia, retrieval.cli, assistant.cli, retrieval.index, assistant.wiring, training"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("name", TOP)
def test_the_modules_on_top_are_short(name: str) -> None:
    assert 0 < len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= MOST_LINES_ON_TOP


def test_every_module_begins_by_saying_what_it_is() -> None:
    assert [name for name, path in modules().items() if not ast.get_docstring(ast.parse(path.read_text("utf-8")))] == []


def test_packages_to_install_are_those_there_are() -> None:
    listed = re.search(r"^packages = (\[.*\])$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts) for p in FLOORS for path in (ROOT / p).rglob("__init__.py")
    }
    assert set(ast.literal_eval(listed[1])) == folders


# --- README's tree --------------------------------------------------------------------------------------------------------


def tree() -> dict[str, str]:
    """The paths that README's block under `## The tree` lists, with a phrase each."""
    found = re.search(
        r"^## The tree\s+```\w*\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert found, "README.md has no block of code under the heading '## The tree'"
    lines = [line.split(maxsplit=1) for line in found[1].splitlines() if line.strip()]
    return {path: rest[0] if rest else "" for path, *rest in lines}


def test_the_tree_lists_only_what_exists_with_a_phrase_each() -> None:
    listed = tree()
    assert [path for path in listed if not (ROOT / path).exists()] == []
    assert [path for path, phrase in listed.items() if not phrase] == []


def test_the_tree_lists_every_module() -> None:
    """One by one for the floors themselves; a folder within a floor may stand for its files."""
    listed = tree()
    paths = [path.relative_to(ROOT) for path in modules().values() if path.name != "__init__.py"]
    missing = [
        path.as_posix()
        for path in paths
        if path.as_posix() not in listed and (len(path.parts) < 3 or f"{path.parent.as_posix()}/" not in listed)
    ]
    assert missing == []
