"""Sending the pictures of a detection to those who may see it."""

from collections.abc import Callable

from flask import Response, abort, make_response, send_file

from portal import images
from portal.models import Detection
from portal.storage import storage


def preview(detection: Detection) -> Response:
    """Send the picture for a page of its own; 404 where the image is not kept, or lost."""
    return _made(detection, "preview.webp", images.preview)


def thumbnail(detection: Detection) -> Response:
    """Send the picture for lists; 404 where the image is not kept, or lost."""
    return _made(detection, "thumbnail.webp", images.thumbnail)


def heatmap(detection: Detection) -> Response:
    """Send the heatmap of a detection; 404 where there is none."""
    if detection.heatmap is None:
        abort(404)
    response = make_response(images.heatmap(detection.heatmap))
    response.content_type = "image/png"
    return _private(response)


def _made(detection: Detection, name: str, make: Callable[[bytes], bytes]) -> Response:
    if not detection.image_kept:
        abort(404)
    try:
        path = storage().derived(detection.sha256, name, make)
    except FileNotFoundError:
        abort(404)
    return _private(send_file(path, mimetype="image/webp", conditional=True))


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response
