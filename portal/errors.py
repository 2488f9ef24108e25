"""Error pages: what went wrong and what to do, as HTML or as JSON by what the client accepts."""

import logging

from flask import Flask, current_app, jsonify, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError, RequestEntityTooLarge
from werkzeug.wrappers import Response

from portal.api import problems
from portal.extensions import db
from portal.formats import file_size

logger = logging.getLogger(__name__)

# Of a body that is too large, at most this much more than is allowed is read, in times the limit.
DRAIN_TIMES = 5
# Title and explanation of each status that people meet.
MESSAGES = {
    400: (_("This request cannot be understood"), _("Go back, reload the page and try again.")),
    403: (
        _("This page is for administrators"),
        _("Your account may not open it. Sign in as an administrator."),
    ),
    404: (_("There is nothing here"), _("The address is wrong, or what was here is deleted.")),
    405: (_("This address cannot be used like that"), _("Use the buttons and links of the portal.")),
    409: (_("This is not possible"), ""),
    413: (_("This file is too large"), ""),
    429: (_("Too many attempts"), _("To protect the accounts, wait a minute before you try again.")),
    500: (
        _("Something went wrong on our side"),
        _("It is in the log. Try again; if it stays, tell whoever runs this."),
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
    message = gettext(
        "You were signed out because nothing happened for a long time, or the page is from before you signed "
        "in. Nothing was changed. Sign in and do it once more."
    )
    return _answer(400, gettext("Your session has expired"), message, expired=True)


def _too_large(error: RequestEntityTooLarge) -> Response:
    limit = current_app.config["MAX_UPLOAD_BYTES"]
    # A browser shows an answer only after it could send everything.
    stream, left = request.environ["wsgi.input"], limit * DRAIN_TIMES
    while left > 0 and (chunk := stream.read(min(left, 1 << 20))):
        left -= len(chunk)
    if problems.wanted():
        return problems.response(error)
    message = gettext("The limit is %(limit)s. Upload a smaller copy of the image.", limit=file_size(limit))
    return _answer(413, MESSAGES[413][0], message)


def _answer(status: int, title: str, message: str, expired: bool = False) -> Response:
    if wants_json():
        response = jsonify(status=status, title=str(title), detail=str(message))
    else:
        page = render_template(
            "errors/error.html", status=status, title=title, message=message, expired=expired
        )
        response = current_app.make_response(page)
    response.status_code = status
    return response
