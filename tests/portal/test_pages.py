"""What holds for every page: errors in the client's language, headers, health, no outside resource."""

import re
from collections.abc import Callable

import flask_migrate
import pytest
from alembic import command
from flask import Flask, abort
from flask.testing import FlaskClient

from portal.extensions import db
from portal.models import FaqEntry, User
from tests.portal.conftest import Auth, FakeServing, upload

PUBLIC = ["/", "/faq", "/login", "/register"]
FOR_ADMINS = [
    "/account",
    "/detections",
    "/detections/1",
    "/admin/",
    "/admin/users",
    "/admin/faq",
    "/admin/faq/1",
]


@pytest.mark.parametrize("path", [*PUBLIC, *FOR_ADMINS, "/nothing"])
def test_pages_are_strict_and_need_nothing_from_outside(
    client: FlaskClient, admin: int, auth: Auth, path: str
) -> None:
    upload(client)
    if path in PUBLIC[2:]:
        auth.logout()
    response = client.get(path)
    html = response.get_data(as_text=True)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"""<style|style=|<script(?![^>]+src)|\son\w+=|(?:href|src)=["']https?:""", html)
    assert html.count("<h1") == 1
    identifiers = re.findall(r'\sid="([^"]*)"', html)
    assert len(identifiers) == len(set(identifiers))


def test_every_form_that_posts_carries_a_token(client: FlaskClient, admin: int) -> None:
    upload(client)
    for path in [*PUBLIC[:2], *FOR_ADMINS]:
        html = client.get(path).get_data(as_text=True)
        assert html.count('method="post"') == html.count('name="csrf_token"') > 0


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("*/*", "text/html"),
        ("", "text/html"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
    ],
)
def test_errors_speak_the_language_of_the_client(client: FlaskClient, accept: str, kind: str) -> None:
    response = client.get("/nothing", headers={"Accept": accept})
    assert response.status_code == 404
    assert response.mimetype == kind
    if kind == "application/json":
        assert response.json == {
            "status": 404,
            "title": "There is nothing here",
            "detail": "The address is wrong, or what was here is deleted.",
        }


def test_a_wrong_method_says_which_are_allowed(client: FlaskClient) -> None:
    response = client.get("/logout")
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize("status", [410, 500, 503])
def test_any_other_error_has_a_page_too(app: Flask, client: FlaskClient, status: int) -> None:
    app.add_url_rule("/broken", view_func=lambda: abort(status))
    response = client.get("/broken")
    assert response.status_code == status
    assert 'class="error-code"' in response.get_data(as_text=True)


def test_a_bug_shows_nothing_of_itself(app: Flask, client: FlaskClient) -> None:
    app.add_url_rule("/broken", view_func=lambda: 1 / 0)
    app.config.update(TESTING=False, PROPAGATE_EXCEPTIONS=False)
    response = client.get("/broken")
    assert response.status_code == 500
    assert "ZeroDivisionError" not in response.get_data(as_text=True)


def test_health_does_not_depend_on_serving(client: FlaskClient, serving: FakeServing) -> None:
    serving.refuse()
    response = client.get("/health")
    assert response.status_code == 200
    assert response.json == {"status": "healthy", "database": "reachable"}


def test_health_fails_without_the_database(make_app: Callable[..., Flask], tmp_path: object) -> None:
    app = make_app(database_url="sqlite:////proc/nowhere.db")
    assert app.test_client().get("/health").status_code == 503


def test_a_new_portal_has_a_faq(client: FlaskClient) -> None:
    html = client.get("/faq").get_data(as_text=True)
    assert html.count("<summary>") == 10
    assert "Is a verdict a proof?" in html


def test_https_is_remembered_by_the_browser(make_app: Callable[..., Flask]) -> None:
    client = make_app(portal_url="https://unmask.example").test_client()
    assert "max-age" in client.get("/", base_url="https://x").headers["Strict-Transport-Security"]


def test_addresses_come_from_a_trusted_proxy_only(make_app: Callable[..., Flask]) -> None:
    for proxies, statuses in ((0, [401, 429]), (1, [401, 401])):
        client = make_app(trusted_proxies=proxies, login_rate_limit="1 per hour").test_client()
        answers = [
            client.post(
                "/login",
                data={"name": "eve", "password": "something long"},
                headers={"X-Forwarded-For": address},
            ).status_code
            for address in ("192.0.2.1", "192.0.2.2")
        ]
        assert answers == statuses


# An index that only PostgreSQL has; where the test runs there, it is compared like every other.
@pytest.mark.filterwarnings("ignore:autogenerate skipping.*'ix_detections_most_real'; dialect 'sqlite'")
def test_the_migrations_make_the_tables_of_the_models(app: Flask) -> None:
    with app.app_context():
        command.check(app.extensions["migrate"].migrate.get_config())


def test_the_migrations_can_be_undone_and_done_again(app: Flask) -> None:
    with app.app_context():
        flask_migrate.downgrade(revision="base")
        flask_migrate.upgrade()
        assert db.session.query(FaqEntry).count() == 10


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "password: "),
        ({"admin_password": "from the environment"}, "with the password that was set"),
    ],
)
def test_the_first_administrator_is_created_once(
    make_app: Callable[..., Flask], environment: dict[str, str], words: str
) -> None:
    app = make_app(admin_username="chief", **environment)
    runner = app.test_cli_runner()
    output = runner.invoke(args=["create-admin"]).output
    assert words in output
    password = environment.get("admin_password") or output.split("password: ")[1].split()[0]
    assert Auth(app.test_client()).login("chief", password).status_code == 302
    assert "nothing to do" in runner.invoke(args=["create-admin"]).output
    with app.app_context():
        assert db.session.query(User).one().is_admin


def test_times_are_kept_with_their_zone(app: Flask, ada: int) -> None:
    with app.app_context():
        user = db.session.get(User, ada)
        assert user is not None
        assert user.created_at.utcoffset() is not None
