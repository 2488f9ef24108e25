"""The API's detections: send an image or many, read, list, delete."""

import time
from typing import Any

from flask import current_app, g, request, url_for
from flask_smorest import Blueprint
from sqlalchemy import select
from sqlalchemy.orm import defer, joinedload
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import NotFound

from portal import judging
from portal.api import describe, problems, schemas, uploads
from portal.api.guard import protect
from portal.api.idempotency import PARAMETER, idempotent
from portal.extensions import db
from portal.models import Detection, Image, Status
from portal.uploads import display_name

BATCH_FILES = 100
# A batch answers after about this time, with what is not judged until then left to the workers.
BATCH_SECONDS = 15.0

# The name is the heading in the description.
blueprint = Blueprint(
    "Detections", __name__, url_prefix="/api/v1/detections", description="Images and their verdicts."
)


@blueprint.before_request
def _allow_batches() -> None:
    if request.endpoint == f"{blueprint.name}.{create_batch.__name__}":
        request.max_content_length = current_app.config["MAX_BATCH_BYTES"]


protect(blueprint)


@blueprint.route("", methods=["POST"])
@idempotent
@blueprint.doc(parameters=[describe.FILENAME, PARAMETER], requestBody=describe.IMAGE, operationId="detect")
@blueprint.response(201, schemas.DetailedDetectionSchema, headers=describe.LOCATION)
@blueprint.alt_response(
    202,
    schema=schemas.DetailedDetectionSchema,
    headers=describe.LOCATION,
    description="Stored; it is judged as soon as the model answers again. Ask at Location, or use a webhook.",
)
@blueprint.alt_response(413, "REQUEST_ENTITY_TOO_LARGE")
@blueprint.alt_response(415, "UNSUPPORTED_MEDIA_TYPE")
@blueprint.alt_response(422, "UNPROCESSABLE_ENTITY")
def create() -> tuple[Detection, int, dict[str, str]]:
    """Have an image judged

    Send the bytes of the file as the body, or as the field `image` of a form.
    """
    name, data = uploads.one()
    detection = uploads.submit(display_name(name), data)
    address = url_for(f"{blueprint.name}.{show.__name__}", detection_id=detection.id)
    return detection, _status(detection), {"Location": address}


@blueprint.route("/batch", methods=["POST"])
@idempotent
@blueprint.doc(parameters=[PARAMETER], requestBody=describe.IMAGES, operationId="detectBatch")
@blueprint.response(200, schemas.BatchSchema)
@blueprint.alt_response(413, "REQUEST_ENTITY_TOO_LARGE")
@blueprint.alt_response(415, "UNSUPPORTED_MEDIA_TYPE")
@blueprint.alt_response(422, "UNPROCESSABLE_ENTITY")
def create_batch() -> dict[str, Any]:
    """Have up to 100 images judged

    Each file is answered by itself: one that cannot be used does not affect the others. What is not judged
    within some seconds has status 202 and is judged afterwards. Each file counts as one request.
    """
    deadline = time.monotonic() + BATCH_SECONDS
    items: list[dict[str, Any]] = []
    wait = True
    for file in uploads.many(BATCH_FILES):
        item = _batch_item(file, wait)
        items.append(item)
        # Where serving is down, no file of this batch needs to find that out again.
        wait = wait and item["status"] != 202 and time.monotonic() < deadline
    return {"items": items}


@blueprint.route("", methods=["GET"])
@blueprint.arguments(schemas.PageQuery, location="query")
@blueprint.doc(operationId="listDetections")
@blueprint.response(200, schemas.PageSchema, headers=describe.LINK)
def index(query: dict[str, Any]) -> tuple[dict[str, Any], int, dict[str, str]]:
    """List your detections, newest first

    One page at a time: follow `next`, or the Link header, until there is none.
    """
    # Heatmap and evidence are not in the list, and large.
    shown = defer(Detection.heatmap), joinedload(Detection.image).defer(Image.evidence)
    found = select(Detection).options(*shown).where(Detection.user_id == g.api_user.id)
    if "before" in query:
        found = found.where(Detection.id < query["before"])
    for name in ("status", "label"):
        if name in query:
            found = found.where(getattr(Detection, name) == query[name])
    limit = query["limit"]
    rows = list(db.session.scalars(found.order_by(Detection.id.desc()).limit(limit + 1)))
    if len(rows) <= limit:
        return {"items": rows, "next": None}, 200, {}
    following = query | {"before": rows[limit - 1].id}
    address = url_for(f"{blueprint.name}.{index.__name__}", _external=True, **following)
    return {"items": rows[:limit], "next": address}, 200, {"Link": f'<{address}>; rel="next"'}


@blueprint.route("/<int(min=1, max=2147483647):detection_id>", methods=["GET"])
@blueprint.doc(operationId="getDetection")
@blueprint.response(200, schemas.DetailedDetectionSchema)
@blueprint.alt_response(404, "NOT_FOUND")
def show(detection_id: int) -> Detection:
    """Read a detection"""
    return _mine(detection_id)


@blueprint.route("/<int(min=1, max=2147483647):detection_id>", methods=["DELETE"])
@blueprint.doc(operationId="deleteDetection")
@blueprint.response(204, description="The detection and its image are deleted.")
@blueprint.alt_response(404, "NOT_FOUND")
def delete(detection_id: int) -> None:
    """Delete a detection and its image"""
    judging.remove(_mine(detection_id))


def _batch_item(file: FileStorage, wait: bool) -> dict[str, Any]:
    name = display_name(file.filename)
    try:
        detection = uploads.submit(name, uploads.read(file), wait)
    except problems.Problem as problem:
        return {"filename": name, "status": problem.code, "detection": None, "problem": problem.as_dict()}
    return {"filename": name, "status": _status(detection), "detection": detection, "problem": None}


def _status(detection: Detection) -> int:
    return 202 if detection.status is Status.PENDING else 201


def _mine(detection_id: int) -> Detection:
    # Another person's detection is answered like one that does not exist: nobody learns which do.
    mine = select(Detection).where(Detection.id == detection_id, Detection.user_id == g.api_user.id)
    detection = db.session.scalar(mine)
    if detection is None:
        raise NotFound("There is no detection with this id.")
    return detection
