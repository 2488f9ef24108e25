"""Administration: totals, users and the FAQ; for administrators only."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_login import current_user
from sqlalchemy import func, select
from werkzeug.wrappers import Response

from portal import faq
from portal.accounts import LastAdmin, delete_account
from portal.extensions import db, login_manager
from portal.forms import FaqForm
from portal.models import Detection, FaqEntry, Image, Status, User

blueprint = Blueprint("admin", __name__, url_prefix="/admin")

PAGE_SIZE = 20


@blueprint.before_request
def require_admin() -> Any:
    """Let nobody but administrators in."""
    if not current_user.is_authenticated:
        return login_manager.unauthorized()
    if not current_user.is_admin:
        abort(403)
    return None


@blueprint.get("/")
def index() -> str:
    """Show totals."""
    labels = (
        select(Detection.label, func.count()).where(Detection.status == Status.DONE).group_by(Detection.label)
    )
    statuses = select(Detection.status, func.count()).group_by(Detection.status)
    sizes = select(func.count(), func.coalesce(func.sum(Image.size_bytes), 0)).select_from(Image)
    images, stored_bytes = db.session.execute(sizes).one()
    return render_template(
        "admin/index.html",
        users=db.session.scalar(select(func.count()).select_from(User)),
        labels=dict(db.session.execute(labels).all()),
        statuses={status.value: count for status, count in db.session.execute(statuses)},
        images=images,
        stored_bytes=stored_bytes,
    )


@blueprint.get("/users")
def users() -> str:
    """List users, with search and paging."""
    search = request.args.get("q", "").strip().lower()
    found = select(User).order_by(User.name)
    if search:
        found = found.where(User.name.contains(search, autoescape=True))
    page = db.paginate(found, per_page=PAGE_SIZE, max_per_page=PAGE_SIZE)
    shown = Detection.user_id.in_([user.id for user in page.items])
    counts = select(Detection.user_id, func.count()).where(shown).group_by(Detection.user_id)
    uploads = dict(db.session.execute(counts).all())
    return render_template("admin/users.html", page=page, uploads=uploads, search=search)


@blueprint.post("/users/<int:user_id>/delete")
def delete_user(user_id: int) -> Response:
    """Delete a user with all its images; never oneself, never the last administrator."""
    user = db.get_or_404(User, user_id)
    name = user.name
    if user.id == current_user.id:
        abort(409, "Nobody deletes themselves here: your account page has a button for that.")
    try:
        delete_account(user.id)
    except LastAdmin as error:
        abort(409, str(error))
    flash(f"{name} is deleted, with all images and verdicts.", "success")
    return redirect(url_for(".users"), 303)


@blueprint.get("/faq")
def faq_entries() -> str:
    """List the FAQ for editing."""
    return render_template("admin/faq.html", entries=faq.entries())


@blueprint.route("/faq/new", methods=["GET", "POST"])
def add_faq() -> str | Response | tuple[str, int]:
    """Add an entry at the end."""
    form = FaqForm()
    if not form.validate_on_submit():
        return render_template("admin/faq_form.html", form=form), 422 if form.is_submitted() else 200
    last = db.session.scalar(select(func.max(FaqEntry.position))) or 0
    db.session.add(FaqEntry(position=last + 1, question=form.question.data, answer=form.answer.data))
    db.session.commit()
    flash("The entry is added.", "success")
    return redirect(url_for(".faq_entries"), 303)


@blueprint.route("/faq/<int:entry_id>", methods=["GET", "POST"])
def edit_faq(entry_id: int) -> str | Response | tuple[str, int]:
    """Change an entry."""
    entry = db.get_or_404(FaqEntry, entry_id)
    form = FaqForm(obj=entry)
    if not form.validate_on_submit():
        page = render_template("admin/faq_form.html", form=form, entry=entry)
        return page, 422 if form.is_submitted() else 200
    form.populate_obj(entry)
    db.session.commit()
    flash("The entry is changed.", "success")
    return redirect(url_for(".faq_entries"), 303)


@blueprint.post("/faq/<int:entry_id>/move")
def move_faq(entry_id: int) -> Response:
    """Move an entry one place up or down."""
    order = faq.entries()
    places = [place for place, entry in enumerate(order) if entry.id == entry_id] or abort(404)
    other = places[0] + (1 if request.form.get("direction") == "down" else -1)
    if 0 <= other < len(order):
        order[places[0]], order[other] = order[other], order[places[0]]
    for position, entry in enumerate(order, 1):
        entry.position = position
    db.session.commit()
    return redirect(url_for(".faq_entries", _anchor=f"entry-{entry_id}"), 303)


@blueprint.post("/faq/<int:entry_id>/delete")
def delete_faq(entry_id: int) -> Response:
    """Remove an entry."""
    db.session.delete(db.get_or_404(FaqEntry, entry_id))
    db.session.commit()
    flash("The entry is removed.", "success")
    return redirect(url_for(".faq_entries"), 303)
