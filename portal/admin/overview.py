"""The overview: how much there is of everything."""

from flask import render_template
from sqlalchemy import func, select

from portal.admin.blueprint import blueprint
from portal.extensions import db
from portal.models import Detection, Image, Status, User


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
