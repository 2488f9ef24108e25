"""Errors of the API as problem+json (RFC 9457)."""

from collections.abc import Iterator
from typing import Any

from flask import Response, current_app, json, request
from werkzeug.exceptions import HTTPException, NotFound

CONTENT_TYPE = "application/problem+json"
# What went wrong, where the status alone does not tell.
UNUSABLE_IMAGE = "urn:unmask:problem:unusable-image"
IMAGE_TOO_LARGE = "urn:unmask:problem:image-too-large"
INVALID_REQUEST = "urn:unmask:problem:invalid-request"
KEY_REUSED = "urn:unmask:problem:idempotency-key-reused"
IN_PROGRESS = "urn:unmask:problem:request-in-progress"
DELETED = "urn:unmask:problem:deleted-since"
SERVER_ERROR = "Something went wrong on our side. It is in the log of whoever runs this portal."


class Problem(HTTPException):
    """An error with a type that a program can tell apart."""

    def __init__(self, status: int, kind: str, title: str, detail: str, **headers: str) -> None:
        """Answer `status`; `kind` is one of the types above, `headers` have underscores for hyphens."""
        super().__init__(detail)
        self.code, self.kind, self.title = status, kind, title
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return the members of the problem."""
        return {"type": self.kind, "title": self.title, "status": self.code, "detail": self.description}


def wanted() -> bool:
    """Whether the present request is one of a program to the API."""
    return request.path.startswith("/api/")


def response(error: HTTPException) -> Response:
    """Answer an exception."""
    status = error.code or 500
    members = {"type": "about:blank", "title": error.name, "status": status, "detail": _detail(error)}
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    if isinstance(error, Problem):
        members, headers = error.as_dict(), error.headers
    elif messages := getattr(error, "data", {}).get("messages"):
        members |= {
            "type": INVALID_REQUEST,
            "title": "Invalid request",
            "detail": "The request does not have the form that is described: see `errors`.",
            "errors": list(_flat(messages, "")),
        }
    answer = current_app.response_class(json.dumps(members), status, mimetype=CONTENT_TYPE)
    answer.headers.update(headers)
    return answer


def _detail(error: HTTPException) -> str:
    if error.code == 413:
        limit = request.max_content_length or 0
        return f"The request is too large: the limit is {limit} bytes."
    if error.code == 429:
        return f"This key has used up its requests: {error.description}. Wait as long as Retry-After says."
    if isinstance(error, NotFound) and error.description == NotFound.description:
        return "There is nothing at this address: /api/v1/docs lists those that there are."
    return SERVER_ERROR if (error.code or 500) >= 500 else error.description or error.name


def _flat(messages: Any, path: str) -> Iterator[dict[str, str]]:
    """Turn webargs' nested messages into one entry for each, with where it belongs."""
    if isinstance(messages, dict):
        for name, nested in messages.items():
            yield from _flat(nested, f"{path}/{name}")
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            yield {"pointer": path, "detail": str(message)}


def invalid(detail: str) -> Problem:
    """Return what to raise for a request that does not have the form that is described."""
    return Problem(422, INVALID_REQUEST, "Invalid request", detail)
