"""What batches and their delay give: `python -m benchmarks.serving.curves` writes benchmarks/CURVES.md."""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import yaml

from benchmarks.serving.images import photograph
from benchmarks.serving.load import Load, drive
from benchmarks.serving.models import Models
from benchmarks.serving.report import label_by_clients, machine, plot_by_clients, table
from benchmarks.serving.systems import ROOT, unmask

PIXELS = "256"
CLIENTS = (1, 2, 4, 16, 64)
# Each varies alone.
VALUES: Mapping[str, tuple[int, ...]] = {"batchSize": (1, 2, 4, 8, 16), "maxBatchDelay": (1, 2, 5, 10, 20)}
WHAT = {
    "batchSize": "the most images in a batch",
    "maxBatchDelay": "the milliseconds that it waits to be full",
}
Curves = dict[str, dict[int, list[Load]]]


def main() -> None:
    """Start the server anew for every value, and put each number of clients to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="of load in every cell")
    parser.add_argument("--warm-up", type=float, default=10, help="seconds of load after each start")
    parser.add_argument("--store", type=Path, default=ROOT / "model_store", help="with the exported modules")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/CURVES.md")
    arguments = parser.parse_args()
    curves: Curves = {
        name: {value: _loads({name: value}, arguments) for value in values} for name, values in VALUES.items()
    }
    plot = arguments.out.with_name("curves.png")
    _plot(plot, curves)
    shipped = yaml.safe_load((arguments.store / "model-config.yaml").read_text())
    others = ", ".join(f"{name} {shipped[name]}" for name in VALUES)
    arguments.out.write_text(_report(curves, others, plot.name, arguments.seconds, arguments.warm_up))


def _loads(settings: Mapping[str, int], arguments: argparse.Namespace) -> list[Load]:
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        models = Models(arguments.store, folder, settings)
        precision = models.fastest
        body = folder / "body"
        body.write_bytes(photograph(PIXELS))
        measure = partial(drive, body=body, system=f"Unmask {precision}", pixels=PIXELS)
        found: list[Load] = []
        with unmask(models.store_for(precision), folder / "unmask") as target:
            measure(target, clients=CLIENTS[-1], seconds=arguments.warm_up)
            for clients in CLIENTS:
                found.append(measure(target, clients=clients, seconds=arguments.seconds))
                print(settings, found[-1], file=sys.stderr, flush=True)
    return found


def _plot(path: Path, curves: Curves) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(11, 7), layout="constrained", sharex=True)
    for row, (name, by_value) in zip(axes, curves.items(), strict=True):
        for value, loads in by_value.items():
            plot_by_clients(row, loads, "p50", label=f"{name} {value}")
        label_by_clients(row, "median latency, ms", CLIENTS, PIXELS)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _report(curves: Curves, others: str, plot: str, seconds: float, warm_up: float) -> str:
    [precision] = {
        load.system for by_value in curves.values() for loads in by_value.values() for load in loads
    }
    sections = [
        "# What batches and their delay give",
        f"Written by `python -m benchmarks.serving.curves --seconds {seconds:g} --warm-up {warm_up:g}`: "
        f"{precision}, a JPEG of {PIXELS} pixels. Each setting varies alone, and is otherwise as in "
        f"model-config.yaml: {others}.",
        f"**Machine**: {machine()}.",
        f"![Throughput and median latency by the number of clients]({plot})",
    ]
    for name, by_value in curves.items():
        header = [name, *(f"requests/s, {clients}" for clients in CLIENTS)]
        header += [f"p50 ms, {clients}" for clients in CLIENTS]
        rows = [
            [value, *(f"{load.rate:.1f}" for load in loads), *(f"{load.p50:.0f}" for load in loads)]
            for value, loads in by_value.items()
        ]
        sections += [f"## {name}: {WHAT[name]}, by the number of clients", table(header, rows)]
    return "\n\n".join(sections) + "\n"


if __name__ == "__main__":
    main()
