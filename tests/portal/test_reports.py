"""Reports: the page, the PDF, and links that others can read until they expire or are revoked."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.extensions import db
from portal.models import Detection, Share, now
from tests.portal.conftest import CARD, FakeServing, pdf_text, signed_in, upload

MEASURED = {
    "val": {
        "overall": {
            "images": {"real": 100, "fake": 100},
            "accuracy_real": 0.81,
            "accuracy_fake": 0.77,
            "roc_auc": 0.865,
        }
    }
}


def page(client: FlaskClient, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return unescape(response.get_data(as_text=True))


def share(client: FlaskClient, days: str = "7") -> str:
    """Make a link to the report of detection 1; returns its path."""
    response = client.post("/detections/1/shares", data={"days": days})
    assert response.status_code == 201
    found = re.search(r">http://[^/<]+(/shared/[^<]+)<", response.get_data(as_text=True))
    assert found
    return found[1]


def test_the_report_holds_all_that_is_known(client: FlaskClient, ada: int, serving: FakeServing) -> None:
    serving.card = CARD | {"metrics": MEASURED, "weights_sha256": "ab" * 32}
    upload(client, name="evidence.jpg")
    client.post("/detections/1/note", data={"note": "Sent by a reader."})
    text = page(client, "/detections/1/report")
    for words in (
        *("evidence.jpg", "Likely fake", "97 %", "wrong in about 4 of 100", "version 1.0"),
        *("ab" * 32, "81 %", "0.865", "Sent by a reader.", "It is no proof", "No Content Credentials"),
        *('src="/detections/1/image"', 'src="/detections/1/heatmap"'),
    ):
        assert words in text
    assert re.search(r'class="hash">[0-9a-f]{64}<', text)


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("en", ["Validation images", "Test set dfdc"]),
        ("de", ["Validierungsbilder", "Testsatz dfdc"]),
        ("fr", ["Images de validation", "Jeu de test dfdc"]),
        ("es", ["Imágenes de validación", "Conjunto de prueba dfdc"]),
    ],
)
def test_the_report_names_the_measured_images_in_words(
    client: FlaskClient, ada: int, serving: FakeServing, language: str, names: list[str]
) -> None:
    serving.card = CARD | {"metrics": MEASURED | {"test/dfdc": MEASURED["val"]}}
    upload(client)
    client.set_cookie("language", language)
    text, pdf = page(client, "/detections/1/report"), pdf_text(client.get("/detections/1/report.pdf").data)
    for name in names:
        assert name in text
        assert name in pdf
    assert "test/dfdc" not in text + pdf


def test_the_report_is_a_pdf_too(client: FlaskClient, ada: int) -> None:
    upload(client, name="Снимок “1”.jpg")
    response = client.get("/detections/1/report.pdf")
    assert response.mimetype == "application/pdf"
    assert response.data.startswith(b"%PDF-")
    assert response.data.count(b"/Subtype /Image") >= 2


def test_no_figure_is_broken_between_lines_of_the_pdf(
    client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    # As long as a line, so that its end goes to the next one.
    overall = {
        "images": {"real": 1125, "fake": 1126},
        "accuracy_real": 0.8104,
        "accuracy_fake": 0.7842,
        "roc_auc": 0.8832,
    }
    serving.card = CARD | {"metrics": {"val": {"overall": overall}}}
    upload(client)
    assert "0.883" in pdf_text(client.get("/detections/1/report.pdf").data)


def test_without_the_models_card_there_is_a_report_still(
    client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    serving.card = {}
    upload(client)
    assert "The figures of this version are not known" in page(client, "/detections/1/report")
    assert client.get("/detections/1/report.pdf").status_code == 200
    assert "of 100 such cases" not in page(client, "/detections/1")


@pytest.mark.parametrize("path", ["report", "report.pdf", "shares"])
def test_before_the_verdict_there_is_nothing_to_report(
    client: FlaskClient, ada: int, serving: FakeServing, path: str
) -> None:
    serving.fail(503)
    upload(client)
    assert client.get(f"/detections/1/{path}").status_code == 409


@pytest.mark.parametrize("path", ["report", "report.pdf", "shares"])
def test_nobody_else_reads_or_shares_a_report(
    app: Flask, client: FlaskClient, ada: int, add_user: Callable[..., int], path: str
) -> None:
    upload(client)
    add_user("bob")
    other = signed_in(app, "bob")
    assert other.get(f"/detections/1/{path}").status_code == 404
    assert other.post("/detections/1/shares", data={"days": "7"}).status_code == 404
    assert app.test_client().get(f"/detections/1/{path}").status_code == 302


def test_whoever_has_the_link_reads_the_report(app: Flask, client: FlaskClient, ada: int) -> None:
    upload(client, name="evidence.jpg")
    client.post("/detections/1/note", data={"note": "My source is Bob."})
    link = share(client)
    visitor = app.test_client()
    text = page(visitor, link)
    assert "evidence.jpg" in text
    assert "Likely fake" in text
    assert "Bob" not in text
    assert "/detections/1" not in text
    for part, kind in (("image", "image/webp"), ("heatmap", "image/png"), ("report.pdf", "application/pdf")):
        with visitor.get(f"{link}/{part}") as response:
            assert (response.status_code, response.mimetype) == (200, kind)
            assert "noindex" in response.headers["X-Robots-Tag"]
            assert response.headers["Cache-Control"] == "no-store"
    response = visitor.get(link)
    assert "noindex" in response.headers["X-Robots-Tag"]
    assert response.headers["Referrer-Policy"] == "same-origin"


def test_only_the_owners_pdf_has_the_note_and_the_source(app: Flask, client: FlaskClient, ada: int) -> None:
    upload(client)
    client.post("/detections/1/note", data={"note": "My source is Bob."})
    with app.app_context():
        db.session.get_one(Detection, 1).source_url = "http://example.test/secret.jpg"
        db.session.commit()
    own = pdf_text(client.get("/detections/1/report.pdf").data)
    shared = pdf_text(app.test_client().get(f"{share(client)}/report.pdf").data)
    for words in ("Bob", "secret.jpg"):
        assert words in own
        assert words not in shared


def test_the_link_is_kept_nowhere(app: Flask, client: FlaskClient, ada: int) -> None:
    upload(client)
    token = share(client).rsplit("/", 1)[1]
    assert len(token) >= 43
    with app.app_context():
        assert token not in db.session.query(Share).one().token_hash
    assert token not in client.get("/detections/1/shares").get_data(as_text=True)


@pytest.mark.parametrize("part", ["", "/image", "/heatmap", "/report.pdf"])
def test_a_link_ends(app: Flask, client: FlaskClient, ada: int, part: str) -> None:
    upload(client)
    first, second, third = share(client, "1"), share(client, "0"), share(client)
    visitor = app.test_client()
    with app.app_context():
        db.session.query(Share).filter_by(id=1).one().expires_at = now() - timedelta(seconds=1)
        assert db.session.query(Share).filter_by(id=2).one().expires_at is None
        db.session.commit()
    assert visitor.get(first + part).status_code == 404
    visitor.get(second + part).close()
    client.post("/detections/1/shares/2/revoke")
    assert visitor.get(second + part).status_code == 404
    with visitor.get(third + part) as response:
        assert response.status_code == 200
    client.post("/detections/1/delete")
    assert visitor.get(third + part).status_code == 404
    assert visitor.get("/shared/invented" + part).status_code == 404


def test_only_the_owner_revokes_a_link(
    app: Flask, client: FlaskClient, ada: int, add_user: Callable[..., int]
) -> None:
    upload(client)
    link = share(client)
    add_user("bob")
    other = signed_in(app, "bob")
    upload(other)
    assert other.post("/detections/1/shares/1/revoke").status_code == 404
    assert other.post("/detections/2/shares/1/revoke").status_code == 404
    assert app.test_client().get(link).status_code == 200


def test_a_link_needs_one_of_the_times_offered(client: FlaskClient, ada: int) -> None:
    upload(client)
    assert client.post("/detections/1/shares", data={"days": "100000"}).status_code == 422


@pytest.mark.parametrize(
    ("certainty", "error", "words"),
    [
        ("high", 0.04, "wrong in about 4 of 100 such cases"),
        ("moderate", 0.17, "wrong in about 17 of 100 such cases"),
        ("high", 0.0, "wrong in fewer than 1 of 100 such cases"),
    ],
)
def test_the_verdict_says_how_often_such_verdicts_were_wrong(
    client: FlaskClient, ada: int, serving: FakeServing, certainty: str, error: float, words: str
) -> None:
    level = {"name": certainty, "confidence_from": 0.5, "observed_error": error}
    serving.card = CARD | {"certainty": [level]}
    given = serving.answer
    serving.answer = lambda request: httpx.Response(
        200, json=given(request).json() | {"certainty": certainty}
    )
    upload(client)
    assert words in page(client, "/detections/1")


def test_a_dispute_is_made_shown_and_withdrawn(client: FlaskClient, ada: int) -> None:
    upload(client)
    assert client.post("/detections/1/dispute", data={}).status_code == 422
    assert client.post("/detections/1/dispute", data={"label": "fake"}).status_code == 409
    assert client.post("/detections/1/dispute", data={"label": "real", "reason": "mine"}).status_code == 303
    text = page(client, "/detections/1")
    assert "You said: this is real" in text
    assert "An administrator has not looked at it yet." in text
    client.post("/detections/1/withdraw")
    assert "This is wrong" in page(client, "/detections/1")


def test_a_note_is_kept_and_can_be_removed(client: FlaskClient, ada: int) -> None:
    upload(client)
    client.post("/detections/1/note", data={"note": "<b>Ask the agency</b>"})
    assert "<b>Ask the agency</b></textarea>" in page(client, "/detections/1")
    assert "<b>Ask" not in client.get("/detections/1").get_data(as_text=True)
    assert client.post("/detections/1/note", data={"note": "x" * 2001}).status_code == 422
    client.post("/detections/1/note", data={"note": ""})
    assert "Ask the agency" not in page(client, "/detections/1")
