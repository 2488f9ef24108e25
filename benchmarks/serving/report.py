"""The measurements as tables, ratios and a plot."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import psutil
import torch

from benchmarks.machine import processor
from benchmarks.serving.load import OVERLOAD, Load

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

# A product's lines share a colour; how they are drawn says what it runs, by the last word of its name.
LINE_STYLES = {"int8": "-", "bf16": "-.", "workers": ":", "threads": "-."}


@dataclass(frozen=True)
class Limit:
    """What one process reaches without HTTP: milliseconds for a single image, and images per second.

    Those with all threads in one pass over a batch, and with a pass of one thread on every core. Of the
    milliseconds, `read_ms` go to decoding and resizing, nearly all others to the network.
    """

    precision: str
    pixels: str
    one_pass: float
    pass_a_core: float
    single_ms: float
    read_ms: float

    @property
    def rate(self) -> float:
        """Return images per second at best."""
        return max(self.one_pass, self.pass_a_core)


@dataclass(frozen=True)
class Started:
    """Seconds until a system said that it was ready, and milliseconds of its very first answer."""

    seconds: float
    first_ms: float


@dataclass(frozen=True)
class Run:
    """Everything that one run measured, and the command that it was; `warm_up` is in seconds, too."""

    command: str
    seconds: float
    warm_up: float
    loads: list[Load]
    started: Mapping[str, Started]
    limits: list[Limit]
    systems: Mapping[str, str]


@dataclass(frozen=True)
class Ratio:
    """One of the aims, and what was measured: at least `aim`, or at most where `lower_is_better`."""

    what: str
    aim: float
    value: float
    lower_is_better: bool = False

    @property
    def reached(self) -> bool:
        """Tell whether the measured value meets the aim."""
        return self.value <= self.aim if self.lower_is_better else self.value >= self.aim


def write(path: Path, run: Run) -> None:
    """Write the report, and the plot that it shows beside it."""
    plot = path.with_name("serving.png")
    _plot(plot, run)
    sections = [
        "# Serving, measured",
        f"Written by `{run.command}`: {run.seconds:g} seconds of load from wrk in every cell, one system at "
        f"a time on the same cores, where there are several clients after {run.warm_up:g} seconds of load. "
        "Every system first gave the answer of float32 in eager mode, to the "
        "tolerance of its precision, for every image that it was then sent.",
        f"**Machine**: {machine()}.",
        "## Ratios",
        table(
            ["what", "aim", "measured", ""],
            (
                (
                    ratio.what,
                    f"{'at most' if ratio.lower_is_better else 'at least'} {ratio.aim:g}",
                    f"{ratio.value:.2f}",
                    "reached" if ratio.reached else "**not reached**",
                )
                for ratio in ratios(run)
            ),
        ),
        "The aims were set for a processor with VNNI, where an int8 pass takes a quarter of float32's time. "
        "[docs/serving.md](../docs/serving.md) says where the time goes.",
        f"![Throughput and latency by the number of clients]({plot.name})",
        *(_sized(run, pixels) for pixels in dict.fromkeys(load.pixels for load in run.loads)),
        "Requests/s are those answered with 2xx; `failed` counts all other answers and connections that "
        f"broke: at {OVERLOAD} clients some are refused with 503, because the queue holds 100, and come back "
        "after a second. CPU is that of the server's processes for each request; memory is the sum of their "
        "peaks, shared pages counted in each; wrk is the share of a core that the load generator took; "
        "others is the share of all cores that went to processes outside the measurement, which should be "
        "next to nothing.",
        "## The limit: one process, no HTTP",
        table(
            [
                *("precision", "image", "images/s in one pass", "with a pass a core"),
                *("one image, ms", "of which it is read in"),
            ],
            (
                (
                    *(each.precision, each.pixels),
                    *(f"{each.one_pass:.1f}", f"{each.pass_a_core:.1f}"),
                    *(f"{each.single_ms:.0f}", f"{each.read_ms:.1f}"),
                )
                for each in run.limits
            ),
        ),
        "## The start",
        table(
            ["system", "ready after s", "first answer, ms"],
            ((name, f"{each.seconds:.1f}", f"{each.first_ms:.0f}") for name, each in run.started.items()),
        ),
        "## How each was set up",
        "\n".join(f"- **{name}**: {how}." for name, how in run.systems.items()),
    ]
    path.write_text("\n\n".join(sections) + "\n")


def ratios(run: Run) -> list[Ratio]:
    """Return those ratios of the aims whose measurements the run holds, for the fastest precision of ours."""
    cells = {(load.system, load.pixels, load.clients): load for load in run.loads}
    ours = [load for load in run.loads if load.system.startswith("Unmask") and load.clients == 16]
    if not ours:
        return []
    name = max(ours, key=lambda load: load.rate).system
    precision = name.removeprefix("Unmask ")
    found = []
    for pixels, aim in (("256", 5.5), ("1024", 5.0)):
        load = cells.get((name, pixels, 16))
        others = [
            each
            for (system, *cell), each in cells.items()
            if system.startswith("TorchServe stock") and cell == [pixels, 16]
        ]
        if load and others:
            other = max(others, key=lambda each: each.rate)
            what = f"images/s at 16 clients, {pixels}-pixel JPEG: {name} to {other.system}"
            found.append(Ratio(what, aim, load.rate / other.rate))
    load = cells.get((name, "256", 16))
    peers = [
        each
        for (system, pixels, clients), each in cells.items()
        if system.endswith(f" {precision}") and system != name and (pixels, clients) == ("256", 16)
    ]
    if load and peers:
        peer = max(peers, key=lambda each: each.rate)
        found.append(Ratio(f"the same, 256: {name} to {peer.system}", 1.0, load.rate / peer.rate))
    limits = {(each.precision, each.pixels): each for each in run.limits}
    limit, single = limits.get((precision, "256")), cells.get((name, "256", 1))
    if load and limit:
        found.append(Ratio(f"the same, 256: {name} to the limit", 0.92, load.rate / limit.rate))
    if single and limit:
        what = "p50 at 1 client to one image in one process"
        found.append(Ratio(what, 1.8, single.p50 / limit.single_ms, lower_is_better=True))
    for overload in (load for load in run.loads if (load.system, load.clients) == (name, OVERLOAD)):
        peak = max(load.rate for load in run.loads if (load.system, load.pixels) == (name, overload.pixels))
        what = f"images/s at {OVERLOAD} clients to the most at any number"
        found.append(Ratio(what, 0.9, overload.rate / peak))
    if single:
        found.append(Ratio("p99 to p50 at 1 client", 2.0, single.p99 / single.p50, lower_is_better=True))
    return found


def machine() -> str:
    """Describe this machine, as far as it decides how fast it serves."""
    features = torch.cpu.get_capabilities()
    known = [
        name for name in ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_int8") if features.get(name)
    ]
    memory = psutil.virtual_memory().total / 2**30
    cores = len(os.sched_getaffinity(0))
    versions = f"Python {platform.python_version()}, PyTorch {torch.__version__}"
    return f"{cores} cores ({processor()}; {', '.join(known)}), {memory:.0f} GiB of memory, {versions}"


def _sized(run: Run, pixels: str) -> str:
    header = ["system", "clients", "requests/s", "p50 ms", "p95 ms", "p99 ms"]
    header += ["failed", "CPU ms", "memory MB", "wrk", "others"]
    rows = (
        (
            load.system,
            load.clients,
            f"{load.rate:.1f}",
            *(f"{value:.0f}" for value in (load.p50, load.p95, load.p99)),
            load.failed,
            f"{load.cpu:.0f}",
            f"{load.memory:.0f}",
            f"{load.generator:.0%}",
            f"{load.others:.0%}",
        )
        for load in run.loads
        if load.pixels == pixels
    )
    title = pixels if pixels.endswith("MP") else f"{pixels}-pixel JPEG"
    return f"## {title}\n\n{table(header, rows)}"


def table(header: list[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _plot(path: Path, run: Run) -> None:
    numbers = sorted({load.clients for load in run.loads if load.pixels == run.loads[0].pixels})
    systems = dict.fromkeys(load.system for load in run.loads)
    products = list(dict.fromkeys(system.split()[0] for system in systems))
    figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
    for system in systems:
        loads = [load for load in run.loads if load.system == system and load.pixels == run.loads[0].pixels]
        first, *_, last = system.split()
        color, style = f"C{products.index(first)}", LINE_STYLES.get(last, "--")
        plot_by_clients(axes, loads, "p99", label=system, color=color, linestyle=style)
    label_by_clients(axes, "99th percentile of latency, ms", numbers, run.loads[0].pixels)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def plot_by_clients(axes: Sequence[Axes], loads: Sequence[Load], latency: str, **line: str) -> None:
    """Draw the throughput of loads, and beside it the latency of that name, by the number of clients."""
    clients = [load.clients for load in loads]
    for axis, measured in zip(axes, ("rate", latency), strict=True):
        axis.plot(clients, [getattr(load, measured) for load in loads], marker="o", **line)  # type: ignore[arg-type]


def label_by_clients(axes: Sequence[Axes], latency: str, numbers: Sequence[int], pixels: str) -> None:
    """Label a plot of throughput and, beside it, one of a latency, both by the number of clients."""
    for axis, title in zip(axes, ("requests per second", latency), strict=True):
        axis.set_xscale("log", base=2)
        axis.set_xticks(numbers, [str(number) for number in numbers])
        axis.set_xlabel(f"clients, {pixels}-pixel JPEG")
        axis.set_title(title)
        axis.grid(alpha=0.3)
    axes[0].set_ylim(bottom=0)
    axes[1].set_yscale("log")
    axes[1].legend(fontsize="small", loc="center left", bbox_to_anchor=(1.02, 0.5), handlelength=5)
