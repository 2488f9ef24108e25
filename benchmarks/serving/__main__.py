"""Measure all systems side by side: `python -m benchmarks.serving` writes benchmarks/RESULTS.md."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from benchmarks.serving.images import SIZES, photograph
from benchmarks.serving.load import OVERLOAD, Load, Target, drive
from benchmarks.serving.models import Models
from benchmarks.serving.report import Limit, Run, Started, write
from benchmarks.serving.systems import ROOT, WAITING, System, systems

CLIENTS = [1, 4, 16, 64]
# Queues fill, and batches grow to what the number of clients makes of them.
WARM_UP_SECONDS = 2.0
# A lone client finds the server as it is after its start; several find one that has been up for a while, in
# which Java has compiled what is called often.
LONG_WARM_UP_CLIENTS = 16


def main() -> None:
    """Run what the command line names, one system at a time on the same cores."""
    arguments = _arguments()
    if shutil.which("wrk") is None:
        sys.exit("wrk, which makes the load, is missing: apt-get install wrk")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore", "`torch.jit", category=FutureWarning)
    # Stopped in any way, it stops the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped"))
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        images = {}
        for name in SIZES:
            images[name] = folder / f"{name}.jpg"
            images[name].write_bytes(photograph(name))
        models = Models(arguments.store, folder, dict(arguments.set))
        wanted = [each for each in systems(models, folder) if _is_wanted(each.name, arguments.systems)]
        found: list[Load] = []
        started: dict[str, Started] = {}
        for system in wanted:
            _say(f"{system.name}: starting")
            start = time.perf_counter()
            with system.run() as target:
                ready = time.perf_counter() - start
                started[system.name] = Started(ready, _check(system, target, images))
                found += _measure(system, target, images, folder, arguments)
        limits = [
            _limit(models, precision, name, images[name], arguments.seconds)
            for precision in models.precisions
            for name in arguments.sizes
        ]
    command = "python -m benchmarks.serving " + " ".join(sys.argv[1:])
    hows = {system.name: system.how for system in wanted}
    write(
        arguments.out,
        Run(command.strip(), arguments.seconds, arguments.warm_up, found, started, limits, hows),
    )
    _say(f"Wrote {arguments.out}")


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of load in every cell")
    parser.add_argument("--warm-up", type=float, default=30, help="seconds of load before several clients")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    parser.add_argument("--sizes", nargs="+", choices=["256", "1024"], default=["256", "1024"])
    parser.add_argument("--systems", nargs="+", help="names, or what they begin with; all by default")
    parser.add_argument(
        "--set", type=_setting, nargs="+", default=[], help="batchSize=4 and the like, over model-config.yaml"
    )
    parser.add_argument("--store", type=Path, default=ROOT / "model_store", help="with the exported modules")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/RESULTS.md")
    return parser.parse_args()


def _setting(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    return name, int(value)


def _is_wanted(name: str, systems: list[str] | None) -> bool:
    return systems is None or any(name.startswith(each) for each in systems)


def _check(system: System, target: Target, images: dict[str, Path]) -> float:
    """Return the milliseconds of the first answer of all; exit if any answer is not the reference's."""
    taken = []
    for name, path in images.items():
        data = path.read_bytes()
        headers = {"Content-Type": target.content_type}
        if target.authorization:
            headers["Authorization"] = target.authorization
        start = time.perf_counter()
        answer = httpx.post(target.url, content=system.body(data), headers=headers, timeout=60)
        taken.append(1000 * (time.perf_counter() - start))
        if answer.status_code != 200 or not system.agrees(answer.json(), data):
            sys.exit(f"{system.name} answers {answer.status_code} {answer.text} to the image of {name}")
    return taken[0]


def _measure(
    system: System, target: Target, images: dict[str, Path], folder: Path, arguments: Any
) -> list[Load]:
    found = []
    cells = [(size, clients) for size in arguments.sizes for clients in arguments.clients]
    cells.append(("12 MP", 1))
    if system.name.startswith("Unmask"):
        cells.append((arguments.sizes[0], OVERLOAD))
    warm = False
    for size, clients in cells:
        body = folder / "body"
        body.write_bytes(system.body(images[size].read_bytes()))
        measure = partial(drive, target, body, system=system.name, pixels=size)
        if clients > 1 and not warm:
            measure(clients=LONG_WARM_UP_CLIENTS, seconds=arguments.warm_up)
            warm = True
        measure(clients=clients, seconds=WARM_UP_SECONDS)
        load = measure(clients=clients, seconds=arguments.seconds)
        _say(f"{system.name}, {size}, {clients} clients: {load.rate:.1f}/s, p50 {load.p50:.0f} ms")
        found.append(load)
    return found


def _limit(models: Models, precision: str, size: str, image: Path, seconds: float) -> Limit:
    command = [sys.executable, "-m", "benchmarks.serving.limit", "--image", str(image)]
    command += [
        "--module",
        str(models.module(precision)),
        "--precision",
        precision,
        "--seconds",
        str(seconds),
    ]
    environment = WAITING | {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    limit = Limit(precision, size, **json.loads(done.stdout.splitlines()[-1]))
    _say(f"limit, {precision}, {size}: {limit.rate:.1f}/s, one image {limit.single_ms:.0f} ms")
    return limit


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
