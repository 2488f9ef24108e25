"""Idempotency-Key: a request that is repeated gets the first one's answer, and has no second effect."""

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from flask import Response, current_app, g, request
from sqlalchemy import Connection, delete, event, select, update
from sqlalchemy.exc import IntegrityError

from portal.api import problems
from portal.api.models import KeptAnswer
from portal.extensions import db
from portal.models import Detection, now

HEADER = "Idempotency-Key"
# For how long an answer is kept, and how long after its start a request without answer counts as dead.
KEPT = timedelta(hours=24)
CLAIM = timedelta(minutes=10)
PARAMETER = {
    "in": "header",
    "name": HEADER,
    "description": (
        "Any text that is new for each thing to do, for instance a UUID. A request that is sent again with "
        "the same key within 24 hours gets the answer of the first, and nothing is done twice."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def idempotent(view: Callable[..., Response]) -> Callable[..., Response]:
    """Let clients repeat requests to `view` safely. A request that fails leaves nothing behind."""

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return view(*args, **kwargs)
        if not re.fullmatch(r"[!-~]{1,255}", key):
            detail = f"{HEADER} must have 1 to 255 visible ASCII characters."
            raise problems.Problem(422, problems.INVALID_REQUEST, "Invalid request", detail)
        claimed = _claim(key)
        if isinstance(claimed, Response):
            return claimed
        try:
            answer = view(*args, **kwargs)
        except BaseException:
            db.session.rollback()
            db.session.execute(delete(KeptAnswer).where(KeptAnswer.id == claimed))
            db.session.commit()
            raise
        _keep(claimed, answer)
        return answer

    return wrapper


def init_app() -> None:
    """Forget answers that tell of a detection once it is deleted; only that there was one is kept."""
    event.listen(Detection, "before_delete", _forget)


def _forget(_mapper: Any, connection: Connection, detection: Detection) -> None:
    mine = update(KeptAnswer).where(KeptAnswer.user_id == detection.user_id)
    connection.execute(mine.where(KeptAnswer.body.contains(detection.sha256)).values(body=None))


def _claim(key: str) -> int | Response:
    """Return the id of the row for the answer to come, or the answer that there is."""
    db.session.execute(delete(KeptAnswer).where(KeptAnswer.expires_at <= now()))
    user_id, fingerprint = g.api_user.id, _fingerprint()
    claim = KeptAnswer(
        user_id=user_id, idempotency_key=key, fingerprint=fingerprint, expires_at=now() + CLAIM
    )
    db.session.add(claim)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
    else:
        return claim.id
    kept = db.session.scalar(
        select(KeptAnswer).where(KeptAnswer.user_id == user_id, KeptAnswer.idempotency_key == key)
    )
    if kept is not None and kept.fingerprint != fingerprint:
        detail = f"This {HEADER} was used for another request. Use a new one."
        raise problems.Problem(422, problems.KEY_REUSED, "Idempotency-Key reused", detail)
    if kept is None or kept.status is None:
        detail = "The first request with this key is still being worked on. Ask again in a moment."
        raise problems.Problem(409, problems.IN_PROGRESS, "Request in progress", detail, Retry_After="1")
    if kept.body is None:
        detail = "The first request with this key was answered, and what it made is deleted since."
        raise problems.Problem(410, problems.DELETED, "Deleted since", detail)
    return _replay(kept)


def _keep(claim: int, answer: Response) -> None:
    db.session.execute(
        update(KeptAnswer)
        .where(KeptAnswer.id == claim)
        .values(
            status=answer.status_code,
            location=answer.headers.get("Location"),
            body=answer.get_data(as_text=True),
            expires_at=now() + KEPT,
        )
    )
    db.session.commit()


def _replay(kept: KeptAnswer) -> Response:
    answer = current_app.response_class(kept.body, kept.status, mimetype="application/json")
    if kept.location:
        answer.headers["Location"] = kept.location
    answer.headers["Idempotency-Replayed"] = "true"
    return answer


def _fingerprint() -> str:
    # By their text, since a part of a form may have no name.
    fields = sorted(request.form.items(multi=True), key=repr)
    digest = hashlib.sha256(f"{request.method} {request.full_path} {fields!r}\n".encode())
    # The boundary of a multipart body is another one each time: what counts is what it separates.
    for field, file in request.files.items(multi=True):
        content = hashlib.file_digest(file.stream, "sha256").hexdigest()  # type: ignore[arg-type]
        file.stream.seek(0)
        digest.update(f"{field!r} {file.filename!r} {content}\n".encode())
    digest.update(request.get_data())
    return digest.hexdigest()
