"""Makes .venv: run by the launcher with the system's Python, before anything else is installed. Others like it, too.

Only the standard library is used. An interrupted attempt leaves a mark and is made anew.
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
RUNTIME = Path("infra", "runtime")
"""The runtime's project in a checkout. Programs of the environment import it from there."""
UNFINISHED = "unfinished"


class BootstrapError(Exception):
    """The virtual environment could not be made. The message says what to do."""


def bootstrap(checkout: Path, name: str = "") -> Path:
    """Bring .venv to what requirements.txt says; with a `name`, .venv-NAME to requirements-NAME.txt.

    Of two that run at once, one waits and finds it done. Returns where the environment is. Raises BootstrapError.
    """
    suffix = f"-{name}" if name else ""
    requirements, venv = checkout / f"requirements{suffix}.txt", checkout / f".venv{suffix}"
    with _one_at_a_time(requirements) as lock:
        if _is_current(requirements, venv):
            return venv
        if not _is_whole(venv):
            _make(venv)
        mark = venv / UNFINISHED
        mark.touch()
        (venv / STAMP).unlink(missing_ok=True)
        _install(requirements, venv, lock)
        _link_runtime(venv)
        shutil.copyfile(requirements, venv / STAMP)
        mark.unlink()
    return venv


@contextlib.contextmanager
def _one_at_a_time(requirements: Path) -> Iterator[int]:
    """Hold a lock, as a file descriptor. The kernel gives it back when the last process that has it ends."""
    with requirements.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another marketplace command is setting up the environment: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _is_current(requirements: Path, venv: Path) -> bool:
    try:
        return os.access(venv / "bin/python", os.X_OK) and (venv / STAMP).read_bytes() == requirements.read_bytes()
    except FileNotFoundError:
        return False


def _is_whole(venv: Path) -> bool:
    """Whether there is an environment that pip works in, and no installation was interrupted in it."""
    python = venv / "bin/python"
    if (venv / UNFINISHED).exists() or not os.access(python, os.X_OK):
        return False
    return subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0  # noqa: S603 - ours


def _make(venv: Path) -> None:
    _require_venv_module()
    say(f"Making {venv}")
    shutil.rmtree(venv / "bin", ignore_errors=True)  # first, so that what is left can't be taken for whole
    shutil.rmtree(venv, ignore_errors=True)
    venv.mkdir(exist_ok=True)
    (venv / UNFINISHED).touch()
    done = _run(sys.executable, "-m", "venv", str(venv))
    if done.returncode != 0:
        raise BootstrapError(f"python -m venv failed: {_last_words(done.stdout)}\nFix that, then run this again.")


def _require_venv_module() -> None:
    """Have `python -m venv` work: Debian keeps a part of it in a package of its own."""
    if _has_ensurepip():
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BootstrapError(f"Python's venv module is not installed.\nRun: sudo apt-get install -y {package}")
    say(f"Installing {package} (apt-get)")
    for arguments in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", package)):
        done = _run("apt-get", *arguments)
    if done.returncode != 0 or not _has_ensurepip():
        raise BootstrapError(f"apt-get could not install {package}: {_last_words(done.stdout)}\nInstall it by hand.")


def _has_ensurepip() -> bool:
    return _run(sys.executable, "-c", "import ensurepip, venv").returncode == 0


def _install(requirements: Path, venv: Path, lock: int) -> None:
    total = sum("==" in line for line in requirements.read_text().splitlines() if not line.startswith((" ", "#")))
    say(f"Installing {total} Python packages (once; about a minute)")
    pip = (str(venv / "bin/python"), "-m", "pip", "install", "--require-hashes", "--progress-bar", "off")
    said: list[str] = []
    with subprocess.Popen(  # noqa: S603 - ours
        (*pip, "-r", str(requirements)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=(lock,),  # a pip that outlives us keeps others out
    ) as running:
        collected = 0
        for line in running.stdout or ():
            said.append(line.rstrip())
            if line.startswith(("Collecting ", "Requirement already satisfied")):
                collected += 1
                if collected % 10 == 0:
                    say(f"  {collected} fetched")
            if line.startswith("Installing collected"):
                say("  unpacking")
    if running.returncode != 0:
        raise BootstrapError(
            f"pip could not install the Python packages: {_last_words(chr(10).join(said))}\n"
            "Is the package index reachable? Then run this again."
        )


def _link_runtime(venv: Path) -> None:
    """Have the environment's Python import the runtime from the checkout, wherever both are moved together.

    A line of a path file is relative to the directory that holds it.
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


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return " ".join((errors or lines)[-2:])


def say(step: str) -> None:
    """Tell a person what takes so long, without getting into the output of the command itself."""
    print(step, file=sys.stderr, flush=True)


def main() -> None:
    """`bootstrap.py CHECKOUT`."""
    try:
        bootstrap(Path(sys.argv[1]))
    except BootstrapError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
