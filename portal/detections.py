"""Detections: uploading an image, reading its verdict, looking back, deleting."""

from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    jsonify,
    make_response,
    redirect,
    render_template,
    send_file,
    url_for,
)
from flask_login import current_user, login_required
from sqlalchemy import func, select
from werkzeug.wrappers import Response as WerkzeugResponse

from portal import images, judging
from portal.errors import wants_json
from portal.extensions import db
from portal.forms import UploadForm
from portal.models import Detection, Status, User
from portal.storage import storage

blueprint = Blueprint("detections", __name__, url_prefix="/detections")

PAGE_SIZE = 12
RECENT = 4
FILENAME_LENGTH = 255


@blueprint.post("")
@login_required
def create() -> str | WerkzeugResponse | tuple[str, int]:
    """Take an upload and judge it."""
    form = UploadForm()
    if not form.validate_on_submit():
        return _refused(form, 422)
    upload = form.image.data
    data = upload.read(current_app.config["MAX_UPLOAD_BYTES"] + 1)
    if len(data) > current_app.config["MAX_UPLOAD_BYTES"]:
        abort(413)
    try:
        detection = judging.submit(current_user, _display_name(upload.filename), data)
    except images.Unusable as error:
        form.image.errors = [str(error)]
        return _refused(form, 413 if isinstance(error, images.TooManyPixels) else 422)
    return redirect(url_for(".show", detection_id=detection.id), 303)


@blueprint.get("")
@login_required
def index() -> str | Response:
    """List one's detections, newest first."""
    mine = select(Detection).where(Detection.user_id == current_user.id)
    if wants_json():
        pending = mine.where(Detection.status == Status.PENDING)
        return jsonify(state=str(db.session.scalar(select(func.count()).select_from(pending.subquery()))))
    page = db.paginate(mine.order_by(Detection.id.desc()), per_page=PAGE_SIZE, max_per_page=PAGE_SIZE)
    return render_template("detections/index.html", page=page)


@blueprint.get("/<int:detection_id>")
@login_required
def show(detection_id: int) -> str | Response:
    """Show a verdict, or how far it is."""
    detection = _mine(detection_id)
    if wants_json():
        return jsonify(detection.as_dict() | {"state": detection.status})
    return render_template("detections/show.html", detection=detection)


@blueprint.get("/<int:detection_id>/image")
@login_required
def image(detection_id: int) -> Response:
    """Send the picture for the verdict's page."""
    return _picture(_mine(detection_id), "preview.webp", images.preview)


@blueprint.get("/<int:detection_id>/thumbnail")
@login_required
def thumbnail(detection_id: int) -> Response:
    """Send the picture for lists."""
    return _picture(_mine(detection_id), "thumbnail.webp", images.thumbnail)


@blueprint.get("/<int:detection_id>/heatmap")
@login_required
def heatmap(detection_id: int) -> Response:
    """Send the heatmap as a transparent picture to lay over the image."""
    detection = _mine(detection_id)
    if detection.heatmap is None:
        abort(404)
    response = make_response(images.heatmap(detection.heatmap))
    response.content_type = "image/png"
    return _private(response)


@blueprint.post("/<int:detection_id>/retry")
@login_required
def retry(detection_id: int) -> WerkzeugResponse:
    """Have a failed detection judged once more."""
    detection = _mine(detection_id)
    if detection.status == Status.FAILED:
        judging.retry(detection)
    return redirect(url_for(".show", detection_id=detection_id), 303)


@blueprint.post("/<int:detection_id>/delete")
@login_required
def delete(detection_id: int) -> WerkzeugResponse:
    """Delete a detection and its image."""
    judging.remove(_mine(detection_id))
    flash("The image and its verdict are deleted.", "success")
    return redirect(url_for(".index"), 303)


def recent(user: User) -> list[Detection]:
    """Return the newest detections of a user."""
    mine = select(Detection).where(Detection.user_id == user.id)
    return list(db.session.scalars(mine.order_by(Detection.id.desc()).limit(RECENT)))


def _mine(detection_id: int) -> Detection:
    # Another person's detection is answered like one that does not exist: nobody learns which do.
    mine = select(Detection).where(Detection.id == detection_id, Detection.user_id == current_user.id)
    detection = db.session.scalar(mine)
    if detection is None:
        abort(404)
    return detection


def _refused(form: UploadForm, status: int) -> tuple[str, int]:
    return render_template("detections/upload.html", form=form, recent=recent(current_user)), status


def _display_name(filename: str | None) -> str:
    # Shown, never used as a path.
    name = (filename or "").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in name if character.isprintable())[:FILENAME_LENGTH] or "image"


def _picture(detection: Detection, kind: str, make: Any) -> Response:
    path = storage().derived(detection.sha256, kind, make)
    return _private(send_file(path, mimetype="image/webp", conditional=True))


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response
