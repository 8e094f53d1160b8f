"""Plans of files to write, which are carried out completely or not at all."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.stack import LocalError, python_path


class Refused(LocalError):
    """The requested service or event cannot be generated. Nothing was written."""


@dataclass
class Plan:
    """The new contents of files in a checkout (by their path in it), and the commands to run afterwards."""

    checkout: Path
    files: dict[str, str] = field(default_factory=dict)
    commands: list[Sequence[str]] = field(default_factory=list)
    """Python modules with arguments, to be run in the checkout after the files are written."""

    def read(self, path: str) -> str:
        """Return the content of a file as it will be once the plan is carried out."""
        return self.files.get(path) or (self.checkout / path).read_text(encoding="utf-8")

    def exists(self, path: str) -> bool:
        """Return whether the file or folder exists, or will exist."""
        return path in self.files or (self.checkout / path).exists()

    def carry_out(self) -> list[str]:
        """Write all files, then run the commands. Returns the paths of the files.

        If anything fails, restores all files and raises the error: `Refused` if a command fails.
        """
        golden_before = self._golden_files()
        before = {path: self._content(path) for path in (*self.files, *map(self._path, golden_before))}
        try:
            for path, text in self.files.items():
                file = self.checkout / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            for command in self.commands:
                self._run(command)
        except BaseException:
            for path, content in before.items():
                self._restore(self.checkout / path, content)
            for file in self._golden_files() - golden_before:
                file.unlink()
            raise
        return sorted(self.files)

    def _golden_files(self) -> set[Path]:
        return set((self.checkout / "contracts").glob("*/*.json"))

    def _path(self, file: Path) -> str:
        return str(file.relative_to(self.checkout))

    def _content(self, path: str) -> str | None:
        file = self.checkout / path
        return file.read_text(encoding="utf-8") if file.exists() else None

    def _restore(self, file: Path, content: str | None) -> None:
        if content is not None:
            file.write_text(content, encoding="utf-8")
            return
        file.unlink(missing_ok=True)
        for parent in file.parents:
            if parent == self.checkout or any(parent.iterdir()):
                break
            parent.rmdir()

    def _run(self, command: Sequence[str]) -> None:
        environment = os.environ | {"PYTHONPATH": python_path(self.checkout), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(  # noqa: S603 - our own programs
            (sys.executable, "-P", "-m", *command),
            cwd=self.checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            output = (done.stdout + done.stderr).strip()
            raise Refused(f"{' '.join(command)} failed, so nothing was kept.", output)
