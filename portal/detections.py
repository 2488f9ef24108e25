"""One detection: its verdict, pictures and evidence, the owner's note and objection, its deletion."""

from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    jsonify,
    redirect,
    render_template,
    url_for,
)
from flask_babel import gettext
from flask_login import current_user, login_required
from sqlalchemy import select
from werkzeug.wrappers import Response as WerkzeugResponse

from portal import cards, evidence, feedback, judging, pictures, recognition, retention
from portal.errors import wants_json
from portal.extensions import db
from portal.forms import DisputeForm, NoteForm
from portal.models import Detection, Status, User
from portal.presentation import as_json

blueprint = Blueprint("detections", __name__, url_prefix="/detections")

RECENT = 4
Page = str | WerkzeugResponse | tuple[str, int]


@blueprint.get("/<id:detection_id>")
@login_required
def show(detection_id: int) -> str | Response:
    """Show a verdict, or how far it is."""
    detection = mine(detection_id)
    if wants_json():
        return jsonify(as_json(detection))
    return _page(detection)


@blueprint.get("/<id:detection_id>/image")
@login_required
def image(detection_id: int) -> Response:
    """Send the picture for the verdict's page."""
    return pictures.preview(mine(detection_id))


@blueprint.get("/<id:detection_id>/thumbnail")
@login_required
def thumbnail(detection_id: int) -> Response:
    """Send the picture for lists."""
    return pictures.thumbnail(mine(detection_id))


@blueprint.get("/<id:detection_id>/heatmap")
@login_required
def heatmap(detection_id: int) -> Response:
    """Send the heatmap as a transparent picture to lay over the image."""
    return pictures.heatmap(mine(detection_id))


@blueprint.post("/<id:detection_id>/retry")
@login_required
def retry(detection_id: int) -> WerkzeugResponse:
    """Have a failed detection judged once more."""
    detection = mine(detection_id)
    if detection.status is Status.FAILED and detection.image_kept:
        judging.retry(detection)
    return redirect(url_for(".show", detection_id=detection_id), 303)


@blueprint.post("/<id:detection_id>/again")
@login_required
def again(detection_id: int) -> WerkzeugResponse:
    """Have the image judged by the model in service now, as a further detection."""
    detection = mine(detection_id)
    if not detection.image_kept:
        abort(409, gettext("The image is not stored any more: upload it again."))
    return redirect(url_for(".show", detection_id=judging.again(detection).id), 303)


@blueprint.post("/<id:detection_id>/note")
@login_required
def note(detection_id: int) -> Page:
    """Keep what the owner notes about the image."""
    detection, form = mine(detection_id), NoteForm()
    if not form.validate_on_submit():
        return _page(detection, note_form=form), 422
    detection.note = (form.note.data or "").strip()
    db.session.commit()
    flash(gettext("The note is saved."), "note")
    return redirect(url_for(".show", detection_id=detection_id, _anchor="note"), 303)


@blueprint.post("/<id:detection_id>/dispute")
@login_required
def dispute(detection_id: int) -> Page:
    """Record that the owner holds the verdict for wrong."""
    detection, form = mine(detection_id), DisputeForm()
    if not form.validate_on_submit():
        return _page(detection, dispute_form=form), 422
    try:
        feedback.dispute(detection, form.label.data, form.reason.data or "")
    except feedback.NotPossible as error:
        form.label.errors = [str(error)]
        return _page(detection, dispute_form=form), 409
    flash(gettext("Thank you. An administrator will look at this image and your answer."), "success")
    return redirect(url_for(".show", detection_id=detection_id, _anchor="dispute"), 303)


@blueprint.post("/<id:detection_id>/withdraw")
@login_required
def withdraw(detection_id: int) -> WerkzeugResponse:
    """Take an objection back."""
    feedback.withdraw(mine(detection_id))
    flash(gettext("Your objection is withdrawn."), "success")
    return redirect(url_for(".show", detection_id=detection_id), 303)


@blueprint.post("/<id:detection_id>/delete")
@login_required
def delete(detection_id: int) -> WerkzeugResponse:
    """Delete a detection and its image."""
    judging.remove(mine(detection_id))
    flash(gettext("The image and its verdict are deleted."), "success")
    return redirect(url_for("history.index"), 303)


def mine(detection_id: int) -> Detection:
    """Return one's own detection, or answer 404: nobody learns which others exist."""
    own = select(Detection).where(Detection.id == detection_id, Detection.user_id == current_user.id)
    return db.session.scalar(own) or abort(404)


def recent(user: User) -> list[Detection]:
    """Return the newest detections of a user."""
    own = select(Detection).where(Detection.user_id == user.id)
    return list(db.session.scalars(own.order_by(Detection.id.desc()).limit(RECENT)))


def facts(detection: Detection) -> dict[str, Any]:
    """Return what verdict page and report show beside the detection itself."""
    return {
        "detection": detection,
        "evidence": evidence.of(detection.image),
        "card": cards.of(detection),
        "observed_error": cards.observed_error(detection),
    }


def _page(detection: Detection, **forms: Any) -> str:
    newest = cards.newest(detection.model) if detection.model else None
    given = {
        "note_form": NoteForm(formdata=None, note=detection.note),
        "dispute_form": DisputeForm(formdata=None),
        "claim": feedback.of(detection),
        "others": recognition.others(detection),
        "kept_until": retention.end(detection, current_user),
        "newer": newest if newest and newest.version != detection.model_version else None,
    }
    return render_template("detections/show.html", **facts(detection), **(given | forms))
