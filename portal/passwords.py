"""Passwords: hashed with argon2, checked with equal work whether or not the name is known."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from portal.models import User

_hasher = PasswordHasher()


def set_password(user: User, password: str) -> None:
    """Store the hash of a password, and end the sessions opened with the one before."""
    user.password_hash = _hasher.hash(password)
    user.end_other_sessions()


def matches(user: User | None, password: str) -> bool:
    """Whether this is the password of `user`; for nobody it takes as long, and is never true."""
    try:
        _hasher.verify(user.password_hash if user else _nobody(), password)
    except VerifyMismatchError:
        return False
    if user and _hasher.check_needs_rehash(user.password_hash):
        user.password_hash = _hasher.hash(password)
    return user is not None


@cache
def _nobody() -> str:
    return _hasher.hash("")
