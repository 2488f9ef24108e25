"""The only module that knows TorchServe: asks for verdicts, keeps the inference key fresh.

InferenceError
├── Unavailable   no answer now: refused, timed out, overloaded, starting, or no valid key; try again later
├── BadImage      the model cannot judge this image; the message is for the person who sent it
└── BadAnswer     an answer outside the contract: a bug or a wrong set-up on our side
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, cast

import httpx
from flask import Flask, current_app

from portal.config import Settings

CONNECT_SECONDS = 2.0
# A PNG of one black pixel: the least that can be judged.
ONE_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63600000000200"
    "0148afa4710000000049454e44ae426082"
)
# A key this close to its end is renewed before it is used.
RENEWAL_MARGIN = timedelta(minutes=5)
# 503: no free worker or a full queue. 507: the device is out of memory. 404: the model is not registered, or
# not yet. The others come from a proxy in between.
LATER = {404, 408, 429, 502, 503, 504, 507}


class InferenceError(Exception):
    """No verdict came back."""


class Unavailable(InferenceError):
    """Serving is down, starting, full or refuses the key: the same image can be tried again later."""


class BadImage(InferenceError):
    """The model says that it cannot judge this image; the message is for the person who sent it."""


class BadAnswer(InferenceError):
    """TorchServe answered outside the contract; trying again would not help."""


class _KeyRefused(Exception):
    """TorchServe does not accept the key it was shown."""


@dataclass(frozen=True)
class Verdict:
    """What the model says of an image; probabilities and the rows of the heatmap are in [0, 1]."""

    label: str
    probability_real: float
    confidence: float
    certainty: str
    model: str
    model_version: str
    heatmap: list[list[float]]

    @classmethod
    def parse(cls, answer: Any) -> Self:
        """Read the JSON of /explanations/MODEL; raises BadAnswer if a field is missing or out of range."""
        try:
            verdict = cls(
                label=answer["label"],
                probability_real=float(answer["probability_real"]),
                confidence=float(answer["confidence"]),
                certainty=str(answer["certainty"]),
                model=str(answer["model"]),
                model_version=str(answer["model_version"]),
                heatmap=[[float(value) for value in row] for row in answer["heatmap"]["grid"]],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadAnswer(
                f"TorchServe's answer lacks a field or has one of a wrong type: {error!r}"
            ) from error
        values = [verdict.probability_real, verdict.confidence, *(v for row in verdict.heatmap for v in row)]
        columns = {len(row) for row in verdict.heatmap}
        if verdict.label not in ("real", "fake") or not all(0 <= value <= 1 for value in values):
            raise BadAnswer("TorchServe's answer holds a label or a number outside the contract.")
        if len(columns) != 1 or 0 in columns:
            raise BadAnswer("TorchServe's heatmap is not a grid.")
        return verdict


class Inference:
    """A client of one TorchServe; safe to use from several threads and beside other processes."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        """Connect to the addresses in `settings`; `transport` replaces the network in tests."""
        self._keys = settings.torchserve_key_file
        self._inference = settings.torchserve_inference_url.rstrip("/")
        self._management = settings.torchserve_management_url.rstrip("/")
        self._model = settings.torchserve_model
        # A proxy meant for the internet must not see what passes between the portal and TorchServe.
        self._client = httpx.Client(
            timeout=httpx.Timeout(settings.torchserve_timeout, connect=CONNECT_SECONDS),
            transport=transport,
            trust_env=False,
        )

    def judge(self, image: bytes) -> Verdict:
        """Ask for the verdict on the bytes of an image file; raises InferenceError."""
        return Verdict.parse(self._call("POST", f"/explanations/{self._model}", content=image))

    def describe(self) -> dict[str, Any]:
        """Ask the version in service for its name and its model.json; raises InferenceError."""
        # The handler answers this header beside the images, so that the management key is not needed here.
        headers = {"describe": "True"}
        answer = self._call("POST", f"/predictions/{self._model}", content=b"describe", headers=headers)
        try:
            _ = answer["model"], answer["model_version"]
            _ = [(str(level["name"]), float(level["observed_error"])) for level in answer["certainty"]]
        except (KeyError, TypeError, ValueError) as error:
            raise BadAnswer(f"TorchServe's description of the model lacks a field: {error!r}") from error
        return cast(dict[str, Any], answer)

    def check(self) -> None:
        """Raise InferenceError unless a verdict comes back; TorchServe may wait with it for its workers.

        It calls itself healthy while they still load the model, so its own word is not enough.
        """
        self.judge(ONE_PIXEL)

    def _call(self, method: str, path: str, **request: Any) -> Any:
        key = self._fresh_key()
        try:
            return self._send(method, self._inference + path, key, **request)
        except _KeyRefused:
            # Another process renewed the key, or TorchServe was restarted, after this one read the file.
            other = _read_keys(self._keys)["inference"]["key"]
            key = other if other != key else self._renew()
        try:
            return self._send(method, self._inference + path, key, **request)
        except _KeyRefused as error:
            raise Unavailable(f"TorchServe refuses the inference key in {self._keys}.") from error

    def _fresh_key(self) -> str:
        entry = _read_keys(self._keys)["inference"]
        expires = datetime.fromisoformat(entry["expiration time"])
        if expires - datetime.now(UTC) > RENEWAL_MARGIN:
            return str(entry["key"])
        return self._renew()

    def _renew(self) -> str:
        api_key = _read_keys(self._keys)["API"]["key"]
        try:
            self._send("GET", f"{self._management}/token", api_key, params={"type": "inference"})
        except _KeyRefused as error:
            raise Unavailable(
                f"TorchServe refuses the API key in {self._keys}: is the file its own?"
            ) from error
        return str(_read_keys(self._keys)["inference"]["key"])

    def _send(self, method: str, url: str, key: str, **request: Any) -> Any:
        headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/octet-stream",
            **request.pop("headers", {}),
        }
        try:
            response = self._client.request(method, url, headers=headers, **request)
        except (
            httpx.TimeoutException,
            httpx.NetworkError,
            httpx.RemoteProtocolError,
            httpx.ProxyError,
        ) as error:
            raise Unavailable(f"TorchServe did not answer at {url}: {error!r}") from error
        except httpx.HTTPError as error:
            raise BadAnswer(f"The exchange with TorchServe at {url} failed: {error!r}") from error
        return _read(response)


def _read(response: httpx.Response) -> Any:
    """Return the JSON of an answer, or raise what its status and type mean."""
    try:
        body = response.json()
    except ValueError:
        body = response.text
    if response.status_code == 200:
        return body
    kind = body.get("type") if isinstance(body, dict) else None
    message = str(body.get("message")) if isinstance(body, dict) else str(body)[:500]
    if response.status_code == 400 and kind == "InvalidKeyException":
        raise _KeyRefused
    if response.status_code == 400 and kind == "BadImage":
        raise BadImage(message)
    if response.status_code in LATER:
        raise Unavailable(f"TorchServe answered {response.status_code}: {message}")
    raise BadAnswer(f"TorchServe answered {response.status_code} {kind or ''}: {message}")


def _read_keys(path: Path) -> Any:
    # Read at every call, never kept: whichever process renews, all others see the new key at once.
    try:
        keys = json.loads(path.read_text())
        datetime.fromisoformat(keys["inference"]["expiration time"])
        _ = keys["inference"]["key"], keys["API"]["key"]
    except OSError as error:
        raise Unavailable(f"TorchServe's key file cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        # TorchServe rewrites the file in place: a reader may meet it half written.
        raise Unavailable(f"TorchServe's key file {path} is not complete: {error!r}") from error
    return keys


def init_app(app: Flask, settings: Settings, transport: httpx.BaseTransport | None) -> None:
    """Give the application its client."""
    app.extensions["inference"] = Inference(settings, transport)


def inference() -> Inference:
    """Return the current application's client."""
    return cast(Inference, current_app.extensions["inference"])
