"""The audit log: complete, unchangeable, searchable."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from portal import audit, feedback
from portal.extensions import db
from portal.models import AuditEntry, Detection
from tests.portal.conftest import signed_in, upload
from tests.portal.test_admin import PAGES

BOB = {"disable", "enable", "make-admin", "remove-admin", "reset-password", "delete"}
# What each action sends; the paths are those of every POST of the administration.
DATA = {
    "/admin/faq/new": {"question": "Why?", "answer": "So."},
    "/admin/faq/1": {"question": "Why?", "answer": "So."},
    "/admin/faq/1/move": {"direction": "down"},
    "/admin/reviews/1": {"decision": "accept"},
    "/admin/serving/1/scale": {"workers": "2"},
    "/admin/serving/register": {"archive": "deepfake-2.0.mar", "workers": "1"},
}


def entries(app: Flask) -> list[tuple[str, str, str, str]]:
    with app.app_context():
        found = db.session.query(AuditEntry).order_by(AuditEntry.id)
        return [(entry.actor, entry.action, entry.target, entry.address) for entry in found]


@pytest.mark.parametrize("path", [path for method, path in PAGES if method == "POST"])
def test_every_action_of_an_administrator_is_recorded(
    app: Flask, client: FlaskClient, add_user: Callable[..., int], admin: int, path: str
) -> None:
    # User 1 is the administrator, so that the actions on users concern another one.
    bob = add_user("bob")
    other = signed_in(app, "bob")
    upload(other)
    with app.app_context():
        feedback.dispute(db.session.query(Detection).one(), "real")
        if path.endswith(("/enable", "/remove-admin")):
            db.session.execute(
                text("UPDATE users SET is_disabled = true, is_admin = true WHERE name = 'bob'")
            )
            db.session.commit()
    client.post(path.replace("/users/1/", f"/users/{bob}/"), data=DATA.get(path, {})).close()
    [(actor, action, target, address)] = entries(app)
    assert (actor, address) == ("root", "127.0.0.1")
    assert action.split(".")[0] in ("user", "faq", "review", "serving")
    if "/users/" in path:
        assert target == "bob"


def test_an_action_that_changes_nothing_is_not_recorded(app: Flask, client: FlaskClient, admin: int) -> None:
    client.post(f"/admin/users/{admin}/delete")
    client.post("/admin/faq/new", data={"question": "", "answer": ""})
    client.post("/admin/faq/new", data={"question": "Why?", "answer": "So.", "preview": "1"})
    assert entries(app) == []


@pytest.mark.parametrize("change", [update(AuditEntry).values(actor="nobody"), delete(AuditEntry)])
def test_an_entry_can_be_neither_changed_nor_deleted(app: Flask, admin: int, change: object) -> None:
    with app.app_context():
        audit.record("user.disable", "bob")
        db.session.commit()
        with pytest.raises(DBAPIError, match="append-only"):
            db.session.execute(change)  # type: ignore[call-overload]
        db.session.rollback()
    assert len(entries(app)) == 1


def test_the_log_is_searched_and_filtered(app: Flask, client: FlaskClient, admin: int) -> None:
    with app.app_context():
        for number in range(60):
            audit.record("user.disable", f"user-{number:02}", "for spam" if number == 7 else "")
        audit.record("faq.add", "Why?")
        db.session.commit()

    def page(query: str) -> str:
        return client.get(f"/admin/audit?{query}").get_data(as_text=True)

    assert "user-59" in page("")
    assert "user-05" not in page("")
    assert "user-05" in page("page=2")
    assert "user-07" in page("q=SPAM")
    assert "user-08" not in page("q=SPAM")
    assert "Why?" in page("action=faq.add")
    assert "user-59" not in page("action=faq.add")
    assert "Nothing in the log is like that" in page("q=%25")
    assert "command line" in page("q=command")
