"""The FAQ that everybody reads; the administration edits it."""

from flask import Blueprint, render_template
from sqlalchemy import select

from portal.extensions import db
from portal.models import FaqEntry

blueprint = Blueprint("faq", __name__)


@blueprint.get("/faq")
def index() -> str:
    """Show all questions with their answers."""
    return render_template("faq/index.html", entries=entries())


def entries() -> list[FaqEntry]:
    """Return the FAQ in its order."""
    return list(db.session.scalars(select(FaqEntry).order_by(FaqEntry.position, FaqEntry.id)))
