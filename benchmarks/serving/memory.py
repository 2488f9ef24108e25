"""Whether the server grows: `python -m benchmarks.serving.memory` writes benchmarks/MEMORY.md."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import psutil

from benchmarks.serving.images import photograph
from benchmarks.serving.load import Target, drive
from benchmarks.serving.models import Models
from benchmarks.serving.report import machine, table
from benchmarks.serving.systems import ROOT, unmask

CLIENTS = 16
SLICE_SECONDS = 20.0
SIZES = ("256", "1024")
ROWS = 12


@dataclass(frozen=True)
class Reading:
    """Resident memory in MB after so many answered requests, of the worker and of TorchServe's frontend."""

    requests: int
    worker: float
    frontend: float


def main() -> None:
    """Send requests until there were enough, and write down the memory on the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--store", type=Path, default=ROOT / "model_store", help="with the exported modules")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/MEMORY.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        models = Models(arguments.store, folder, {})
        precision = models.fastest
        with unmask(models.store_for(precision), folder / "unmask") as target:
            readings = []
            for reading in _readings(target, folder):
                readings.append(reading)
                print(reading, file=sys.stderr, flush=True)
                if reading.requests >= arguments.requests:
                    break
    arguments.out.write_text(_report(precision, readings, arguments.requests))


def _readings(target: Target, folder: Path) -> Iterator[Reading]:
    """Yield the memory before any load, and after every slice of it, with images of both sizes in turn."""
    requests = 0.0
    yield _read(target, 0)
    for size in cycle(SIZES):
        body = folder / "body"
        body.write_bytes(photograph(size))
        load = drive(target, body, system="Unmask", pixels=size, clients=CLIENTS, seconds=SLICE_SECONDS)
        if load.failed:
            sys.exit(f"{load.failed} requests failed after {requests:.0f}")
        requests += load.rate * SLICE_SECONDS
        yield _read(target, round(requests))


def _read(target: Target, requests: int) -> Reading:
    worker = sum(_resident(each) for each in target.process.children(recursive=True))
    return Reading(requests, worker, _resident(target.process))


def _resident(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 2**20)


def _report(precision: str, readings: list[Reading], requests: int) -> str:
    last = len(readings) - 1
    shown = sorted({round(row * last / (ROWS - 1)) for row in range(ROWS)})
    rows = [
        (f"{each.requests:,}", f"{each.worker:.0f}", f"{each.frontend:.0f}")
        for each in (readings[row] for row in shown)
    ]
    sections = [
        "# Memory of the server",
        f"Written by `python -m benchmarks.serving.memory --requests {requests}`: {precision}, "
        f"{CLIENTS} clients, JPEGs of {' and '.join(SIZES)} pixels in turn, {SLICE_SECONDS:g} seconds each. "
        "Resident memory in MB after so many answered requests.",
        f"**Machine**: {machine()}.",
        table(["requests", "worker", "frontend (Java)"], rows),
    ]
    return "\n\n".join(sections) + "\n"


if __name__ == "__main__":
    main()
