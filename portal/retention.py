"""How long images are kept: what people choose, and the deletion of what is past its time."""

import logging
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from portal import judging
from portal.extensions import db
from portal.models import Detection, Share, Status, User, now

logger = logging.getLogger(__name__)

DAYS = (1, 7, 30, 90, 365)
BATCH = 100


def enforce() -> int:
    """Delete all detections older than their owners keep them, and expired links.

    Returns how many detections it deleted. Several workers may do this at once.
    """
    db.session.execute(delete(Share).where(Share.expires_at <= now()))
    db.session.commit()
    removed = 0
    for user_id, days in db.session.execute(
        select(User.id, User.retention_days).where(User.retention_days > 0)
    ):
        removed += _remove_older(user_id, timedelta(days=days or 0))
    if removed:
        logger.info("%d detections are deleted: their time is over", removed)
    return removed


def end(detection: Detection, owner: User) -> datetime | None:
    """Return when a detection's time is over, if its owner keeps it for a number of days."""
    return detection.created_at + timedelta(days=owner.retention_days) if owner.retention_days else None


def forget_images(user: User) -> None:
    """Delete the stored images of all of a user's detections that are judged; the verdicts stay."""
    judged = select(Detection.id, Detection.sha256).where(
        Detection.user_id == user.id, Detection.image_kept, Detection.status != Status.PENDING
    )
    for detection_id, sha256 in db.session.execute(judged).all():
        judging.forget_image(detection_id, sha256)
        db.session.commit()


def _remove_older(user_id: int, age: timedelta) -> int:
    old = (
        select(Detection)
        .where(Detection.user_id == user_id, Detection.created_at < now() - age)
        .order_by(Detection.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True, of=Detection)
    )
    removed = 0
    while found := list(db.session.scalars(old)):
        judging.remove(*found)
        removed += len(found)
    return removed
