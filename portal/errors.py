"""Error pages: what went wrong and what to do, as HTML or as JSON by what the client accepts."""

import logging

from flask import Flask, current_app, jsonify, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError, RequestEntityTooLarge
from werkzeug.wrappers import Response

from portal.api import problems
from portal.extensions import db
from portal.presentation import file_size

logger = logging.getLogger(__name__)

# Of a body that is too large, at most this much more than is allowed is read, in times the limit.
DRAIN_TIMES = 5
# Title and explanation of each status that people meet.
MESSAGES = {
    400: ("This request cannot be understood", "Go back, reload the page and try again."),
    403: ("This page is for administrators", "Your account may not open it. Sign in as an administrator."),
    404: ("There is nothing here", "The address is wrong, or what was here is deleted."),
    405: ("This address cannot be used like that", "Use the buttons and links of the portal."),
    409: ("This is not possible", ""),
    413: ("This file is too large", ""),
    429: ("Too many attempts", "To protect the accounts, wait a minute before you try again."),
    500: (
        "Something went wrong on our side",
        "It is in the log. Try again; if it stays, tell whoever runs this.",
    ),
}


def wants_json() -> bool:
    """Whether the client prefers JSON to HTML."""
    accepts = request.accept_mimetypes
    return accepts["application/json"] > accepts["text/html"]


def init_app(app: Flask) -> None:
    """Answer every error with a page or with JSON."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(CSRFError, _session_expired)
    app.register_error_handler(RequestEntityTooLarge, _too_large)


def _http_error(error: HTTPException) -> Response:
    if isinstance(error, InternalServerError):
        db.session.rollback()
    if problems.wanted():
        return problems.response(error)
    status = error.code or 500
    title, message = MESSAGES.get(status, (error.name, error.description or ""))
    if status == 409:
        message = error.description or message
    response = _answer(status, title, message)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _session_expired(error: CSRFError) -> Response:
    logger.info("CSRF check of %s failed: %s", request.path, error.description)
    message = (
        "You were signed out because nothing happened for a long time, or the page is from before you signed "
        "in. Nothing was changed. Sign in and do it once more."
    )
    return _answer(400, "Your session has expired", message, expired=True)


def _too_large(error: RequestEntityTooLarge) -> Response:
    limit = current_app.config["MAX_UPLOAD_BYTES"]
    # A browser shows an answer only after it could send everything.
    stream, left = request.environ["wsgi.input"], limit * DRAIN_TIMES
    while left > 0 and (chunk := stream.read(min(left, 1 << 20))):
        left -= len(chunk)
    if problems.wanted():
        return problems.response(error)
    message = f"The limit is {file_size(limit)}. Upload a smaller copy of the image."
    return _answer(413, MESSAGES[413][0], message)


def _answer(status: int, title: str, message: str, expired: bool = False) -> Response:
    if wants_json():
        response = jsonify(status=status, title=title, detail=message)
    else:
        page = render_template(
            "errors/error.html", status=status, title=title, message=message, expired=expired
        )
        response = current_app.make_response(page)
    response.status_code = status
    return response
