"""Claims: no detection is judged twice, none is lost."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal import judging, worker
from portal.extensions import db
from portal.inference import ONE_PIXEL
from portal.models import Status
from portal.storage import storage
from portal.worker import judge_next
from tests.portal.conftest import VERDICT, FakeServing, detection, drawn, make_due, signed_in, stored, upload


def waiting(client: FlaskClient, serving: FakeServing, number: int) -> None:
    serving.fail(503)
    for each in range(number):
        upload(client, drawn("PNG", each))
    serving.judged.clear()
    serving.recover()


def test_several_workers_never_judge_the_same_detection(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    waiting(client, serving, 12)
    make_due(app)
    start = threading.Barrier(6)

    def claim_all(_: int) -> list[int]:
        claimed = []
        start.wait()
        with app.app_context():
            while detection := judging.claim():
                claimed.append(detection.id)
                db.session.remove()
        return claimed

    with ThreadPoolExecutor(6) as pool:
        claims = Counter(number for claimed in pool.map(claim_all, range(6)) for number in claimed)
    assert claims == dict.fromkeys(range(1, 13), 1)


def test_a_claim_holds_until_it_expires(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    waiting(client, serving, 1)
    make_due(app)
    with app.app_context():
        assert judging.claim() is not None  # by a worker that dies now
        assert judging.claim() is None
    make_due(app)
    with app.app_context():
        assert judge_next()
    assert detection(app).status is Status.DONE


def test_the_answer_to_an_expired_claim_does_not_count(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    waiting(client, serving, 1)
    make_due(app)

    def slow(_: httpx.Request) -> httpx.Response:
        # While this worker waits for its answer, its claim expires, and another one takes over.
        serving.recover()
        make_due(app)
        with app.app_context():
            judge_next()
        return httpx.Response(200, json=VERDICT | {"model_version": "of the slow worker"})

    serving.answer = slow
    with app.app_context():
        judge_next()
    assert detection(app).model_version == "1.0"


def test_the_pauses_grow_up_to_a_limit(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    serving.fail(503)
    upload(client)
    pauses = []
    for _ in range(8):
        make_due(app)
        with app.app_context():
            judge_next()
        waiting = detection(app)
        pauses.append((waiting.next_attempt_at - judging.now()).total_seconds())
    assert waiting.attempts == 9
    assert pauses[0] < pauses[2] < pauses[4]
    assert max(pauses) <= judging.BACK_OFF_LIMIT_SECONDS * 1.25


def test_a_detection_deleted_while_it_is_judged_stays_deleted(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    waiting(client, serving, 1)
    make_due(app)

    def answer(_: httpx.Request) -> httpx.Response:
        client.post("/detections/1/delete")
        return httpx.Response(200, json=VERDICT)

    serving.answer = answer
    with app.app_context():
        assert judge_next()
    assert client.get("/detections/1").status_code == 404
    assert stored(app) == []


def test_an_image_that_is_lost_stops_no_worker(
    app: Flask, client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    waiting(client, serving, 2)
    make_due(app)
    with app.app_context():
        storage().remove(detection(app, 1).sha256)
        assert judge_next()
        assert judge_next()
    assert (detection(app, 1).status, detection(app, 2).status) == (Status.FAILED, Status.DONE)
    assert "The stored image is missing." in client.get("/detections/1").get_data(as_text=True)
    assert client.get("/detections/1/thumbnail").status_code == 404
    with client.post("/account/export") as response:
        assert response.status_code == 200


def test_uploads_and_deletions_at_once_never_lose_a_file(
    app: Flask, client: FlaskClient, ada: int, add_user: Callable[..., int]
) -> None:
    picture = drawn("PNG")
    for name in ("bob", "cem", "dan"):
        add_user(name)

    def add_and_delete(name: str) -> str:
        with signed_in(app, name) as own:
            for _ in range(5):
                location = upload(own, picture).location
                if name != "ada":
                    own.post(f"{location}/delete")
            return location

    with ThreadPoolExecutor(4) as pool:
        kept = next(pool.map(add_and_delete, ["ada", "bob", "cem", "dan"]))
    with client.get(f"{kept}/image") as response:
        assert response.status_code == 200
    assert len(stored(app)) == 1


def test_the_worker_judges_what_waits_and_says_when_serving_is_ready(
    app: Flask,
    client: FlaskClient,
    ada: int,
    serving: FakeServing,
    caplog: pytest.LogCaptureFixture,
) -> None:
    waiting(client, serving, 3)
    make_due(app)
    stop = threading.Event()
    images = []

    def answer(request: httpx.Request) -> httpx.Response:
        images.append(request.content)
        if sum(image != ONE_PIXEL for image in images) == 3:
            stop.set()
        return httpx.Response(200, json=VERDICT)

    serving.answer = answer
    with app.app_context(), caplog.at_level("INFO"):
        worker.work(stop, "http://localhost:8000")
    assert caplog.text.count("Unmask is ready: http://localhost:8000") == 1
    assert [detection(app, number).status for number in (1, 2, 3)] == [Status.DONE] * 3
