"""The measurements as a table, and whether they keep the limits."""

import re
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.visits import Visit

LIMIT_MS, LIMIT_BYTES = 50, 100_000
# What the head of a page has the browser load.
_LOADED = re.compile(r'(?:<link rel="stylesheet" href|<script src)="([^"]+)"')


@dataclass(frozen=True)
class Measured:
    """What came back, in bytes, and the time from the request to its last byte, in milliseconds."""

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
    lines = [*_head(found), "", "## Pages", "", *_table(found, lambda each: each.is_page)]
    lines += ["", "## Everything else", "", *_table(found, lambda each: not each.is_page)]
    text = "\n".join(lines) + "\n"
    if path is None:
        print(text)  # noqa: T201
    else:
        path.write_text(text)
    over = [visit for measured in found.values() for visit, each in measured.items() if _is_over(visit, each)]
    for visit in over:
        print(f"Above a limit: {visit}", file=sys.stderr)  # noqa: T201
    return 1 if over else 0


def is_download(visit: Visit) -> bool:
    """Whether an address sends a file to keep, whose size is its owner's business."""
    return re.search(r"/export\.|/report\.pdf|/client\.py|/docs/swagger", visit.shown) is not None


def _head(found: Found) -> list[str]:
    return ["# How long pages take"]


def _is_over(visit: Visit, each: Measured) -> bool:
    return not is_download(visit) and (
        each.median_ms >= LIMIT_MS or (each.is_page and each.size >= LIMIT_BYTES)
    )


def _table(found: Found, wanted: Callable[[Measured], bool]) -> Iterator[str]:
    names = list(found)
    yield (
        "| address | as | kB | with CSS and JS | "
        + " | ".join(f"{name}: median | 95 %" for name in names)
        + " |"
    )
    yield "| --- | --- | ---: | ---: |" + " ---: |" * (2 * len(names))
    for visit, first in found[names[0]].items():
        if not wanted(first):
            continue
        times = " | ".join(
            f"{found[name][visit].median_ms:.1f} | {found[name][visit].slow_ms:.1f}" for name in names
        )
        yield f"| `{visit.shown}` | {visit.who} | {first.size / 1000:.1f} | {first.size_with_files / 1000:.0f} | {times} |"
