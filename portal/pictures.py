"""Sending the pictures of a detection to those who may see it."""

from typing import Any

from flask import Response, abort, make_response, send_file

from portal import images
from portal.models import Detection
from portal.storage import storage


def picture(detection: Detection, kind: str, make: Any) -> Response:
    """Send a picture made from the stored image; 404 where the image is not kept, or lost."""
    if not detection.image_kept:
        abort(404)
    try:
        path = storage().derived(detection.sha256, kind, make)
    except FileNotFoundError:
        abort(404)
    return _private(send_file(path, mimetype="image/webp", conditional=True))


def heatmap_of(detection: Detection) -> Response:
    """Send the heatmap of a detection; 404 where there is none."""
    if detection.heatmap is None:
        abort(404)
    response = make_response(images.heatmap(detection.heatmap))
    response.content_type = "image/png"
    return _private(response)


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response
