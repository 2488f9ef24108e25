"""Rules about accounts that several features share: the first administrator, and who may be deleted."""

from sqlalchemy import func, select

from portal.extensions import db
from portal.judging import remove_user
from portal.models import User
from portal.passwords import set_password


class LastAdmin(ValueError):
    """The only administrator would be gone."""


def delete_account(user_id: int) -> None:
    """Delete a user with all that belongs to it; raises LastAdmin for the only administrator."""
    # Locked, so that two administrators who delete each other do not both succeed.
    admins = db.session.scalars(
        select(User.id).where(User.is_admin).order_by(User.id).with_for_update()
    ).all()
    user = db.session.get(User, user_id)
    if user is None:
        return
    if user.is_admin and len(admins) == 1:
        raise LastAdmin("This is the only administrator: it cannot be deleted.")
    remove_user(user)
    db.session.commit()


def create_admin(name: str, password: str) -> User | None:
    """Create the first administrator; returns None if there is one already."""
    if db.session.scalar(select(func.count()).select_from(User).where(User.is_admin)):
        return None
    user = User(name=name, is_admin=True)
    set_password(user, password)
    db.session.add(user)
    db.session.commit()
    return user
