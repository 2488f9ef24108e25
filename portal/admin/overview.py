"""The overview: how much there is of everything."""

from collections import Counter

from flask import render_template
from sqlalchemy import func, select

from portal.admin.blueprint import blueprint
from portal.extensions import db
from portal.models import Detection, Image, Status, User


@blueprint.get("/")
def index() -> str:
    """Show totals."""
    kinds = select(Detection.status, Detection.label, func.count()).group_by(
        Detection.status, Detection.label
    )
    labels: Counter[str | None] = Counter()
    statuses: Counter[str] = Counter()
    for status, label, count in db.session.execute(kinds):
        statuses[status] += count
        if status is Status.DONE:
            labels[label] += count
    sizes = select(func.count(), func.coalesce(func.sum(Image.size_bytes), 0)).select_from(Image)
    images, stored_bytes = db.session.execute(sizes).one()
    return render_template(
        "admin/index.html",
        users=db.session.scalar(select(func.count()).select_from(User)),
        labels=labels,
        statuses=statuses,
        images=images,
        stored_bytes=stored_bytes,
    )
