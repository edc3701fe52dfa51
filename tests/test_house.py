"""The shape of the code base: small files and functions, rooms, names with one meaning, wording."""

import ast
import importlib
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import deepnrc

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/deepnrc"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def functions(tree):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def length(function):
    """Lines from ``def`` to the end, without the docstring."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - (docstring.end_lineno - docstring.lineno + 1)


def test_length_leaves_out_decorators_and_the_docstring():
    code = '@decorated\ndef f(\n    x,\n):\n    """One.\n\n    Two.\n    """\n    return x\n'
    assert [length(function) for function in functions(ast.parse(code))] == [4]


def test_no_file_is_longer_than_400_lines():
    tops = [ROOT / name for name in ("src", "tests", "benchmarks", "docs")]
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for top in tops
        for path in sorted(top.rglob("*.py"))
    }
    assert {path: count for path, count in lines.items() if count > 400} == {}


def test_no_function_is_longer_than_50_lines():
    lines = {
        f"{path.relative_to(PACKAGE)}:{function.lineno} {function.name}": length(function)
        for path in sorted(PACKAGE.rglob("*.py"))
        for function in functions(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert {name: count for name, count in lines.items() if count > 50} == {}


def test_every_module_is_in_a_room():
    loose = {path.name for path in PACKAGE.glob("*.py")}
    assert loose == {"__init__.py", "__main__.py", "_version.py", "errors.py"}


def test_the_contract_of_layers_names_every_room():
    (contract,) = (c for c in CONTRACTS["contracts"] if c.get("containers") == ["deepnrc"])
    named = {name.strip() for line in contract["layers"] for name in line.split("|")}
    assert named == ROOMS | {"errors", "_version"}
    assert contract["exhaustive"]  # lint-imports fails on a room that is in no layer


def test_every_module_that_a_contract_exempts_exists():
    for contract in CONTRACTS["contracts"]:
        for exemption in contract.get("ignore_imports", []):
            path = exemption.split(" -> ")[0].removesuffix(".**").replace(".", "/")
            assert (ROOT / f"src/{path}.py").exists() or (ROOT / "src" / path).is_dir(), exemption


@pytest.mark.parametrize("name", ["measure", "collect", "diagnose", "load", "evaluate"])
def test_a_public_function_is_no_module(name):
    with pytest.raises(ModuleNotFoundError, match=f"No module named 'deepnrc.{name}'"):
        importlib.import_module(f"deepnrc.{name}")


def test_a_name_in_a_package_is_a_module_or_something_else_but_not_both():
    both = []
    for found in pkgutil.walk_packages(deepnrc.__path__, "deepnrc."):
        package, _, name = found.name.rpartition(".")
        if name == "__main__":
            continue
        module = importlib.import_module(found.name)
        if getattr(importlib.import_module(package), name) is not module:
            both.append(found.name)
    assert both == []


def test_each_test_file_is_where_its_module_is():
    """``tests/ROOM/test_NAME.py`` or ``test_NAME_aspect.py`` tests ``ROOM/NAME.py``.

    The same holds of the scripts in docs/. At the top are tests of the project as a whole.
    """
    misplaced = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        folder = path.relative_to(ROOT / "tests").parent
        if folder.name in ("", "reference"):
            continue
        words = path.stem.split("_")[1:]
        names = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
        tops = (PACKAGE, ROOT)
        if not any((top / folder / f"{name}.py").exists() for top in tops for name in names):
            misplaced.append(f"{folder}/{path.name}")
    assert misplaced == []


def texts():
    """Every text of the project but the history in CHANGELOG.md and this file's own patterns."""
    tops = [ROOT / name for name in ("src", "tests", "benchmarks", "docs", ".ci")]
    files = [*ROOT.glob("*.md"), *ROOT.glob("*.toml"), ROOT / "Makefile"]
    files += [path for top in tops for path in top.rglob("*") if path.is_file()]
    kinds = {"", ".md", ".py", ".toml", ".txt"}
    left_out = {ROOT / "CHANGELOG.md", Path(__file__)}
    return [path for path in files if path.suffix in kinds and path not in left_out]


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        (r"(?<![\w.>)])/(root|work|home/\w+|Users/\w+)/", "a path that exists on every machine"),
        (r"\bto be had\b", "'is not available'"),
        (r"\bgo(es)? on to the same bits\b", "'resumes bit for bit'"),
        (r"\bthat cannot be[.;,:]|\bcombinations? that cannot be\b", "what is needed"),
        (r"\bwill do[.;,:]", "'is enough'"),
    ],
)
def test_wording(pattern, instead):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not found, f"write {instead}:\n" + "\n".join(found)
