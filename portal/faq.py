"""The FAQ that everybody reads; the administration edits it."""

from flask import Blueprint, render_template
from sqlalchemy import select

from portal.extensions import db
from portal.faq_texts import FIRST_ENTRIES
from portal.languages import translated
from portal.models import FaqEntry

blueprint = Blueprint("faq", __name__)


@blueprint.get("/faq")
def index() -> str:
    """Show all questions with their answers."""
    return render_template("faq/index.html", entries=[shown(entry) for entry in entries()])


def is_translated(entry: FaqEntry) -> bool:
    """Whether everybody reads an entry in their language: one of the first, which nobody has edited."""
    return (entry.question, entry.answer) in FIRST_ENTRIES


def shown(entry: FaqEntry) -> tuple[str, str]:
    """Return question and answer as they are written, or translated where nobody has edited them."""
    if is_translated(entry):
        return translated(entry.question), translated(entry.answer)
    return entry.question, entry.answer


def entries() -> list[FaqEntry]:
    """Return the FAQ in its order."""
    return list(db.session.scalars(select(FaqEntry).order_by(FaqEntry.position, FaqEntry.id)))
