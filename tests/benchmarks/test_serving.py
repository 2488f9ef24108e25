"""The load that the benchmark makes, the answers it accepts, and the ratios it reports."""

import io
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from benchmarks.serving.images import SIZES, photograph
from benchmarks.serving.load import Load, Target, drive
from benchmarks.serving.report import Limit, Run, Started, ratios, write
from tests.support import missing


@contextmanager
def server(status: int) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Run a server that answers every POST with a status, and keeps what it was sent."""
    seen: list[tuple[Any, ...]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((body, self.headers["Content-Type"], self.headers["Authorization"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}/", seen
        finally:
            listening.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [200, 503])
def test_load_posts_the_image_and_counts_what_fails(tmp_path: Path, status: int) -> None:
    if shutil.which("wrk") is None:
        missing("wrk")
    (tmp_path / "body").write_bytes(photograph("256"))
    with server(status) as (url, seen):
        target = Target(url, "image/jpeg", "Bearer key", psutil.Process(os.getpid()))
        load = drive(target, tmp_path / "body", system="test", pixels="256", clients=2, seconds=1)
    assert set(seen) == {(photograph("256"), "image/jpeg", "Bearer key")}
    assert (load.rate > 1) == (status == 200)
    assert 0 < load.p50 <= load.p95 <= load.p99
    assert load.failed == (0 if status == 200 else pytest.approx(len(seen), abs=2))
    assert load.memory > 1


@pytest.mark.parametrize("name", ["256", "1024"])
def test_photograph_has_its_size_and_is_always_the_same(name: str) -> None:
    with Image.open(io.BytesIO(photograph(name))) as image:
        image.load()
        assert image.size == SIZES[name]
    assert photograph(name) == photograph(name)


def load(system: str, pixels: str, clients: int, rate: float, p50: float = 50, p99: float = 80) -> Load:
    return Load(
        system, pixels, clients, rate, p50, p99, p99, failed=0, cpu=1, generator=0.01, memory=1, others=0
    )


RUN = Run(
    "python -m benchmarks.serving",
    1,
    0.5,
    [
        load("Unmask fp32", "256", 16, 20),
        load("Unmask int8", "256", 1, 20),
        load("Unmask int8", "256", 16, 60),
        load("Unmask int8", "1024", 16, 30),
        load("Unmask int8", "256", 200, 57),
        load("TorchServe stock", "256", 16, 10),
        load("TorchServe stock", "1024", 16, 10),
        load("TorchServe stock, default workers", "256", 16, 5),
        load("TorchServe stock, default workers", "1024", 16, 15),
        load("LitServe int8", "256", 16, 80),
    ],
    {"Unmask int8": Started(10, 100)},
    [Limit("int8", "256", one_pass=64, pass_a_core=60, single_ms=40, read_ms=1)],
    {"Unmask int8": "as it is"},
)


def test_ratios_are_those_of_the_fastest_precision_to_the_faster_stock_setting() -> None:
    found = {ratio.what: (round(ratio.value, 3), ratio.reached) for ratio in ratios(RUN)}
    assert found == {
        "images/s at 16 clients, 256-pixel JPEG: Unmask int8 to TorchServe stock": (6.0, True),
        "images/s at 16 clients, 1024-pixel JPEG: Unmask int8 to TorchServe stock, default workers": (
            2.0,
            False,
        ),
        "the same, 256: Unmask int8 to LitServe int8": (0.75, False),
        "the same, 256: Unmask int8 to the limit": (0.938, True),
        "images/s at 200 clients to the most at any number": (0.95, True),
        "p50 at 1 client to one image in one process": (1.25, True),
        "p99 to p50 at 1 client": (1.6, True),
    }


def test_report_shows_every_measurement(tmp_path: Path) -> None:
    write(tmp_path / "RESULTS.md", RUN)
    text = (tmp_path / "RESULTS.md").read_text()
    for each in RUN.loads:
        assert f"| {each.system} | {each.clients} | {each.rate:.1f} |" in text
    assert text.count("**not reached**") == 2
    assert (tmp_path / "serving.png").stat().st_size > 1000
