"""Reviews: the queue of disputed verdicts, the decision, and the data set that comes of it."""

import csv
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image, ImageDraw

from portal import feedback, judging
from portal.extensions import db
from portal.models import Detection, Feedback, FeedbackStatus, User
from tests.portal.conftest import PHOTOGRAPH, drawn
from tests.support import ROOT


@pytest.fixture
def bob(add_user: Callable[..., int]) -> int:
    return add_user("bob")


def claim(app: Flask, user_id: int, data: bytes, label: str = "real", note: str = "I was there") -> int:
    with app.app_context():
        detection = judging.submit(db.session.get_one(User, user_id), "photo.jpg", data)
        detection.certainty = "low"
        return feedback.dispute(detection, label, note).id


def found(app: Flask, number: int = 1) -> Feedback:
    with app.app_context():
        entry = db.session.get_one(Feedback, number)
        db.session.expunge_all()
        return entry


def text_of(client: FlaskClient, path: str) -> str:
    return client.get(path).get_data(as_text=True)


def test_a_claim_is_reviewed_and_its_owner_keeps_it(
    app: Flask, client: FlaskClient, admin: int, bob: int
) -> None:
    claim(app, bob, PHOTOGRAPH)
    claim(app, bob, drawn("PNG"))
    assert "I was there" in text_of(client, "/admin/reviews")
    page = text_of(client, "/admin/reviews/1")
    assert "Reported as a real photograph" in page
    assert "What the file tells" in page
    response = client.post("/admin/reviews/1", data={"decision": "accept", "note": "Seen the raw file"})
    assert response.location == "/admin/reviews/2"
    assert found(app).status is FeedbackStatus.ACCEPTED
    assert (found(app).review_note, found(app).reviewer_id) == ("Seen the raw file", admin)
    assert client.post("/admin/reviews/2", data={"decision": "reject"}).location == "/admin/reviews"
    assert "I was there" not in text_of(client, "/admin/reviews")
    assert "I was there" in text_of(client, "/admin/reviews?status=accepted")
    client.post("/admin/reviews/1", data={"decision": "reject"})
    assert found(app).status is FeedbackStatus.REJECTED


@pytest.mark.parametrize("data", [{}, {"decision": "perhaps"}, {"decision": "accept", "note": "x" * 2001}])
def test_a_decision_that_is_none_is_refused(
    app: Flask, client: FlaskClient, admin: int, bob: int, data: dict[str, str]
) -> None:
    claim(app, bob, PHOTOGRAPH)
    assert client.post("/admin/reviews/1", data=data).status_code == 422
    assert found(app).status is FeedbackStatus.OPEN


def test_contradicting_claims_are_not_both_accepted(
    app: Flask, client: FlaskClient, admin: int, bob: int
) -> None:
    claim(app, bob, PHOTOGRAPH, "real")
    claim(app, admin, PHOTOGRAPH, "fake")
    client.post("/admin/reviews/1", data={"decision": "accept"})
    refused = client.post("/admin/reviews/2", data={"decision": "accept"})
    assert refused.status_code == 409
    assert "accepted already" in refused.get_data(as_text=True)
    assert found(app, 2).status is FeedbackStatus.OPEN


def test_administrators_see_disputed_images_and_no_others(
    app: Flask, client: FlaskClient, admin: int, bob: int
) -> None:
    claim(app, bob, PHOTOGRAPH)
    for kind, content_type in (
        ("image", "image/webp"),
        ("thumbnail", "image/webp"),
        ("heatmap", "image/png"),
    ):
        with client.get(f"/admin/reviews/1/{kind}") as response:
            assert (response.status_code, response.content_type) == (200, content_type)
    with app.app_context():
        feedback.withdraw(db.session.query(Detection).one())
    for kind in ("image", "thumbnail", "heatmap"):
        assert client.get(f"/admin/reviews/1/{kind}").status_code == 404
    assert client.get("/detections/1/image").status_code == 404


def test_an_unknown_review_is_not_found(client: FlaskClient, admin: int) -> None:
    assert client.get("/admin/reviews/9").status_code == 404
    assert client.get("/admin/reviews?status=nonsense").status_code == 404


def numbered(number: int) -> bytes:
    """An image that no perceptual hash takes for another one of these."""
    image = Image.new("RGB", (96, 96))
    draw = ImageDraw.Draw(image)
    for bit in range(16):
        x, y = bit % 4 * 24, bit // 4 * 24
        shade = 255 if (number * 40503 >> bit) & 1 else 0
        draw.rectangle((x, y, x + 23, y + 23), fill=(shade, shade, number * 6))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def test_accepted_images_are_a_data_set_for_training(
    app: Flask, client: FlaskClient, admin: int, bob: int, tmp_path: Path
) -> None:
    for number in range(42):
        claim(app, bob, numbered(number), "real" if number % 2 else "fake", "bob's secret")
    claim(app, admin, numbered(1), "real")  # the same image, claimed by another person
    with app.app_context():
        root = db.session.get_one(User, admin)
        for entry in db.session.query(Feedback).filter(Feedback.id <= 43):
            feedback.review(entry, root, accepted=entry.id != 42)
        db.session.commit()
    with client.post("/admin/reviews/export") as response:
        assert response.content_type == "application/zip"
        assert b"bob" not in response.data
        exported = response.data
    with zipfile.ZipFile(io.BytesIO(exported)) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode())))
        assert sorted(archive.namelist()) == sorted(["manifest.csv", *(row["file"] for row in rows)])
        assert archive.read(next(row["file"] for row in rows if row["label"] == "fake")) == numbered(0)
        archive.extractall(tmp_path / "data")
    assert [row["file"].split("/")[0] for row in rows] == [row["label"] for row in rows]
    assert [row["label"] for row in rows].count("real") == 20
    assert [row["label"] for row in rows].count("fake") == 21
    command = [sys.executable, "-m", "training", "prepare", tmp_path / "data", "--csv", tmp_path / "data.csv"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    prepared = list(csv.DictReader((tmp_path / "data.csv").read_text().splitlines()))
    assert len(prepared) == len(rows)
    assert {row["source"] for row in prepared} == {"portal-feedback"}


def test_an_image_that_its_owner_no_longer_keeps_is_left_out(
    app: Flask, client: FlaskClient, admin: int, bob: int, tmp_path: Path
) -> None:
    for data in (PHOTOGRAPH, drawn("PNG")):
        client.post(f"/admin/reviews/{claim(app, bob, data)}", data={"decision": "accept"})
    with app.app_context():
        judging.forget_image(1, db.session.get_one(Detection, 1).sha256)
        db.session.commit()
    result = app.test_cli_runner().invoke(args=["reviews", "export", str(tmp_path / "set.zip")])
    assert "images: 1" in result.output
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        assert len(archive.namelist()) == 2
    assert client.get("/admin/reviews/1/image").status_code == 404
    assert "no longer stored" in text_of(client, "/admin/reviews/1")
    assert "The image is not stored" in text_of(client, "/admin/reviews?status=accepted")


def test_a_file_that_cannot_be_written_is_explained(app: Flask, tmp_path: Path) -> None:
    result = app.test_cli_runner().invoke(args=["reviews", "export", str(tmp_path / "none/set.zip")])
    assert result.exit_code == 1
    assert "none/set.zip cannot be written: No such file or directory." in result.output
