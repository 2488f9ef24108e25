"""A key for ada, and the typed client that speaks to the application without a network."""

import logging
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from portal.api import keys
from portal.api.client import Client
from portal.extensions import db
from portal.models import User


@pytest.fixture
def make_key(app: Flask, add_user: Callable[..., int]) -> Callable[[str], str]:
    """Add a user and return a key of theirs."""

    def make(name: str) -> str:
        user_id = add_user(name)
        with app.app_context():
            return keys.create(db.session.get_one(User, user_id), "archive import")

    return make


@pytest.fixture
def key(make_key: Callable[[str], str]) -> str:
    return make_key("ada")


@pytest.fixture
def unmask(app: Flask, key: str) -> Iterator[Client]:
    with Client("http://portal.example", key, transport=httpx.WSGITransport(app)) as client:
        yield client


@pytest.fixture
def call(client: FlaskClient, key: str) -> Callable[..., Any]:
    """Send a raw request: call("GET", "/detections", key=None)."""

    def send(method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> Any:
        bearer = options.pop("key", key)
        sent = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return client.open(f"/api/v1{path}", method=method, headers=sent | (headers or {}), **options)

    return send


@pytest.fixture
def address(make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """The address of a running portal, with its API."""
    # A line for each of thousands of requests would hide what a failing test has to say.
    caplog.set_level(logging.WARNING, "werkzeug")
    server = make_server("127.0.0.1", 0, make_app(api_rate_limit="1000000 per minute"), threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
