"""Detections as files for other programs: rows, CSV and JSON."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import defer, lazyload

from portal.extensions import db
from portal.languages import english
from portal.models import Detection
from portal.presentation import wording

BATCH = 500
COLUMNS = (
    *("id", "filename", "verdict", "status", "label", "probability_real", "confidence", "certainty"),
    *("model", "model_version", "created_at", "judged_at", "sha256", "source_url", "note", "faces"),
)


def rows(query: Select[Any]) -> Iterator[dict[str, Any]]:
    """Return what is exported of each detection that a query selects, a batch at a time."""
    # Neither is exported, and both cost more than the rest of the row.
    query = query.options(defer(Detection.heatmap), lazyload(Detection.image)).order_by(Detection.id)
    last = 0
    while batch := db.session.scalars(query.where(Detection.id > last).limit(BATCH)).all():
        with english():
            lines = [_line(detection) for detection in batch]
        last = batch[-1].id
        db.session.expunge_all()
        yield from lines


def _line(detection: Detection) -> dict[str, Any]:
    values = {name: getattr(detection, name, None) for name in COLUMNS}
    values["verdict"] = str(wording(detection).title)
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in values.items()}


def as_csv(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Write rows as CSV; a text that a spreadsheet would calculate is made plain by an apostrophe."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for line in lines:
        writer.writerow({key: _plain(value) for key, value in line.items()})
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()


def as_json(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Write rows as a JSON array, one on each line."""
    yield "["
    for number, line in enumerate(lines):
        yield (",\n" if number else "\n") + json.dumps(line, ensure_ascii=False)
    yield "\n]\n"


def _plain(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value
