"""Taking images from people: one they had judged before is recognised instead of judged twice."""

import hashlib
from dataclasses import dataclass

from sqlalchemy import select

from portal import cards, judging
from portal.extensions import db
from portal.inference import InferenceError
from portal.models import Detection, Status, User


@dataclass(frozen=True)
class Taken:
    """The detection for an image that was sent; `is_known` if it is from an earlier time."""

    detection: Detection
    is_known: bool


def take(user: User, filename: str, data: bytes, source_url: str | None = None, wait: bool = True) -> Taken:
    """Return the verdict that this user's same image has already, or have it judged; see judging.submit.

    It is judged anew when another version of the model is in service by now, or when it failed before.
    """
    known = earlier(user, hashlib.sha256(data).hexdigest())
    if known is not None and not _outdated(known):
        return Taken(known, True)
    return Taken(judging.submit(user, filename, data, source_url=source_url, wait=wait), False)


def earlier(user: User, sha256: str) -> Detection | None:
    """Return the newest detection of this image by this user that has a verdict or waits for one."""
    same = select(Detection).where(
        Detection.sha256 == sha256, Detection.user_id == user.id, Detection.status != Status.FAILED
    )
    if user.retention_days != 0:
        same = same.where(Detection.image_kept)  # who keeps images now shall get this one back
    return db.session.scalar(same.order_by(Detection.id.desc()).limit(1))


def others(detection: Detection) -> list[Detection]:
    """Return the other detections of the same image by the same user, newest first."""
    same = select(Detection).where(
        Detection.sha256 == detection.sha256,
        Detection.user_id == detection.user_id,
        Detection.id != detection.id,
    )
    return list(db.session.scalars(same.order_by(Detection.id.desc())))


def _outdated(detection: Detection) -> bool:
    if detection.status is Status.PENDING:
        return False
    try:
        return cards.remember().version != detection.model_version
    except InferenceError:
        return False  # nothing could judge it now
