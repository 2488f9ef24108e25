"""Reports on one detection: a page to print, a PDF, and links by which others may read them."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, abort, flash, make_response, redirect, render_template, url_for
from flask_babel import gettext, ngettext
from flask_login import login_required
from sqlalchemy import or_, select
from werkzeug.wrappers import Response as WerkzeugResponse
from wtforms.fields.choices import SelectChoice

from portal import pdf, pictures
from portal.detections import facts, mine
from portal.extensions import db
from portal.forms import ShareForm
from portal.models import Detection, Share, Status, now

blueprint = Blueprint("reports", __name__)

SHARE_DAYS = (1, 7, 30)
TOKEN_BYTES = 32


@blueprint.get("/detections/<id:detection_id>/report")
@login_required
def report(detection_id: int) -> str:
    """Show the report for printing."""
    return _report(_done(mine(detection_id)))


@blueprint.get("/detections/<id:detection_id>/report.pdf")
@login_required
def report_pdf(detection_id: int) -> Response:
    """Send the report as a PDF."""
    return _pdf(_done(mine(detection_id)), for_owner=True)


@blueprint.get("/detections/<id:detection_id>/shares")
@login_required
def shares(detection_id: int) -> str:
    """List the links to this report."""
    return _shares(_done(mine(detection_id)))


@blueprint.post("/detections/<id:detection_id>/shares")
@login_required
def share(detection_id: int) -> tuple[str, int]:
    """Make a link to this report, and show it this once."""
    detection, form = _done(mine(detection_id)), _share_form()
    if not form.validate_on_submit():
        return _shares(detection, form=form), 422
    token, days = secrets.token_urlsafe(TOKEN_BYTES), int(form.days.data)
    expires = now() + timedelta(days=days) if days else None
    db.session.add(Share(detection_id=detection.id, token_hash=_hash(token), expires_at=expires))
    db.session.commit()
    return _shares(detection, link=url_for(".shared", token=token, _external=True)), 201


@blueprint.post("/detections/<id:detection_id>/shares/<id:share_id>/revoke")
@login_required
def revoke(detection_id: int, share_id: int) -> WerkzeugResponse:
    """Make a link work no longer."""
    owned = select(Share).where(Share.id == share_id, Share.detection_id == mine(detection_id).id)
    db.session.delete(db.session.scalar(owned) or abort(404))
    db.session.commit()
    flash(gettext("The link works no longer."), "success")
    return redirect(url_for(".shares", detection_id=detection_id), 303)


@blueprint.get("/shared/<token>")
def shared(token: str) -> Response:
    """Show a shared report to whoever has the link."""
    return _unlisted(make_response(_report(_by(token), token)))


@blueprint.get("/shared/<token>/report.pdf")
def shared_pdf(token: str) -> Response:
    """Send a shared report as a PDF."""
    return _unlisted(_pdf(_by(token), for_owner=False))


@blueprint.get("/shared/<token>/image")
def shared_image(token: str) -> Response:
    """Send the picture of a shared report."""
    return _unlisted(pictures.preview(_by(token)))


@blueprint.get("/shared/<token>/heatmap")
def shared_heatmap(token: str) -> Response:
    """Send the heatmap of a shared report."""
    return _unlisted(pictures.heatmap(_by(token)))


def _by(token: str) -> Detection:
    # Expired, revoked and invented links are answered alike.
    valid = or_(Share.expires_at.is_(None), Share.expires_at > now())
    found = db.session.scalar(select(Share).where(Share.token_hash == _hash(token), valid))
    return found.detection if found else abort(404)


def _hash(token: str) -> str:
    # The token is as random as a key, so that a plain hash of it cannot be turned back.
    return hashlib.sha256(token.encode()).hexdigest()


def _done(detection: Detection) -> Detection:
    if detection.status is not Status.DONE:
        abort(409, gettext("There is no verdict yet, and so nothing to report."))
    return detection


def _share_form() -> ShareForm:
    form = ShareForm()
    form.days.choices = [
        *(SelectChoice(str(days), ngettext("for one day", "for %(num)s days", days)) for days in SHARE_DAYS),
        SelectChoice("0", gettext("until I revoke it")),
    ]
    return form


def _shares(detection: Detection, **given: Any) -> str:
    found = select(Share).where(Share.detection_id == detection.id).order_by(Share.id.desc())
    existing = db.session.scalars(found).all()
    form = given.pop("form", None) or _share_form()
    return render_template(
        "reports/shares.html", detection=detection, shares=existing, form=form, now=now(), **given
    )


def _report(detection: Detection, token: str | None = None) -> str:
    return render_template("reports/report.html", **facts(detection), token=token, printed_at=now())


def _pdf(detection: Detection, for_owner: bool) -> Response:
    response = make_response(pdf.report(**facts(detection), printed_at=now(), for_owner=for_owner))
    response.content_type = "application/pdf"
    response.headers["Content-Disposition"] = (
        f"attachment; filename=unmask-report-{detection.sha256[:12]}.pdf"
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _unlisted(response: Response) -> Response:
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Cache-Control"] = "no-store"
    return response
