"""Rules about accounts: the first administrator, who may be taken away, disabled or let in anew."""

import hashlib
import secrets

from flask import current_app
from flask_babel import gettext
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import func, select, update

from portal import audit
from portal.extensions import db
from portal.judging import remove_user
from portal.models import User
from portal.passwords import set_password

RESET_HOURS = 24


class LastAdmin(ValueError):
    """The only administrator would be gone."""


def delete_account(user_id: int) -> None:
    """Delete a user with all that belongs to it; raises LastAdmin for the only administrator."""
    user = _without_last_admin(
        user_id, gettext("This is the only administrator who can sign in: it cannot be deleted.")
    )
    if user is not None:
        remove_user(user)
    db.session.commit()


def delete_user(user: User) -> None:
    """Delete somebody else's account; raises LastAdmin for the only administrator."""
    audit.record("user.delete", user.name)
    delete_account(user.id)


def disable(user_id: int) -> None:
    """Shut a user out, sessions included; raises LastAdmin for the only administrator."""
    user = _without_last_admin(
        user_id, gettext("This is the only administrator who can sign in: it cannot be disabled.")
    )
    if user is None or user.is_disabled:
        return
    user.is_disabled = True
    user.end_other_sessions()
    audit.record("user.disable", user.name)
    db.session.commit()


def enable(user: User) -> None:
    """Let a disabled user in again."""
    if user.is_disabled:
        user.is_disabled = False
        audit.record("user.enable", user.name)
        db.session.commit()


def make_admin(user: User) -> None:
    """Give a user the rights of an administrator."""
    if not user.is_admin:
        user.is_admin = True
        audit.record("user.make-admin", user.name)
        db.session.commit()


def remove_admin(user_id: int) -> None:
    """Take the rights of an administrator away; raises LastAdmin for the only one."""
    user = _without_last_admin(
        user_id,
        gettext("This is the only administrator who can sign in: it cannot be made an ordinary user."),
    )
    if user is None or not user.is_admin:
        return
    user.is_admin = False
    audit.record("user.remove-admin", user.name)
    db.session.commit()


def reset_password(user: User) -> str:
    """End a user's password and sessions; returns the token with which a new password is set, once."""
    set_password(user, secrets.token_urlsafe(32))
    audit.record("user.reset-password", user.name)
    db.session.commit()
    return str(_serializer().dumps([user.id, _fingerprint(user)]))


def reset_link(token: str) -> str:
    """Return the address where the bearer of a token sets the new password."""
    return f"{current_app.config['PORTAL_URL'].rstrip('/')}/reset-password/{token}"


def user_of_token(token: str) -> User | None:
    """Return whose password a token may set; None if it is false, expired or used."""
    try:
        user_id, fingerprint = _serializer().loads(token, max_age=RESET_HOURS * 3600)
    except (BadSignature, ValueError, TypeError):
        return None
    user = db.session.get(User, user_id)
    return user if user is not None and _fingerprint(user) == fingerprint else None


def create_admin(name: str, password: str) -> User | None:
    """Create the first administrator; returns None if there is one already."""
    if db.session.scalar(select(func.count()).select_from(User).where(User.is_admin)):
        return None
    user = User(name=name, is_admin=True)
    set_password(user, password)
    db.session.add(user)
    audit.record("user.create-admin", name)
    db.session.commit()
    return user


def _without_last_admin(user_id: int, refusal: str) -> User | None:
    """Return a user who may be taken away; nobody else takes one away until the transaction ends."""
    # A write to one row makes a second process wait, on PostgreSQL and, which knows no other lock, on SQLite.
    first = select(func.min(User.id)).scalar_subquery()
    db.session.execute(
        update(User)
        .where(User.id == first)
        .values(is_admin=User.is_admin)
        .execution_options(synchronize_session=False)
    )
    user = db.session.get(User, user_id, populate_existing=True)
    others = select(User.id).where(User.is_admin, ~User.is_disabled, User.id != user_id)
    if user is not None and user.is_admin and db.session.scalar(others.limit(1)) is None:
        db.session.rollback()
        raise LastAdmin(refusal)
    return user


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="reset-password")


def _fingerprint(user: User) -> str:
    # Changes with every password, so that a token works once.
    return hashlib.sha256(user.password_hash.encode()).hexdigest()[:32]
