"""A client of Unmask's API in one file that needs httpx only: copy it into your project.

    with Client("https://unmask.example", key) as unmask:
        verdict = unmask.detect(Path("photo.jpg").read_bytes(), "photo.jpg")
        print(verdict.label, verdict.confidence, verdict.certainty)

UnmaskError
├── ApiError           the portal refused the request; `status`, `type` and `detail` say why
└── InvalidSignature   a message did not come from the portal, or is too old
"""

import base64
import hashlib
import hmac
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import httpx

# A message that is older or newer than this many seconds may be a recorded one.
TOLERANCE_SECONDS = 300


class UnmaskError(Exception):
    """Something went wrong; the subclasses say what."""


class ApiError(UnmaskError):
    """The portal answered with a problem (RFC 9457)."""

    def __init__(self, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        """Take over a problem's members; `retry_after` is in seconds."""
        super().__init__(f"{problem['title']} ({problem['status']}): {problem['detail']}")
        self.status, self.type, self.detail = problem["status"], problem["type"], problem["detail"]
        self.errors: list[dict[str, str]] = problem.get("errors", [])
        self.retry_after = retry_after


class InvalidSignature(UnmaskError):
    """A message to a webhook that must not be believed."""


@dataclass(frozen=True)
class Detection:
    """An image and its verdict; probabilities are in [0, 1], and None until `status` is "done"."""

    id: int
    status: str
    label: str | None
    probability_real: float | None
    confidence: float | None
    certainty: str | None
    faces: int | None
    model: str | None
    model_version: str | None
    error: str | None
    filename: str
    sha256: str
    created_at: str
    judged_at: str | None
    heatmap: dict[str, Any] | None = None

    @classmethod
    def parse(cls, answer: Mapping[str, Any]) -> Self:
        """Read the JSON of a detection; what a newer portal adds is left out."""
        return cls(**{each.name: answer.get(each.name) for each in fields(cls)})  # type: ignore[arg-type]


class Client:
    """A connection to one portal with one API key; use it in a `with` statement, or close() it."""

    def __init__(
        self, address: str, key: str, timeout: float = 60.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Speak to the portal at `address`; `transport` replaces the network in tests."""
        self._http = httpx.Client(
            base_url=f"{address.rstrip('/')}/api/v1/",
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout,
            transport=transport,
        )

    def __enter__(self) -> Self:
        """Enter the `with` statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def detect(self, image: bytes, filename: str = "image", idempotency_key: str | None = None) -> Detection:
        """Have an image judged; while serving is down, the answer's status is "pending".

        Pass the same `idempotency_key` again when you repeat a call whose answer you did not get.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return Detection.parse(
            self._send("POST", "detections", files={"image": (filename, image)}, headers=headers)
        )

    def detect_many(self, images: Sequence[tuple[str, bytes]]) -> list[Detection | ApiError]:
        """Have up to 100 images, given as (name, bytes), judged; each is answered by itself, in order."""
        files = [("images", image) for image in images]
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        items = self._send("POST", "detections/batch", files=files, headers=headers)["items"]
        return [
            ApiError(item["problem"]) if item["problem"] else Detection.parse(item["detection"])
            for item in items
        ]

    def get(self, detection_id: int) -> Detection:
        """Read a detection."""
        return Detection.parse(self._send("GET", f"detections/{detection_id}"))

    def wait(self, detection_id: int, seconds: float = 60.0) -> Detection:
        """Read a detection once it is judged, or as it is when the time is over."""
        end = time.monotonic() + seconds
        while (found := self.get(detection_id)).status == "pending" and time.monotonic() < end:
            time.sleep(1.0)
        return found

    def detections(self, **query: str | int) -> Iterator[Detection]:
        """Go through one's detections, newest first; for instance detections(status="done", label="fake")."""
        address: str | None = "detections"
        while address:
            page = self._send("GET", address, params=query or None)
            yield from (Detection.parse(item) for item in page["items"])
            address, query = page["next"], {}

    def delete(self, detection_id: int) -> None:
        """Delete a detection and its image."""
        self._send("DELETE", f"detections/{detection_id}")

    def create_webhook(self, url: str) -> dict[str, Any]:
        """Register an address for events; keep the `secret` in the answer, it is not shown again."""
        webhook: dict[str, Any] = self._send("POST", "webhooks", json={"url": url})
        return webhook

    def webhooks(self) -> list[dict[str, Any]]:
        """List one's webhooks."""
        return list(self._send("GET", "webhooks")["items"])

    def deliveries(self, webhook_id: int) -> list[dict[str, Any]]:
        """List what was sent to a webhook, newest first."""
        return list(self._send("GET", f"webhooks/{webhook_id}/deliveries")["items"])

    def delete_webhook(self, webhook_id: int) -> None:
        """Delete a webhook."""
        self._send("DELETE", f"webhooks/{webhook_id}")

    def _send(self, method: str, path: str, **options: Any) -> Any:
        response = self._http.request(method, path, **options)
        if response.is_success:
            return response.json() if response.content else None
        try:
            problem = response.json()
            problem["title"], problem["status"], problem["detail"], problem["type"]
        except (ValueError, KeyError, TypeError):
            problem = {
                "type": "about:blank",
                "title": response.reason_phrase,
                "status": response.status_code,
                "detail": "The answer is not one of Unmask's API.",
            }
        wait = response.headers.get("Retry-After", "")
        raise ApiError(problem, float(wait) if wait.isdigit() else None)


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float | None = None) -> None:
    """Raise InvalidSignature unless `body` was sent to your webhook by the portal just now.

    `headers` are those of the request, with names in lower case or in a mapping that ignores case.
    """
    try:
        message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        given = headers["webhook-signature"].split()
        age = abs((time.time() if now is None else now) - int(timestamp))
    except (KeyError, ValueError) as error:
        raise InvalidSignature("The message is not signed.") from error
    if age > TOLERANCE_SECONDS:
        raise InvalidSignature("The message is too old.")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    if not any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in given):
        raise InvalidSignature("The signature is not the portal's.")
