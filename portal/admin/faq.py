"""The FAQ: adding, changing, ordering and removing its entries."""

from flask import abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from sqlalchemy import func, select
from werkzeug.wrappers import Response

from portal import audit, faq
from portal.admin.blueprint import blueprint
from portal.extensions import db
from portal.forms import FaqForm
from portal.models import FaqEntry


@blueprint.get("/faq")
def faq_entries() -> str:
    """List the FAQ for editing."""
    return render_template("admin/faq.html", entries=[(entry, *faq.shown(entry)) for entry in faq.entries()])


@blueprint.route("/faq/new", methods=["GET", "POST"])
def add_faq() -> str | Response | tuple[str, int]:
    """Add an entry at the end."""
    form = FaqForm()
    if not form.validate_on_submit() or _is_preview():
        return _form_page(form, None)
    last = db.session.scalar(select(func.max(FaqEntry.position))) or 0
    db.session.add(FaqEntry(position=last + 1, question=form.question.data, answer=form.answer.data))
    audit.record("faq.add", form.question.data or "")
    db.session.commit()
    flash(gettext("The entry is added."), "success")
    return redirect(url_for(".faq_entries"), 303)


@blueprint.route("/faq/<id:entry_id>", methods=["GET", "POST"])
def edit_faq(entry_id: int) -> str | Response | tuple[str, int]:
    """Change an entry."""
    entry = db.get_or_404(FaqEntry, entry_id)
    question, answer = faq.shown(entry)
    form = FaqForm(data={"question": question, "answer": answer})
    if not form.validate_on_submit() or _is_preview():
        return _form_page(form, entry)
    if (form.question.data, form.answer.data) == (question, answer):
        # What was shown may be a translation, which is not to replace all the others.
        flash(gettext("You changed nothing: the entry stays as it was."), "success")
        return redirect(url_for(".faq_entries"), 303)
    audit.record("faq.change", entry.question, f"The answer was: {entry.answer}")
    form.populate_obj(entry)
    db.session.commit()
    flash(gettext("The entry is changed."), "success")
    return redirect(url_for(".faq_entries"), 303)


@blueprint.post("/faq/<id:entry_id>/move")
def move_faq(entry_id: int) -> Response:
    """Move an entry one place up or down."""
    order = faq.entries()
    places = [place for place, entry in enumerate(order) if entry.id == entry_id] or abort(404)
    other = places[0] + (1 if request.form.get("direction") == "down" else -1)
    if 0 <= other < len(order):
        order[places[0]], order[other] = order[other], order[places[0]]
        audit.record("faq.move", order[other].question, f"to place {other + 1}")
    for position, entry in enumerate(order, 1):
        entry.position = position
    db.session.commit()
    return redirect(url_for(".faq_entries", _anchor=f"entry-{entry_id}"), 303)


@blueprint.post("/faq/<id:entry_id>/delete")
def delete_faq(entry_id: int) -> Response:
    """Remove an entry."""
    entry = db.get_or_404(FaqEntry, entry_id)
    audit.record("faq.remove", entry.question, f"The answer was: {entry.answer}")
    db.session.delete(entry)
    db.session.commit()
    flash(gettext("The entry is removed."), "success")
    return redirect(url_for(".faq_entries"), 303)


def _is_preview() -> bool:
    return "preview" in request.form


def _form_page(form: FaqForm, entry: FaqEntry | None) -> tuple[str, int]:
    translated = entry is not None and faq.is_translated(entry)
    page = render_template(
        "admin/faq_form.html", form=form, entry=entry, translated=translated, preview=_is_preview()
    )
    return page, 422 if form.errors else 200
