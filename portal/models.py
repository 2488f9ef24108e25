"""The tables: users, what they uploaded, what was judged and disputed, the audit log and the FAQ."""

import secrets
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from flask_login import UserMixin
from sqlalchemy import (
    Case,
    ColumnElement,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    String,
    Text,
    TypeDecorator,
    and_,
    case,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from portal.extensions import Base

NAME_LENGTH = 32
QUESTION_LENGTH = 200
AUDIT_LENGTH = 255
# PostgreSQL takes at most 2704 bytes into an index: so many characters fit, whatever they are.
SEARCH_LENGTH = 500
# Beside the longest file name, so much of a note is in the search text for certain.
NOTE_IS_LONG = "length(note) > 240"
# What the history is searched by beside the text.
SEARCHED = ("status", "label", "certainty", "created_at")


def now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)


def searchable(filename: str, note: str) -> str:
    """Return what a search in small letters looks through."""
    return f"{filename} {note}".lower()[:SEARCH_LENGTH]


def _session_id() -> str:
    return secrets.token_hex(16)


class UtcDateTime(TypeDecorator[datetime]):
    """A time with zone UTC, on databases that know zones and on those that do not."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Store UTC; a time without a zone is a mistake."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone cannot be stored.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the zone back."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value


class Status(StrEnum):
    """Where a detection stands."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class User(UserMixin, Base):
    """A person with an account."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    is_admin: Mapped[bool] = mapped_column(default=False)
    is_disabled: Mapped[bool] = mapped_column(default=False)
    # What the session cookie holds: a new one ends every other session of this person.
    session_id: Mapped[str] = mapped_column(String(32), unique=True, default=_session_id)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    # Days until images and verdicts are deleted: None keeps them, 0 keeps the verdict without the image.
    retention_days: Mapped[int | None]

    @property
    def is_active(self) -> bool:
        """Whether this person may sign in, and use a session or a key."""
        return not self.is_disabled

    def get_id(self) -> str:
        """Return what identifies the session."""
        return self.session_id

    def end_other_sessions(self) -> None:
        """Make every session cookie of this person invalid."""
        self.session_id = _session_id()


class Image(Base):
    """The facts of one stored file; its bytes lie in the upload folder under the same hash."""

    __tablename__ = "images"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    format: Mapped[str] = mapped_column(String(16))
    width: Mapped[int]
    height: Mapped[int]
    size_bytes: Mapped[int] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    # What portal.evidence found in the file; None until it is examined.
    evidence: Mapped[dict[str, Any] | None]


class Detection(Base):
    """One image that one person had judged."""

    __tablename__ = "detections"
    __table_args__ = (
        # One index for each order of the history, with all that it is searched by: a pass in this order ends
        # as soon as a page is full, and reads nothing else.
        Index("ix_detections_newest", "user_id", "id", *SEARCHED, "search_text"),
        Index("ix_detections_name", "user_id", "search_text", "id", *SEARCHED),
        Index("ix_detections_most_fake", "user_id", "probability_real", "id", *SEARCHED, "search_text"),
        # SQLite reads the one above backwards and still puts those without a verdict last; PostgreSQL cannot.
        Index(
            "ix_detections_most_real",
            "user_id",
            text("probability_real DESC NULLS LAST"),
            text("id DESC"),
            *SEARCHED,
            "search_text",
        ).ddl_if(dialect="postgresql"),
        Index("ix_detections_user_id_status_label", "user_id", "status", "label", "id"),
        Index("ix_detections_sha256_user_id_id", "sha256", "user_id", "id"),
        Index(
            "ix_detections_long_note",
            "user_id",
            sqlite_where=text(NOTE_IS_LONG),
            postgresql_where=text(NOTE_IS_LONG),
        ),
        Index("ix_detections_status_next_attempt_at", "status", "next_attempt_at"),
        Index("ix_detections_status_label_certainty", "status", "label", "certainty"),
        # All that the figures of a period are made of, so that they come from the index alone.
        Index("ix_detections_usage", "created_at", "status", "label", "certainty", "duration_ms", "user_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    sha256: Mapped[str] = mapped_column(ForeignKey("images.sha256"))
    filename: Mapped[str] = mapped_column(String(255))
    # Where the server fetched the image, if it was not uploaded.
    source_url: Mapped[str | None] = mapped_column(Text)
    # Whether this detection keeps the file in the storage; without it, only the verdict is left.
    image_kept: Mapped[bool] = mapped_column(default=True)
    note: Mapped[str] = mapped_column(Text, default="")
    # What a search looks through: an index can hold it, and hardly any database knows every small letter.
    search_text: Mapped[str] = mapped_column(Text, default="", deferred=True)
    status: Mapped[Status] = mapped_column(
        Enum(
            Status, native_enum=False, length=16, values_callable=lambda kind: [item.value for item in kind]
        ),
        default=Status.PENDING,
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    # A claim moves next_attempt_at into the future, so that of a dead worker expires by itself; the number
    # of attempts tells the holder of an expired claim from the present one.
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    error: Mapped[str | None] = mapped_column(Text)
    label: Mapped[str | None] = mapped_column(String(16))
    probability_real: Mapped[float | None]
    confidence: Mapped[float | None]
    certainty: Mapped[str | None] = mapped_column(String(16))
    heatmap: Mapped[list[list[float]] | None]
    # None for verdicts of archives that did not count them.
    faces: Mapped[int | None]
    model: Mapped[str | None] = mapped_column(String(64))
    model_version: Mapped[str | None] = mapped_column(String(32))
    judged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int | None]

    user: Mapped[User] = relationship()
    image: Mapped[Image] = relationship(lazy="joined", innerjoin=True)

    @validates("filename", "note")
    def _make_searchable(self, name: str, value: str) -> str:
        words = {"filename": self.filename, "note": self.note} | {name: value}
        self.search_text = searchable(words["filename"] or "", words["note"] or "")
        return value

    @classmethod
    def kinds(cls) -> dict[str, ColumnElement[bool]]:
        """What may have become of a detection, each with its condition in SQL."""
        done = cls.status == Status.DONE
        sure = and_(done, cls.certainty.is_distinct_from("low"))
        return {
            "real": and_(sure, cls.label == "real"),
            "fake": and_(sure, cls.label == "fake"),
            "uncertain": and_(done, cls.certainty == "low"),
            "pending": cls.status == Status.PENDING,
            "failed": cls.status == Status.FAILED,
        }

    @classmethod
    def kind(cls) -> Case[str]:
        """Which of `kinds` holds, in SQL: all of them, one after another, would take twice as long."""
        return case(
            (cls.status != Status.DONE, cls.status),
            (cls.certainty == "low", "uncertain"),
            else_=cls.label,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what a program may want to know."""
        names = ("id", "filename", "status", "error", "label", "probability_real", "confidence", "certainty")
        return {name: getattr(self, name) for name in (*names, "model", "model_version")}


