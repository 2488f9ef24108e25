"""Accounts: what a person can do, and what nobody else can do to them."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.extensions import db
from portal.models import Detection, Image, User
from tests.portal.conftest import PASSWORD, PHOTOGRAPH, Auth, signed_in, stored, upload

GOOD = {"name": "grace", "password": PASSWORD, "repeat": PASSWORD}


def page(response: object) -> str:
    return unescape(response.get_data(as_text=True))  # type: ignore[attr-defined]


def users(app: Flask) -> list[str]:
    with app.app_context():
        return sorted(user.name for user in db.session.query(User))


def test_registering_creates_an_account_and_signs_in(client: FlaskClient, app: Flask) -> None:
    response = client.post("/register", data=GOOD, follow_redirects=True)
    assert "Your account is ready" in page(response)
    assert users(app) == ["grace"]
    assert client.get("/account").status_code == 200
    with app.app_context():
        assert db.session.query(User).one().password_hash.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "Enter a user name."),
        ({"name": "   "}, "Enter a user name."),
        ({"name": "ab"}, "A user name has 3 to 32 characters."),
        ({"name": "a" * 33}, "A user name has 3 to 32 characters."),
        ({"name": "grace hopper"}, "Use letters, digits"),
        ({"name": "../etc"}, "Use letters, digits"),
        ({"password": ""}, "Enter a password."),
        ({"password": "short", "repeat": "short"}, "A password has 10 to 128 characters."),
        ({"password": "a" * 129, "repeat": "a" * 129}, "A password has 10 to 128 characters."),
        ({"repeat": "something else"}, "The two passwords are not the same."),
    ],
)
def test_registration_says_what_is_wrong(
    client: FlaskClient, app: Flask, change: dict[str, str], message: str
) -> None:
    response = client.post("/register", data=GOOD | change)
    assert response.status_code == 422
    assert message in page(response)
    assert users(app) == []


@pytest.mark.parametrize("name", ["ada", "ADA", "  Ada "])
def test_a_taken_name_is_refused(
    client: FlaskClient, app: Flask, add_user: Callable[..., int], name: str
) -> None:
    add_user("ada")
    response = client.post("/register", data=GOOD | {"name": name})
    assert response.status_code == 409
    assert "This name is taken" in page(response)
    assert users(app) == ["ada"]


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(
    auth: Auth, add_user: Callable[..., int]
) -> None:
    add_user("ada")
    wrong, unknown = auth.login("ada", "not the password"), auth.login("eve", "not the password")
    assert wrong.status_code == unknown.status_code == 401
    assert "The user name or the password is wrong." in page(wrong)
    token = re.compile(r'name="csrf_token" value="[^"]*"')
    pages = [token.sub("", page(answer)) for answer in (wrong, unknown)]
    assert pages[0].replace('value="ada"', 'value="eve"') == pages[1]


def test_pages_of_a_person_stay_out_of_caches(client: FlaskClient, auth: Auth, ada: int) -> None:
    for address in ("/", "/account", "/detections"):
        assert client.get(address).headers["Cache-Control"] == "private, no-store"
    with client.get("/static/unmask.css") as response:
        assert "no-store" not in response.headers["Cache-Control"]
    auth.logout()
    client.delete_cookie("session")
    assert "Cache-Control" not in client.get("/faq").headers


@pytest.mark.parametrize(("name", "password"), [("", PASSWORD), ("ada", ""), ("ada", "a" * 10_000)])
def test_empty_and_overlong_fields_are_refused(auth: Auth, ada: int, name: str, password: str) -> None:
    auth.logout()
    assert auth.login(name, password).status_code == 422


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/faq", "/faq"),
        ("/detections?page=2", "/detections?page=2"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_one_stays_on_this_site(
    auth: Auth, add_user: Callable[..., int], target: str, location: str
) -> None:
    add_user("ada")
    assert auth.login(next=target).location == location


@pytest.mark.parametrize(
    ("path", "location"), [("/login", "/"), ("/login?next=/faq", "/faq"), ("/register", "/")]
)
def test_who_is_signed_in_needs_no_form_for_it(
    client: FlaskClient, ada: int, path: str, location: str
) -> None:
    assert client.get(path).location == location


def test_pages_of_a_user_send_visitors_to_the_sign_in_page_and_back(
    client: FlaskClient, auth: Auth, add_user: Callable[..., int]
) -> None:
    add_user("ada")
    response = client.get("/detections?page=1")
    assert response.location == "/login?next=/detections?page%3D1"
    assert "Please sign in to continue." in page(client.get(response.location))


def test_signing_out_ends_the_session(client: FlaskClient, auth: Auth, ada: int) -> None:
    auth.logout()
    assert client.get("/account").status_code == 302


def test_changing_the_password_ends_the_other_sessions(app: Flask, client: FlaskClient, ada: int) -> None:
    elsewhere = signed_in(app, "ada")
    data = {"present": PASSWORD, "password": "another long one", "repeat": "another long one"}
    assert client.post("/account/password", data=data).status_code == 302
    assert client.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302
    assert Auth(elsewhere).login().status_code == 401
    assert Auth(elsewhere).login(password="another long one").status_code == 302


@pytest.mark.parametrize(
    ("change", "status"),
    [({"present": "not the password"}, 401), ({"password": "short"}, 422), ({"repeat": "different"}, 422)],
)
def test_the_password_stays_if_something_is_wrong(
    client: FlaskClient, auth: Auth, ada: int, change: dict[str, str], status: int
) -> None:
    data = {"present": PASSWORD, "password": "another long one", "repeat": "another long one"}
    assert client.post("/account/password", data=data | change).status_code == status
    auth.logout()
    assert auth.login().status_code == 302


def test_deleting_the_account_deletes_its_data(
    app: Flask, client: FlaskClient, auth: Auth, ada: int, add_user: Callable[..., int]
) -> None:
    upload(client)
    assert client.post("/account/delete", data={"confirm": "not the password"}).status_code == 401
    assert users(app) == ["ada"]
    response = client.post("/account/delete", data={"confirm": PASSWORD}, follow_redirects=True)
    assert "are deleted" in page(response)
    assert users(app) == []
    assert stored(app) == []
    with app.app_context():
        assert db.session.query(Detection).count() == db.session.query(Image).count() == 0
    assert auth.login().status_code == 401


def test_deleting_an_account_keeps_what_others_uploaded(
    app: Flask, client: FlaskClient, auth: Auth, ada: int, add_user: Callable[..., int]
) -> None:
    upload(client)
    add_user("bob")
    bob = signed_in(app, "bob")
    upload(bob)
    client.post("/account/delete", data={"confirm": PASSWORD})
    with bob.get("/detections/2/image") as response:
        assert response.status_code == 200
    assert app.extensions["storage"].read(stored(app)[0]) == PHOTOGRAPH


def test_the_last_administrator_cannot_delete_the_account(
    client: FlaskClient, app: Flask, admin: int
) -> None:
    response = client.post("/account/delete", data={"confirm": PASSWORD})
    assert response.status_code == 409
    assert "only administrator" in page(response)
    assert users(app) == ["root"]


def test_sign_ins_are_limited(make_app: Callable[..., Flask]) -> None:
    auth = Auth(make_app(login_rate_limit="2 per hour").test_client())
    assert [auth.login().status_code for _ in range(3)] == [401, 401, 429]
    response = auth.login()
    assert "Too many attempts" in page(response)
    assert auth.client.get("/login").status_code == 200


def test_registrations_are_limited(make_app: Callable[..., Flask]) -> None:
    client = make_app(register_rate_limit="1 per hour").test_client()
    assert client.post("/register", data={}).status_code == 422
    assert client.post("/register", data={}).status_code == 429


def test_without_a_token_nothing_is_changed_and_the_page_says_why(app: Flask, client: FlaskClient) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    response = client.post("/register", data=GOOD)
    assert response.status_code == 400
    assert "Your session has expired" in page(response)
    assert users(app) == []


def test_an_expired_session_leads_to_the_sign_in_page(app: Flask, client: FlaskClient, ada: int) -> None:
    app.config["PERMANENT_SESSION_LIFETIME"] = timedelta(seconds=-1)
    response = client.get("/detections")
    assert response.location == "/login?next=/detections"


@pytest.mark.parametrize(("address", "secure"), [("https://unmask.example", True), ("http://x", False)])
def test_the_session_cookie_is_out_of_reach(
    make_app: Callable[..., Flask], address: str, secure: bool
) -> None:
    client = make_app(portal_url=address).test_client()
    cookie = client.post("/register", data=GOOD, base_url=address).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert ("Secure" in cookie) == secure
