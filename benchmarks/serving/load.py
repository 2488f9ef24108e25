"""Load from wrk, in its own process, and what it costs the server."""

import json
import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

SCRIPT = Path(__file__).with_name("load.lua")
# Twice as many clients as wait in TorchServe's queue: some must be refused.
OVERLOAD = 200
# A full queue of the slowest system is answered within this.
TIMEOUT_SECONDS = 60
# A server is idle that takes less than this share of a core for so long; Ray's processes never take nothing.
IDLE_SHARE, IDLE_SECONDS = 0.3, 0.5
SETTLE_SECONDS = 120.0


@dataclass(frozen=True)
class Load:
    """What wrk saw in one run: requests answered with 2xx per second, and latencies of all in milliseconds.

    `cpu` is the server's CPU time in milliseconds for each request, `generator` the share of a core that
    wrk took, `memory` the peaks of the server's processes in MB, summed; `others` is the share of all cores
    that went to processes which had nothing to do with it.
    """

    system: str
    pixels: str
    clients: int
    rate: float
    p50: float
    p95: float
    p99: float
    failed: int
    cpu: float
    generator: float
    memory: float
    others: float


@dataclass(frozen=True)
class Target:
    """Where a running system takes an image, how it wants it, and the process that serves it."""

    url: str
    content_type: str
    authorization: str
    process: psutil.Process


def settle(process: psutil.Process) -> None:
    """Return once a server has done what clients left behind that no longer wait; raises TimeoutError.

    Their requests stay in its queue, and would have the next ones refused.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        used = _cpu(process)
        time.sleep(IDLE_SECONDS)
        if _cpu(process) - used < IDLE_SHARE * IDLE_SECONDS:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"The server still computes {SETTLE_SECONDS:g} seconds after the last client.")


def drive(target: Target, body: Path, *, system: str, pixels: str, clients: int, seconds: float) -> Load:
    """Post a body with that many clients at once, each waiting for its answer before it asks again.

    It begins once the server is idle.
    """
    command = ["wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds:g}s"]
    command += ["--timeout", f"{TIMEOUT_SECONDS}s", "--script", str(SCRIPT), target.url]
    command += ["--", str(body), target.content_type, target.authorization]
    settle(target.process)
    busy, served, generated = _busy(), _cpu(target.process), _children()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    busy, served = _busy() - busy, _cpu(target.process) - served
    generated = _children() - generated
    counted = json.loads(done.stdout.splitlines()[-1])
    return Load(
        system=system,
        pixels=pixels,
        clients=clients,
        rate=max(0, counted["requests"] - counted["failed"]) / counted["seconds"],
        p50=counted["p50"],
        p95=counted["p95"],
        p99=counted["p99"],
        failed=counted["failed"],
        cpu=1000 * served / max(1, counted["requests"]),
        generator=generated / counted["seconds"],
        memory=_peak_memory(target.process),
        others=max(0.0, busy - served - generated) / counted["seconds"] / (os.cpu_count() or 1),
    )


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu(process: psutil.Process) -> float:
    times = [each.cpu_times() for each in _family(process)]
    return float(sum(each.user + each.system for each in times))


def _busy() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def _children() -> float:
    # wrk is the only child that is waited for between two readings.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak_memory(process: psutil.Process) -> float:
    kilobytes = 0
    for each in _family(process):
        for line in Path(f"/proc/{each.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                kilobytes += int(line.split()[1])
    return kilobytes / 1024
