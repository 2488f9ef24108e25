"""How the portal reaches TorchServe's three addresses: keys, their renewal, and one HTTP client."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx

from portal.config import Settings
from portal.inference.errors import BadAnswer, Unavailable

Kind = Literal["inference", "management"]

CONNECT_SECONDS = 2.0
# A key this close to its end is renewed before it is used.
RENEWAL_MARGIN = timedelta(minutes=5)


@dataclass(frozen=True)
class Answer:
    """A status, and the JSON or the text that came with it."""

    status: int
    body: Any

    @property
    def type(self) -> str:
        """The name of TorchServe's or the handler's error, or nothing."""
        return str(self.body.get("type", "")) if isinstance(self.body, dict) else ""

    @property
    def message(self) -> str:
        """What an error says."""
        message = self.body.get("message") if isinstance(self.body, dict) else self.body
        return str(message)[:500]


class _KeyRefused(Exception):
    """TorchServe does not accept the key it was shown."""


class Connection:
    """The addresses and keys of one TorchServe, for several threads and beside other processes."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        """Connect to the addresses in `settings`; `transport` replaces the network in tests."""
        self._keys = settings.torchserve_key_file
        self._addresses: dict[Kind, str] = {
            "inference": settings.torchserve_inference_url.rstrip("/"),
            "management": settings.torchserve_management_url.rstrip("/"),
        }
        self._metrics = settings.torchserve_metrics_url.rstrip("/")
        self._timeout = settings.torchserve_timeout
        # A proxy meant for the internet must not see what passes between the portal and TorchServe.
        self._client = httpx.Client(transport=transport, trust_env=False)

    def call(
        self, kind: Kind, method: str, path: str, seconds: float | None = None, **request: Any
    ) -> Answer:
        """Call an API with its key, renewed where needed; raises Unavailable or BadAnswer.

        `seconds` is the longest wait for the answer, TORCHSERVE_TIMEOUT by default.
        """
        url = self._addresses[kind] + path
        key = self._fresh_key(kind)
        try:
            return self._send(method, url, key, seconds, **request)
        except _KeyRefused:
            # Another process renewed the key, or TorchServe was restarted, after this one read the file.
            other = _read_keys(self._keys, kind)[kind]["key"]
            key = other if other != key else self._renew(kind)
        try:
            return self._send(method, url, key, seconds, **request)
        except _KeyRefused as error:
            raise Unavailable(f"TorchServe refuses the {kind} key in {self._keys}.") from error

    def metrics(self, seconds: float) -> str:
        """Return the Prometheus metrics; they need no key. Raises Unavailable or BadAnswer."""
        answer = self._send("GET", f"{self._metrics}/metrics", None, seconds)
        if answer.status != 200 or not isinstance(answer.body, str):
            raise BadAnswer(f"TorchServe's metrics answered {answer.status}: {answer.message}")
        return answer.body

    def _fresh_key(self, kind: Kind) -> str:
        entry = _read_keys(self._keys, kind)[kind]
        expires = datetime.fromisoformat(entry["expiration time"])
        if expires - datetime.now(UTC) > RENEWAL_MARGIN:
            return str(entry["key"])
        return self._renew(kind)

    def _renew(self, kind: Kind) -> str:
        api_key = _read_keys(self._keys, kind)["API"]["key"]
        url = f"{self._addresses['management']}/token"
        try:
            answer = self._send("GET", url, api_key, None, params={"type": kind})
        except _KeyRefused as error:
            raise Unavailable(
                f"TorchServe refuses the API key in {self._keys}: is the file its own?"
            ) from error
        if answer.status != 200:
            raise Unavailable(f"TorchServe did not renew the {kind} key: {answer.status} {answer.message}")
        return str(_read_keys(self._keys, kind)[kind]["key"])

    def _send(self, method: str, url: str, key: str | None, seconds: float | None, **request: Any) -> Answer:
        headers = {"Content-Type": "application/octet-stream", **request.pop("headers", {})}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        timeout = httpx.Timeout(seconds or self._timeout, connect=CONNECT_SECONDS)
        try:
            response = self._client.request(method, url, headers=headers, timeout=timeout, **request)
        except (
            httpx.TimeoutException,
            httpx.NetworkError,
            httpx.RemoteProtocolError,
            httpx.ProxyError,
        ) as error:
            raise Unavailable(
                f"TorchServe did not answer at {url}. Is it running there? ({error!r})"
            ) from error
        except httpx.HTTPError as error:
            raise BadAnswer(f"The exchange with TorchServe at {url} failed: {error!r}") from error
        try:
            answer = Answer(response.status_code, response.json())
        except ValueError:
            answer = Answer(response.status_code, response.text)
        if answer.status == 400 and answer.type == "InvalidKeyException":
            raise _KeyRefused
        return answer


def _read_keys(path: Path, kind: Kind) -> Any:
    # Read at every call, never kept: whichever process renews, all others see the new key at once.
    try:
        keys = json.loads(path.read_text())
        datetime.fromisoformat(keys[kind]["expiration time"])
        _ = keys[kind]["key"], keys["API"]["key"]
    except OSError as error:
        raise Unavailable(f"TorchServe's key file cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        # TorchServe rewrites the file in place: a reader may meet it half written.
        raise Unavailable(f"TorchServe's key file {path} is not complete: {error!r}") from error
    return keys
