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
    return render_template("faq/index.html", entries=[_shown(entry) for entry in entries()])


def _shown(entry: FaqEntry) -> tuple[str, str]:
    """Return question and answer as they are written, or translated where nobody has edited them."""
    written = (entry.question, entry.answer)
    return (translated(written[0]), translated(written[1])) if written in FIRST_ENTRIES else written


def entries() -> list[FaqEntry]:
    """Return the FAQ in its order."""
    return list(db.session.scalars(select(FaqEntry).order_by(FaqEntry.position, FaqEntry.id)))
