"""The measurements as a table, and whether they keep the limits."""

import os
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks import filling
from benchmarks.machine import processor
from benchmarks.visits import Visit

REPETITIONS, WARM_UP = 30, 3
# A file of 90,000 lines takes seconds, and need not be asked for as often.
DOWNLOAD_REPETITIONS = 2
LIMIT_MS, LIMIT_BYTES = 50, 100_000
SWAGGER_UI = "/api/v1/docs"
HOW = """\
Made by `python -m benchmarks.pages` on {processor}, with {databases}. The database holds {DETECTIONS} \
detections: {OF_ONE_USER} of the user who asks, the others of {OTHERS} people, one of them the administrator \
who asks; with {DISPUTES} disputed verdicts, {AUDIT_ENTRIES} entries in the audit log, {SHARES} links and \
{DELIVERIES} messages to webhooks. TorchServe does not run.

gunicorn and its client share the machine. Times are gunicorn's own in milliseconds, from reading the \
request to writing the last byte of the answer: the median, and what 95 of 100 do not exceed, of \
{repetitions} requests after {warm_up}, or of {downloads} for files to keep. kB are those of the answer, \
uncompressed, and together with the style sheets and scripts that it names. The page that documents the API \
is not held to the size, since it brings Swagger UI."""
# What the head of a page has the browser load.
_LOADED = re.compile(r'(?:<link rel="stylesheet" href|<script src)="([^"]+)"')


@dataclass(frozen=True)
class Measured:
    """What came back, in bytes, and the server's time from the request to its last byte, in milliseconds."""

    media_type: str
    size: int
    size_with_files: int
    median_ms: float
    slow_ms: float

    @classmethod
    def of(cls, response: httpx.Response, times: list[float], size_of: Callable[[str], int]) -> "Measured":
        """Sum up an answer and how long it took each time; `size_of` fetches a style sheet or a script."""
        is_page = response.headers["Content-Type"].startswith("text/html")
        files = _LOADED.findall(response.text) if is_page else []
        return cls(
            media_type=response.headers["Content-Type"].partition(";")[0],
            size=len(response.content),
            size_with_files=len(response.content) + sum(map(size_of, files)),
            median_ms=statistics.median(times),
            slow_ms=statistics.quantiles(times, n=20, method="inclusive")[-1],
        )

    @property
    def is_page(self) -> bool:
        """Whether a browser shows it as a page."""
        return self.media_type == "text/html"


Found = dict[str, dict[Visit, Measured]]


def write(found: Found, path: Path | None) -> int:
    """Write the report, or print it without a path; returns 1 if something is above a limit, else 0."""
    over = sorted(
        {
            visit.shown
            for measured in found.values()
            for visit, each in measured.items()
            if _is_over(visit, each)
        }
    )
    kept = (
        "No page is above it." if not over else "Above it: " + ", ".join(f"`{each}`" for each in over) + "."
    )
    sections: dict[str, Callable[[Visit, Measured], bool]] = {
        "Pages": lambda _, each: each.is_page,
        "Pictures, JSON and other parts of pages": lambda visit, each: (
            not (each.is_page or is_download(visit))
        ),
        "Files to keep": lambda visit, _: is_download(visit),
    }
    lines = [*_head(found), "", f"The limit for a page is {LIMIT_MS} ms and {LIMIT_BYTES // 1000} kB. {kept}"]
    for title, wanted in sections.items():
        lines += ["", f"## {title}", "", *_table(found, wanted)]
    text = "\n".join(lines) + "\n"
    if path is None:
        print(text)
    else:
        path.write_text(text)
    for each in over:
        print(f"Above a limit: {each}", file=sys.stderr)
    return 1 if over else 0


def is_download(visit: Visit) -> bool:
    """Whether an address sends a file to keep, whose size is its owner's business."""
    return re.search(r"/export\.|/report\.pdf|/client\.py", visit.shown) is not None


def _head(found: Found) -> list[str]:
    counts = {name: f"{value:,}" for name, value in vars(filling).items() if isinstance(value, int)}
    how = HOW.format(
        processor=f"{processor()} ({os.cpu_count()} cores)",
        databases=" and ".join(found),
        repetitions=REPETITIONS,
        warm_up=WARM_UP,
        downloads=DOWNLOAD_REPETITIONS,
        **counts,
    )
    return ["# How long pages take", "", how]


def _is_over(visit: Visit, each: Measured) -> bool:
    if is_download(visit):
        return False
    is_large = each.is_page and each.size_with_files >= LIMIT_BYTES and visit.path != SWAGGER_UI
    return each.median_ms >= LIMIT_MS or is_large


def _table(found: Found, wanted: Callable[[Visit, Measured], bool]) -> Iterator[str]:
    names = list(found)
    yield f"| address | as | kB | with its files | {' | '.join(f'{name} | 95 %' for name in names)} |"
    yield "| --- | --- | ---: | ---: |" + " ---: |" * (2 * len(names))
    for visit, first in found[names[0]].items():
        if wanted(visit, first):
            each = [found[name][visit] for name in names]
            times = " | ".join(f"{one.median_ms:.1f} | {one.slow_ms:.1f}" for one in each)
            sizes = f"{first.size / 1000:.1f} | {first.size_with_files / 1000:.0f}"
            yield f"| `{visit.shown}` | {visit.who} | {sizes} | {times} |"
