"""The process beside the web server: judges what waits, sends to webhooks, deletes what is past its time."""

import logging
import threading
import time
from collections.abc import Callable

from flask import Flask, current_app
from sqlalchemy.exc import OperationalError

from portal import cards, retention
from portal.api.courier import deliver_next
from portal.extensions import db
from portal.inference import InferenceError, inference
from portal.judging import claim, judge

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RETENTION_SECONDS = 60.0
DATABASE_PAUSE_SECONDS = 5.0


def work(stop: threading.Event, address: str) -> None:
    """Judge, send and delete what is due until `stop` is set; what was begun is finished."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    # Apart, so that no receiver of events can keep images waiting.
    courier = threading.Thread(target=_deliver, args=(app, stop), name="courier")
    courier.start()
    announced, tidied = False, -RETENTION_SECONDS

    def step() -> bool:
        nonlocal announced, tidied
        announced = announced or _announce(address)
        if time.monotonic() - tidied >= RETENTION_SECONDS:
            retention.enforce()
            tidied = time.monotonic()
        return judge_next()

    try:
        _repeat(step, stop)
    finally:
        stop.set()
        courier.join()


def judge_next() -> bool:
    """Judge the detection that is due longest; returns False if none is due."""
    detection = claim()
    if detection is not None:
        judge(detection)
    db.session.remove()
    return detection is not None


def _deliver(app: Flask, stop: threading.Event) -> None:
    with app.app_context():
        _repeat(deliver_next, stop)


def _repeat(step: Callable[[], bool], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            busy = step()
        except OperationalError as error:
            logger.warning("The database does not answer, the next try follows: %s", error)
            db.session.remove()
            stop.wait(DATABASE_PAUSE_SECONDS)
            continue
        if not busy:
            stop.wait(POLL_SECONDS)


def _announce(address: str) -> bool:
    try:
        inference().check()
    except InferenceError as error:
        logger.debug("TorchServe is not ready: %s", error)
        return False
    logger.info("Unmask is ready: %s", address)
    try:
        cards.remember()
    except InferenceError as error:
        logger.warning("The model's card is not known yet: %s", error)
    return True
