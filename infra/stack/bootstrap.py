"""Creates the virtual environment .venv, and others like it (.venv-NAME).

The launcher runs this with the system's Python, before any package is installed. So it uses only the standard library.
An interrupted attempt leaves a marker file, and the next attempt creates the environment anew.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

STAMP = "packages.installed"
"""Name of the copy of the requirements file from which the environment was installed."""
RUNTIME = Path("infra", "runtime")
"""Path of the runtime's project in a checkout. Programs in the environment import the runtime from it."""
UNFINISHED = "unfinished"
"""Name of the marker file that exists while an environment is being created or installed."""


class BootstrapError(Exception):
    """The virtual environment could not be created. The message states the cause and what to do."""


def bootstrap(checkout: Path, name: str = "") -> Path:
    """Install requirements.txt into .venv; with a `name`, requirements-NAME.txt into .venv-NAME.

    Returns the environment's directory. Does nothing if it is up to date. A second process that runs this at the same
    time waits for the first. Raises `BootstrapError` if a step fails.
    """
    suffix = f"-{name}" if name else ""
    requirements, venv = checkout / f"requirements{suffix}.txt", checkout / f".venv{suffix}"
    with _one_at_a_time(requirements) as lock_fd:
        if _is_current(requirements, venv):
            return venv
        if not _is_complete(venv):
            _create_environment(venv)
        marker = venv / UNFINISHED
        marker.touch()
        (venv / STAMP).unlink(missing_ok=True)
        _install(requirements, venv, lock_fd)
        _link_runtime(venv)
        shutil.copyfile(requirements, venv / STAMP)
        marker.unlink()
    return venv


@contextlib.contextmanager
def _one_at_a_time(requirements: Path) -> Iterator[int]:
    """Hold an exclusive lock on the file, and yield its descriptor.

    The kernel releases the lock when the last process with this descriptor ends.
    """
    with requirements.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print_step("Another marketplace command is installing the packages: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _is_current(requirements: Path, venv: Path) -> bool:
    try:
        return os.access(venv / "bin/python", os.X_OK) and (venv / STAMP).read_bytes() == requirements.read_bytes()
    except FileNotFoundError:
        return False


def _is_complete(venv: Path) -> bool:
    """Return whether pip works in the environment, and no installation in it was interrupted."""
    python = venv / "bin/python"
    if (venv / UNFINISHED).exists() or not os.access(python, os.X_OK):
        return False
    return subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0  # noqa: S603 - ours


def _create_environment(venv: Path) -> None:
    _require_venv_module()
    print_step(f"Creating {venv}")
    shutil.rmtree(
        venv / "bin", ignore_errors=True
    )  # bin first: without it, a half-deleted environment counts as incomplete
    shutil.rmtree(venv, ignore_errors=True)
    venv.mkdir(exist_ok=True)
    (venv / UNFINISHED).touch()
    done = _run(sys.executable, "-m", "venv", str(venv))
    if done.returncode != 0:
        raise BootstrapError(f"python -m venv failed: {_last_lines(done.stdout)}\nFix the cause, then run this again.")


def _require_venv_module() -> None:
    """Install the package that `python -m venv` needs on Debian, if it is missing.

    Raises `BootstrapError` if it cannot be installed.
    """
    if _has_ensurepip():
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BootstrapError(f"Python's venv module is not installed.\nRun: sudo apt-get install -y {package}")
    print_step(f"Installing {package} (apt-get)")
    for arguments in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", package)):
        done = _run("apt-get", *arguments)
    if done.returncode != 0 or not _has_ensurepip():
        raise BootstrapError(f"apt-get could not install {package}: {_last_lines(done.stdout)}\nInstall it by hand.")


def _has_ensurepip() -> bool:
    return _run(sys.executable, "-c", "import ensurepip, venv").returncode == 0


def _install(requirements: Path, venv: Path, lock_fd: int) -> None:
    total = sum("==" in line for line in requirements.read_text().splitlines() if not line.startswith((" ", "#")))
    print_step(f"Installing {total} Python packages (once; about a minute)")
    pip = (str(venv / "bin/python"), "-m", "pip", "install", "--require-hashes", "--progress-bar", "off")
    output: list[str] = []
    with subprocess.Popen(  # noqa: S603 - ours
        (*pip, "-r", str(requirements)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=(lock_fd,),  # a pip that outlives this process keeps the lock
    ) as running:
        collected = 0
        for line in running.stdout or ():
            output.append(line.rstrip())
            if line.startswith(("Collecting ", "Requirement already satisfied")):
                collected += 1
                if collected % 10 == 0:
                    print_step(f"  {collected} downloaded")
            if line.startswith("Installing collected"):
                print_step("  unpacking")
    if running.returncode != 0:
        raise BootstrapError(
            f"pip could not install the Python packages: {_last_lines(chr(10).join(output))}\n"
            "Check that the package index is reachable, then run this again."
        )


def _link_runtime(venv: Path) -> None:
    """Make the environment's Python import the runtime from the checkout. This still works after the checkout is moved.

    The path is relative to the directory of the .pth file, which is moved with the checkout.
    """
    for packages in venv.glob("lib/python3*/site-packages"):
        (packages / "marketplace-runtime.pth").write_text(f"{Path(*[os.pardir] * 4) / RUNTIME}\n")


def _run(*argv: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(  # noqa: S603 - our own arguments
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return " ".join((errors or lines)[-2:])


def print_step(step: str) -> None:
    """Print a step to standard error, so that it does not mix with the output of the command itself."""
    print(step, file=sys.stderr, flush=True)


def main() -> None:
    """Run `bootstrap.py CHECKOUT`. Exits with a message if it fails, and with 130 if it is interrupted."""
    try:
        bootstrap(Path(sys.argv[1]))
    except BootstrapError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
