"""Sending images: several at once, again, and by address; as pages and as JSON."""

import io
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal import create_app
from portal.config import Settings
from portal.extensions import db
from portal.models import Detection, Status
from portal.worker import judge_next
from tests.portal.conftest import PHOTOGRAPH, FakeServing, detection, drawn, signed_in, stored, upload
from tests.portal.web import Web, local_web

JSON = {"Accept": "application/json"}


def send(client: FlaskClient, *files: tuple[bytes, str], **options: Any) -> TestResponse:
    data = {"image": [(io.BytesIO(content), name) for content, name in files]}
    return client.post("/detections", data=data, **options)


def count(app: Flask) -> int:
    with app.app_context():
        return db.session.query(Detection).count()


def history(client: FlaskClient) -> str:
    return unescape(client.get("/detections").get_data(as_text=True))


def test_many_files_are_taken_at_once_and_judged_by_the_worker(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    files = [(drawn("PNG", number), f"{number}.png") for number in range(5)]
    response = send(client, *files)
    assert (response.status_code, response.location) == (303, "/detections")
    assert serving.judged == []
    assert "Images taken: 5." in history(client)
    with app.app_context():
        while judge_next():
            pass
        assert {each.status for each in db.session.query(Detection)} == {Status.DONE}
    assert len(serving.judged) == 5


def test_of_many_files_the_bad_ones_are_refused_by_name(app: Flask, client: FlaskClient, ada: int) -> None:
    send(client, (drawn("PNG"), "good.png"), (b"%PDF", "paper.pdf"), (b"\xff" * 300_001, "huge.jpg"))
    text = history(client)
    assert "paper.pdf: This is not an image" in text
    assert "huge.jpg: This file is too large. The limit is 300 kB" in text
    assert count(app) == 1


def test_if_none_of_many_files_is_good_the_page_stays(app: Flask, client: FlaskClient, ada: int) -> None:
    response = send(client, (b"%PDF", "paper.pdf"), (b"", "empty.png"))
    assert response.status_code == 422
    assert count(app) == 0


def test_many_files_may_be_more_than_one_file_may_be(
    make_app: Callable[..., Flask], add_user: Callable[..., int]
) -> None:
    add_user("ada")
    client = signed_in(make_app(max_batch_bytes=450_000), "ada")
    files = [(drawn("BMP", number), f"{number}.bmp") for number in range(12)]
    assert send(client, *files).status_code == 303
    assert send(client, *files, *files[:3]).status_code == 413
    visitor = make_app(max_batch_bytes=9_000_000).test_client()
    assert send(visitor, *files).status_code in (302, 413)


def test_a_script_gets_the_verdict_as_json(client: FlaskClient, ada: int) -> None:
    response = send(client, (PHOTOGRAPH, "photo.jpg"), headers=JSON)
    answer = response.json
    assert response.status_code == 201
    assert (answer["url"], answer["kind"], answer["title"]) == ("/detections/1", "fake", "Likely fake")
    assert not answer["known"]


@pytest.mark.parametrize(
    ("data", "status", "detail"),
    [
        (b"%PDF", 422, "This is not an image"),
        (PHOTOGRAPH[:50_000], 422, "This image is damaged"),
        (b"\xff" * 300_001, 413, "The limit is 300 kB"),
    ],
)
def test_a_script_learns_why_an_image_is_refused(
    client: FlaskClient, ada: int, data: bytes, status: int, detail: str
) -> None:
    response = send(client, (data, "x.jpg"), headers=JSON)
    assert response.status_code == status
    assert detail in response.json["detail"]


def test_the_same_image_again_shows_the_earlier_verdict(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    upload(client)
    response = upload(client, name="copy.jpg")
    assert response.location == "/detections/1"
    assert "You checked this very image before" in unescape(
        client.get("/detections/1").get_data(as_text=True)
    )
    again = send(client, (PHOTOGRAPH, "photo.jpg"), headers=JSON)
    assert (again.status_code, again.json["known"]) == (200, True)
    assert (count(app), len(serving.judged)) == (1, 1)


def test_it_is_judged_anew_by_another_version_of_the_model(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    upload(client)
    serving.use_version("2.0")
    assert upload(client).location == "/detections/2"
    assert [detection(app, number).model_version for number in (1, 2)] == ["1.0", "2.0"]
    page = client.get("/detections/1").get_data(as_text=True)
    assert 'href="/detections/2"' in page
    assert "Version 2.0 of the model is in service now" in unescape(page)
    assert client.post("/detections/1/again").location == "/detections/3"
    assert detection(app, 3).model_version == "2.0"


def test_after_a_roll_back_the_verdicts_by_the_other_version_are_the_outdated_ones(
    client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    for number, version in enumerate(("1.0", "2.0", "1.0"), 1):
        serving.use_version(version)
        upload(client, drawn("PNG", number))
    texts = [unescape(client.get(f"/detections/{number}").get_data(as_text=True)) for number in (1, 2)]
    assert "of the model is in service now" not in texts[0]
    assert "Version 1.0 of the model is in service now" in texts[1]


def test_while_serving_is_down_an_earlier_verdict_is_shown(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    upload(client)
    serving.key_file.unlink()
    assert upload(client).location == "/detections/1"


def test_another_users_verdict_is_not_given_away(
    app: Flask, client: FlaskClient, ada: int, add_user: Callable[..., int]
) -> None:
    upload(client)
    add_user("bob")
    other = signed_in(app, "bob")
    assert upload(other).location == "/detections/2"


def test_an_image_that_failed_is_judged_again(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    serving.fail(400, "BadImage", "no")
    upload(client)
    serving.recover()
    assert upload(client).location == "/detections/2"


@pytest.fixture
def web() -> Iterator[Web]:
    with local_web() as served:
        served.page("/news/photo.jpg", PHOTOGRAPH)
        yield served


@pytest.fixture
def surfer(settings: Settings, serving: FakeServing, web: Web, ada: int) -> Iterator[FlaskClient]:
    """Ada's browser, on a portal whose internet is `web`."""
    app = create_app(settings, serving.transport, web.network)
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    client = signed_in(app, "ada")
    yield client
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_an_image_is_fetched_by_its_address_and_judged(app: Flask, surfer: FlaskClient) -> None:
    response = surfer.post("/detections/url", data={"url": "http://example.test/news/photo.jpg"})
    assert (response.status_code, response.location) == (303, "/detections/1")
    found = detection(app)
    assert (found.filename, found.source_url) == ("photo.jpg", "http://example.test/news/photo.jpg")
    assert "http://example.test/news/photo.jpg" in surfer.get("/detections/1").get_data(as_text=True)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1/photo.jpg", "not a public address"),
        ("http://example.test:8081/models", "Port 8081 is not allowed"),
        ("http://example.test/large.jpg", "The limit is 300 kB"),
        ("http://example.test/text.txt", "This is not an image"),
        ("", "Enter the address of an image first."),
    ],
)
def test_what_cannot_be_fetched_is_refused_with_its_reason(
    app: Flask, surfer: FlaskClient, web: Web, url: str, message: str
) -> None:
    web.page("/large.jpg", b"x" * 300_001)
    web.page("/text.txt", b"just text")
    response = surfer.post("/detections/url", data={"url": url})
    assert response.status_code in (413, 422)
    text = unescape(response.get_data(as_text=True))
    assert message in text
    assert f'value="{url}"' in text
    answer = surfer.post("/detections/url", data={"url": url}, headers=JSON)
    assert message in answer.json["detail"]  # type: ignore[index]
    assert stored(app) == []


def test_fetching_can_be_switched_off(make_app: Callable[..., Flask], ada: int) -> None:
    client = signed_in(make_app(fetch_by_url=False), "ada")
    assert "address of an image" not in client.get("/").get_data(as_text=True)
    assert client.post("/detections/url", data={"url": "http://example.org/"}).status_code == 404


def test_a_user_fetches_only_so_many(make_app: Callable[..., Flask], ada: int) -> None:
    client = signed_in(make_app(fetch_rate_limit="2 per minute"), "ada")
    statuses = [client.post("/detections/url", data={"url": "x"}).status_code for _ in range(3)]
    assert statuses == [422, 422, 429]


def test_visitors_fetch_nothing(client: FlaskClient) -> None:
    assert client.post("/detections/url", data={"url": "http://example.org/"}).status_code == 302
