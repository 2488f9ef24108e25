"""An application on an empty database, its client, and a TorchServe that only exists behind the seam."""

import io
import json
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import flask_migrate
import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image, ImageDraw
from sqlalchemy import create_engine, select, text
from werkzeug.test import TestResponse

from benchmarks import postgresql
from portal import create_app
from portal.config import Settings
from portal.extensions import db
from portal.models import Detection, User
from portal.passwords import set_password
from tests.support import CHINA, missing

PASSWORD = "correct horse battery"
PHOTOGRAPH = CHINA.read_bytes()
VERDICT = {
    "label": "fake",
    "probability_real": 0.031,
    "confidence": 0.969,
    "certainty": "high",
    "model": "deepfake",
    "model_version": "1.0",
    "faces": 1,
    "heatmap": {"method": "grad-cam", "grid": [[0.0, 0.5], [1.0, 0.25]]},
}

CARD = {
    "model": "deepfake",
    "model_version": "1.0",
    "certainty": [
        {"name": "high", "confidence_from": 0.9, "observed_error": 0.04},
        {"name": "moderate", "confidence_from": 0.7, "observed_error": 0.17},
        {"name": "low", "confidence_from": 0.5, "observed_error": 0.38},
    ],
    "metrics": {},
}


class FakeServing:
    """What TorchServe would answer: hand `transport` to create_app, and change `answer` as a test needs."""

    def __init__(self, key_file: Path) -> None:
        """Write a key file as TorchServe does at start."""
        self.key_file = key_file
        self.answer: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(200, json=VERDICT)
        self.card: dict[str, Any] = CARD
        self.judged: list[bytes] = []
        self.renewals = 0
        self.keys = {"inference": "inference-0", "API": "api"}
        self.write_keys()
        self.transport = httpx.MockTransport(self._handle)

    def write_keys(self, minutes: float = 60) -> None:
        expires = f"{datetime.now(UTC) + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S.%f}123Z"
        keys = {
            "management": {"key": "management", "expiration time": expires},
            "inference": {"key": self.keys["inference"], "expiration time": expires},
            "API": {"key": self.keys["API"]},
        }
        self.key_file.write_text(json.dumps(keys))

    def use_version(self, version: str) -> None:
        """Put another version of the model into service."""
        self.card = self.card | {"model_version": version}
        self.answer = lambda _: httpx.Response(200, json=VERDICT | {"model_version": version})

    def fail(self, status: int, kind: str = "", message: str = "no") -> None:
        body = {"code": status, "type": kind, "message": message}
        self.answer = lambda _: httpx.Response(status, json=body)

    def refuse(self, error: Exception | None = None) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            raise error or httpx.ConnectError("Connection refused", request=request)

        self.answer = answer

    def recover(self) -> None:
        self.answer = lambda _: httpx.Response(200, json=VERDICT)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        renewal = request.url.path == "/token"
        if request.headers["Authorization"] != f"Bearer {self.keys['API' if renewal else 'inference']}":
            return httpx.Response(400, json={"code": 400, "type": "InvalidKeyException", "message": "no"})
        if renewal:
            self.renewals += 1
            self.keys["inference"] = f"inference-{self.renewals}"
            self.write_keys()
            return httpx.Response(200)
        if request.url.path == "/explanations/deepfake":
            self.judged.append(request.read())
        elif request.headers.get("describe") == "True":
            return httpx.Response(200, json=self.card)
        elif request.url.path == "/ping":
            return httpx.Response(200, json={"status": "Healthy"})
        return self.answer(request)


def pdf_text(pdf: bytes) -> str:
    """Return what a PDF of the portal says, its drawing commands among it."""
    streams = re.findall(rb"stream\r?\n(x.*?)\r?\nendstream", pdf, flags=re.DOTALL)
    # Without the checksum at its end, whose last byte may look like a line's end.
    return b"".join(zlib.decompressobj().decompress(stream) for stream in streams).decode("latin-1")


