"""The rules of the code itself: who may import whom, what the engine must not touch, how large a file may get."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("engine", "journal", "replicas", "http", "effects", "node", "loadtest")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

MAY_IMPORT = {
    "engine": {"engine"},
    "journal": {"journal", "engine"},
    "replicas": {"replicas", "journal", "engine"},
    "http": {"http", "engine"},
    "effects": {"effects", "engine"},
    "node": {"node", "engine", "journal", "replicas", "http", "effects"},
    "loadtest": {"loadtest", "node", "engine", "journal", "replicas", "http", "effects"},
}
# of the engine, the journal knows the records alone
JOURNAL_MAY_IMPORT_OF_ENGINE = {"engine.records", "engine.table"}
ENGINE_MAY_IMPORT = {
    "__future__",
    "abc",
    "array",
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "hashlib",
    "bisect",
    "heapq",
    "itertools",
    "math",
    "msgspec",
    "operator",
    "re",
    "types",
    "typing",
    "unicodedata",
    "zlib",
}
ENGINE_MUST_NOT_CALL = {"open", "print", "input", "exec", "eval", "hash", "id", "globals"}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


ALL_SOURCES = [path for package in PACKAGES for path in sources(package)]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name): names of this package without its own first part, such as "engine.facts"."""
    here = path.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.removeprefix("onsale.")
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = here[: len(here) - node.level]
                if node.module:
                    yield node.lineno, ".".join((*base, node.module))
                else:
                    for alias in node.names:
                        yield node.lineno, ".".join((*base, alias.name))
            else:
                yield node.lineno, (node.module or "").removeprefix("onsale.")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources(package)
        for line, name in imports(path)
        if name.split(".")[0] in PACKAGES
        and name.split(".")[0] not in MAY_IMPORT[package]
        and not (name.split(".")[0] == "http" and name in {"http.client", "http.server"})
    ]
    assert not wrong


def test_the_journal_knows_of_the_engine_only_its_records() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources("journal")
        for line, name in imports(path)
        if name.startswith("engine") and name not in JOURNAL_MAY_IMPORT_OF_ENGINE
    ]
    assert not wrong


def test_the_engine_is_pure() -> None:
    wrong = []
    for path in sources("engine"):
        for line, name in imports(path):
            if not name.startswith("engine") and name.split(".")[0] not in ENGINE_MAY_IMPORT:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ENGINE_MUST_NOT_CALL:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} calls {node.func.id}()")
            if isinstance(node, ast.AsyncFunctionDef | ast.Await):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} awaits")
    assert not wrong


@pytest.mark.parametrize("folder", ["http", "tests"])
def test_no_init_file_hides_the_standard_library(folder: str) -> None:
    """http/__init__.py would be found in place of Python's own http by anything started from the root."""
    found = [path.relative_to(ROOT) for path in (ROOT / folder).rglob("__init__.py")]
    assert not found


def test_every_folder_is_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packaged = set(project["tool"]["setuptools"]["packages"])
    folders = {"onsale." + ".".join(path.parent.relative_to(ROOT).parts) for path in ALL_SOURCES if path.parent != ROOT}
    assert folders | {"onsale"} == packaged


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("\ndependencies = [")[1].split("\n]")[0]
    without = [line for line in block.splitlines() if line.strip() and "#" not in line]
    assert not without


@pytest.mark.parametrize("path", ALL_SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_small_and_say_what_they_own(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module opens by saying what it owns"
    assert len(text.splitlines()) <= FILE_LINES_MAX
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < FUNCTION_LINES_MAX, f"{node.name} is too long"


def test_no_module_is_called_utils() -> None:
    assert not [path for path in ALL_SOURCES if re.search(r"util|helper|misc|common", path.stem)]
