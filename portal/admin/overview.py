"""The overview: how much there is of everything."""

from collections import Counter

from flask import render_template
from sqlalchemy import func, select

from portal.admin.blueprint import blueprint
from portal.extensions import db
from portal.models import Detection, Image, User


@blueprint.get("/")
def index() -> str:
    """Show totals."""
    # In the order of an index, which is then counted through.
    columns = (Detection.status, Detection.label, Detection.certainty)
    verdicts: Counter[str] = Counter()
    for kind, count in db.session.execute(select(Detection.kind(), func.count()).group_by(*columns)):
        verdicts[kind] += count
    sizes = select(func.count(), func.coalesce(func.sum(Image.size_bytes), 0)).select_from(Image)
    images, stored_bytes = db.session.execute(sizes).one()
    return render_template(
        "admin/index.html",
        users=db.session.scalar(select(func.count()).select_from(User)),
        verdicts=verdicts,
        images=images,
        stored_bytes=stored_bytes,
    )