class Auth:
    """Signs a client in and out."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def login(self, name: str = "ada", password: str = PASSWORD, **query: str) -> TestResponse:
        data = {"name": name, "password": password}
        return self.client.post("/login", data=data, query_string=query)

    def enter(self, name: str) -> None:
        """Sign in without the work of checking a password."""
        with self.client.application.app_context():
            user = db.session.scalars(select(User).where(User.name == name)).one()
            identifier = user.get_id()
        with self.client.session_transaction() as session:
            session.update(_user_id=identifier, _fresh=True)
            session.permanent = True

    def logout(self) -> TestResponse:
        return self.client.post("/logout")


def signed_in(app: Flask, name: str) -> FlaskClient:
    """Return one more browser, in which somebody is signed in."""
    client = app.test_client()
    Auth(client).enter(name)
    return client


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """The socket folder of a private PostgreSQL server."""
    try:
        with postgresql.private_server() as folder:
            yield folder
    except postgresql.NotInstalled as error:
        missing(str(error))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, to be copied."""
    path = tmp_path_factory.mktemp("template") / "portal.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Path) -> str:
    """The address of a migrated database on PostgreSQL, to be copied."""
    address = postgresql.address(postgres, "template_portal")
    _create_database(postgres, "template_portal", "template0")
    _migrate(address)
    return address


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a fresh database with all tables: each test runs once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "portal.db")
        yield f"sqlite:///{tmp_path / 'portal.db'}"
        return
    folder = request.getfixturevalue("postgres")
    template = request.getfixturevalue("postgres_template")
    _create_database(folder, "portal", "template_portal")
    yield template.replace("template_portal", "portal")
    _execute(folder, "DROP DATABASE portal WITH (FORCE)")


@pytest.fixture
def serving(tmp_path: Path) -> FakeServing:
    return FakeServing(tmp_path / "key_file.json")


@pytest.fixture
def settings(database_url: str, tmp_path: Path, serving: FakeServing) -> Settings:
    return Settings(
        database_url=database_url,
        secret_key="for tests only",
        upload_folder=tmp_path / "uploads",
        max_upload_bytes=300_000,
        max_image_pixels=1_000_000,
        torchserve_key_file=serving.key_file,
        login_rate_limit="1000 per minute",
        register_rate_limit="1000 per minute",
    )


@pytest.fixture
def make_app(settings: Settings, serving: FakeServing) -> Iterator[Callable[..., Flask]]:
    """Build an application with other settings than usual: make_app(login_rate_limit="1 per hour")."""
    apps = []

    def make(**changes: Any) -> Flask:
        app = create_app(Settings(**{**vars(settings), **changes}), serving.transport)
        app.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
        apps.append(app)
        return app

    yield make
    for app in apps:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def auth(client: FlaskClient) -> Auth:
    return Auth(client)


@pytest.fixture(scope="session")
def password_hash() -> str:
    user = User(name="anybody")
    set_password(user, PASSWORD)
    return user.password_hash


@pytest.fixture
def add_user(app: Flask, password_hash: str) -> Callable[..., int]:
    """Put a user into the database, whose password is PASSWORD; returns the id."""

    def add(name: str, is_admin: bool = False) -> int:
        with app.app_context():
            user = User(name=name, password_hash=password_hash, is_admin=is_admin)
            db.session.add(user)
            db.session.commit()
            return user.id

    return add


@pytest.fixture
def ada(add_user: Callable[..., int], auth: Auth) -> int:
    """A user who is signed in; returns her id."""
    user_id = add_user("ada")
    auth.enter("ada")
    return user_id


@pytest.fixture
def admin(add_user: Callable[..., int], auth: Auth) -> int:
    """An administrator who is signed in; returns the id."""
    user_id = add_user("root", is_admin=True)
    auth.enter("root")
    return user_id


def upload(client: FlaskClient, data: bytes = PHOTOGRAPH, name: str = "photo.jpg") -> TestResponse:
    return client.post("/detections", data={"image": (io.BytesIO(data), name)})


def stored(app: Flask) -> list[str]:
    """The names of the uploaded files on disk, without the pictures made from them."""
    folder = app.extensions["storage"].folder
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and "." not in path.name)


def detection(app: Flask, number: int = 1) -> Detection:
    """The detection with this id, as it is in the database now."""
    with app.app_context():
        found = db.session.get(Detection, number)
        assert found is not None
        db.session.expunge_all()
        return found


def make_due(app: Flask) -> None:
    """Let the time pass that a waiting detection waits."""
    with app.app_context():
        db.session.execute(text("UPDATE detections SET next_attempt_at = '2000-01-01 00:00:00+00:00'"))
        db.session.commit()


def drawn(kind: str, number: int = 0, **options: Any) -> bytes:
    """An image file of a format, with a drawing on it; each number gives another one."""
    image = Image.new("RGB", (120, 90), (190, 205, 230 - number))
    ImageDraw.Draw(image).ellipse((40, 15, 80, 70), fill=(230, 190, 160))
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def _migrate(url: str) -> None:
    app = create_app(Settings(database_url=url, secret_key="for tests only"))
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()


def _create_database(folder: Path, name: str, template: str) -> None:
    _execute(folder, f"CREATE DATABASE {name} TEMPLATE {template}")


def _execute(folder: Path, statement: str) -> None:
    engine = create_engine(postgresql.address(folder, "postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
