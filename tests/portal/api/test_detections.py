"""Images sent by programs: the contract's answer, and an answer for everything that can go wrong."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from portal.api.client import ApiError, Client, Detection
from portal.worker import judge_next
from tests.portal.conftest import PHOTOGRAPH, VERDICT, FakeServing, drawn, make_due, stored

Call = Callable[..., Any]
JPEG = {"Content-Type": "image/jpeg"}
PROBLEM = "application/problem+json"


def test_an_image_as_the_body_gets_the_verdict(call: Call) -> None:
    response = call("POST", "/detections?filename=photo.jpg", headers=JPEG, data=PHOTOGRAPH)
    assert response.status_code == 201
    assert response.json | VERDICT == response.json
    assert (response.json["id"], response.json["status"], response.json["filename"]) == (
        1,
        "done",
        "photo.jpg",
    )
    assert call("GET", response.location.removeprefix("/api/v1")).json == response.json


def test_an_image_in_a_form_gets_the_verdict(call: Call) -> None:
    response = call("POST", "/detections", data={"image": (io.BytesIO(PHOTOGRAPH), "../photo.jpg")})
    assert response.status_code == 201
    assert (response.json["label"], response.json["filename"]) == ("fake", "photo.jpg")


def test_while_serving_is_down_the_detection_waits_and_is_judged_later(
    app: Flask, call: Call, serving: FakeServing
) -> None:
    serving.refuse()
    response = call("POST", "/detections", headers=JPEG, data=PHOTOGRAPH)
    assert (response.status_code, response.location) == (202, "/api/v1/detections/1")
    assert (response.json["status"], response.json["label"], response.json["heatmap"]) == (
        "pending",
        None,
        None,
    )
    serving.recover()
    make_due(app)
    with app.app_context():
        assert judge_next()
    assert call("GET", "/detections/1").json["label"] == "fake"


def test_an_image_that_the_model_cannot_judge_says_so(call: Call, serving: FakeServing) -> None:
    serving.fail(400, "BadImage", "This image cannot be decoded.")
    response = call("POST", "/detections", headers=JPEG, data=PHOTOGRAPH)
    assert (response.status_code, response.json["status"]) == (201, "failed")
    assert response.json["error"] == "This image cannot be decoded."


@pytest.mark.parametrize(
    ("options", "status", "kind"),
    [
        ({"headers": JPEG, "data": b""}, 422, "urn:unmask:problem:unusable-image"),
        ({"headers": JPEG, "data": b"not an image"}, 422, "urn:unmask:problem:unusable-image"),
        ({"headers": JPEG, "data": PHOTOGRAPH[:5000]}, 422, "urn:unmask:problem:unusable-image"),
        ({"headers": JPEG, "data": b"\xff" * 300_001}, 413, "urn:unmask:problem:image-too-large"),
        ({"headers": JPEG, "data": b"\xff" * 500_000}, 413, "about:blank"),
        (
            {"data": {"image": "no file"}, "content_type": "multipart/form-data"},
            422,
            "urn:unmask:problem:invalid-request",
        ),
        ({"json": {"image": "base64"}}, 415, "about:blank"),
        ({"data": {"image": "no file"}}, 415, "about:blank"),
    ],
)
def test_a_bad_request_gets_its_problem_and_leaves_nothing(
    app: Flask, call: Call, options: dict[str, Any], status: int, kind: str
) -> None:
    response = call("POST", "/detections", **options)
    assert (response.status_code, response.mimetype) == (status, PROBLEM)
    assert (response.json["status"], response.json["type"]) == (status, kind)
    assert response.json["title"]
    assert response.json["detail"]
    assert stored(app) == []


def test_an_image_with_too_many_pixels_is_refused(call: Call) -> None:
    data = io.BytesIO()
    Image.new("1", (2000, 1000)).save(data, "PNG")
    response = call("POST", "/detections", headers=JPEG, data=data.getvalue())
    assert (response.status_code, response.json["type"]) == (413, "urn:unmask:problem:image-too-large")


def test_each_file_of_a_batch_is_answered_by_itself(unmask: Client, app: Flask) -> None:
    answers = unmask.detect_many(
        [("a.jpg", PHOTOGRAPH), ("b.txt", b"no image"), ("c.jpg", b"\xff" * 300_001), ("d.png", drawn("PNG"))]
    )
    first, second, third, fourth = answers
    assert isinstance(first, Detection)
    assert isinstance(fourth, Detection)
    assert isinstance(second, ApiError)
    assert isinstance(third, ApiError)
    assert (first.filename, first.label, fourth.filename) == ("a.jpg", "fake", "d.png")
    assert first.heatmap == VERDICT["heatmap"]
    assert (second.status, third.status) == (422, 413)
    assert len(stored(app)) == 2


def test_a_batch_is_kept_while_serving_is_down_and_asks_only_once(
    app: Flask, unmask: Client, serving: FakeServing
) -> None:
    serving.refuse()
    answers = unmask.detect_many([(f"{number}.jpg", PHOTOGRAPH) for number in range(3)])
    assert [answer.status for answer in answers] == ["pending"] * 3
    assert len(serving.judged) == 1
    serving.recover()
    make_due(app)
    with app.app_context():
        assert [judge_next() for _ in range(4)] == [True, True, True, False]
    assert [found.status for found in unmask.detections()] == ["done"] * 3


@pytest.mark.parametrize("number", [0, 101])
def test_a_batch_has_1_to_100_files(call: Call, number: int) -> None:
    files = [(io.BytesIO(b"x"), "x") for _ in range(number)]
    data = {"images": files, "note": "no file"}
    response = call("POST", "/detections/batch", data=data, content_type="multipart/form-data")
    assert (response.status_code, response.json["type"]) == (422, "urn:unmask:problem:invalid-request")


def test_a_batch_may_be_larger_than_one_image(make_app: Callable[..., Flask], key: str) -> None:
    client = make_app(max_upload_bytes=60_000).test_client()

    def send(path: str) -> int:
        data = {"images": [(io.BytesIO(b"\xff" * 50_000), "x") for _ in range(3)]}
        headers = {"Authorization": f"Bearer {key}"}
        return client.post(f"/api/v1/detections{path}", data=data, headers=headers).status_code

    assert (send("/batch"), send("")) == (200, 413)


def test_a_batch_beyond_its_limit_is_refused(make_app: Callable[..., Flask], call: Call, key: str) -> None:
    client = make_app(max_batch_bytes=100_000).test_client()
    data = {"images": [(io.BytesIO(b"\xff" * 50_000), "x") for _ in range(3)]}
    headers = {"Authorization": f"Bearer {key}"}
    response = client.post("/api/v1/detections/batch", data=data, headers=headers)
    assert (response.status_code, response.mimetype) == (413, PROBLEM)
    assert "100000 bytes" in response.get_json()["detail"]


def test_detections_are_listed_page_by_page(unmask: Client, call: Call, serving: FakeServing) -> None:
    for number in range(5):
        unmask.detect(PHOTOGRAPH, f"{number}.jpg")
    assert [found.filename for found in unmask.detections(limit=2)] == [f"{n}.jpg" for n in (4, 3, 2, 1, 0)]
    page = call("GET", "/detections?limit=2&status=done")
    assert page.headers["Link"] == f'<{page.json["next"]}>; rel="next"'
    assert "status=done" in page.json["next"]
    assert "heatmap" not in page.json["items"][0]
    last = call("GET", "/detections?limit=2&before=2")
    assert (last.json["next"], "Link" in last.headers) == (None, False)
    assert list(unmask.detections(label="real")) == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "before=0", "before=99999999999", "status=x", "label=x"]
)
def test_a_wrong_query_is_refused_with_the_place_of_the_mistake(call: Call, query: str) -> None:
    response = call("GET", f"/detections?{query}")
    assert (response.status_code, response.mimetype) == (422, PROBLEM)
    assert response.json["errors"][0]["pointer"] == f"/query/{query.partition('=')[0]}"


def test_deleting_deletes_the_image(unmask: Client, app: Flask) -> None:
    found = unmask.detect(PHOTOGRAPH)
    unmask.delete(found.id)
    assert stored(app) == []
    with pytest.raises(ApiError, match="no detection") as caught:
        unmask.get(found.id)
    assert caught.value.status == 404


def test_nobody_else_sees_or_deletes_a_detection(
    unmask: Client, call: Call, make_key: Callable[[str], str]
) -> None:
    found = unmask.detect(PHOTOGRAPH)
    eve = make_key("eve")
    path = f"/detections/{found.id}"
    assert [call(method, path, key=eve).status_code for method in ("GET", "DELETE")] == [404, 404]
    assert call("GET", "/detections", key=eve).json["items"] == []
    assert unmask.get(found.id) == found


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/detections/0", 404),
        ("GET", "/detections/99999999999999999999", 404),
        ("PUT", "/detections", 405),
        ("DELETE", "/detections/5", 404),
    ],
)
def test_every_error_under_the_api_is_a_problem(call: Call, method: str, path: str, status: int) -> None:
    response = call(method, path, headers={"Accept": "text/html"})
    assert (response.status_code, response.mimetype) == (status, PROBLEM)
    assert response.json["status"] == status
    assert status != 405 or "POST" in response.headers["Allow"]


def test_a_fault_of_the_portal_is_a_problem_that_tells_no_secrets(
    make_app: Callable[..., Flask], key: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.extensions["storage"] = None
    response = app.test_client().post(
        "/api/v1/detections", headers=JPEG | {"Authorization": f"Bearer {key}"}, data=PHOTOGRAPH
    )
    assert (response.status_code, response.mimetype) == (500, PROBLEM)
    assert "NoneType" not in response.get_data(as_text=True)
    assert "NoneType" in caplog.text
