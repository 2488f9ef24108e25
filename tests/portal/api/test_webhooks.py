"""Webhooks: signed messages that arrive in the end, and never somewhere they must not."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from portal.api.client import Client, InvalidSignature, verify
from portal.api.courier import ATTEMPTS, deliver_next
from portal.api.signatures import sign
from portal.extensions import db
from portal.worker import work
from tests.portal.conftest import PHOTOGRAPH, Auth, FakeServing, signed_in

Call = Callable[..., Any]
# From the specification's own example at https://www.standardwebhooks.com.
EXAMPLE = {
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "body": '{"test": 2432232314}',
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


class Receiver:
    """A real server that keeps what it gets and answers `status`."""

    def __init__(self) -> None:
        self.status = 204
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.arrived = Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                receiver.arrived.set()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = Thread(target=receiver.server.serve_forever, args=(0.05,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


@pytest.fixture
def internal(make_app: Callable[..., Flask]) -> Flask:
    """An application whose webhooks may reach internal addresses, as the receiver's is."""
    return make_app(webhook_private_addresses=True)


@pytest.fixture
def desk(internal: Flask, key: str) -> Iterator[Client]:
    with Client("http://portal.example", key, transport=httpx.WSGITransport(internal)) as client:
        yield client


def deliver(app: Flask) -> int:
    """Let all waiting time pass, and send what is due; returns how many."""
    with app.app_context():
        db.session.execute(
            text("UPDATE webhook_deliveries SET next_attempt_at = '2000-01-01 00:00:00+00:00'")
        )
        db.session.commit()
        number = 0
        while deliver_next():
            number += 1
        return number


def test_a_verdict_is_sent_signed(internal: Flask, desk: Client, receiver: Receiver) -> None:
    secret = desk.create_webhook(receiver.url)["secret"]
    found = desk.detect(PHOTOGRAPH, "photo.jpg")
    assert deliver(internal) == 1
    [(headers, body)] = receiver.requests
    verify(secret, headers, body)
    message = json.loads(body)
    assert message["type"] == "detection.done"
    assert (message["data"]["id"], message["data"]["label"], message["data"]["heatmap"]) == (
        found.id,
        "fake",
        found.heatmap,
    )
    [delivery] = desk.deliveries(1)
    assert (delivery["status"], delivery["attempts"], delivery["response_status"]) == ("delivered", 1, 204)
    assert (delivery["id"], delivery["detection_id"]) == (headers["webhook-id"], found.id)
    assert deliver(internal) == 0


def test_what_waited_is_told_when_it_is_judged_and_what_failed_too(
    internal: Flask, desk: Client, receiver: Receiver, serving: FakeServing
) -> None:
    desk.create_webhook(receiver.url)
    serving.refuse()
    desk.detect(PHOTOGRAPH)
    assert deliver(internal) == 0
    serving.fail(400, "BadImage", "This image cannot be decoded.")
    desk.detect(PHOTOGRAPH)
    assert deliver(internal) == 1
    message = json.loads(receiver.requests[0][1])
    assert (message["type"], message["data"]["error"]) == (
        "detection.failed",
        "This image cannot be decoded.",
    )


def test_what_is_not_accepted_is_sent_again_later_with_the_same_bytes(
    internal: Flask, desk: Client, receiver: Receiver
) -> None:
    desk.create_webhook(receiver.url)
    desk.detect(PHOTOGRAPH)
    receiver.status = 500
    assert deliver(internal) == 1
    [delivery] = desk.deliveries(1)
    assert (delivery["status"], delivery["response_status"]) == ("pending", 500)
    assert delivery["error"] == "The receiver answered 500, and not 2xx."
    assert delivery["next_attempt_at"] > delivery["created_at"]
    receiver.status = 200
    assert deliver(internal) == 1
    [delivery] = desk.deliveries(1)
    assert (delivery["status"], delivery["next_attempt_at"]) == ("delivered", None)
    (first, body), (second, again) = receiver.requests
    assert (first["webhook-id"], body) == (second["webhook-id"], again)


