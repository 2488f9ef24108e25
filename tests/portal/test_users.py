"""Users in the hands of administrators: disabled, let in, given rights, and let back in by a link."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal import accounts
from portal.extensions import db
from portal.models import User
from tests.portal.conftest import PASSWORD, Auth, signed_in, upload

NEW = {"password": "a brand new password", "repeat": "a brand new password"}


def user(app: Flask, name: str) -> User:
    with app.app_context():
        found = db.session.query(User).filter_by(name=name).one()
        db.session.expunge_all()
        return found


def link_on(page: str) -> str:
    found = re.search(r"http://localhost:8000(/reset-password/[\w.-]+)", page)
    assert found, page
    return found[1]


def test_a_disabled_user_is_out_until_enabled_again(
    app: Flask, client: FlaskClient, admin: int, add_user: Callable[..., int]
) -> None:
    bob = add_user("bob")
    elsewhere = signed_in(app, "bob")
    upload(elsewhere)
    assert client.post(f"/admin/users/{bob}/disable").status_code == 303
    assert elsewhere.get("/account").status_code == 302
    refused = Auth(elsewhere).login("bob")
    assert refused.status_code == 403
    assert "This account is disabled" in refused.get_data(as_text=True)
    assert Auth(elsewhere).login("bob", "not the password").status_code == 401
    client.post(f"/admin/users/{bob}/enable")
    assert Auth(elsewhere).login("bob").status_code == 302
    assert elsewhere.get("/detections/1").status_code == 200


def test_rights_are_given_and_taken(
    app: Flask, client: FlaskClient, admin: int, add_user: Callable[..., int]
) -> None:
    bob = add_user("bob")
    elsewhere = signed_in(app, "bob")
    client.post(f"/admin/users/{bob}/make-admin")
    assert elsewhere.get("/admin/").status_code == 200
    client.post(f"/admin/users/{bob}/remove-admin")
    assert elsewhere.get("/admin/").status_code == 403


@pytest.mark.parametrize("action", ["disable", "remove-admin", "delete", "reset-password"])
def test_nobody_shuts_themselves_out(app: Flask, client: FlaskClient, admin: int, action: str) -> None:
    response = client.post(f"/admin/users/{admin}/{action}")
    assert response.status_code == 409
    assert client.get("/admin/").status_code == 200
    assert "Your own access is not changed here" in client.get(f"/admin/users/{admin}").get_data(as_text=True)


@pytest.mark.parametrize("take", [accounts.disable, accounts.remove_admin, accounts.delete_account])
def test_the_last_administrator_who_can_sign_in_stays(
    app: Flask, admin: int, add_user: Callable[..., int], take: Callable[[int], None]
) -> None:
    other = add_user("other", is_admin=True)
    with app.app_context():
        accounts.disable(other)
        with pytest.raises(accounts.LastAdmin, match="only administrator"):
            take(admin)
    assert user(app, "root").is_admin
    assert not user(app, "root").is_disabled


def test_a_reset_password_comes_back_by_the_link_once(
    app: Flask, client: FlaskClient, admin: int, add_user: Callable[..., int]
) -> None:
    bob = add_user("bob")
    elsewhere = signed_in(app, "bob")
    response = client.post(f"/admin/users/{bob}/reset-password")
    link = link_on(response.get_data(as_text=True))
    assert response.headers["Cache-Control"] == "no-store"
    assert link not in client.get(f"/admin/users/{bob}").get_data(as_text=True)
    assert elsewhere.get("/account").status_code == 302
    assert Auth(elsewhere).login("bob", PASSWORD).status_code == 401
    assert "Set a new password" in elsewhere.get(link).get_data(as_text=True)
    assert elsewhere.post(link, data=NEW | {"repeat": "other"}).status_code == 422
    assert elsewhere.post(link, data=NEW).location == "/login"
    assert Auth(elsewhere).login("bob", NEW["password"]).status_code == 302
    used = elsewhere.post(link, data=NEW)
    assert used.status_code == 410
    assert "no longer valid" in used.get_data(as_text=True)


def test_only_the_newest_true_and_fresh_link_works(
    app: Flask, client: FlaskClient, admin: int, add_user: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = add_user("bob")
    path = f"/admin/users/{bob}/reset-password"
    older, newer = (link_on(client.post(path).get_data(as_text=True)) for _ in range(2))
    assert client.get(older).status_code == 410
    assert client.get(newer + "x").status_code == 410
    assert client.get("/reset-password/nonsense").status_code == 410
    assert client.get(newer).status_code == 200
    monkeypatch.setattr(accounts, "RESET_HOURS", -1)
    assert client.get(newer).status_code == 410


def test_users_are_filtered(
    app: Flask, client: FlaskClient, admin: int, add_user: Callable[..., int]
) -> None:
    add_user("bob")
    with app.app_context():
        accounts.disable(add_user("eve"))
    for show, names in (("admins", {"root"}), ("disabled", {"eve"}), ("", {"root", "bob", "eve"})):
        page = client.get(f"/admin/users?show={show}").get_data(as_text=True)
        assert {name for name in ("root", "bob", "eve") if f">{name}</a>" in page} == names


def test_commands_do_the_same(app: Flask, add_user: Callable[..., int]) -> None:
    add_user("root", is_admin=True)
    add_user("bob")
    run = app.test_cli_runner().invoke
    assert run(args=["users", "disable", "bob"]).exit_code == 0
    assert "disabled" in run(args=["users", "list", "bo"]).output
    assert "No user is found." in run(args=["users", "list", "zoe"]).output
    run(args=["users", "enable", "bob"])
    run(args=["users", "make-admin", "BOB"])
    assert user(app, "bob").is_admin
    run(args=["users", "remove-admin", "bob"])
    assert not user(app, "bob").is_admin
    link = link_on(run(args=["users", "reset-password", "bob"]).output)
    assert app.test_client().get(link).status_code == 200
    for command in ("disable", "remove-admin"):
        refused = run(args=["users", command, "root"])
        assert refused.exit_code == 1
        assert "only administrator" in refused.output
    assert run(args=["users", "delete", "bob"], input="n\n").exit_code == 1
    assert run(args=["users", "delete", "bob", "--yes"]).exit_code == 0
    assert "There is no user bob: " in run(args=["users", "enable", "bob"]).output
    unasked = run(args=["users", "delete", "bob"], input="y\n")
    assert unasked.output == "Error: There is no user bob: `flask --app portal users list` shows all.\n"
