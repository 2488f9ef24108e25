"""Users: finding them, shutting them out and letting them in, their rights and their passwords."""

from collections.abc import Callable

from flask import (
    Response,
    abort,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy import func, select
from werkzeug.wrappers import Response as WerkzeugResponse

from portal import accounts, audit
from portal.admin.blueprint import PAGE_SIZE, blueprint
from portal.extensions import db
from portal.models import Detection, Feedback, Status, User
from portal.paging import asked_page

FILTERS = {"admins": User.is_admin, "disabled": User.is_disabled}


@blueprint.get("/users")
def users() -> str:
    """List users, with search, filters and paging."""
    search = request.args.get("q", "").strip().lower()
    chosen = request.args.get("show", "")
    found = select(User).order_by(User.name)
    if search:
        found = found.where(User.name.contains(search, autoescape=True))
    if chosen in FILTERS:
        found = found.where(FILTERS[chosen])
    page = db.paginate(found, page=asked_page(), per_page=PAGE_SIZE, max_per_page=PAGE_SIZE)
    shown = Detection.user_id.in_([user.id for user in page.items])
    counts = select(Detection.user_id, func.count()).where(shown).group_by(Detection.user_id)
    uploads = dict(db.session.execute(counts).all())
    return render_template("admin/users.html", page=page, uploads=uploads, search=search, chosen=chosen)


@blueprint.get("/users/<id:user_id>")
def user(user_id: int) -> str:
    """Show one user with all that can be done."""
    return _user_page(db.get_or_404(User, user_id))


@blueprint.post("/users/<id:user_id>/delete")
def delete_user(user_id: int) -> WerkzeugResponse:
    """Delete a user with all its images; never oneself, never the last administrator."""
    somebody = _somebody_else(user_id)
    name = somebody.name
    _unless_last_admin(lambda: accounts.delete_user(somebody))
    flash(gettext("%(name)s is deleted, with all images and verdicts.", name=name), "success")
    return redirect(url_for(".users"), 303)


@blueprint.post("/users/<id:user_id>/disable")
def disable_user(user_id: int) -> WerkzeugResponse:
    """Shut a user out; images and verdicts stay."""
    name = _somebody_else(user_id).name
    _unless_last_admin(lambda: accounts.disable(user_id))
    flash(gettext("%(name)s is disabled and signed out everywhere.", name=name), "success")
    return redirect(url_for(".user", user_id=user_id), 303)


@blueprint.post("/users/<id:user_id>/enable")
def enable_user(user_id: int) -> WerkzeugResponse:
    """Let a disabled user in again."""
    somebody = db.get_or_404(User, user_id)
    accounts.enable(somebody)
    flash(gettext("%(name)s can sign in again.", name=somebody.name), "success")
    return redirect(url_for(".user", user_id=user_id), 303)


@blueprint.post("/users/<id:user_id>/make-admin")
def make_admin(user_id: int) -> WerkzeugResponse:
    """Give a user the rights of an administrator."""
    somebody = db.get_or_404(User, user_id)
    accounts.make_admin(somebody)
    flash(gettext("%(name)s is an administrator now.", name=somebody.name), "success")
    return redirect(url_for(".user", user_id=user_id), 303)


@blueprint.post("/users/<id:user_id>/remove-admin")
def remove_admin(user_id: int) -> WerkzeugResponse:
    """Take the rights of an administrator away; never one's own."""
    name = _somebody_else(user_id).name
    _unless_last_admin(lambda: accounts.remove_admin(user_id))
    flash(gettext("%(name)s is an ordinary user now.", name=name), "success")
    return redirect(url_for(".user", user_id=user_id), 303)


@blueprint.post("/users/<id:user_id>/reset-password")
def reset_password(user_id: int) -> Response:
    """End a user's password, and show the link that sets a new one: this once."""
    somebody = _somebody_else(user_id)
    link = accounts.reset_link(accounts.reset_password(somebody))
    response = make_response(_user_page(somebody, link=link))
    response.headers["Cache-Control"] = "no-store"
    return response


def _user_page(somebody: User, link: str = "") -> str:
    counted = select(func.count()).select_from(Detection).where(Detection.user_id == somebody.id)
    waiting, failed = (counted.where(Detection.status == each) for each in (Status.PENDING, Status.FAILED))
    disputed = select(func.count()).select_from(Feedback).where(Feedback.user_id == somebody.id)
    return render_template(
        "admin/user.html",
        user=somebody,
        images=db.session.scalar(counted),
        waiting=db.session.scalar(waiting),
        failed=db.session.scalar(failed),
        disputed=db.session.scalar(disputed),
        entries=db.session.scalars(audit.about(somebody.name).limit(5)).all(),
        link=link,
        hours=accounts.RESET_HOURS,
        insecure=current_app.config["PORTAL_URL"].startswith("http://"),
    )


def _somebody_else(user_id: int) -> User:
    somebody: User = db.get_or_404(User, user_id)
    if somebody.id == current_user.id:
        abort(
            409,
            gettext(
                "Nobody does this to themselves here: your account page is the place for your own account."
            ),
        )
    return somebody


def _unless_last_admin(action: Callable[[], None]) -> None:
    try:
        action()
    except accounts.LastAdmin as error:
        abort(409, str(error))
