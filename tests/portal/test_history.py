"""Looking back: search, order, selection, deletion and export."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal import paging
from portal.extensions import db
from portal.models import Detection, Image, Status
from tests.portal.conftest import drawn, signed_in, stored, upload

# Name, probability of being real, certainty, status, day of March 2026, note.
ROWS = [
    ("Berlin.jpg", 0.05, "high", Status.DONE, 1, ""),
    ("paris.jpg", 0.95, "high", Status.DONE, 2, "sent by a reader"),
    ("rome_50%.jpg", 0.55, "low", Status.DONE, 3, ""),
    ("oslo.jpg", 0.25, "moderate", Status.DONE, 4, "=1+1"),
    ("bern.jpg", None, None, Status.PENDING, 5, ""),
    ("bonn.jpg", None, None, Status.FAILED, 6, ""),
]


@pytest.fixture
def past(app: Flask, ada: int) -> None:
    """Detections of every kind."""
    with app.app_context():
        for number, (name, real, certainty, status, day, note) in enumerate(ROWS):
            sha256 = f"{number:064x}"
            db.session.add(Image(sha256=sha256, format="JPEG", width=640, height=480, size_bytes=1000))
            db.session.flush()
            db.session.add(
                Detection(
                    user_id=ada,
                    sha256=sha256,
                    filename=name,
                    status=status,
                    created_at=datetime(2026, 3, day, 12, tzinfo=UTC),
                    judged_at=datetime(2026, 3, day, 12, tzinfo=UTC),
                    label=None if real is None else "real" if real >= 0.5 else "fake",
                    probability_real=real,
                    confidence=None if real is None else max(real, 1 - real),
                    certainty=certainty,
                    model="deepfake" if real is not None else None,
                    model_version="1.0" if real is not None else None,
                    note=note,
                )
            )
        db.session.commit()


def names(client: FlaskClient, query: str) -> list[str]:
    text = client.get(f"/detections?{query}").get_data(as_text=True)
    return [unescape(name) for name in re.findall(r'class="card-name">([^<]+)<', text)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["bonn", "bern", "oslo", "rome_50%", "paris", "Berlin"]),
        ("q=BER", ["bern", "Berlin"]),
        ("q=_50%25", ["rome_50%"]),
        ("q=%25", ["rome_50%"]),
        ("q=reader", ["paris"]),
        (f"q={1:064x}", ["paris"]),
        ("q=nothing", []),
        ("verdict=fake", ["oslo", "Berlin"]),
        ("verdict=real", ["paris"]),
        ("verdict=uncertain", ["rome_50%"]),
        ("verdict=pending", ["bern"]),
        ("verdict=failed", ["bonn"]),
        ("verdict=label-real", ["rome_50%", "paris"]),
        ("verdict=label-fake&q=ber", ["Berlin"]),
        ("from=2026-03-02&to=2026-03-03", ["rome_50%", "paris"]),
        ("from=2026-03-06", ["bonn"]),
        ("to=2026-03-01", ["Berlin"]),
        (
            "from=yesterday&verdict=odd&sort=odd&size=7",
            ["bonn", "bern", "oslo", "rome_50%", "paris", "Berlin"],
        ),
        ("to=9999-12-31&sort=name", ["Berlin", "bern", "bonn", "oslo", "paris", "rome_50%"]),
        ("kind=json&endpoint=here&sort=name", ["Berlin", "bern", "bonn", "oslo", "paris", "rome_50%"]),
        ("sort=name", ["Berlin", "bern", "bonn", "oslo", "paris", "rome_50%"]),
        ("sort=oldest&verdict=fake", ["Berlin", "oslo"]),
        ("sort=most-fake&verdict=label-fake", ["Berlin", "oslo"]),
        ("sort=most-fake", ["Berlin", "oslo", "rome_50%", "paris", "bern", "bonn"]),
        ("sort=most-real", ["paris", "rome_50%", "oslo", "Berlin", "bonn", "bern"]),
    ],
)
def test_search_and_order(client: FlaskClient, past: None, query: str, expected: list[str]) -> None:
    assert names(client, query) == [f"{name}.jpg" for name in expected]


def test_a_search_is_kept_from_page_to_page(client: FlaskClient, ada: int) -> None:
    for number in range(13):
        upload(client, drawn("PNG", number), f"face {number}.png")
    first = unescape(client.get("/detections?q=face&sort=oldest").get_data(as_text=True))
    assert 'href="/detections?page=2&q=face&sort=oldest"' in first
    assert names(client, "q=face&sort=oldest&page=2") == ["face 12.png"]
    assert len(names(client, "size=48")) == 13


def test_letters_of_every_alphabet_and_the_end_of_a_long_note_are_found(
    app: Flask, client: FlaskClient, past: None
) -> None:
    with app.app_context():
        detection = db.session.get(Detection, 1)
        detection.filename = "ÜBER ΑΘΗΝΑ.jpg"
        db.session.commit()
        detection.note = "word " * 300 + "needle"
        db.session.commit()
    for words in ("über", "αθηνα", "NEEDLE", "WORD WORD"):
        assert names(client, f"q={words}") == ["ÜBER ΑΘΗΝΑ.jpg"]
    assert names(client, "q=Berlin") == []


def test_a_long_history_is_counted_as_far_as_it_needs(
    client: FlaskClient, past: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "AHEAD", 5)
    assert "3 found." in client.get("/detections?q=o").get_data(as_text=True)
    assert "5+ found." in client.get("/detections?q=.jpg").get_data(as_text=True)
    assert "Images: 5+." in client.get("/detections").get_data(as_text=True)


def test_nothing_found_is_said_so(client: FlaskClient, past: None) -> None:
    assert "Nothing found" in client.get("/detections?q=nothing").get_data(as_text=True)


def test_what_is_selected_is_deleted_with_its_files(app: Flask, client: FlaskClient, ada: int) -> None:
    for number in range(3):
        upload(client, drawn("PNG", number), f"{number}.png")
    response = client.post("/detections/selection", data={"action": "delete", "id": ["1", "3"]})
    assert response.location == "/detections"
    assert names(client, "") == ["1.png"]
    assert len(stored(app)) == 1


def test_after_a_deletion_the_search_goes_on(client: FlaskClient, past: None) -> None:
    page = unescape(client.get("/detections?verdict=fake&sort=oldest").get_data(as_text=True))
    address = "/detections/selection?verdict=fake&sort=oldest"
    assert f'action="{address}"' in page
    response = client.post(address, data={"action": "delete", "id": ["1", str(10**20)]})
    assert response.location == "/detections?verdict=fake&sort=oldest"
    assert names(client, "verdict=fake") == ["oslo.jpg"]


@pytest.mark.parametrize("page", ["0", "-1", "first", "100", str(10**20)])
def test_a_page_that_cannot_be_is_not_found(client: FlaskClient, past: None, page: str) -> None:
    assert client.get(f"/detections?page={page}").status_code == 404


@pytest.mark.parametrize("action", ["delete", "csv", "json"])
def test_nobody_elses_images_are_deleted_or_exported(
    app: Flask, client: FlaskClient, past: None, add_user: Callable[..., int], action: str
) -> None:
    add_user("bob")
    other = signed_in(app, "bob")
    response = other.post("/detections/selection", data={"action": action, "id": ["1", "2"]})
    assert "Berlin" not in response.get_data(as_text=True)
    assert "Berlin" not in other.get("/detections/export.csv").get_data(as_text=True)
    assert len(names(client, "")) == len(ROWS)


def test_without_a_selection_nothing_happens(client: FlaskClient, past: None) -> None:
    client.post("/detections/selection", data={"action": "delete"})
    assert "Nothing is selected." in client.get("/detections").get_data(as_text=True)
    assert client.post("/detections/selection", data={"action": "burn", "id": "1"}).status_code == 400
    assert len(names(client, "")) == len(ROWS)


def test_the_history_is_exported_as_csv(client: FlaskClient, past: None) -> None:
    response = client.get("/detections/export.csv")
    assert response.mimetype == "text/csv"
    assert "attachment" in response.headers["Content-Disposition"]
    lines = list(csv.DictReader(io.StringIO(response.get_data(as_text=True))))
    assert [line["filename"] for line in lines] == [row[0] for row in ROWS]
    assert (lines[0]["verdict"], lines[0]["probability_real"]) == ("Likely fake", "0.05")
    assert lines[0]["created_at"] == "2026-03-01T12:00:00+00:00"
    # What a spreadsheet would take for a formula stays text.
    assert lines[3]["note"] == "'=1+1"


def test_a_search_or_a_selection_is_exported_as_json(client: FlaskClient, past: None) -> None:
    found = client.get("/detections/export.json?verdict=uncertain").json
    assert [line["filename"] for line in found] == ["rome_50%.jpg"]  # type: ignore[union-attr]
    response = client.post("/detections/selection", data={"action": "json", "id": ["2", "4"]})
    lines = json.loads(response.get_data(as_text=True))
    assert [(line["filename"], line["note"]) for line in lines] == [
        ("paris.jpg", "sent by a reader"),
        ("oslo.jpg", "=1+1"),
    ]


def test_an_empty_history_is_exported_too(client: FlaskClient, ada: int) -> None:
    assert client.get("/detections/export.json").json == []
    assert client.get("/detections/export.csv").get_data(as_text=True).startswith("id,filename,verdict")