class Share(Base):
    """A link by which anybody can read the report of one detection, until it expires or is revoked."""

    __tablename__ = "shares"

    id: Mapped[int] = mapped_column(primary_key=True)
    detection_id: Mapped[int] = mapped_column(ForeignKey("detections.id", ondelete="CASCADE"), index=True)
    # The link itself is shown once and kept nowhere.
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    detection: Mapped[Detection] = relationship()


class ModelCard(Base):
    """What a version of the model says of itself: how often it erred when it was measured."""

    __tablename__ = "model_cards"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(32), primary_key=True)
    card: Mapped[dict[str, Any]]
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class FeedbackStatus(StrEnum):
    """Where a disputed verdict stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Feedback(Base):
    """What its owner says that a detection should have been; with it, administrators may see the image."""

    __tablename__ = "feedback"
    __table_args__ = (Index("ix_feedback_status_id", "status", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    detection_id: Mapped[int] = mapped_column(ForeignKey("detections.id", ondelete="CASCADE"), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    claimed_label: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[FeedbackStatus] = mapped_column(
        Enum(
            FeedbackStatus,
            name="feedback_status",
            native_enum=False,
            length=16,
            values_callable=lambda kind: [item.value for item in kind],
        ),
        default=FeedbackStatus.OPEN,
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    reviewer_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    review_note: Mapped[str] = mapped_column(Text, default="")
    reviewed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    detection: Mapped[Detection] = relationship()
    user: Mapped[User] = relationship(foreign_keys=user_id)
    reviewer: Mapped[User | None] = relationship(foreign_keys=reviewer_id)


class AuditEntry(Base):
    """One action of an administrator; the database refuses to change or delete it.

    Names are copied, since an entry outlives the accounts that it tells of.
    """

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
    actor: Mapped[str] = mapped_column(String(AUDIT_LENGTH), index=True)
    address: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64), index=True)
    target: Mapped[str] = mapped_column(String(AUDIT_LENGTH), index=True)
    details: Mapped[str] = mapped_column(Text, default="")


class FaqEntry(Base):
    """A question and its answer; the answer is Markdown."""

    __tablename__ = "faq_entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(index=True)
    question: Mapped[str] = mapped_column(String(QUESTION_LENGTH))
    answer: Mapped[str] = mapped_column(Text)
