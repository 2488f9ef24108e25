"""The life of a detection: submitted, claimed, judged, tried again, deleted."""

import hashlib
import logging
import random
import time
from dataclasses import asdict
from datetime import timedelta
from typing import Any, cast

from blinker import Signal
from flask import current_app
from sqlalchemy import CursorResult, delete, exists, select, update

from portal import cards, evidence, images
from portal.extensions import db, upsert
from portal.inference import BadAnswer, BadImage, Unavailable, inference
from portal.languages import marked
from portal.models import Detection, Image, Status, User, now
from portal.storage import storage

logger = logging.getLogger(__name__)

BACK_OFF_SECONDS = 2.0
BACK_OFF_LIMIT_SECONDS = 60.0
# Sent with the id of a detection that is done or has failed, in the transaction that records it.
judged = Signal()
UNEXPLAINED = marked(
    "The detector gave an answer that the portal does not understand. "
    "The details are in the log for whoever runs this portal."
)

MISSING = marked("The stored image is missing. Upload it again.")


def submit(
    user: User, filename: str, data: bytes, *, source_url: str | None = None, wait: bool = True
) -> Detection:
    """Check and store an image; judge it if serving answers, or leave that to a worker.

    Raises images.Unusable. `source_url` is where the image was fetched, if it was; without `wait`, the
    detection stays pending until a worker takes it.
    """
    facts = images.check(data, current_app.config["MAX_IMAGE_PIXELS"])
    sha256 = hashlib.sha256(data).hexdigest()
    known = db.session.scalar(select(Image.evidence).where(Image.sha256 == sha256))
    found = {"evidence": known if evidence.is_current(known) else evidence.examine(data)}
    values = asdict(facts) | {"sha256": sha256, "size_bytes": len(data), "created_at": now()} | found
    # The row is locked until the commit, so that nobody deletes the file between its writing and its use.
    db.session.execute(upsert(Image, values, found))
    storage().write(sha256, data)
    detection = Detection(
        user_id=user.id,
        sha256=sha256,
        filename=filename,
        source_url=source_url,
        attempts=1 if wait else 0,
        next_attempt_at=now() + (_lease() if wait else timedelta()),
    )
    db.session.add(detection)
    db.session.commit()
    if wait:
        judge(detection)
    return detection


def claim() -> Detection | None:
    """Take the pending detection that is due longest, so that no other process judges it meanwhile."""
    due = (
        select(Detection.id)
        .where(Detection.status == Status.PENDING, Detection.next_attempt_at <= now())
        .order_by(Detection.next_attempt_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    claimed = db.session.scalar(
        update(Detection)
        .where(Detection.id == due.scalar_subquery())
        .values(attempts=Detection.attempts + 1, next_attempt_at=now() + _lease())
        .returning(Detection.id)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    return db.session.get(Detection, claimed, populate_existing=True) if claimed else None


def judge(detection: Detection) -> None:
    """Ask for the verdict on a claimed detection, and record what came of it."""
    ours, attempts, sha256 = detection.id, detection.attempts, detection.sha256
    db.session.commit()  # no transaction stays open while TorchServe works
    began = time.monotonic()
    outcome: dict[str, Any]
    try:
        verdict = inference().judge(storage().read(sha256))
    except Unavailable as error:
        logger.warning("Detection %d waits, attempt %d: %s", ours, attempts, error)
        outcome = {"next_attempt_at": now() + _back_off(attempts)}
    except BadImage as error:
        outcome = {"status": Status.FAILED, "error": str(error)}
    except FileNotFoundError:
        # Its owner deleted it just now, and then nothing is recorded, or the folder of uploads is incomplete.
        logger.warning("Detection %d cannot be judged: its image is not stored", ours)
        outcome = {"status": Status.FAILED, "error": MISSING}
    except BadAnswer:
        logger.exception("Detection %d failed", ours)
        outcome = {"status": Status.FAILED, "error": UNEXPLAINED}
    else:
        duration = round((time.monotonic() - began) * 1000)
        outcome = asdict(verdict) | {"status": Status.DONE, "judged_at": now(), "duration_ms": duration}
    recorded = db.session.execute(
        update(Detection)
        # A claim that expired meanwhile belongs to another worker, whose answer counts.
        .where(Detection.id == ours, Detection.status == Status.PENDING, Detection.attempts == attempts)
        .values(outcome)
        .execution_options(synchronize_session=False)
    )
    if cast(CursorResult[Any], recorded).rowcount and "status" in outcome:
        judged.send(ours)
    retention = select(User.retention_days).join(Detection).where(Detection.id == ours)
    if "status" in outcome and db.session.scalar(retention) == 0:
        forget_image(ours, sha256)
    db.session.commit()
    if "model" in outcome:
        cards.remember_version(outcome["model"], outcome["model_version"])


def again(detection: Detection) -> Detection:
    """Judge the image of a detection anew, as a further detection: its verdict stays as it was."""
    copied = {name: getattr(detection, name) for name in ("user_id", "sha256", "filename", "source_url")}
    further = Detection(**copied, attempts=1, next_attempt_at=now() + _lease())
    # Whoever deletes the image meanwhile waits, or has done it already.
    db.session.execute(select(Image.sha256).where(Image.sha256 == detection.sha256).with_for_update())
    db.session.add(further)
    db.session.commit()
    judge(further)
    return further


def retry(detection: Detection) -> None:
    """Give a failed detection another chance, now or by a worker."""
    detection.status, detection.error = Status.PENDING, None
    detection.attempts, detection.next_attempt_at = 1, now() + _lease()
    db.session.commit()
    judge(detection)


def remove(*detections: Detection) -> None:
    """Delete detections, and their files unless other detections need them."""
    _remove_all(list(detections))
    db.session.commit()


def remove_user(user: User) -> None:
    """Delete an account with its detections and their files; the caller commits."""
    _remove_all(list(db.session.scalars(select(Detection).where(Detection.user_id == user.id))))
    db.session.execute(delete(User).where(User.id == user.id).execution_options(synchronize_session=False))


def forget_image(detection_id: int, sha256: str) -> None:
    """Keep a detection without its image, and delete that unless another one keeps it; the caller commits."""
    _lock([sha256])
    db.session.execute(update(Detection).where(Detection.id == detection_id).values(image_kept=False))
    _remove_unused(sha256)


def _remove_all(detections: list[Detection]) -> None:
    hashes = sorted({detection.sha256 for detection in detections})
    _lock(hashes)
    for detection in detections:
        db.session.delete(detection)
    db.session.flush()
    for sha256 in hashes:
        _remove_unused(sha256)


def _lock(hashes: list[str]) -> None:
    # Always taken in the same order, the locks make whoever else uses or deletes these files wait.
    db.session.execute(
        select(Image.sha256).where(Image.sha256.in_(hashes)).order_by(Image.sha256).with_for_update()
    )


def _remove_unused(sha256: str) -> None:
    of_this_image = exists().where(Detection.sha256 == sha256)
    db.session.execute(delete(Image).where(Image.sha256 == sha256, ~of_this_image))
    if not db.session.scalar(select(of_this_image.where(Detection.image_kept))):
        storage().remove(sha256)


def _lease() -> timedelta:
    # Longer than two exchanges with TorchServe and the renewal of a key can take.
    return timedelta(seconds=30 + 4 * current_app.config["TORCHSERVE_TIMEOUT"])


def _back_off(attempts: int) -> timedelta:
    seconds = min(BACK_OFF_SECONDS * 2 ** min(attempts - 1, 10), BACK_OFF_LIMIT_SECONDS)
    # Spread out, so that those who were refused together do not come back together.
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311
