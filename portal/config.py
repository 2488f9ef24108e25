"""The portal's settings: read once from the environment and `.env`, each with its default and meaning."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from dotenv import dotenv_values
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"
UPLOADS = VAR / "uploads"
KEY_FILE = VAR / "torchserve/key_file.json"
# Where TorchServe listens, which says where the portal finds it unless it is told otherwise.
LISTENING = {
    "TORCHSERVE_INFERENCE_URL": "TS_INFERENCE_ADDRESS",
    "TORCHSERVE_MANAGEMENT_URL": "TS_MANAGEMENT_ADDRESS",
    "TORCHSERVE_METRICS_URL": "TS_METRICS_ADDRESS",
}


class ConfigurationError(ValueError):
    """A setting is missing or wrong; the message names it and says what to do."""


def _setting(default: Any, meaning: str) -> Any:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """Every setting; the variable in the environment is the field's name in capitals.

    `NAME_FILE` names a file that holds the value of `NAME`: the way to hand over secrets.
    """

    database_url: str = _setting(f"sqlite:///{VAR}/portal.db", "The database, as an SQLAlchemy URL.")
    secret_key: str = _setting("", "Signs the sessions; without one, it is generated into var/secret_key.")
    upload_folder: Path = _setting(UPLOADS, "Where uploaded images are kept.")  # noqa: RUF009
    max_upload_bytes: int = _setting(20_000_000, "The largest image file; TorchServe has its own limit.")
    max_image_pixels: int = _setting(50_000_000, "The most pixels an image may have.")
    max_batch_bytes: int = _setting(200_000_000, "The most that one form with many images may send.")
    torchserve_inference_url: str = _setting("http://127.0.0.1:8080", "TorchServe's inference address.")
    torchserve_management_url: str = _setting(
        "http://127.0.0.1:8081", "Where workers are scaled and keys renewed."
    )
    torchserve_metrics_url: str = _setting("http://127.0.0.1:8082", "Where TorchServe counts its work.")
    torchserve_key_file: Path = _setting(KEY_FILE, "TorchServe's keys.")  # noqa: RUF009
    torchserve_model: str = _setting("deepfake", "The name of the model.")
    torchserve_timeout: float = _setting(20.0, "Seconds until an attempt at a verdict is given up.")
    portal_url: str = _setting("http://localhost:8000", "The public address; https makes cookies secure.")
    trusted_proxies: int = _setting(0, "How many reverse proxies stand in front and set X-Forwarded-*.")
    session_hours: float = _setting(12.0, "Hours without a request after which one must sign in again.")
    login_rate_limit: str = _setting("10 per minute; 100 per hour", "Sign-ins tried from one address.")
    register_rate_limit: str = _setting("20 per hour", "Registrations tried from one address.")
    rate_limit_storage: str = _setting("memory://", "Counts for the limits; memory:// is per process.")
    fetch_by_url: bool = _setting(True, "Whether the server fetches images from addresses on the web.")
    fetch_ports: str = _setting("80,443", "The ports that addresses named by users may have.")
    fetch_seconds: float = _setting(15.0, "Seconds until fetching an image is given up.")
    fetch_rate_limit: str = _setting("60 per minute", "Images that one user has fetched.")
    api_rate_limit: str = _setting("300 per minute; 20000 per day", "Requests with one API key.")
    webhook_private_addresses: bool = _setting(False, "Let webhooks reach addresses of the internal network.")
    admin_username: str = _setting("admin", "The first administrator, for create-admin.")
    admin_password: str = _setting("", "The first administrator's password; without one, it is random.")

    def __post_init__(self) -> None:
        for name in (
            "max_upload_bytes",
            "max_image_pixels",
            "torchserve_timeout",
            "session_hours",
            "fetch_seconds",
        ):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name.upper()} must be more than zero.")
        if not self.portal_url.startswith(("http://", "https://")):
            raise ConfigurationError("PORTAL_URL must start with http:// or https://.")
        self.sqlalchemy_url()
        self.public_ports()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from `environ`, or from the process's environment and, beneath it, `.env`."""
        if environ is None:
            environ = {**{k: v or "" for k, v in dotenv_values(ROOT / ".env").items()}, **os.environ}
        given = {}
        for entry in fields(cls):
            name = entry.name.upper()
            text = _value(name, environ) or environ.get(LISTENING.get(name, ""), "")
            if text:
                given[entry.name] = _parse(name, text, entry.type)
        return cls(**given)

    @property
    def https(self) -> bool:
        """Whether people reach the portal over HTTPS."""
        return self.portal_url.startswith("https://")

    def sqlalchemy_url(self) -> URL:
        """The database's URL with the driver that is installed, and SQLite's path made absolute."""
        try:
            url = make_url(self.database_url)
        except ArgumentError as error:
            raise ConfigurationError("DATABASE_URL is not an SQLAlchemy URL: see .env.example.") from error
        if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
            return url.set(drivername="postgresql+psycopg")
        if url.drivername == "sqlite" and url.database:
            return url.set(database=str(Path(url.database).absolute()))
        raise ConfigurationError("DATABASE_URL must name an SQLite file or a PostgreSQL database.")

    def public_ports(self) -> tuple[int, ...]:
        """The ports that addresses named by users may have."""
        try:
            return tuple(int(port) for port in self.fetch_ports.split(","))
        except ValueError as error:
            raise ConfigurationError("FETCH_PORTS must be port numbers with commas between them.") from error

    def session_key(self) -> str:
        """The key that signs sessions: the setting, or one kept in var/secret_key."""
        return self.secret_key or kept_key(VAR / "secret_key")


def _value(name: str, environ: Mapping[str, str]) -> str:
    file = environ.get(f"{name}_FILE")
    if not file:
        return environ.get(name, "")
    if environ.get(name):
        raise ConfigurationError(f"Both {name} and {name}_FILE are set: keep one.")
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"{name}_FILE cannot be read: {error}") from error


def _parse(name: str, text: str, kind: Any) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ConfigurationError(f"{name} must be true or false, and is {text!r}.")
        return text.lower() == "true"
    try:
        return kind(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} must be a number, and is {text!r}.") from error


def kept_key(path: Path) -> str:
    """Return the key in a file, made now if there is none; processes that start at once get the same."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        try:
            # Unlike a rename, a link fails where the name is taken: the first process wins.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
