"""Webhooks: events are stored with the verdict they tell of; portal.api.courier sends them.

Messages and signatures follow the Standard Webhooks specification (https://www.standardwebhooks.com).
"""

import secrets
from datetime import timedelta

from flask import json
from flask_babel import ngettext
from sqlalchemy import delete, select

from portal.api import courier
from portal.api.hook_schemas import EventSchema
from portal.api.models import Delivery, Webhook
from portal.api.signatures import new_secret
from portal.extensions import db
from portal.judging import judged
from portal.models import Detection, User, now

WEBHOOKS_PER_USER = 10
HISTORY = timedelta(days=30)


class TooManyWebhooks(ValueError):
    """A person has as many webhooks as one may have."""


def create(user: User, url: str) -> Webhook:
    """Make a webhook with a new secret; raises TooManyWebhooks, or outbound.Forbidden."""
    if len(of(user)) >= WEBHOOKS_PER_USER:
        raise TooManyWebhooks(
            ngettext(
                "You have one webhook already. Delete it first.",
                "You have %(num)s webhooks already. Delete one first.",
                WEBHOOKS_PER_USER,
            )
        )
    courier.check(url)
    webhook = Webhook(user_id=user.id, url=url, secret=new_secret())
    db.session.add(webhook)
    db.session.commit()
    return webhook


def of(user: User) -> list[Webhook]:
    """Return the webhooks of a person, oldest first."""
    return list(db.session.scalars(select(Webhook).where(Webhook.user_id == user.id).order_by(Webhook.id)))


def find(user: User, webhook_id: int) -> Webhook | None:
    """Return a webhook, if it belongs to this person."""
    return db.session.scalar(select(Webhook).where(Webhook.id == webhook_id, Webhook.user_id == user.id))


def remove(webhook: Webhook) -> None:
    """Delete a webhook and what was not delivered yet."""
    db.session.execute(delete(Webhook).where(Webhook.id == webhook.id))
    db.session.commit()


def deliveries(webhook: Webhook, limit: int = 50) -> list[Delivery]:
    """Return the newest deliveries of a webhook."""
    newest = select(Delivery).where(Delivery.webhook_id == webhook.id).order_by(Delivery.id.desc())
    return list(db.session.scalars(newest.limit(limit)))


def test(webhook: Webhook) -> Delivery:
    """Have an event sent that tells of nothing, to see whether it arrives."""
    delivery = _enqueue(webhook, "test", None)
    db.session.commit()
    return delivery


def init_app() -> None:
    """Tell webhooks of every verdict from now on."""
    judged.connect(_tell)


def _tell(detection_id: int) -> None:
    of_its_owner = select(Webhook).join(Detection, Detection.user_id == Webhook.user_id)
    for webhook in db.session.scalars(of_its_owner.where(Detection.id == detection_id)).all():
        detection = db.session.get_one(Detection, detection_id, populate_existing=True)
        _enqueue(webhook, f"detection.{detection.status}", detection)


def _enqueue(webhook: Webhook, event: str, detection: Detection | None) -> Delivery:
    outdated = delete(Delivery).where(
        Delivery.webhook_id == webhook.id, Delivery.created_at < now() - HISTORY
    )
    db.session.execute(outdated)
    message = EventSchema().dump({"type": event, "timestamp": now(), "data": detection})
    delivery = Delivery(
        webhook_id=webhook.id,
        detection_id=detection.id if detection else None,
        message_id=f"msg_{secrets.token_hex(16)}",
        event=event,
        payload=json.dumps(message),
    )
    db.session.add(delivery)
    return delivery
