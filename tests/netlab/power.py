"""Power cut: first the line goes dead, then the machine; no goodbye may cross.

SIGKILL alone is no power cut: the kernel would close the sockets, and the peer would know at once.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from netlab.stage import Stage
from netlab.truth import now_ms


class StillAlive(Exception):  # noqa: N818  # not an error of the program: the lab cannot be trusted
    """The power was not cut."""


@contextmanager
def power_cut(
    stage: Stage, isp: str, lan: str, machine: "subprocess.Popen[bytes]"
) -> Iterator[float]:
    """A machine without power; when it is over its line is up again, and the machine stays off.

    Yields:
        When it was cut, in seconds of the monotonic clock.

    Args:
        stage: The country.
        isp: Its provider.
        lan: The provider's cable to it.
        machine: Its program.

    Raises:
        StillAlive: The program had ended before, or has not now.
    """
    if machine.poll() is not None:
        raise StillAlive(f"it ended by itself with {machine.returncode}")
    began, start_ms = time.monotonic(), now_ms()
    stage.country.route(isp, f"link set {lan} down")
    machine.kill()
    if machine.wait(5) != -9:
        raise StillAlive(f"it ended with {machine.returncode}")
    with stage.truth.doing("power-cut", f"{isp} {lan}", start_ms=start_ms):
        yield began
    stage.country.route(isp, f"link set {lan} up")
