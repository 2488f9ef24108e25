"""Idempotency-Key: what is sent twice is done once."""

import io
from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.api.models import KeptAnswer
from portal.extensions import db
from portal.models import Detection, now
from tests.portal.conftest import PHOTOGRAPH, FakeServing, drawn

Call = Callable[..., Any]


def detect(call: Call, data: bytes = PHOTOGRAPH, idempotency_key: str = "one", **options: Any) -> Any:
    headers = {"Content-Type": "image/jpeg", "Idempotency-Key": idempotency_key}
    return call("POST", "/detections", headers=headers, data=data, **options)


def detections(app: Flask) -> int:
    with app.app_context():
        return db.session.query(Detection).count()


def test_the_same_request_gets_the_same_answer_and_is_done_once(app: Flask, call: Call) -> None:
    first, second = detect(call), detect(call)
    assert (second.status_code, second.json, second.location) == (201, first.json, first.location)
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert detections(app) == 1
    assert detect(call, idempotency_key="two").json["id"] == 2


def test_a_form_may_have_another_boundary_the_second_time(app: Flask, call: Call) -> None:
    def batch(image: bytes, name: str = "x.jpg") -> Any:
        files = {"images": [(io.BytesIO(image), name), (io.BytesIO(b"no image"), "y")]}
        return call("POST", "/detections/batch", headers={"Idempotency-Key": "one"}, data=files)

    assert batch(PHOTOGRAPH).json == batch(PHOTOGRAPH).json
    assert detections(app) == 1
    assert batch(drawn("PNG")).status_code == 422
    assert batch(PHOTOGRAPH, "z.jpg").status_code == 422


def test_a_part_of_a_form_may_have_no_name(app: Flask, call: Call) -> None:
    parts = [b' name="image"; filename="x.jpg"', PHOTOGRAPH], [b' name="note"', b"a"], [b"", b"b"]
    lines = (b"--x\r\nContent-Disposition: form-data;%s\r\n\r\n%s\r\n" % tuple(part) for part in parts)
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Idempotency-Key": "one"}
    answers = [
        call("POST", "/detections", headers=headers, data=body) for body in 2 * [b"".join(lines) + b"--x--"]
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert detections(app) == 1


def test_the_same_key_for_another_request_is_refused(app: Flask, call: Call) -> None:
    detect(call)
    other = detect(call, drawn("PNG"))
    assert (other.status_code, other.json["type"]) == (422, "urn:unmask:problem:idempotency-key-reused")
    headers = {"Idempotency-Key": "one"}
    elsewhere = call("POST", "/webhooks", headers=headers, json={"url": "https://desk.example/"})
    assert elsewhere.status_code == 422
    assert detections(app) == 1


def test_a_request_that_failed_can_be_repeated(app: Flask, call: Call) -> None:
    assert [detect(call, b"no image").status_code for _ in range(2)] == [422, 422]
    assert detect(call).status_code == 201


def test_what_waits_gets_the_same_answer_too(app: Flask, call: Call, serving: FakeServing) -> None:
    serving.refuse()
    first = detect(call)
    serving.recover()
    second = detect(call)
    assert (second.status_code, second.json, second.location) == (202, first.json, "/api/v1/detections/1")


def test_an_answer_is_forgotten_with_its_detection_and_the_request_not_done_again(
    app: Flask, call: Call
) -> None:
    sha256 = detect(call).json["sha256"]
    detect(call, drawn("PNG"), "two")
    assert call("DELETE", "/detections/1").status_code == 204
    again = detect(call)
    assert (again.status_code, again.json["type"]) == (410, "urn:unmask:problem:deleted-since")
    assert detect(call, drawn("PNG"), "two").status_code == 201
    assert detections(app) == 1
    with app.app_context():
        assert sha256 not in str(db.session.scalars(select(KeptAnswer.body)).all())


def test_two_people_may_use_the_same_key(app: Flask, call: Call, make_key: Callable[[str], str]) -> None:
    detect(call)
    bob = make_key("bob")
    assert detect(call, key=bob).json["id"] == 2


def test_an_answer_is_forgotten_after_a_day(app: Flask, call: Call) -> None:
    detect(call)
    with app.app_context():
        kept = db.session.query(KeptAnswer).one()
        assert timedelta(hours=23) < kept.expires_at - now() <= timedelta(hours=24)
        db.session.execute(update(KeptAnswer).values(expires_at=now()))
        db.session.commit()
    assert detect(call, drawn("PNG")).json["id"] == 2
    with app.app_context():
        assert db.session.query(KeptAnswer).count() == 1


def test_while_the_first_request_runs_the_second_is_told_to_wait(
    app: Flask, call: Call, serving: FakeServing
) -> None:
    seen = []
    judge = serving.answer

    def answer(request: Any) -> Any:
        seen.append(detect(call))
        return judge(request)

    serving.answer = answer
    assert detect(call).status_code == 201
    assert (seen[0].status_code, seen[0].json["type"]) == (409, "urn:unmask:problem:request-in-progress")
    assert seen[0].headers["Retry-After"] == "1"
    assert detections(app) == 1


def test_of_duplicates_sent_at_once_one_is_done(app: Flask, key: str) -> None:
    barrier, statuses = Barrier(5), []

    def send() -> None:
        headers = {"Content-Type": "image/jpeg", "Idempotency-Key": "1", "Authorization": f"Bearer {key}"}
        barrier.wait()
        response = app.test_client().post("/api/v1/detections", headers=headers, data=PHOTOGRAPH)
        statuses.append(response.status_code)

    threads = [Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert detections(app) == 1


@pytest.mark.parametrize("given", ["", "with space", "é", "x" * 256])
def test_a_key_is_visible_ascii(call: Call, given: str) -> None:
    assert detect(call, idempotency_key=given).status_code == 422
