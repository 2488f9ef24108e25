"""The API's tables: keys, answers kept for repeated requests, webhooks and what was sent to them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Enum, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.extensions import Base
from portal.models import User, UtcDateTime, now

KEY_NAME_LENGTH = 64
URL_LENGTH = 500


class ApiKey(Base):
    """A key with which a program acts for a person; the key itself is not stored."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(KEY_NAME_LENGTH))
    # The first characters of the key, by which its owner recognises it.
    hint: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class KeptAnswer(Base):
    """The answer to a request with an Idempotency-Key; without a status, it is still being worked on."""

    __tablename__ = "kept_answers"
    __table_args__ = (UniqueConstraint("user_id", "idempotency_key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    idempotency_key: Mapped[str] = mapped_column(String(255))
    # SHA-256 of method, address and body.
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    location: Mapped[str | None] = mapped_column(String(URL_LENGTH))
    # None as well when what it told of was deleted.
    body: Mapped[str | None] = mapped_column(Text)
    # While it is being worked on: when to assume that the process that did so died.
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Webhook(Base):
    """An address that is told of the verdicts of one person's detections."""

    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    url: Mapped[str] = mapped_column(String(URL_LENGTH))
    # Kept as it is, because signing needs it; people see it once.
    secret: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Delivery(Base):
    """One event for one webhook, with what came of sending it."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_status_next_attempt_at", "status", "next_attempt_at"),
        Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    # What is deleted is not sent either; a test has no detection.
    detection_id: Mapped[int | None] = mapped_column(
        ForeignKey("detections.id", ondelete="CASCADE"), index=True
    )
    message_id: Mapped[str] = mapped_column(String(40), unique=True)
    event: Mapped[str] = mapped_column(String(32))
    # Every attempt sends the same bytes.
    payload: Mapped[str] = mapped_column(Text)
    status: Mapped[DeliveryStatus] = mapped_column(
        Enum(
            DeliveryStatus,
            name="delivery_status",
            native_enum=False,
            length=16,
            values_callable=lambda kind: [item.value for item in kind],
        ),
        default=DeliveryStatus.PENDING,
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    # As with detections: a claim is a time in the future, and counts the attempt.
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    response_status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(300))

    webhook: Mapped[Webhook] = relationship(lazy="joined", innerjoin=True)

    @property
    def sent_next_at(self) -> datetime | None:
        """When it is sent next; None once it is delivered or given up."""
        return self.next_attempt_at if self.status is DeliveryStatus.PENDING else None
