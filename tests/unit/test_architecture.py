"""Import rules that the linter's layers can't say: what may be imported from outside, by which door, and by tests."""

import ast
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SERVICES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["marketplace"]["services"]
PACKAGES = [*SERVICES, "contracts", "infra", "marketplace_runtime"]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def outside_imports(graph: grimp.ImportGraph, module: str) -> set[str]:
    found = {each.split(".")[0] for each in graph.find_modules_directly_imported_by(module)}
    return found - set(sys.stdlib_module_names)


def modules(graph: grimp.ImportGraph, wanted: Callable[[str], bool]) -> list[str]:
    return sorted(each for each in graph.modules if each.split(".")[0] in PACKAGES and wanted(each))


def test_contracts_import_pydantic_only(graph: grimp.ImportGraph) -> None:
    for module in modules(graph, lambda each: each.startswith("contracts.")):
        assert outside_imports(graph, module) <= {"pydantic", "contracts"}, module


def test_domains_import_the_standard_library_only(graph: grimp.ImportGraph) -> None:
    domains = modules(graph, lambda each: ".domain" in each and each.split(".")[0] in SERVICES)
    assert {each.split(".")[0] for each in domains} == set(SERVICES)
    for module in domains:
        assert outside_imports(graph, module) <= {module.split(".")[0]}, module


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("aio_pika", lambda each: each.startswith(("infra.messaging", "marketplace_runtime"))),
        ("pika", lambda each: each.startswith(("infra.lab.audit", "infra.lab.chaos", "infra.lab.watch"))),
        ("aiormq", lambda each: each.startswith(("infra.messaging", "marketplace_runtime"))),
        (
            "sqlalchemy",
            lambda each: (
                each.startswith(("infra.storage", "marketplace_runtime")) or ".migrations" in each or ".store" in each
            ),
        ),
        (
            "fastapi",
            lambda each: (
                each.startswith(("infra.http", "infra.lab.stand_ins", "marketplace_runtime")) or each.endswith(".api")
            ),
        ),
    ],
)
def test_a_library_is_used_only_where_it_is_at_home(
    graph: grimp.ImportGraph, library: str, home: Callable[[str], bool]
) -> None:
    users = [each for each in modules(graph, lambda _: True) if library in outside_imports(graph, each)]
    assert users, f"nobody imports {library}: is the rule still needed?"
    assert [each for each in users if not home(each)] == []


def test_infra_packages_are_entered_by_their_front_door(graph: grimp.ImportGraph) -> None:
    inner = [
        f"{module} -> {imported}"
        for module in modules(graph, lambda each: each.split(".")[0] in SERVICES)
        for imported in graph.find_modules_directly_imported_by(module)
        if imported.startswith(("infra.", "marketplace_runtime.")) and imported.count(".") > 1
    ]
    assert inner == []


@pytest.fixture(scope="module")
def imported_by_tests() -> list[tuple[str, str]]:
    """Every file of the tests, with each dotted name of ours that it imports."""
    found = []
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{each.name}" for each in node.names]
            else:
                names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            found += [(str(path.relative_to(ROOT)), name) for name in names]
    return [(path, name) for path, name in found if name.split(".")[0] in ("tests", *PACKAGES)]


def test_no_test_is_imported(imported_by_tests: list[tuple[str, str]]) -> None:
    """What several tests need is in a module of its own, so that who changes a test need not look at others."""
    assert [each for each in imported_by_tests if ".test_" in each[1]] == []


def test_tests_import_nothing_private(imported_by_tests: list[tuple[str, str]]) -> None:
    assert len(imported_by_tests) > 1000, "the search finds them"
    assert [each for each in imported_by_tests if re.search(r"\._(?!_)", each[1])] == []
