"""How things are said: verdicts in words, sizes, times, and addresses of static files."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from flask import Flask, url_for

from portal import cards
from portal.findings import cautions, findings
from portal.markdown import markdown
from portal.models import Detection, Status


@dataclass(frozen=True)
class Wording:
    """A verdict in words; `kind` names its colour and its icon."""

    kind: str
    title: str
    summary: str


PENDING = Wording("pending", "Waiting", "The detector has not judged this image yet.")
FAILED = Wording("failed", "Not judged", "The detector could not judge this image.")
UNCERTAIN = Wording(
    "uncertain",
    "Uncertain",
    "The detector cannot tell. At this probability it is often wrong, either way: do not count on it.",
)
FAKE = Wording(
    "fake",
    "Likely fake",
    "The image resembles manipulated or generated faces more than the real photographs the model has seen.",
)
REAL = Wording(
    "real",
    "Likely real",
    "The image resembles real photographs more than the manipulated or generated faces the model has seen.",
)
CERTAINTY = {
    "high": "When the model was measured, verdicts this clear were seldom wrong.",
    "moderate": "When the model was measured, verdicts like this were mostly right, but errors are not rare.",
    "low": "When the model was measured, verdicts like this were wrong too often to rely on.",
}

LIMITS = (
    "It is an estimate by a model that compared this picture with thousands of real and manipulated faces.",
    "It is no proof. It cannot know who took the picture, when, or whether the caption is true.",
    "It says nothing of pictures without a face, of edits outside the face, or of generators newer than the "
    "model. Whether there is a face in the picture is not checked.",
)


def wording(detection: Detection) -> Wording:
    """Put a detection into words; a verdict of low certainty is no verdict."""
    if detection.status is Status.PENDING:
        return PENDING
    if detection.status is Status.FAILED:
        return FAILED
    if detection.certainty == "low":
        return UNCERTAIN
    return FAKE if detection.label == "fake" else REAL


def percent(probability: float) -> str:
    """Write a probability in [0, 1] as a percentage, never rounded to certainty."""
    if 0 < probability < 0.01:
        return "under 1 %"
    if 0.99 < probability < 1:
        return "over 99 %"
    return f"{probability * 100:.0f} %"


def of_hundred(error: float) -> str:
    """Say how often verdicts were wrong, from a share in [0, 1]."""
    wrong = round(error * 100)
    if wrong == 0:
        return "When measured, wrong in fewer than 1 of 100 such cases."
    return f"When measured, wrong in about {wrong} of 100 such cases."


def file_size(size: int) -> str:
    """Write a number of bytes for people."""
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"


def day(time: date) -> str:
    """Write a date for people."""
    return f"{time:%d %b %Y}".lstrip("0")


def moment(time: datetime) -> str:
    """Write a time for people."""
    return f"{day(time)}, {time:%H:%M} UTC"


def short_day(time: date) -> str:
    """Write a date for people, where the year is clear."""
    return f"{time:%d %b}".lstrip("0")


def milliseconds(duration: float | None) -> str:
    """Write a duration for people; a dash where there is none."""
    if duration is None:
        return "\u2013"
    return f"{duration:.0f} ms" if duration < 10_000 else f"{duration / 1000:.1f} s"


def as_json(detection: Detection) -> dict[str, Any]:
    """Return what the pages' scripts need to know of a detection."""
    words = wording(detection)
    address = url_for("detections.show", detection_id=detection.id)
    return detection.as_dict() | {
        "state": detection.status,
        "kind": words.kind,
        "title": words.title,
        "url": address,
    }


def init_app(app: Flask) -> None:
    """Make the words available to the templates, and let browsers keep static files."""
    app.jinja_env.filters.update(
        cautions=cautions,
        day=day,
        figures=cards.figures,
        file_size=file_size,
        findings=findings,
        markdown=markdown,
        milliseconds=milliseconds,
        moment=moment,
        of_hundred=of_hundred,
        percent=percent,
        short_day=short_day,
        wording=wording,
    )
    app.jinja_env.globals.update(CERTAINTY=CERTAINTY, LIMITS=LIMITS)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    @app.url_defaults
    def version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and app.static_folder and "filename" in values:
            path = Path(app.static_folder, values["filename"])
            values["v"] = f"{path.stat().st_mtime_ns:x}" if path.exists() else None
