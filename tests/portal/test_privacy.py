"""How long images are kept, what deletion deletes, and the copy of one's data."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal import retention
from portal.extensions import db
from portal.models import Detection, Share, Status, now
from portal.worker import judge_next
from tests.portal.conftest import (
    PHOTOGRAPH,
    FakeServing,
    detection,
    drawn,
    make_due,
    signed_in,
    stored,
    upload,
)


def choose(client: FlaskClient, days: str) -> int:
    return client.post("/account/privacy", data={"days": days}).status_code


def age(app: Flask, number: int, days: float) -> None:
    with app.app_context():
        db.session.query(Detection).filter_by(id=number).one().created_at = now() - timedelta(days=days)
        db.session.commit()


def enforce(app: Flask) -> int:
    with app.app_context():
        return retention.enforce()


def test_images_are_kept_unless_one_chooses_otherwise(app: Flask, client: FlaskClient, ada: int) -> None:
    upload(client)
    age(app, 1, 5000)
    assert enforce(app) == 0
    assert len(stored(app)) == 1


def test_after_the_chosen_time_image_and_verdict_are_deleted(
    app: Flask, client: FlaskClient, ada: int
) -> None:
    assert choose(client, "7") == 303
    upload(client, PHOTOGRAPH)
    upload(client, drawn("PNG"))
    client.get("/detections/1/thumbnail").close()
    age(app, 1, 7.01)
    age(app, 2, 6.99)
    assert enforce(app) == 1
    assert client.get("/detections/1").status_code == 404
    assert client.get("/detections/2").status_code == 200
    assert stored(app) == [detection(app, 2).sha256]


def test_the_verdict_says_until_when_it_is_kept(client: FlaskClient, ada: int) -> None:
    upload(client)
    for days, says in (("keep", False), ("7", True), ("0", False)):
        choose(client, days)
        html = client.get("/detections/1").get_data(as_text=True)
        assert ("Kept until" in html) == says
        assert (f"{now() + timedelta(days=7):%Y-%m-%d}" in html) == says


def test_only_those_who_chose_it_lose_their_images(
    app: Flask, client: FlaskClient, ada: int, add_user: Callable[..., int]
) -> None:
    choose(client, "1")
    upload(client)
    add_user("bob")
    other = signed_in(app, "bob")
    upload(other)
    for number in (1, 2):
        age(app, number, 30)
    assert enforce(app) == 1
    with other.get("/detections/2/image") as response:
        assert response.status_code == 200


def test_an_image_need_not_be_stored_at_all(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    choose(client, "0")
    upload(client, name="secret.jpg")
    assert serving.judged == [PHOTOGRAPH]
    assert [path for path in app.extensions["storage"].folder.rglob("*") if path.is_file()] == []
    text = client.get("/detections/1").get_data(as_text=True)
    assert "Likely fake" in text
    assert "No Content Credentials" in text
    assert "The image was deleted after it was judged" in text
    assert client.get("/detections/1/image").status_code == 404
    assert client.get("/detections/1/thumbnail").status_code == 404
    assert client.post("/detections/1/again").status_code == 409
    assert "The image is not stored" in client.get("/detections").get_data(as_text=True)
    assert client.get("/detections/1/report").status_code == 200
    assert client.get("/detections/1/report.pdf").status_code == 200
    assert upload(client).location == "/detections/1"


def test_an_image_that_waits_is_stored_until_it_is_judged(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    choose(client, "0")
    serving.fail(503)
    upload(client)
    assert len(stored(app)) == 1
    serving.recover()
    make_due(app)
    with app.app_context():
        judge_next()
    assert detection(app).status is Status.DONE
    assert stored(app) == []


def test_choosing_not_to_store_deletes_what_is_stored(app: Flask, client: FlaskClient, ada: int) -> None:
    upload(client)
    assert len(stored(app)) == 1
    choose(client, "0")
    assert stored(app) == []
    assert "Likely fake" in client.get("/detections/1").get_data(as_text=True)


def test_an_image_stays_while_somebody_else_keeps_it(
    app: Flask, client: FlaskClient, ada: int, add_user: Callable[..., int]
) -> None:
    upload(client)
    add_user("bob")
    other = signed_in(app, "bob")
    choose(other, "0")
    upload(other)
    assert len(stored(app)) == 1
    client.post("/detections/1/delete")
    assert stored(app) == []
    assert "Likely fake" in other.get("/detections/2").get_data(as_text=True)


def test_who_keeps_images_again_gets_the_next_one_stored(app: Flask, client: FlaskClient, ada: int) -> None:
    choose(client, "0")
    upload(client)
    choose(client, "keep")
    assert upload(client).location == "/detections/2"
    assert len(stored(app)) == 1


@pytest.mark.parametrize("days", ["", "-1", "5", "forever"])
def test_only_what_is_offered_can_be_chosen(client: FlaskClient, ada: int, days: str) -> None:
    assert choose(client, days) == 422


def test_expired_links_are_forgotten(app: Flask, client: FlaskClient, ada: int) -> None:
    upload(client)
    client.post("/detections/1/shares", data={"days": "1"})
    client.post("/detections/1/shares", data={"days": "0"})
    with app.app_context():
        db.session.query(Share).filter_by(id=1).one().expires_at = now()
        db.session.commit()
        retention.enforce()
        assert [share.id for share in db.session.query(Share)] == [2]


def test_one_takes_along_all_that_is_kept(
    app: Flask, client: FlaskClient, ada: int, add_user: Callable[..., int]
) -> None:
    upload(client, name="photo.jpg")
    upload(client, drawn("PNG"), name="drawing.png")
    client.post("/detections/1/note", data={"note": "Ask the agency"})
    add_user("bob")
    other = signed_in(app, "bob")
    upload(other, drawn("GIF"), name="bobs.gif")
    with client.post("/account/export") as response:
        archive = zipfile.ZipFile(io.BytesIO(response.data))
    assert json.loads(archive.read("account.json"))["name"] == "ada"
    lines = json.loads(archive.read("detections.json"))
    assert all(entry.date_time[0] > 2000 for entry in archive.infolist())
    assert [(line["filename"], line["note"]) for line in lines] == [
        ("photo.jpg", "Ask the agency"),
        ("drawing.png", ""),
    ]
    images = [name for name in archive.namelist() if name.startswith("images/")]
    assert len(images) == 2
    assert archive.read(f"images/{lines[0]['sha256']}.jpg") == PHOTOGRAPH


def test_visitors_have_no_data(client: FlaskClient) -> None:
    assert client.get("/account/privacy").status_code == 302
    assert client.post("/account/export").status_code == 302