def test_in_the_end_a_delivery_is_given_up(internal: Flask, desk: Client, receiver: Receiver) -> None:
    desk.create_webhook(receiver.url)
    desk.detect(PHOTOGRAPH)
    receiver.status = 503
    assert [deliver(internal) for _ in range(ATTEMPTS + 1)] == [1] * ATTEMPTS + [0]
    assert desk.deliveries(1)[0]["status"] == "failed"


@pytest.mark.parametrize(("status", "state"), [(410, "failed"), (302, "pending")])
def test_gone_is_final_and_redirects_are_not_followed(
    internal: Flask, desk: Client, receiver: Receiver, status: int, state: str
) -> None:
    desk.create_webhook(receiver.url)
    desk.detect(PHOTOGRAPH)
    receiver.status = status
    deliver(internal)
    assert desk.deliveries(1)[0]["status"] == state
    assert len(receiver.requests) == 1


def test_an_unreachable_receiver_is_tried_again(internal: Flask, desk: Client, receiver: Receiver) -> None:
    desk.create_webhook("http://127.0.0.1:1/")
    desk.detect(PHOTOGRAPH)
    deliver(internal)
    [delivery] = desk.deliveries(1)
    assert (delivery["status"], delivery["error"]) == ("pending", "The receiver cannot be reached.")


@pytest.mark.parametrize("host", ["localhost", "2130706433"])
def test_internal_addresses_are_not_reached_unless_a_setting_allows_it(
    app: Flask, unmask: Client, receiver: Receiver, host: str
) -> None:
    unmask.create_webhook(f"http://{host}/hook")
    unmask.detect(PHOTOGRAPH)
    deliver(app)
    [delivery] = unmask.deliveries(1)
    assert delivery["status"] == "pending"
    assert delivery["error"] == "This address is not public, or its port is not allowed."
    assert receiver.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "desk.example",
        "ftp://desk.example/",
        "file:///etc/passwd",
        "https://desk.example:22/",
        "https://ada@desk.example/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/",
        "https://" + "x" * 500,
    ],
)
def test_a_webhook_has_a_web_address(client: FlaskClient, auth: Auth, call: Call, url: str) -> None:
    assert call("POST", "/webhooks", json={"url": url}).status_code == 422
    auth.login("ada")
    assert client.post("/account/webhooks", data={"url": url}).status_code == 422


def test_a_person_has_at_most_10_webhooks(client: FlaskClient, auth: Auth, call: Call) -> None:
    body = {"url": "https://desk.example/"}
    assert [call("POST", "/webhooks", json=body).status_code for _ in range(11)] == [201] * 10 + [409]
    auth.login("ada")
    assert client.post("/account/webhooks", data=body).status_code == 409


def test_nobody_else_sees_tests_or_deletes_a_webhook(
    client: FlaskClient, auth: Auth, call: Call, make_key: Callable[[str], str]
) -> None:
    call("POST", "/webhooks", json={"url": "https://desk.example/"})
    eve = make_key("eve")
    requests = [("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/test")]
    assert [call(method, f"/webhooks/1{path}", key=eve).status_code for method, path in requests] == [404] * 4
    auth.login("eve")
    assert client.get("/account/webhooks/1").status_code == 404
    assert client.post("/account/webhooks/1/delete").status_code == 404
    assert len(call("GET", "/webhooks").json["items"]) == 1


def test_the_secret_is_shown_once(client: FlaskClient, auth: Auth, call: Call) -> None:
    created = call("POST", "/webhooks", json={"url": "https://desk.example/"})
    assert created.json["secret"].startswith("whsec_")
    assert "secret" not in call("GET", created.location.removeprefix("/api/v1")).json
    auth.login("ada")
    page = client.post("/account/webhooks", data={"url": "https://desk.example/2"}).get_data(as_text=True)
    assert "whsec_" in page
    assert "whsec_" not in client.get("/account/webhooks").get_data(as_text=True)


def state_in(page: str) -> str:
    """The state that the page was made in, which its script compares with the present one."""
    return page.partition('data-poll-while="')[2].partition('"')[0]


def polled(client: FlaskClient) -> str:
    answer = client.get("/account/webhooks/1", headers={"Accept": "application/json"}).json
    assert answer
    return str(answer["state"])


