"""Disputed verdicts: what people claim instead, and what administrators decide; `dataset` exports them."""

from typing import Any

from flask_babel import gettext, ngettext
from sqlalchemy import Select, func, select

from portal.extensions import db
from portal.models import Detection, Feedback, FeedbackStatus, Status, User, now

LABELS = ("real", "fake")
NOTE_LENGTH = 2000


class NotPossible(ValueError):
    """This claim or this decision cannot be made; the message says why, for the person who tried."""


def dispute(detection: Detection, claimed_label: str, note: str = "") -> Feedback:
    """Record that the owner of a detection holds its verdict for wrong; raises NotPossible.

    A further claim on the same detection replaces the one before and is open again. By sending it, the
    owner lets administrators see the image: the page that calls this must say so.
    """
    if claimed_label not in LABELS:
        raise NotPossible(gettext("Say whether the image is real or fake."))
    if detection.status is not Status.DONE:
        raise NotPossible(gettext("This image has no verdict yet."))
    if claimed_label == detection.label and detection.certainty != "low":
        raise NotPossible(gettext("This is what the verdict says already."))
    _check_length(note)
    feedback = of(detection) or Feedback(detection_id=detection.id, user_id=detection.user_id)
    feedback.claimed_label, feedback.note = claimed_label, note.strip()
    feedback.status, feedback.created_at = FeedbackStatus.OPEN, now()
    feedback.reviewer_id, feedback.review_note, feedback.reviewed_at = None, "", None
    db.session.add(feedback)
    db.session.commit()
    return feedback


def of(detection: Detection) -> Feedback | None:
    """Return what was claimed of a detection, or None."""
    return db.session.scalar(select(Feedback).where(Feedback.detection_id == detection.id))


def withdraw(detection: Detection) -> None:
    """Take a claim back, as if it had never been made."""
    feedback = of(detection)
    if feedback is not None:
        db.session.delete(feedback)
        db.session.commit()


def with_status(status: FeedbackStatus) -> Select[Any]:
    """Select the claims with a status: open ones oldest first, decided ones newest first."""
    chosen = select(Feedback).where(Feedback.status == status)
    return chosen.order_by(Feedback.id if status is FeedbackStatus.OPEN else Feedback.id.desc())


def counts() -> dict[str, int]:
    """Return how many claims there are of each status."""
    rows = db.session.execute(select(Feedback.status, func.count()).group_by(Feedback.status))
    return {status.value: 0 for status in FeedbackStatus} | {status.value: count for status, count in rows}


def review(feedback: Feedback, reviewer: User, accepted: bool, note: str = "") -> None:
    """Decide a claim, or decide it anew; the caller commits. Raises NotPossible.

    Of one image, no two accepted claims may contradict each other: it stands once in the data set.
    """
    _check_length(note)
    if accepted and _contradicted(feedback):
        raise NotPossible(
            gettext(
                "The other label is accepted already for the same image, on another claim: reject that one "
                "first."
            )
        )
    feedback.status = FeedbackStatus.ACCEPTED if accepted else FeedbackStatus.REJECTED
    feedback.reviewer_id, feedback.review_note, feedback.reviewed_at = reviewer.id, note.strip(), now()


def _check_length(note: str) -> None:
    if len(note) > NOTE_LENGTH:
        raise NotPossible(
            ngettext(
                "The note is too long: one character is the limit.",
                "The note is too long: %(num)s characters are the limit.",
                NOTE_LENGTH,
            )
        )


def _contradicted(feedback: Feedback) -> bool:
    other = (
        select(Feedback.id)
        .join(Detection, Detection.id == Feedback.detection_id)
        .where(
            Detection.sha256 == feedback.detection.sha256,
            Feedback.status == FeedbackStatus.ACCEPTED,
            Feedback.claimed_label != feedback.claimed_label,
            Feedback.id != feedback.id,
        )
    )
    return db.session.scalar(other.limit(1)) is not None
