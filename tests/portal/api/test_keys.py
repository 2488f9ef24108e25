"""API keys: who gets in, who does not, and how often."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.api.client import ApiError, Client
from portal.api.models import ApiKey
from portal.extensions import db
from portal.models import User, now
from tests.portal.conftest import PASSWORD, PHOTOGRAPH, Auth

Call = Callable[..., Any]


def page(response: Any) -> str:
    return unescape(response.get_data(as_text=True))


def test_a_key_is_shown_once_works_and_can_be_revoked(app: Flask, client: FlaskClient, ada: int) -> None:
    response = client.post("/account/keys", data={"name": " newsdesk\x00 "})
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    key = re.search(r"unmask_[\w-]{43}", page(response)).group()  # type: ignore[union-attr]
    assert f"export UNMASK_KEY={key}\ncurl " in page(response)
    assert " http://localhost:8000/api/v1/detections<" in page(response)
    listed = page(client.get("/account/keys"))
    assert "newsdesk" in listed
    assert "never" in listed
    assert key not in listed
    with app.app_context():
        assert key not in str([vars(row) for row in db.session.query(ApiKey)])
    with Client("http://portal.example", key, transport=httpx.WSGITransport(app)) as unmask:
        assert unmask.detect(PHOTOGRAPH).label == "fake"
        assert "never" not in page(client.get("/account/keys"))
        assert client.post("/account/keys/1/revoke").status_code == 303
        with pytest.raises(ApiError, match="not known"):
            unmask.detect(PHOTOGRAPH)


@pytest.mark.parametrize("name", ["", "   ", "\x00", "x" * 65])
def test_a_key_needs_a_name(client: FlaskClient, ada: int, name: str) -> None:
    assert client.post("/account/keys", data={"name": name}).status_code == 422


def test_a_person_has_at_most_20_keys(client: FlaskClient, ada: int) -> None:
    statuses = [client.post("/account/keys", data={"name": str(number)}).status_code for number in range(21)]
    assert statuses == [201] * 20 + [409]


def test_nobody_else_revokes_a_key(
    client: FlaskClient, call: Call, auth: Auth, add_user: Callable[..., int]
) -> None:
    add_user("eve")
    auth.login("eve")
    assert client.post("/account/keys/1/revoke").status_code == 404
    assert "archive import" not in page(client.get("/account/keys"))
    assert call("GET", "/detections").status_code == 200


def test_the_pages_for_keys_and_webhooks_are_for_those_who_signed_in(client: FlaskClient) -> None:
    for path in ("/account/keys", "/account/webhooks", "/account/webhooks/1"):
        assert client.get(path).location == f"/login?next={path}"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer unmask_wrong", "Basic YWRhOng=", "unmask_x"]
)
def test_without_a_valid_key_nothing_is_answered(client: FlaskClient, key: str, header: str | None) -> None:
    response = client.get("/api/v1/detections", headers={} if header is None else {"Authorization": header})
    assert (response.status_code, response.mimetype) == (401, "application/problem+json")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_session_does_not_open_the_api(client: FlaskClient, ada: int) -> None:
    assert client.get("/account").status_code == 200
    assert client.get("/api/v1/detections").status_code == 401


def test_the_api_needs_no_csrf_token_and_sets_no_cookie(app: Flask, call: Call) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    response = call("POST", "/detections", headers={"Content-Type": "image/jpeg"}, data=PHOTOGRAPH)
    assert response.status_code == 201
    assert "Set-Cookie" not in response.headers


def test_the_last_use_is_noted_to_the_minute(app: Flask, call: Call) -> None:
    def last_use(*, moved_back: timedelta = timedelta()) -> Any:
        with app.app_context():
            row = db.session.query(ApiKey).one()
            if moved_back and row.last_used_at:
                row.last_used_at -= moved_back
                db.session.commit()
            return row.last_used_at

    assert last_use() is None
    call("GET", "/detections")
    noted = last_use()
    assert now() - noted < timedelta(minutes=1)
    call("GET", "/detections")
    assert last_use() == noted
    earlier = last_use(moved_back=timedelta(minutes=2))
    call("GET", "/detections")
    assert last_use() > earlier


def test_keys_go_with_their_account(client: FlaskClient, app: Flask, call: Call, auth: Auth) -> None:
    auth.login("ada")
    client.post("/account/webhooks", data={"url": "https://desk.example/hook"})
    call(
        "POST", "/detections", headers={"Content-Type": "image/jpeg", "Idempotency-Key": "1"}, data=PHOTOGRAPH
    )
    assert client.post("/account/delete", data={"confirm": PASSWORD}).status_code == 302
    assert call("GET", "/detections").status_code == 401
    with app.app_context():
        assert db.session.query(User).count() == 0


def test_each_key_has_its_own_limit_and_is_told_of_it(
    make_app: Callable[..., Flask], make_key: Callable[[str], str]
) -> None:
    ada, bob = make_key("ada"), make_key("bob")
    client = make_app(api_rate_limit="3 per minute; 100 per day").test_client()

    def ask(key: str) -> Any:
        return client.get("/api/v1/detections", headers={"Authorization": f"Bearer {key}"})

    first = ask(ada)
    assert first.headers["RateLimit-Policy"] == '"per-60-seconds";q=3;w=60, "per-86400-seconds";q=100;w=86400'
    assert re.fullmatch(
        r'"per-60-seconds";r=2;t=\d+, "per-86400-seconds";r=99;t=\d+', first.headers["RateLimit"]
    )
    assert [ask(ada).status_code for _ in range(3)] == [200, 200, 429]
    refused = ask(ada)
    assert refused.mimetype == "application/problem+json"
    assert '"per-60-seconds";r=0' in refused.headers["RateLimit"]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert ask(bob).status_code == 200


def test_each_file_of_a_batch_counts(make_app: Callable[..., Flask], key: str) -> None:
    app = make_app(api_rate_limit="5 per minute")
    with Client("http://portal.example", key, transport=httpx.WSGITransport(app)) as unmask:
        assert len(unmask.detect_many([("x", PHOTOGRAPH)] * 4)) == 4
        with pytest.raises(ApiError) as caught:
            unmask.detect_many([("x", PHOTOGRAPH)] * 2)
    assert caught.value.status == 429
    assert caught.value.retry_after
