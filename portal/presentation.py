"""How things are said: verdicts and certainty in words, and addresses of static files."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _

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


@dataclass(frozen=True)
class Certainty:
    """A level of certainty in words: by itself, as a heading, and what it means."""

    level: str
    title: str
    text: str


PENDING = Wording("pending", _("Waiting"), _("The detector has not judged this image yet."))
FAILED = Wording("failed", _("Not judged"), _("The detector could not judge this image."))
UNCERTAIN = Wording(
    "uncertain",
    _("Uncertain"),
    _("The detector cannot tell. At this probability it is often wrong, either way: do not count on it."),
)
FAKE = Wording(
    "fake",
    _("Likely fake"),
    _(
        "The image resembles manipulated or generated faces more than the real photographs the model has "
        "seen."
    ),
)
REAL = Wording(
    "real",
    _("Likely real"),
    _(
        "The image resembles real photographs more than the manipulated or generated faces the model has "
        "seen."
    ),
)
CERTAINTY = {
    "high": Certainty(
        _("High"),
        _("High certainty"),
        _("When the model was measured, verdicts this clear were seldom wrong."),
    ),
    "moderate": Certainty(
        _("Moderate"),
        _("Moderate certainty"),
        _("When the model was measured, verdicts like this were mostly right, but errors are not rare."),
    ),
    "low": Certainty(
        _("Low"),
        _("Low certainty"),
        _("When the model was measured, verdicts like this were wrong too often to rely on."),
    ),
}

LIMITS = (
    _(
        "It is an estimate by a model that compared this picture with thousands of real and manipulated "
        "faces."
    ),
    _("It is no proof. It cannot know who took the picture, when, or whether the caption is true."),
    _(
        "It says nothing of pictures without a face, of edits outside the face, or of generators newer than "
        "the model."
    ),
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


def certainty(name: str) -> Certainty:
    """Put a level of certainty into words; one that the portal does not know has its name only."""
    return CERTAINTY.get(name, Certainty(name, name, ""))


def of_hundred(error: float) -> str:
    """Say how often verdicts were wrong, from a share in [0, 1]."""
    wrong = round(error * 100)
    if wrong == 0:
        return str(gettext("When measured, wrong in fewer than 1 of 100 such cases."))
    return str(gettext("When measured, wrong in about %(wrong)s of 100 such cases.", wrong=wrong))


def as_json(detection: Detection) -> dict[str, Any]:
    """Return what the pages' scripts need to know of a detection."""
    words = wording(detection)
    address = url_for("detections.show", detection_id=detection.id)
    return detection.as_dict() | {
        "state": detection.status,
        "kind": words.kind,
        "title": str(words.title),
        "url": address,
    }


def here() -> str:
    """Return the address of the present page, to come back to it; that of the form, if one has failed."""
    if request.method == "GET":
        return request.full_path.rstrip("?")
    form = urlsplit(request.referrer or "")
    readable = "GET" in current_app.url_map.bind(request.host).allowed_methods(form.path)
    return form._replace(scheme="", netloc="").geturl() if readable and form.netloc == request.host else "/"


def init_app(app: Flask) -> None:
    """Make the words available to the templates, and let browsers keep static files."""
    app.jinja_env.filters.update(
        cautions=cautions,
        certainty=certainty,
        figures=cards.figures,
        findings=findings,
        markdown=markdown,
        of_hundred=of_hundred,
        set_name=cards.set_name,
        wording=wording,
    )
    app.jinja_env.globals.update(LIMITS=LIMITS, here=here)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    @app.url_defaults
    def version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and app.static_folder and "filename" in values:
            values["v"] = _version(Path(app.static_folder), values["filename"])


@cache
def _version(folder: Path, filename: str) -> str | None:
    path = folder / filename
    return f"{path.stat().st_mtime_ns:x}" if path.exists() else None
