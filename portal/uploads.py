"""Sending images: one or many as files, or one by its address; as pages, or as JSON for the script."""

from typing import Any

from flask import (
    Blueprint,
    Flask,
    abort,
    current_app,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext
from flask_login import current_user, login_required
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from portal import fetch, images, recognition
from portal.detections import recent
from portal.errors import wants_json
from portal.extensions import limiter
from portal.formats import file_size, moment, number
from portal.forms import AddressForm, UploadForm
from portal.presentation import as_json
from portal.recognition import Taken

blueprint = Blueprint("uploads", __name__, url_prefix="/detections")

FILENAME_LENGTH = 255
Page = str | Response | tuple[Any, int]


def _user_key() -> str:
    # Asked before a visitor is sent to sign in.
    return f"user {current_user.get_id()}"


class _Refused(ValueError):
    """A file that was not taken: why, and the status that says so."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@blueprint.post("")
@login_required
def create() -> Page:
    """Take one image and judge it, or take many and leave them to the worker."""
    form = UploadForm()
    if not form.validate_on_submit():
        return _refuse(UploadForm(formdata=None), "image", _Refused(_first_error(form)))
    files = form.image.data
    if len(files) > 1:
        return _take_many(files)
    try:
        taken = _take(files[0], wait=True)
    except _Refused as error:
        return _refuse(form, "image", error)
    return _answer(taken)


@blueprint.post("/url")
@login_required
@limiter.limit(lambda: current_app.config["FETCH_RATE_LIMIT"], key_func=_user_key)
def from_url() -> Page:
    """Fetch an image from the address of it, and judge it."""
    fetcher = fetch.fetcher() or abort(404)
    form = AddressForm()
    if not form.validate_on_submit():
        return _refuse(form, "url", _Refused(_first_error(form)))
    try:
        fetched = fetcher.fetch(form.url.data)
        taken = recognition.take(current_user, display_name(fetched.name), fetched.data, fetched.url)
    except (fetch.NotFetched, images.Unusable) as error:
        return _refuse(form, "url", _Refused(str(error), _status(error)))
    return _answer(taken)


def upload_page(form: UploadForm | None = None, address_form: AddressForm | None = None) -> str:
    """Return the page on which images are sent."""
    return render_template(
        "detections/upload.html",
        form=form or UploadForm(formdata=None),
        address_form=address_form or AddressForm(formdata=None),
        by_address=fetch.fetcher() is not None,
        recent=recent(current_user),
    )


def display_name(filename: str | None) -> str:
    """Return a file's name to be shown; it is never used as a path."""
    name = (filename or "").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in name if character.isprintable())[:FILENAME_LENGTH] or "image"


def _take(upload: FileStorage, wait: bool) -> Taken:
    limit = current_app.config["MAX_UPLOAD_BYTES"]
    data = upload.read(limit + 1)
    if len(data) > limit:
        raise _Refused(
            gettext(
                "This file is too large. The limit is %(limit)s: choose a smaller copy.",
                limit=file_size(limit),
            ),
            413,
        )
    try:
        return recognition.take(current_user, display_name(upload.filename), data, wait=wait)
    except images.Unusable as error:
        raise _Refused(str(error), _status(error)) from error


def _take_many(files: list[FileStorage]) -> Page:
    taken, refused = [], []
    for upload in files:
        try:
            taken.append(_take(upload, wait=False))
        except _Refused as error:
            refused.append((display_name(upload.filename), str(error)))
    for name, problem in refused:
        flash(gettext("%(name)s: %(problem)s", name=name, problem=problem), "error")
    if not taken:
        return upload_page(), 422
    known = sum(each.is_known for each in taken)
    counts = {"taken": number(len(taken)), "known": number(known)}
    flash(gettext("Images taken: %(taken)s. Of these, checked before: %(known)s.", **counts), "success")
    return redirect(url_for("history.index"), 303)


def _answer(taken: Taken) -> Page:
    address = url_for("detections.show", detection_id=taken.detection.id)
    if wants_json():
        return jsonify(as_json(taken.detection) | {"known": taken.is_known}), 200 if taken.is_known else 201
    if taken.is_known:
        when = moment(taken.detection.created_at)
        flash(
            gettext("You checked this very image before: %(time)s. This is what was found then.", time=when),
            "info",
        )
    return redirect(address, 303)


def _refuse(form: Any, field: str, error: _Refused) -> Page:
    if wants_json():
        return jsonify(
            status=error.status, title=gettext("This image was not taken"), detail=str(error)
        ), error.status
    form[field].errors = [str(error)]
    is_upload = isinstance(form, UploadForm)
    return upload_page(form if is_upload else None, None if is_upload else form), error.status


def _first_error(form: Any) -> str:
    return str(next(iter(form.errors.values()))[0])


def _status(error: ValueError) -> int:
    return 413 if isinstance(error, (images.TooManyPixels, fetch.TooLarge)) else 422


def init_app(app: Flask) -> None:
    """Let those who are signed in send many files in one request; the form's checks come after this."""

    @app.before_request
    def allow_many_files() -> None:
        if request.endpoint == "uploads.create" and current_user.is_authenticated:
            request.max_content_length = app.config["MAX_BATCH_BYTES"]
