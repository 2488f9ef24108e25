"""Looking back: one's detections, searched, sorted, paged, selected; deleted or exported together."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, abort, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user, login_required
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from werkzeug.wrappers import Response as WerkzeugResponse

from portal import exports, judging
from portal.errors import wants_json
from portal.extensions import db
from portal.formats import number
from portal.models import Detection, Status

blueprint = Blueprint("history", __name__, url_prefix="/detections")

PAGE_SIZES = (12, 48, 96)
EXPORTS = {"csv": "text/csv", "json": "application/json"}
_done = Detection.status == Status.DONE
# What the page offers, by the words that stand in the address.
VERDICTS: dict[str, ColumnElement[bool]] = {
    "real": and_(_done, Detection.label == "real", Detection.certainty != "low"),
    "fake": and_(_done, Detection.label == "fake", Detection.certainty != "low"),
    "uncertain": and_(_done, Detection.certainty == "low"),
    "pending": Detection.status == Status.PENDING,
    "failed": Detection.status == Status.FAILED,
}
SORTS: dict[str, tuple[ColumnElement[Any], ...]] = {
    "newest": (Detection.id.desc(),),
    "oldest": (Detection.id.asc(),),
    "name": (func.lower(Detection.filename), Detection.id.desc()),
    "most-fake": (Detection.probability_real.asc().nulls_last(), Detection.id.desc()),
    "most-real": (Detection.probability_real.desc().nulls_last(), Detection.id.desc()),
}


@blueprint.get("")
@login_required
def index() -> str | Response:
    """List one's detections that match the search."""
    pending = _own().where(Detection.status == Status.PENDING)
    waiting = db.session.scalar(select(func.count()).select_from(pending.subquery()))
    if wants_json():
        return jsonify(state=str(waiting))
    sort = request.args.get("sort", "newest")
    size = request.args.get("size", PAGE_SIZES[0], type=int)
    found = _matching().order_by(*SORTS.get(sort, SORTS["newest"]))
    page = db.paginate(
        found, per_page=size if size in PAGE_SIZES else PAGE_SIZES[0], max_per_page=PAGE_SIZES[-1]
    )
    chosen = {key: value for key, value in request.args.items() if value and key != "page"}
    return render_template(
        "detections/index.html", page=page, chosen=chosen, sizes=PAGE_SIZES, waiting=waiting
    )


@blueprint.post("/selection")
@login_required
def selection() -> WerkzeugResponse:
    """Delete or export what is selected."""
    chosen = request.form.getlist("id", type=int)
    if not chosen:
        flash(gettext("Nothing is selected."), "info")
        return redirect(url_for(".index"), 303)
    found = _own().where(Detection.id.in_(chosen))
    action = request.form.get("action", "")
    if action in EXPORTS:
        return _export(found, action)
    if action != "delete":
        abort(400)
    detections = list(db.session.scalars(found))
    judging.remove(*detections)
    flash(gettext("Deleted for good: %(count)s.", count=number(len(detections))), "success")
    return redirect(url_for(".index"), 303)


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


def _own() -> Select[Detection]:
    return select(Detection).where(Detection.user_id == current_user.id)


def _matching() -> Select[Detection]:
    given = request.args
    found = _own()
    if text := given.get("q", "").strip():
        found = found.where(
            or_(
                Detection.filename.icontains(text, autoescape=True),
                Detection.note.icontains(text, autoescape=True),
                Detection.sha256 == text.lower(),
            )
        )
    if given.get("verdict") in VERDICTS:
        found = found.where(VERDICTS[given["verdict"]])
    if given.get("label") in ("real", "fake"):
        found = found.where(Detection.label == given["label"])
    if since := _day(given.get("from")):
        found = found.where(Detection.created_at >= since)
    if until := _day(given.get("to")):
        found = found.where(Detection.created_at < until + timedelta(days=1))
    return found


def _day(text: str | None) -> datetime | None:
    try:
        return datetime.combine(datetime.fromisoformat(text or "").date(), time(), UTC)
    except ValueError:
        return None
