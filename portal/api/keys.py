"""API keys: made, recognised, revoked; the only way to sign in to the API."""

import hashlib
import secrets
from datetime import timedelta

from flask import g, request
from flask_babel import ngettext
from sqlalchemy import func, select
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from portal.api.models import ApiKey
from portal.extensions import db
from portal.models import User, now

# Lets programs that look for leaked secrets recognise one.
PREFIX = "unmask_"
HINT_LENGTH = len(PREFIX) + 6
KEYS_PER_USER = 20
# How precise "last used" is: not every request needs to write.
LAST_USE_PRECISION = timedelta(minutes=1)


class TooManyKeys(ValueError):
    """A person has as many keys as one may have."""


def create(user: User, name: str) -> str:
    """Make a key and return it: this is the only time that it can be seen. Raises TooManyKeys."""
    mine = select(func.count()).select_from(ApiKey).where(ApiKey.user_id == user.id)
    if (db.session.scalar(mine) or 0) >= KEYS_PER_USER:
        raise TooManyKeys(
            ngettext(
                "You have one key already. Revoke it if it is not used any more.",
                "You have %(num)s keys already. Revoke one that is not used any more.",
                KEYS_PER_USER,
            )
        )
    key = PREFIX + secrets.token_urlsafe(32)
    db.session.add(ApiKey(user_id=user.id, name=name, hint=key[:HINT_LENGTH], key_hash=_hash(key)))
    db.session.commit()
    return key


def of(user: User) -> list[ApiKey]:
    """Return the keys of a person, newest first."""
    mine = select(ApiKey).where(ApiKey.user_id == user.id)
    return list(db.session.scalars(mine.order_by(ApiKey.id.desc())))


def revoke(user: User, key_id: int) -> bool:
    """Delete a key; returns False if this person has none with this id."""
    mine = db.session.scalar(select(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == user.id))
    if mine is None:
        return False
    db.session.delete(mine)
    db.session.commit()
    return True


def authenticate() -> None:
    """Find whose key the request carries, into `g.api_user` and `g.api_key_id`; cookies do not count."""
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        raise _refused("Send your API key in the header `Authorization: Bearer KEY`.")
    key = db.session.scalar(select(ApiKey).where(ApiKey.key_hash == _hash(given.token)))
    if key is None or not key.user.is_active:
        raise _refused("This API key is not known: it is mistyped, or was revoked.")
    g.api_user, g.api_key_id = key.user, key.id
    if key.last_used_at is None or now() - key.last_used_at > LAST_USE_PRECISION:
        key.last_used_at = now()
        db.session.commit()


def _hash(key: str) -> str:
    # A key is 256 random bits: unlike a password it cannot be guessed, and needs no slow hash.
    return hashlib.sha256(key.encode()).hexdigest()


def _refused(message: str) -> Unauthorized:
    return Unauthorized(message, www_authenticate=WWWAuthenticate("bearer", {"realm": "Unmask"}))
