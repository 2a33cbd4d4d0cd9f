"""What keeps the house in order: names, rooms, docstrings with examples, and nothing of anybody's machine."""

import ast
import doctest
import importlib
import re
import subprocess
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from resources.store.lanes import NUMBERS

ROOT = Path(__file__).resolve().parent.parent
OURS = {"pipelines", "assets", "resources", "web", "handoff", "sandbox", "benchmarks"}
ROOMS = sorted(OURS)


def tracked(*patterns: str) -> list[Path]:
    """The files git knows, or all of ours where there is no git."""
    asked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode != 0:
        return [path for pattern in patterns for path in ROOT.rglob(pattern) if ".venv" not in path.parts]
    return [ROOT / line for line in asked.stdout.splitlines() if (ROOT / line).is_file()]


def modules() -> list[str]:
    found = []
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "__main__" not in parts and "migrations" not in parts:
                found.append(".".join(parts).removesuffix(".__init__"))
    return found


def test_no_distribution_shadows_our_packages() -> None:
    brought = {name: dists for name, dists in packages_distributions().items() if name in OURS}
    assert {dist for dists in brought.values() for dist in dists} <= {"handoff"}


@pytest.mark.parametrize("lane", NUMBERS)
def test_a_lane_has_the_same_stem_everywhere(lane: str) -> None:
    for path in (
        f"assets/{lane}/events.py",
        f"assets/{lane}/mapping.py",
        f"docs/partners/{lane}.md",
        f"tests/{lane}",
    ):
        assert (ROOT / path).exists(), path


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        path.relative_to(ROOT)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def with_examples() -> list[str]:
    return [
        name
        for name in modules()
        for path in (
            ROOT.joinpath(*name.split(".")).with_suffix(".py"),
            ROOT.joinpath(*name.split("."), "__init__.py"),
        )
        if path.is_file() and ">>> " in path.read_text()
    ]


@pytest.mark.parametrize("name", with_examples())
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def judges(node: ast.AST) -> bool:
    text = ast.unparse(node)
    return "assert" in text or "raises" in text or "expect" in text


def calls(node: ast.AST) -> set[str]:
    return {
        one.func.id for one in ast.walk(node) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
    }


def test_every_test_can_fail() -> None:
    empty = []
    for path in tracked("tests/*.py"):
        functions = {
            node.name: node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for name, node in functions.items():
            asked = [node, *(functions[call] for call in calls(node) if call in functions)]
            if name.startswith("test_") and not any(judges(one) for one in asked):
                empty.append(f"{path.relative_to(ROOT)}: {name}")
    assert empty == []


def test_nothing_here_knows_a_machine_or_a_registry() -> None:
    # Where the units of deploy/ put it is said there.
    places = {ROOT, Path.home()} - {Path("/"), Path("/opt/handoff")}
    here = "|".join(re.escape(str(path)) for path in places)
    forbidden = re.compile(rf"({here})/|https?://[a-z0-9.-]*pypi[a-z0-9.-]*/simple")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked("*")
        if path.suffix not in (".png", ".gz", ".pdf")
        for number, line in enumerate(path.read_text(errors="ignore").splitlines(), start=1)
        if forbidden.search(line)
    ]
    assert found == []


def test_no_published_sample_of_another_project_is_kept_here() -> None:
    assert [path for path in tracked("*") if path.name.startswith("real_")] == []
