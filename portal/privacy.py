"""What people decide about their data: how long it is kept, and a copy of all of it to take along."""

import io
import json
import tempfile
import zipfile
from contextlib import suppress
from typing import IO, cast

from flask import Blueprint, Response, flash, redirect, render_template, send_file, url_for
from flask_babel import gettext, ngettext
from flask_login import current_user, login_required
from sqlalchemy import select
from werkzeug.wrappers import Response as WerkzeugResponse
from wtforms.fields.choices import SelectChoice

from portal import exports, retention
from portal.extensions import db
from portal.forms import RetentionForm
from portal.models import Detection, Image, User, now
from portal.storage import storage

blueprint = Blueprint("privacy", __name__, url_prefix="/account")

KEEP = "keep"
# An export below this many bytes stays in memory.
IN_MEMORY = 10_000_000
EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "TIFF": "tif", "JPEG2000": "jp2"}


@blueprint.get("/privacy")
@login_required
def index() -> str:
    """Show what is kept, and for how long."""
    chosen = KEEP if current_user.retention_days is None else str(current_user.retention_days)
    return render_template("privacy/index.html", form=_form(days=chosen))


@blueprint.post("/privacy")
@login_required
def choose() -> str | WerkzeugResponse | tuple[str, int]:
    """Change how long images are kept; it holds for what is there already as well."""
    form = _form()
    if not form.validate_on_submit():
        return render_template("privacy/index.html", form=form), 422
    current_user.retention_days = None if form.days.data == KEEP else int(form.days.data)
    db.session.commit()
    if current_user.retention_days == 0:
        retention.forget_images(current_user)
    flash(gettext("Your choice is saved."), "success")
    return redirect(url_for(".index"), 303)


@blueprint.post("/export")
@login_required
def export() -> Response:
    """Send all that is kept of the user, images included, as a ZIP file."""
    file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # sending it closes it
    _write(cast("IO[bytes]", file), current_user)
    file.seek(0)
    response = send_file(cast("IO[bytes]", file), "application/zip", True, "unmask-my-data.zip")
    response.headers["Cache-Control"] = "no-store"
    return response


def _write(file: IO[bytes], user: User) -> None:
    own = select(Detection).where(Detection.user_id == user.id)
    account = {
        "name": user.name,
        "is_admin": user.is_admin,
        "created_at": user.created_at.isoformat(),
        "retention_days": user.retention_days,
    }
    # Of an entry that is written piece by piece, `zipfile` takes the time from the caller.
    listed = zipfile.ZipInfo("detections.json", now().timetuple()[:6])
    # Images are compressed already.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("account.json", json.dumps(account, indent=2))
        with io.TextIOWrapper(archive.open(listed, "w"), "utf-8") as listing:
            listing.writelines(exports.as_json(exports.rows(own)))
        for sha256, kind in db.session.execute(
            select(Image.sha256, Image.format).where(
                Image.sha256.in_(
                    select(Detection.sha256).where(Detection.user_id == user.id, Detection.image_kept)
                )
            )
        ):
            with suppress(FileNotFoundError):  # deleted just now, in another window for instance
                archive.write(storage().path(sha256), f"images/{sha256}.{EXTENSIONS.get(kind, kind.lower())}")


def _form(**values: str) -> RetentionForm:
    form = RetentionForm(**values)
    form.days.choices = [
        SelectChoice(KEEP, gettext("until I delete them")),
        *(SelectChoice(str(days), _days(days)) for days in retention.DAYS),
        SelectChoice("0", gettext("only the verdicts: delete each image as soon as it is judged")),
    ]
    return form


def _days(days: int) -> str:
    return str(ngettext("for one day", "for %(num)s days", days))
