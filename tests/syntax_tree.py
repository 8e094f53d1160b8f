"""Checks that commits which revise texts or names change nothing else.

    python -m tests.syntax_tree REVISION..REVISION

A commit whose subject begins with "Texts: " must leave the syntax tree of every Python file unchanged apart from
strings. One that begins with "Names: " must leave it unchanged apart from names, strings and imports. Other commits
are not checked. Prints the files that differ, and exits with 1 if there are any.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXTS, NAMES = "Texts: ", "Names: "


class WithoutTexts(ast.NodeTransformer):
    """Removes docstrings, and makes all other strings equal."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Keep the inserted expressions of the text, in their order."""
        self.generic_visit(node)
        inserted: list[ast.expr] = [each for each in node.values if isinstance(each, ast.FormattedValue)]
        return ast.JoinedStr(inserted) if inserted else ast.Constant("")

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)


class WithoutNames(WithoutTexts):
    """Also makes all names equal, and collects them. Ignores imports, since their order follows the names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def visit(self, node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            return None
        for field in ("id", "attr", "arg", "name", "rest", "kwd_attrs", "names"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                self.names.append(value)
                setattr(node, field, "_")
            elif isinstance(value, list) and all(isinstance(each, str) for each in value):
                self.names += value
                setattr(node, field, ["_"] * len(value))
        changed: ast.AST | None = super().visit(node)
        return changed


def is_same(before: str, after: str, *, names: bool = False) -> bool:
    """Return whether two sources differ in texts only, or with `names` also in names, none of which changed places."""
    if not names:
        first, second = (ast.dump(WithoutTexts().visit(ast.parse(source))) for source in (before, after))
        return first == second
    old, new = WithoutNames(), WithoutNames()
    if ast.dump(old.visit(ast.parse(before))) != ast.dump(new.visit(ast.parse(after))):
        return False
    renamed = {(was, now) for was, now in zip(old.names, new.names, strict=True) if was != now}
    return renamed.isdisjoint({(now, was) for was, now in renamed})


def differing_files(revisions: str) -> Iterator[str]:
    """Yield each differing file as `COMMIT PATH`, for the commits of a range such as `main~3..main`."""
    for line in _git("log", "--reverse", "--format=%h %s", revisions).splitlines():
        commit, _, subject = line.partition(" ")
        if not subject.startswith((TEXTS, NAMES)):
            continue
        for before, after in _changed_files(commit):
            if before is None or after is None:
                yield f"{commit} {before or after}: added or removed"
            elif not is_same(
                _git("show", f"{commit}~:{before}"), _git("show", f"{commit}:{after}"), names=subject.startswith(NAMES)
            ):
                yield f"{commit} {after}"


def _changed_files(commit: str) -> Iterator[tuple[str | None, str | None]]:
    """Yield the paths of each changed Python file before and after a commit, or None where the file does not exist."""
    for line in _git("diff", "--name-status", "-M40%", f"{commit}~", commit).splitlines():
        status, *paths = line.split("\t")
        if paths[-1].endswith(".py"):
            yield None if status == "A" else paths[0], None if status == "D" else paths[-1]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def main() -> int:
    """Check the commits of the range on the command line. Returns the exit code."""
    found = list(differing_files(sys.argv[1]))
    for each in found:
        print(each)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
