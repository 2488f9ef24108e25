"""The process beside the web server: judges what waits, deletes what is past its time, says it is ready."""

import logging
import threading
import time

from sqlalchemy.exc import OperationalError

from portal import cards, retention
from portal.extensions import db
from portal.inference import InferenceError, inference
from portal.judging import claim, judge

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RETENTION_SECONDS = 60.0
DATABASE_PAUSE_SECONDS = 5.0


def work(stop: threading.Event, address: str) -> None:
    """Judge due detections one after the other until `stop` is set; a detection begun is finished."""
    announced, tidied = False, -RETENTION_SECONDS
    while not stop.is_set():
        announced = announced or _announce(address)
        try:
            if time.monotonic() - tidied >= RETENTION_SECONDS:
                retention.enforce()
                tidied = time.monotonic()
            busy = judge_next()
        except OperationalError as error:
            logger.warning("The database does not answer, the next try follows: %s", error)
            db.session.remove()
            stop.wait(DATABASE_PAUSE_SECONDS)
            continue
        if not busy:
            stop.wait(POLL_SECONDS)


def judge_next() -> bool:
    """Judge the detection that is due longest; returns False if none is due."""
    detection = claim()
    if detection is not None:
        judge(detection)
    db.session.remove()
    return detection is not None


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
