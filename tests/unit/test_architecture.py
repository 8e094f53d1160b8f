"""Import rules beyond the linter's layers: imports of libraries, of the runtime's packages, and by tests."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import grimp
import pytest

from infra.stack import python_path

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


def test_contracts_import_pydantic_and_the_event_base_class_only(graph: grimp.ImportGraph) -> None:
    for module in modules(graph, lambda each: each.startswith("contracts.")):
        assert outside_imports(graph, module) <= {"pydantic", "contracts", "marketplace_runtime"}, module


def test_the_event_base_class_loads_pydantic_and_nothing_else_of_the_runtime() -> None:
    listing = "import sys, contracts.registry; print(*(each for each in sys.modules if 'marketplace_runtime.' in each))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", listing],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": python_path(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {each.split(".")[1] for each in done.stdout.split()} == {"events"}


def test_domains_import_the_standard_library_only(graph: grimp.ImportGraph) -> None:
    domains = modules(graph, lambda each: ".domain" in each and each.split(".")[0] in SERVICES)
    assert {each.split(".")[0] for each in domains} == set(SERVICES)
    for module in domains:
        assert outside_imports(graph, module) <= {module.split(".")[0]}, module


@pytest.mark.parametrize(
    ("library", "is_permitted"),
    [
        ("aio_pika", lambda each: each.startswith("marketplace_runtime.amqp")),
        ("aiormq", lambda each: each.startswith("marketplace_runtime.amqp")),
        ("pamqp", lambda each: each.startswith("marketplace_runtime.amqp")),
        ("pika", lambda each: each.startswith(("infra.lab.audit", "infra.lab.chaos", "infra.lab.watch"))),
        (
            "sqlalchemy",
            lambda each: each.startswith("marketplace_runtime") or ".migrations" in each or ".store" in each,
        ),
        ("fastapi", lambda each: each.startswith(("marketplace_runtime", "infra.lab.stand_ins")) or ".api" in each),
    ],
)
def test_a_library_is_used_only_in_its_permitted_modules(
    graph: grimp.ImportGraph, library: str, is_permitted: Callable[[str], bool]
) -> None:
    users = [each for each in modules(graph, lambda _: True) if library in outside_imports(graph, each)]
    assert users, f"no module imports {library}: is the rule still needed?"
    assert [each for each in users if not is_permitted(each)] == []


def test_only_public_names_of_the_runtime_s_packages_are_imported(graph: grimp.ImportGraph) -> None:
    inner = [
        f"{module} -> {imported}"
        for module in modules(graph, lambda each: not each.startswith("marketplace_runtime"))
        for imported in graph.find_modules_directly_imported_by(module)
        if imported.startswith("marketplace_runtime.") and imported.count(".") > 1
    ]
    assert inner == []


@pytest.fixture(scope="module")
def imported_by_tests() -> list[tuple[str, str]]:
    """Return each dotted name of ours that a test file imports, with the file's path."""
    found = []
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{each.name}" for each in node.names]
            else:
                names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            found += [(str(path.relative_to(ROOT)), name) for name in names]
    return [(path, name) for path, name in found if name.split(".")[0] in ("tests", *PACKAGES)]


def test_no_module_imports_a_test_module(imported_by_tests: list[tuple[str, str]]) -> None:
    """Code that several tests share is in separate modules. Changing a test then affects no other test."""
    assert [each for each in imported_by_tests if ".test_" in each[1]] == []


def test_tests_import_no_private_names(imported_by_tests: list[tuple[str, str]]) -> None:
    assert len(imported_by_tests) > 1000, "the search found too few imports"
    assert [each for each in imported_by_tests if re.search(r"\._(?!_)", each[1])] == []


@pytest.mark.parametrize("pages", ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/adr/*.md"])
def test_files_that_pages_name_exist(pages: str) -> None:
    text = "".join(page.read_text() for page in ROOT.glob(pages)).replace("`R/", "`infra/runtime/marketplace_runtime/")
    named = set(re.findall(r"`((?:infra|contracts|tests|[a-z]+)/[\w./-]+\.(?:py|toml|md))`", text))
    assert named, "the search found no file names"
    ours = {each for each in named if each.split("/")[0] in (*PACKAGES, "tests", "docs")}
    assert [each for each in sorted(ours) if not (ROOT / each).exists()] == []
