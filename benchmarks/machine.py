"""The machine that is measured: its processor, and its free ports."""

import platform
import socket
from contextlib import ExitStack
from pathlib import Path


def processor() -> str:
    """Return the processor's name; where Linux does not tell it, that of its architecture."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def free_ports(number: int) -> list[int]:
    """Return ports of this machine that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
