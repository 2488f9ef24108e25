"""Sends what is due to webhooks: signed, once more after each failure, given up in the end."""

import logging
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import httpx
from flask import Flask, current_app
from flask_babel import gettext
from sqlalchemy import select, update

from portal.api.models import Delivery, DeliveryStatus
from portal.api.signatures import sign
from portal.config import Settings
from portal.extensions import db
from portal.languages import marked
from portal.models import now
from portal.outbound import Forbidden, Network, check_url, public_client

logger = logging.getLogger(__name__)

SECONDS = 10.0
# Eight attempts in about 15 hours, with pauses of 10 s, 40 s, 3 min, 11 min, 43 min, 3 h and 11 h.
ATTEMPTS = 8
FIRST_PAUSE_SECONDS, PAUSE_FACTOR = 10.0, 4.0
CLAIM = timedelta(seconds=6 * SECONDS)
GONE = 410
TOO_SLOW = marked("The receiver did not answer within 10 seconds.")
UNREACHABLE = marked("The receiver cannot be reached.")
FORBIDDEN = marked("This address is not public, or its port is not allowed.")


@dataclass(frozen=True)
class Reach:
    """Where events may be posted to."""

    ports: Iterable[int]
    network: Network


def init_app(app: Flask, settings: Settings, network: Network | None) -> None:
    """Let events be posted to public addresses only, unless the settings allow all."""
    reach = Reach(settings.public_ports(), network or Network())
    if settings.webhook_private_addresses:
        reach = Reach(range(1, 65536), Network(permits=lambda _: True))
    app.extensions["webhook_reach"] = reach


def check(url: str) -> None:
    """Raise Forbidden for an address to which nothing may be posted, as far as it shows."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Forbidden(gettext("This is not an address.")) from error
    check_url(address, _reach().ports)
    try:
        permitted = _reach().network.permits(address.host)
    except ValueError:
        return  # a name: what it leads to is looked up for each delivery
    if not permitted:
        raise Forbidden(gettext("%(host)s is not a public address.", host=address.host))


def deliver_next() -> bool:
    """Send the delivery that is due longest; returns False if none is due."""
    delivery = _claim()
    if delivery is not None:
        _deliver(delivery)
    db.session.remove()
    return delivery is not None


def _claim() -> Delivery | None:
    """Take a delivery, so that no other process sends it meanwhile."""
    due = (
        select(Delivery.id)
        .where(Delivery.status == DeliveryStatus.PENDING, Delivery.next_attempt_at <= now())
        .order_by(Delivery.next_attempt_at)
        .limit(1)
        .with_for_update(skip_locked=True, of=Delivery)
    )
    claimed = db.session.scalar(
        update(Delivery)
        .where(Delivery.id == due.scalar_subquery())
        .values(attempts=Delivery.attempts + 1, next_attempt_at=now() + CLAIM)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    return db.session.get(Delivery, claimed, populate_existing=True) if claimed else None


def _deliver(delivery: Delivery) -> None:
    ours, attempts, url = delivery.id, delivery.attempts, delivery.webhook.url
    timestamp = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Unmask",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(delivery.webhook.secret, delivery.message_id, timestamp, delivery.payload),
    }
    payload = delivery.payload
    db.session.commit()  # no transaction stays open while the receiver works
    status, error = _post(url, payload, headers)
    outcome: dict[str, Any] = {"response_status": status, "error": error}
    if error is None:
        outcome |= {"status": DeliveryStatus.DELIVERED, "delivered_at": now()}
    elif attempts >= ATTEMPTS or status == GONE:
        outcome |= {"status": DeliveryStatus.FAILED}
    else:
        outcome |= {"next_attempt_at": now() + _pause(attempts)}
    if error is not None:
        logger.info("Delivery %d, attempt %d: %s", ours, attempts, error)
    db.session.execute(
        update(Delivery)
        .where(Delivery.id == ours, Delivery.attempts == attempts)
        .values(outcome)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def _post(url: str, payload: str, headers: dict[str, str]) -> tuple[int | None, str | None]:
    """Send a message; returns the receiver's status, and what went wrong if something did."""
    reach = _reach()
    try:
        # The body of the answer is not read: nothing that a receiver sends is kept or shown.
        with (
            public_client(reach.ports, SECONDS, reach.network) as client,
            client.stream("POST", url, content=payload, headers=headers) as response,
        ):
            status = response.status_code
    except Forbidden:
        return None, FORBIDDEN
    except httpx.TimeoutException:
        return None, TOO_SLOW
    except (httpx.HTTPError, httpx.InvalidURL):
        return None, UNREACHABLE
    if 200 <= status < 300:
        return status, None
    return status, f"The receiver answered {status}, and not 2xx."


def _pause(attempts: int) -> timedelta:
    seconds = FIRST_PAUSE_SECONDS * PAUSE_FACTOR ** (attempts - 1)
    # Spread out, so that a receiver that was down is not met by everything at once.
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311


def _reach() -> Reach:
    return cast(Reach, current_app.extensions["webhook_reach"])
