"""What the machine can do without HTTP: `python -m benchmarks.serving.limit --help` prints it as JSON.

Decoding, preprocessing and the module in one process, on all cores: one image at a time with all threads,
and batches with all threads in one pass, or with a pass of one thread on every core.
"""

import argparse
import json
import os
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from handler.precision import TYPES, load
from handler.preprocessing import decode, normalise, resize

BATCH = 8


def main() -> None:
    """Measure, and print images per second and milliseconds for one image: in all, and until it is read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, required=True)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument(
        "--profile", action="store_true", help="print instead which operations of a batch take the time"
    )
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    module = load(arguments.module, arguments.precision, torch.device("cpu"))
    data = arguments.image.read_bytes()
    decoders = ThreadPoolExecutor(cores)

    @torch.inference_mode()
    def judge(images: int, pool: ThreadPoolExecutor | None) -> None:
        files = [data] * images
        pixels = list((pool.map if pool else map)(_read, files))
        module(normalise(torch.from_numpy(np.stack(pixels))).to(TYPES[arguments.precision])).tolist()

    def alone() -> None:
        torch.set_num_threads(1)
        judge(BATCH, None)

    torch.set_num_threads(cores)
    if arguments.profile:
        print(_profile(lambda: judge(BATCH, decoders)))
        return
    share = arguments.seconds / 4
    reading = _times(lambda: _read(data), share)
    single = _times(lambda: judge(1, None), share)
    together = _times(lambda: judge(BATCH, decoders), share)
    apart = _parallel(alone, cores, share)
    answer = {
        "one_pass": BATCH / statistics.mean(together),
        "pass_a_core": apart * BATCH,
        "single_ms": 1000 * statistics.median(single),
        "read_ms": 1000 * statistics.median(reading),
    }
    print(json.dumps(answer))


def _read(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return resize(decode(data))


def _profile(work: Callable[[], object]) -> str:
    _times(work, 1)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True
    ) as found:
        for _ in range(5):
            work()
    by_shape = found.key_averages(group_by_input_shape=True)
    return str(by_shape.table(sort_by="self_cpu_time_total", row_limit=20, max_shapes_column_width=60))


def _times(work: Callable[[], object], seconds: float) -> list[float]:
    for _ in range(2):
        work()
    taken: list[float] = []
    while sum(taken) < seconds or len(taken) < 3:
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return taken


def _parallel(work: Callable[[], None], threads: int, seconds: float) -> float:
    """Return how often a second the work is done by that many threads."""
    found: list[float] = []

    def repeat() -> None:
        found.append(1 / statistics.mean(_times(work, seconds)))

    running = [threading.Thread(target=repeat) for _ in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return sum(found)


if __name__ == "__main__":
    main()
