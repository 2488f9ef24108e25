"""Uploads and verdicts: what a person sees, in success and in each failure."""

import io
import struct
import zlib
from collections.abc import Callable
from html import unescape

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from portal.extensions import db
from portal.formats import file_size, percent
from portal.models import Detection, Status
from portal.worker import judge_next
from tests.portal.conftest import (
    PHOTOGRAPH,
    VERDICT,
    FakeServing,
    detection,
    drawn,
    make_due,
    signed_in,
    stored,
    upload,
)


def show(client: FlaskClient, number: int = 1) -> str:
    return unescape(client.get(f"/detections/{number}").get_data(as_text=True))


def bomb() -> bytes:
    """A PNG of some bytes whose header announces 30,000 x 30,000 pixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    pack = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(pack)


def too_wide() -> bytes:
    data = io.BytesIO()
    Image.new("L", (1001, 1000)).save(data, "PNG")
    return data.getvalue()


def test_an_upload_gets_its_verdict(app: Flask, client: FlaskClient, ada: int, serving: FakeServing) -> None:
    response = upload(client, name="evidence.jpg")
    assert (response.status_code, response.location) == (303, "/detections/1")
    text = show(client)
    for words in (
        "Likely fake",
        "97 %",
        "3 %",
        "High certainty",
        "evidence.jpg",
        "640 \u00d7 427",
        "version 1.0",
    ):
        assert words in text
    assert serving.judged == [PHOTOGRAPH]
    assert app.extensions["storage"].read(stored(app)[0]) == PHOTOGRAPH


@pytest.mark.parametrize(
    ("label", "probability", "certainty", "words"),
    [
        ("fake", 0.02, "high", "Likely fake"),
        ("real", 0.85, "moderate", "Likely real"),
        ("real", 0.55, "low", "Uncertain"),
        ("fake", 0.45, "low", "Uncertain"),
    ],
)
def test_the_verdict_is_put_into_words(
    client: FlaskClient,
    ada: int,
    serving: FakeServing,
    label: str,
    probability: float,
    certainty: str,
    words: str,
) -> None:
    verdict = VERDICT | {"label": label, "probability_real": probability, "certainty": certainty}
    serving.answer = lambda _: httpx.Response(200, json=verdict)
    upload(client)
    assert f"</svg>{words}</h1>" in show(client)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "JPEG2000"])
def test_every_format_that_the_page_names_is_judged_and_shown(
    app: Flask, client: FlaskClient, ada: int, kind: str
) -> None:
    assert upload(client, drawn(kind)).status_code == 303
    assert detection(app).status is Status.DONE
    with client.get("/detections/1/image") as response:
        assert Image.open(io.BytesIO(response.data)).size == (120, 90)


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        pytest.param(b"", 422, "This file is empty.", id="empty"),
        pytest.param(b"%PDF-1.7 not an image", 422, "This is not an image", id="other file"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "This is not an image", id="svg"),
        pytest.param(PHOTOGRAPH[:50_000], 422, "This image is damaged", id="cut short"),
        pytest.param(drawn("PNG")[:-30] + b"x" * 30, 422, "This image is damaged", id="changed bytes"),
        pytest.param(bomb(), 413, "the limit is 1 megapixel. ", id="bomb"),
        pytest.param(too_wide(), 413, "the limit is 1 megapixel. ", id="too many pixels"),
        pytest.param(b"\xff" * 300_001, 413, "The limit is 300 kB", id="too many bytes"),
        pytest.param(b"\xff" * 450_000, 413, "The limit is 300 kB", id="far too many bytes"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    app: Flask,
    client: FlaskClient,
    ada: int,
    serving: FakeServing,
    data: bytes,
    status: int,
    message: str,
) -> None:
    response = upload(client, data)
    assert response.status_code == status
    assert message in unescape(response.get_data(as_text=True))
    assert stored(app) == []
    assert serving.judged == []
    with app.app_context():
        assert db.session.query(Detection).count() == 0


def test_no_file_is_refused(client: FlaskClient, ada: int) -> None:
    response = client.post("/detections", data={})
    assert response.status_code == 422
    assert "Choose an image first." in response.get_data(as_text=True)


def test_visitors_cannot_upload(app: Flask, client: FlaskClient) -> None:
    assert upload(client).location == "/login"
    assert stored(app) == []


@pytest.mark.parametrize("status", [404, 502, 503, 504, 507])
def test_an_upload_waits_while_serving_is_down_or_full_and_completes_by_itself(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing, status: int
) -> None:
    serving.fail(status)
    assert upload(client).status_code == 303
    assert "Your image is stored, and will be judged" in show(client)
    assert '<noscript><meta http-equiv="refresh"' in show(client)
    assert client.get("/detections/1", headers={"Accept": "application/json"}).json["state"] == "pending"

    assert detection(app).next_attempt_at > detection(app).created_at
    serving.recover()
    make_due(app)
    with app.app_context():
        assert judge_next()
    assert "Likely fake" in show(client)
    assert client.get("/detections/1", headers={"Accept": "application/json"}).json["state"] == "done"


def test_an_image_that_the_model_refuses_is_failed_with_its_reason(
    client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    serving.fail(400, "BadImage", "The image cannot be decoded: broken marker.")
    upload(client)
    text = show(client)
    assert "Not judged" in text
    assert "The image cannot be decoded: broken marker." in text


def test_an_answer_outside_the_contract_is_failed_logged_and_can_be_tried_again(
    client: FlaskClient, ada: int, serving: FakeServing, caplog: pytest.LogCaptureFixture
) -> None:
    serving.answer = lambda _: httpx.Response(200, json={"label": "perhaps"})
    upload(client)
    assert "the portal does not understand" in show(client)
    assert "BadAnswer" in caplog.text
    serving.recover()
    assert client.post("/detections/1/retry").status_code == 303
    assert "Likely fake" in show(client)


def test_a_verdict_is_not_judged_again(client: FlaskClient, ada: int, serving: FakeServing) -> None:
    upload(client)
    client.post("/detections/1/retry")
    assert len(serving.judged) == 1


@pytest.mark.parametrize("path", ["", "/image", "/thumbnail", "/heatmap"])
def test_nobody_else_sees_an_image(
    app: Flask, client: FlaskClient, ada: int, add_user: Callable[..., int], path: str
) -> None:
    upload(client)
    with client.get(f"/detections/1{path}") as response:
        assert response.status_code == 200
    assert app.test_client().get(f"/detections/1{path}").status_code == 302
    add_user("root", is_admin=True)
    other = signed_in(app, "root")
    assert other.get(f"/detections/1{path}").status_code == 404


@pytest.mark.parametrize("action", ["delete", "retry"])
def test_nobody_else_changes_a_detection(
    app: Flask, client: FlaskClient, ada: int, add_user: Callable[..., int], action: str
) -> None:
    upload(client)
    add_user("bob")
    other = signed_in(app, "bob")
    assert other.post(f"/detections/1/{action}").status_code == 404
    assert detection(app).status is Status.DONE


def test_pictures_are_remade_and_carry_nothing_of_the_file(client: FlaskClient, ada: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "SECRET CAMERA"
    upload(client, drawn("JPEG", exif=exif))
    with client.get("/detections/1/image") as response:
        assert response.mimetype == "image/webp"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "private" in response.headers["Cache-Control"]
        assert b"SECRET CAMERA" not in response.data
        assert Image.open(io.BytesIO(response.data)).size == (90, 120)


def test_the_heatmap_is_transparent_where_nothing_counted(client: FlaskClient, ada: int) -> None:
    upload(client)
    picture = Image.open(io.BytesIO(client.get("/detections/1/heatmap").data)).convert("RGBA")
    right, bottom = picture.width - 1, picture.height - 1
    assert picture.getpixel((0, 0))[3] == 0  # type: ignore[index]
    assert picture.getpixel((0, bottom))[3] > picture.getpixel((right, bottom))[3]  # type: ignore[index,operator]


def test_deleting_removes_the_file_when_nobody_needs_it_any_more(
    app: Flask, client: FlaskClient, ada: int, add_user: Callable[..., int]
) -> None:
    add_user("bob")
    other = signed_in(app, "bob")
    upload(client)
    upload(other)
    assert len(stored(app)) == 1
    client.get("/detections/1/thumbnail").close()
    client.post("/detections/1/delete")
    assert len(stored(app)) == 1
    other.get("/detections/2/thumbnail").close()
    other.post("/detections/2/delete")
    assert [path for path in app.extensions["storage"].folder.rglob("*") if path.is_file()] == []
    assert client.get("/detections/2").status_code == 404


def test_the_file_name_is_shown_and_nothing_else(app: Flask, client: FlaskClient, ada: int) -> None:
    upload(client, name="../../<script>alert(1)</script>.jpg")
    text = client.get("/detections/1").get_data(as_text=True)
    assert "<script>alert" not in text
    assert stored(app) == [detection(app).sha256]
    upload(client, drawn("JPEG"), name="/pictures/face.jpg")
    assert detection(app, 2).filename == "face.jpg"


@pytest.mark.parametrize("path", ["", "/image", "/report", "/report.pdf", "/shares"])
def test_an_id_larger_than_the_database_counts_is_not_found(client: FlaskClient, ada: int, path: str) -> None:
    assert client.get(f"/detections/{10**20}{path}").status_code == 404


def test_history_is_paged_newest_first(client: FlaskClient, ada: int, serving: FakeServing) -> None:
    for number in range(13):
        upload(client, drawn("PNG", number), name=f"picture-{number}.png")
    first, second = (client.get(f"/detections?page={page}").get_data(as_text=True) for page in (1, 2))
    assert first.index("picture-12.png") < first.index("picture-1.png")
    assert "picture-0.png" not in first
    assert "picture-0.png" in second
    assert client.get("/detections?page=3").status_code == 404


def test_an_empty_history_leads_to_the_first_upload(client: FlaskClient, ada: int) -> None:
    assert "No images yet" in client.get("/detections").get_data(as_text=True)


def test_history_says_how_many_wait(client: FlaskClient, ada: int, serving: FakeServing) -> None:
    serving.fail(503)
    upload(client)
    assert client.get("/detections", headers={"Accept": "application/json"}).json == {"state": "1"}
    assert 'data-poll-while="1"' in client.get("/detections").get_data(as_text=True)


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "0 %"), (0.0004, "under 1 %"), (0.5, "50 %"), (0.9996, "over 99 %"), (1.0, "100 %")],
)
def test_a_probability_is_never_rounded_to_certainty(probability: float, words: str) -> None:
    assert percent(probability) == words


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (999, "999 bytes"), (143_205, "143 kB"), (20_000_000, "20 MB")]
)
def test_sizes_are_written_for_people(size: int, words: str) -> None:
    assert file_size(size) == words
