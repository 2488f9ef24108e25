"""Looking back: one's detections, searched, sorted, paged, selected; deleted or exported together."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, abort, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user, login_required
from sqlalchemy import ColumnElement, Select, and_, func, or_, select, text
from sqlalchemy.orm import defer, lazyload
from werkzeug.wrappers import Response as WerkzeugResponse

from portal import exports, judging
from portal.errors import wants_json
from portal.extensions import db
from portal.formats import number
from portal.models import NOTE_IS_LONG, Detection, Status
from portal.paging import SearchPage
from portal.routing import ID_MAXIMUM

blueprint = Blueprint("history", __name__, url_prefix="/detections")

PAGE_SIZES = (12, 24, 48)
SHA256 = re.compile("[0-9a-fA-F]{64}")
SEARCH = ("q", "verdict", "from", "to", "sort", "size")
EXPORTS = {"csv": "text/csv", "json": "application/json"}
SORTS: dict[str, tuple[Any, ...]] = {
    "newest": (Detection.id.desc(),),
    "oldest": (Detection.id.asc(),),
    "name": (Detection.search_text, Detection.id),
    "most-fake": (Detection.probability_real.asc().nulls_last(), Detection.id.asc()),
    "most-real": (Detection.probability_real.desc().nulls_last(), Detection.id.desc()),
}


@blueprint.get("")
@login_required
def index() -> str | Response:
    """List one's detections that match the search."""
    mine = Detection.user_id == current_user.id
    waiting = _count(mine, Detection.status == Status.PENDING)
    if wants_json():
        return jsonify(state=str(waiting))
    sort = request.args.get("sort", "newest")
    size = request.args.get("size", PAGE_SIZES[0], type=int)
    page = SearchPage(
        select(Detection.id).where(mine, *_conditions()).order_by(*SORTS.get(sort, SORTS["newest"])),
        select(Detection).options(defer(Detection.heatmap), lazyload(Detection.image)),
        size if size in PAGE_SIZES else PAGE_SIZES[0],
    )
    return render_template(
        "detections/index.html", page=page, chosen=_chosen(), sizes=PAGE_SIZES, waiting=waiting
    )


@blueprint.post("/selection")
@login_required
def selection() -> WerkzeugResponse:
    """Delete or export what is selected."""
    search = url_for(".index", **_chosen())
    chosen = [each for each in request.form.getlist("id", type=int) if each <= ID_MAXIMUM]
    if not chosen:
        flash(gettext("Nothing is selected."), "info")
        return redirect(search, 303)
    found = _own().where(Detection.id.in_(chosen))
    action = request.form.get("action", "")
    if action in EXPORTS:
        return _export(found, action)
    if action != "delete":
        abort(400)
    detections = list(db.session.scalars(found))
    judging.remove(*detections)
    flash(gettext("Deleted for good: %(count)s.", count=number(len(detections))), "success")
    return redirect(search, 303)


@blueprint.get("/export.<any(csv, json):kind>")
@login_required
def export(kind: str) -> Response:
    """Send all that match the search as a file."""
    return _export(_matching(), kind)


def _export(query: Select[Any], kind: str) -> Response:
    lines = exports.rows(query)
    body = "".join(exports.as_csv(lines) if kind == "csv" else exports.as_json(lines))
    response = Response(body, mimetype=EXPORTS[kind])
    response.headers["Content-Disposition"] = f"attachment; filename=unmask-history.{kind}"
    response.headers["Cache-Control"] = "no-store"
    return response


def _chosen() -> dict[str, Any]:
    """Return the search in the address, so that it can be made again."""
    return {name: value for name in SEARCH if (value := request.args.get(name))}


def _own() -> Select[Detection]:
    return select(Detection).where(Detection.user_id == current_user.id)


def _matching() -> Select[Detection]:
    return _own().where(*_conditions())


def _count(*conditions: ColumnElement[bool]) -> int:
    return db.session.scalar(select(func.count()).select_from(Detection).where(*conditions)) or 0


def _conditions() -> list[ColumnElement[bool]]:
    """Return what the request asks of a detection."""
    given, asked = request.args, []
    if words := given.get("q", "").strip():
        asked.append(_holds(words))
    # By the label, an uncertain verdict is found on the side to which it leans.
    labels = {f"label-{label}": Detection.label == label for label in ("real", "fake")}
    if (verdict := (Detection.kinds() | labels).get(given.get("verdict", ""))) is not None:
        asked.append(verdict)
    if since := _day(given.get("from")):
        asked.append(Detection.created_at >= since)
    if until := _day(given.get("to"), 1):
        asked.append(Detection.created_at < until)
    return asked


def _holds(words: str) -> ColumnElement[bool]:
    """Whether the name or the note holds the words, or they are the SHA-256."""
    # LIKE compares letter by letter, which takes longer on PostgreSQL.
    place = func.strpos if db.engine.dialect.name == "postgresql" else func.instr
    found: ColumnElement[bool] = place(Detection.search_text, words.lower()) > 0
    in_long_note = and_(text(NOTE_IS_LONG), Detection.note.icontains(words, autoescape=True))
    rare = [_ids(in_long_note)]
    if SHA256.fullmatch(words):
        rare.append(_ids(Detection.sha256 == words.lower()))
    for seldom in rare:
        # Asked beforehand, because it would be looked up once more for each detection that is searched; for
        # all of it, because PostgreSQL would look for a single one through all detections.
        if db.session.scalars(seldom).all():
            found = or_(found, Detection.id.in_(seldom))
    return found


def _ids(condition: ColumnElement[bool]) -> Select[int]:
    return select(Detection.id).where(Detection.user_id == current_user.id, condition).correlate(None)


def _day(text: str | None, later: int = 0) -> datetime | None:
    """Return the beginning of a day, or of one so many days later; None for what is no day."""
    try:
        return datetime.combine(datetime.fromisoformat(text or "").date(), time(), UTC) + timedelta(later)
    except (ValueError, OverflowError):
        return None