def test_the_pages_send_a_test_and_show_what_came_of_it(
    internal: Flask, key: str, receiver: Receiver
) -> None:
    client = signed_in(internal, "ada")
    client.post("/account/webhooks", data={"url": receiver.url})
    assert client.post("/account/webhooks/1/test").location == "/account/webhooks/1"
    shown = client.get("/account/webhooks/1").get_data(as_text=True)
    assert "Waiting" in shown
    receiver.status = 500
    # The page reloads itself after the first attempt, and again after the next.
    assert "A message is on its way" in shown
    for _attempt in range(2):
        assert polled(client) == state_in(shown)
        deliver(internal)
        assert polled(client) != state_in(shown)
        shown = client.get("/account/webhooks/1").get_data(as_text=True)
        assert "The receiver answered 500" in shown
        assert "What did not arrive is sent again" in shown
    receiver.status = 200
    deliver(internal)
    assert polled(client) != state_in(shown)
    shown = client.get("/account/webhooks/1").get_data(as_text=True)
    assert "Delivered" in shown
    assert "data-poll" not in shown
    assert json.loads(receiver.requests[0][1]) | {"type": "test", "data": None} == json.loads(
        receiver.requests[0][1]
    )
    assert client.post("/account/webhooks/1/delete").location == "/account/webhooks"
    assert client.get("/account/webhooks/1").status_code == 404


def test_what_is_deleted_is_not_sent(internal: Flask, desk: Client, receiver: Receiver) -> None:
    desk.create_webhook(receiver.url)
    desk.delete(desk.detect(PHOTOGRAPH).id)
    assert deliver(internal) == 0
    desk.detect(PHOTOGRAPH)
    desk.delete_webhook(1)
    assert deliver(internal) == 0
    assert desk.webhooks() == []


def test_the_worker_sends_what_is_due(internal: Flask, desk: Client, receiver: Receiver) -> None:
    secret = desk.create_webhook(receiver.url)["secret"]
    desk.detect(PHOTOGRAPH)
    stop = Event()

    def run() -> None:
        with internal.app_context():
            work(stop, "http://portal.example")

    worker = Thread(target=run)
    worker.start()
    arrived = receiver.arrived.wait(60)
    stop.set()
    worker.join()
    assert arrived
    verify(secret, *receiver.requests[0])
    assert desk.deliveries(1)[0]["status"] == "delivered"


def test_two_workers_do_not_send_the_same(internal: Flask, desk: Client, receiver: Receiver) -> None:
    desk.create_webhook(receiver.url)
    for number in range(6):
        desk.detect(PHOTOGRAPH, f"{number}.jpg")

    def work() -> None:
        with internal.app_context():
            while deliver_next():
                pass

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == len(receiver.requests) == 6


def test_signatures_follow_the_specification() -> None:
    secret, body = EXAMPLE["secret"], EXAMPLE["body"]
    signature = sign(secret, EXAMPLE["webhook-id"], int(EXAMPLE["webhook-timestamp"]), body)
    assert signature == EXAMPLE["webhook-signature"]
    verify(secret, EXAMPLE, body.encode(), now=1614265330)


@pytest.mark.parametrize(
    ("change", "body", "now"),
    [
        ({"webhook-signature": "v1,AAAA"}, None, 0),
        ({"webhook-signature": ""}, None, 0),
        ({"webhook-id": "msg_other"}, None, 0),
        ({"webhook-timestamp": "1614265331"}, None, 0),
        ({"webhook-timestamp": "soon"}, None, 0),
        ({}, b"{}", 0),
        ({}, None, 301),
        ({}, None, -301),
    ],
)
def test_what_was_changed_or_recorded_is_not_believed(
    change: dict[str, str], body: bytes | None, now: float
) -> None:
    with pytest.raises(InvalidSignature):
        verify(EXAMPLE["secret"], EXAMPLE | change, body or EXAMPLE["body"].encode(), now=1614265330 + now)
    with pytest.raises(InvalidSignature, match="not signed"):
        verify(EXAMPLE["secret"], {}, b"{}")
