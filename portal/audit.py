"""The audit log: who did what as an administrator, on whom or what, when and from where."""

import getpass
from typing import Any

from flask import has_request_context, request
from flask_login import current_user
from sqlalchemy import Select, select

from portal.extensions import db
from portal.models import AUDIT_LENGTH, AuditEntry

COMMAND_LINE = "command line"


def record(action: str, target: str, details: str = "") -> None:
    """Add an entry to the transaction of what it tells of; the caller commits both.

    `action` is a dotted name such as user.disable. The actor is the administrator who is signed in or, on
    the command line, the user of the operating system.
    """
    if has_request_context() and current_user.is_authenticated:
        actor, address = current_user.name, request.remote_addr or ""
    else:
        actor, address = getpass.getuser(), COMMAND_LINE
    db.session.add(
        AuditEntry(
            actor=actor[:AUDIT_LENGTH],
            address=address,
            action=action,
            target=target[:AUDIT_LENGTH],
            details=details,
        )
    )


def found(text: str = "", action: str = "") -> Select[Any]:
    """Select the entries of an action that hold a text, newest first; empty means any."""
    entries = select(AuditEntry).order_by(AuditEntry.id.desc())
    if action:
        entries = entries.where(AuditEntry.action == action)
    if text:
        # A line break, which nobody can type into the search, keeps the columns apart.
        words = AuditEntry.actor + "\n" + AuditEntry.target + "\n" + AuditEntry.details
        words += "\n" + AuditEntry.address
        entries = entries.where(words.icontains(text, autoescape=True))
    return entries


def about(user: str) -> Select[Any]:
    """Select what was done to a user, newest first."""
    return select(AuditEntry).where(AuditEntry.target == user).order_by(AuditEntry.id.desc())


def actions() -> list[str]:
    """Return the names of the actions that occur."""
    return list(db.session.scalars(select(AuditEntry.action).distinct().order_by(AuditEntry.action)))
