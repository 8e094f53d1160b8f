"""Names the container images in use, and checks whether Docker can run them."""

import subprocess
from collections.abc import Callable

BROKER_IMAGE = "rabbitmq:4.0-management-alpine"
POSTGRES_IMAGE = "postgres:17-alpine"
ENGINE_TIMEOUT_S, PULL_TIMEOUT_S = 10, 600


def docker_works() -> bool:
    """Return whether a Docker engine answers. The `docker` command may be installed without one."""
    return _docker("info", "--format", "{{.ServerVersion}}")


def docker_has(image: str, report: Callable[[str], None]) -> bool:
    """Return whether Docker has, or can pull, this image and the image of testcontainers' reaper (Ryuk).

    The reaper removes the containers after this process has ended. Requires that an engine answers.
    """
    from testcontainers.core.config import testcontainers_config  # imported only if Docker is tried

    for each in (image, testcontainers_config.ryuk_image):
        if _docker("image", "inspect", each):
            continue
        report(f"Pulling the image {each} (docker pull)")
        if not _docker("pull", "--quiet", each, within_s=PULL_TIMEOUT_S):
            report(f"Docker works, but cannot pull the image {each}: searching for installed servers")
            return False
    return True


def _docker(*arguments: str, within_s: float = ENGINE_TIMEOUT_S) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            ("docker", *arguments),  # noqa: S607 - whichever is on the PATH
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=within_s,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
